//! The gateways of a company with one agent each, and the resources that describe them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use gateway_sim::{Sim, SimConfig};

use crate::{
    cluster::Cluster,
    process::{Process, binary, run},
};

const AREAS: [&str; 3] = ["packing", "filling", "utilities"];

/// One gateway with its agent.
#[derive(Debug)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The simulated gateway.
    pub sim: Sim,
    /// Its agent.
    pub agent: Process,
}

/// Names of the gateways of a company.
pub fn names(gateways: usize) -> Vec<String> {
    (1..=gateways).map(|n| format!("gw{n}")).collect()
}

/// Starts a simulated gateway and enrols and starts its agent.
pub async fn start(dir: &Path, cluster: &Cluster, name: &str) -> anyhow::Result<Gateway> {
    let home = dir.join("gateways").join(name);
    let data_dir = home.join("data");
    std::fs::create_dir_all(&data_dir)?;
    let sim = Sim::start(SimConfig::new(data_dir.clone(), name)).await?;
    let token_file = home.join("gateway-token");
    std::fs::write(&token_file, sim.token_header())?;
    let token = cluster.ctl(&["token", "create", "agent", name]).await?;
    let agent_dir = home.join("agent").display().to_string();
    let (data, file) = (data_dir.display().to_string(), token_file.display().to_string());
    let url = sim.url();
    let mut args = vec![
        "enrol",
        "--dir",
        &agent_dir,
        "--token",
        token.trim(),
        "--gateway",
        name,
        "--data-dir",
        &data,
        "--gateway-url",
        &url,
        "--gateway-token-file",
        &file,
    ];
    for node in &cluster.nodes {
        args.extend(["--coordinator", &node.api]);
    }
    run(&binary("millwright-agent")?, &args).await.with_context(|| format!("enrolling {name}"))?;
    let log = home.join("agent.log");
    let agent = Process::start(name, "millwright-agent", &["run", "--dir", &agent_dir], &log)?;
    Ok(Gateway { name: name.to_owned(), data_dir, sim, agent })
}

/// The resources of the generated company, as people would write them.
pub fn resources(url: &str, gateways: usize, sites: usize) -> String {
    let mut text = format!(
        "apiVersion: millwright.dev/v1\n\
         kind: Repository\n\
         metadata: {{name: plant}}\n\
         spec:\n\
         \x20 url: {url}\n\
         \x20 ref: {{branch: main}}\n\
         \x20 poll: 1s\n\
         \x20 jitter: 200ms\n\
         ---\n\
         apiVersion: millwright.dev/v1\n\
         kind: SyncProfile\n\
         metadata: {{name: area}}\n\
         spec:\n\
         \x20 mappings:\n\
         \x20   - {{source: projects/shared, destination: projects/shared}}\n\
         \x20   - {{source: \"projects/{{{{.Site}}}}\", destination: \"projects/{{{{.Site}}}}\"}}\n\
         \x20   - {{source: \"projects/area-{{{{.Labels.area}}}}\", destination: \"projects/area-{{{{.Labels.area}}}}\"}}\n\
         \x20   - source: config/ignition/database-connection\n\
         \x20     destination: config/resources/core/ignition/database-connection\n\
         ---\n\
         apiVersion: millwright.dev/v1\n\
         kind: Fleet\n\
         metadata: {{name: plants}}\n\
         spec:\n\
         \x20 repository: plant\n\
         \x20 stages:\n\
         \x20   - {{name: canary, select: canary=true}}\n\
         \x20   - {{name: rest, maxConcurrent: 4}}\n"
    );
    for (n, name) in names(gateways).iter().enumerate() {
        let canary = if n == 0 { ", canary: \"true\"" } else { "" };
        text.push_str(&format!(
            "---\n\
             apiVersion: millwright.dev/v1\n\
             kind: Gateway\n\
             metadata:\n\
             \x20 name: {name}\n\
             \x20 labels: {{area: {}{canary}}}\n\
             spec:\n\
             \x20 site: site-{}\n\
             \x20 profile: area\n",
            AREAS[n % AREAS.len()],
            n % sites + 1,
        ));
    }
    text
}
