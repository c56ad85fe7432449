//! Certificates with lives of seconds: agents, operators and coordinators work past several of them
//! without a restart, and nobody connects anew without a need.

use std::{collections::BTreeSet, path::Path, time::SystemTime};

use millwright_certs::store::CredentialStore;
use millwright_proto::{
    control::{ClusterStatusRequest, control_service_client::ControlServiceClient},
    peer::{GetClusterKeyRequest, peer_service_client::PeerServiceClient},
};
use playground::{
    cluster::{Cluster, Node},
    company,
    process::build_programs,
};
use tonic::transport::Channel;

use crate::client::{self, wait_for};

/// Lives that are lived through.
const LIVES: usize = 3;

async fn restart(node: &mut Node) -> anyhow::Result<()> {
    node.kill().await?;
    node.start()?;
    node.ready().await
}

/// A cluster whose nodes sign for six seconds.
async fn short_lived(dir: &Path, size: usize) -> anyhow::Result<Cluster> {
    let mut cluster = Cluster::start(dir, size).await?;
    for node in &mut cluster.nodes {
        client::configure(&node.dir, "\nlife = \"1d\"", "\nlife = \"6s\"")?;
        client::configure(&node.dir, "# operator_life = \"30d\"", "operator_life = \"6s\"")?;
        // Its certificate, which lives for a day, is replaced at once.
        restart(node).await?;
    }
    Ok(cluster)
}

async fn metric(node: &Node, name: &str) -> anyhow::Result<u64> {
    let config = std::fs::read_to_string(node.dir.join("coordinator.toml"))?;
    let address = config.lines().find_map(|line| line.strip_prefix("http = "));
    let address = address.unwrap_or_default().trim_matches('"');
    let text = reqwest::get(format!("http://{address}/metrics")).await?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    Ok(line.ok_or_else(|| anyhow::anyhow!("no metric {name} in {text}"))?.parse()?)
}

async fn works(control: &mut ControlServiceClient<Channel>) -> anyhow::Result<()> {
    control.cluster_status(ClusterStatusRequest { stale: false }).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_works_past_several_lives_without_a_restart() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir()?;
    let cluster = short_lived(dir.path(), 2).await?;
    let agent = company::start(dir.path(), &cluster, "gw1").await?;
    let agent_cert = dir.path().join("gateways/gw1/agent/identity/cert.pem");
    let nodes = &cluster.nodes;
    let operator = client::operator(&cluster)?;
    client::renew(&nodes[0].api, &operator).await?;
    // One connection of an operator that stays open over all lives.
    let mut lasting = client::control(&nodes[0].api, &operator);
    works(&mut lasting).await?;
    let linked = async || {
        let (a, b) = (
            metric(&nodes[0], "millwright_agent_links").await?,
            metric(&nodes[1], "millwright_agent_links").await?,
        );
        anyhow::Ok(a + b)
    };
    wait_for("the agent's stream", async || Ok((linked().await? == 1).then_some(()))).await?;
    let opened = async || {
        let mut sum = 0;
        for node in nodes {
            sum += metric(node, "millwright_api_connections_total").await?;
        }
        anyhow::Ok(sum)
    };
    let before = opened().await?;
    let mut ours = 0;
    // Certificates of the agent, of each node and of the operator, as they were seen.
    let mut seen = [const { BTreeSet::new() }; 4];
    wait_for("several lives", async || {
        let files = [
            agent_cert.clone(),
            nodes[0].dir.join("node/cert.pem"),
            nodes[1].dir.join("node/cert.pem"),
        ];
        for (seen, file) in seen.iter_mut().zip(files) {
            seen.insert(std::fs::read_to_string(file)?);
        }
        if operator.renewal_due(SystemTime::now()) {
            client::renew(&nodes[0].api, &operator).await?;
            ours += 1;
        }
        seen[3].insert(operator.cert_pem());
        assert_eq!(linked().await?, 1, "the agent's stream broke");
        works(&mut lasting).await?;
        Ok(seen.iter().all(|certs| certs.len() > LIVES).then_some(()))
    })
    .await?;
    // What was opened: one connection for each renewal of the agent, and ours.
    let renewals = u64::try_from(seen[0].len())?;
    let opened = opened().await? - before;
    assert!(opened <= renewals + 2 + ours, "{opened} connections for {renewals} renewals");
    // The first certificates are long over: new connections prove that the new ones are in use.
    for node in nodes {
        let mut fresh = client::control(&node.api, &operator);
        works(&mut fresh).await?;
        let coordinator = CredentialStore::load_dir(&node.dir.join("node"))?;
        PeerServiceClient::new(client::channel_as(&nodes[0].peer, &coordinator))
            .get_cluster_key(GetClusterKeyRequest {})
            .await?;
    }
    drop(agent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_slept_past_its_certificate_comes_back_by_itself() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir()?;
    let mut cluster = short_lived(dir.path(), 3).await?;
    let sleeper = cluster.nodes[2].dir.join("node");
    wait_for("a short certificate", async || {
        let store = CredentialStore::load_dir(&sleeper)?;
        let left = store.expires_at().duration_since(SystemTime::now()).unwrap_or_default();
        Ok((left.as_secs() < 10).then_some(()))
    })
    .await?;
    cluster.nodes[2].kill().await?;
    wait_for("its end", async || {
        let store = CredentialStore::load_dir(&sleeper)?;
        Ok((store.expires_at() < SystemTime::now()).then_some(()))
    })
    .await?;
    cluster.nodes[2].start()?;
    cluster.nodes[2].ready().await?;
    let operator = client::operator(&cluster)?;
    client::renew(&cluster.nodes[2].api, &operator).await?;
    works(&mut client::control(&cluster.nodes[2].api, &operator)).await?;
    assert!(CredentialStore::load_dir(&sleeper)?.expires_at() > SystemTime::now());
    Ok(())
}
