//! When a node says that it is ready, and what its port without TLS tells.

use anyhow::Context;
use playground::{
    cluster::{Cluster, Node},
    process::build_programs,
    wait::PATIENCE,
};
use serde_json::json;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::client::{self, enrol, health, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn health_serves_only_when_the_node_is_ready() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start(dir.path(), 2).await?;
    let operator = client::operator(&cluster)?;
    for node in &mut cluster.nodes {
        node.kill().await?;
    }
    // Alone it finds no leader.
    cluster.nodes[0].start()?;
    let api = cluster.nodes[0].api.clone();
    let mut told = wait_for("the port", async || {
        let mut client = HealthClient::new(client::channel_as(&api, &operator));
        let request = HealthCheckRequest { service: String::new() };
        Ok(Some(client.watch(request).await?.into_inner()))
    })
    .await?;
    let first = told.message().await?.map(|answer| answer.status());
    assert_eq!(first, Some(ServingStatus::NotServing));
    let probe = plain(&cluster.nodes[0], "/readyz").await?;
    assert_eq!(probe, (503, "no leader\n".to_owned()));
    cluster.nodes[1].start()?;
    let next = tokio::time::timeout(PATIENCE, told.message()).await??;
    assert_eq!(next.map(|answer| answer.status()), Some(ServingStatus::Serving));
    for service in ["millwright.agent.v1.AgentService", "millwright.control.v1.ControlService"] {
        let api = client::channel_as(&api, &operator);
        assert_eq!(health(api, service).await?, ServingStatus::Serving, "{service}");
    }
    assert_eq!(plain(&cluster.nodes[0], "/readyz").await?, (200, "ready\n".to_owned()));
    Ok(())
}

/// A GET at the port without TLS.
async fn plain(node: &Node, path: &str) -> anyhow::Result<(u16, String)> {
    let config = std::fs::read_to_string(node.dir.join("coordinator.toml"))?;
    let address = config.lines().find_map(|line| line.strip_prefix("http = "));
    let address = address.context("the file names the port")?.trim_matches('"');
    let answer = reqwest::get(format!("http://{address}{path}")).await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_without_tls_tells_nothing_that_needs_a_certificate() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start(dir.path(), 1).await?;
    let node = &cluster.nodes[0];
    let mut control = client::control(&node.api, &client::operator(&cluster)?);
    let profile = json!({"apiVersion": "millwright.dev/v1", "kind": "SyncProfile",
        "metadata": {"name": "hush-profile"},
        "spec": {"mappings": [{"source": "hush", "destination": "projects/hush"}]}});
    client::apply(&mut control, &profile).await?;
    let token = client::token(&mut control, "agent", "hush-gateway", 0).await?;
    let enrolled = enrol(&node.api, &token, "hush-gateway").await?;
    let cluster_id = enrolled.cluster().to_string();
    let secrets =
        ["hush", "spiffe", "BEGIN ", "mwj1.", "admin", &cluster_id, &node.api, &node.peer];
    for (path, code) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/", 404),
        ("/config", 404),
        ("/debug/pprof/", 404),
        ("/millwright.control.v1.ControlService/ClusterStatus", 404),
        ("/../../cluster.key", 404),
    ] {
        let (got, body) = plain(node, path).await?;
        assert_eq!(got, code, "{path}");
        for secret in secrets {
            assert!(!body.contains(secret), "{path} tells {secret:?}: {body}");
        }
    }
    assert_eq!(plain(node, "/healthz").await?.1, "ok\n");
    let metrics = plain(node, "/metrics").await?.1;
    assert!(metrics.contains("millwright_raft_is_leader 1"), "{metrics}");
    Ok(())
}
