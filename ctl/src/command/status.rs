//! `millctl status`: the fleet on one screen.

use std::collections::BTreeMap;

use millwright_proto::control::ClusterStatusRequest;
use serde_json::{Value, json};

use super::get::{short, text};
use crate::{
    cli::Global,
    command::client,
    error::Result,
    output::{self, table},
};

/// Gateways that need a look, named at most.
const NAMED_MAX: usize = 15;

/// Asks and shows.
pub(super) async fn run(global: &Global) -> Result<()> {
    let mut client = client(global)?;
    let request = ClusterStatusRequest { stale: global.stale };
    let cluster = client.connect().await?.cluster_status(request).await?.into_inner();
    let fleets = client.get("Fleet", "", "").await?;
    let gateways = client.get("Gateway", "", "").await?;
    let repositories = client.get("Repository", "", "").await?;
    let all = json!({"fleets": fleets, "gateways": gateways, "repositories": repositories});
    if let Some(text) = output::machine(global.output, &all) {
        output::print(&text);
        return Ok(());
    }
    let up = cluster.nodes.iter().filter(|node| node.state != "unreachable").count();
    let leader = cluster.nodes.iter().find(|node| node.id == cluster.leader);
    let mut out = format!(
        "Cluster       {up}/{} coordinators, leader {}\n",
        cluster.nodes.len(),
        leader.map_or("none", |node| node.name.as_str())
    );
    out.push_str(&format!("Gateways      {}\n", summary(&gateways)));
    let rows = |values: &[Value], row: &dyn Fn(&Value) -> Vec<String>| -> Vec<Vec<String>> {
        values.iter().map(row).collect()
    };
    let row = |value: &Value| {
        vec![
            text(value, "/metadata/name"),
            text(value, "/status/state"),
            text(value, "/status/reference"),
            short(value, "/status/commit"),
            text(value, "/status/subject"),
        ]
    };
    let header = ["REPOSITORY", "STATE", "REF", "COMMIT", "SUBJECT"];
    out.push_str(&format!("\n{}", table(&header, &rows(&repositories, &row))));
    let row = |value: &Value| {
        vec![
            text(value, "/metadata/name"),
            text(value, "/status/state"),
            format!("{}/{}", text(value, "/status/inSync"), text(value, "/status/gateways")),
            text(value, "/status/rollout"),
            text(value, "/status/message"),
        ]
    };
    let header = ["FLEET", "STATE", "IN SYNC", "ROLLOUT", "MESSAGE"];
    out.push_str(&format!("\n{}", table(&header, &rows(&fleets, &row))));
    out.push_str(&attention(&gateways));
    output::print(&out);
    Ok(())
}

fn summary(gateways: &[Value]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for gateway in gateways {
        *counts.entry(text(gateway, "/status/state")).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    format!("{} ({})", gateways.len(), parts.join(", "))
}

fn attention(gateways: &[Value]) -> String {
    let off: Vec<&Value> =
        gateways.iter().filter(|gateway| text(gateway, "/status/state") != "InSync").collect();
    if off.is_empty() {
        return "\nEvery gateway runs what git says.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = off
        .iter()
        .take(NAMED_MAX)
        .map(|gateway| {
            ["/metadata/name", "/status/state", "/status/reason", "/status/message"]
                .iter()
                .map(|path| text(gateway, path))
                .collect()
        })
        .collect();
    let mut out = format!("\n{}", table(&["GATEWAY", "STATE", "REASON", "MESSAGE"], &rows));
    if off.len() > NAMED_MAX {
        out.push_str(&format!("and {} more: millctl get gateways\n", off.len() - NAMED_MAX));
    }
    out
}
