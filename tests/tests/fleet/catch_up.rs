//! A node that was away for longer than the log reaches back gets the snapshot streamed, and the log
//! takes a bounded room on every disk.

use std::path::Path;

use millwright_certs::store::CredentialStore;
use millwright_proto::control::{
    ClusterStatusRequest, GetRequest, control_service_client::ControlServiceClient,
};
use playground::{cluster::Cluster, process::build_programs};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{self, wait_for};

/// Entries between two snapshots, the least that the configuration takes.
const SNAPSHOT_ENTRIES: u64 = 100;
/// Bytes of one file of the log, the least that the configuration takes.
const FILE_BYTES: u64 = 65_536;
/// Writes while one node is away: the log is purged several times.
const WRITES: usize = 600;
/// Bytes of one write.
const WRITE_BYTES: usize = 8_000;
/// Writers at a time.
const WRITERS: usize = 6;

/// What a snapshot may leave in the log: the entries up to the next one, those kept before it, as much
/// again while it is being made, and two files that are not full. During a burst of writes the log is
/// larger by what arrives until a snapshot is on the disk, which is the disk's speed and not asserted.
fn room() -> u64 {
    let entries = 2 * (SNAPSHOT_ENTRIES + SNAPSHOT_ENTRIES / 4);
    entries * (WRITE_BYTES as u64 + 1_000) + 2 * FILE_BYTES
}

fn size(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let sizes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        // Removed meanwhile.
        Err(_) => 0,
    });
    sizes.sum()
}

fn profile(n: usize) -> Value {
    // Not compressible to nothing, not the same twice.
    let note: String = (0..WRITE_BYTES / 16).map(|k| format!("{:016x}", n * 7_919 + k)).collect();
    json!({"apiVersion": "millwright.dev/v1", "kind": "SyncProfile",
        "metadata": {"name": format!("profile{}", n % 20), "annotations": {"note": note}},
        "spec": {"mappings": [{"source": "a", "destination": "projects/a"}]}})
}

async fn applied(address: &str, operator: &CredentialStore) -> anyhow::Result<u64> {
    let mut control = client::control(address, operator);
    let status = control.cluster_status(ClusterStatusRequest { stale: true }).await?;
    Ok(status.into_inner().last_applied)
}

/// Writes with several writers.
async fn write(addresses: &[String], operator: &CredentialStore) -> anyhow::Result<()> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let mut control: ControlServiceClient<_> =
            client::control(&addresses[writer % addresses.len()], operator);
        writers.spawn(async move {
            for n in (writer..WRITES).step_by(WRITERS) {
                client::apply(&mut control, &profile(n)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lags_gets_the_snapshot_and_the_log_stays_small() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start(dir.path(), 3).await?;
    for node in &mut cluster.nodes {
        let snapshot = format!("snapshot_entries = {SNAPSHOT_ENTRIES}");
        client::configure(&node.dir, "# snapshot_entries = 10000", &snapshot)?;
        let file = format!("log_file_bytes = {FILE_BYTES}");
        client::configure(&node.dir, "# log_file_bytes = 16777216", &file)?;
        node.kill().await?;
        node.start()?;
        node.ready().await?;
    }
    let operator = client::operator(&cluster)?;
    let sleeper = &mut cluster.nodes[2];
    sleeper.kill().await?;
    let snapshot = sleeper.dir.join("raft/snapshot/state.mws");
    assert!(!snapshot.exists(), "it has a snapshot before it could need one");

    let addresses: Vec<String> = cluster.nodes[..2].iter().map(|node| node.api.clone()).collect();
    let logs: Vec<_> = cluster.nodes[..2].iter().map(|node| node.dir.join("raft/log")).collect();
    write(&addresses, &operator).await?;
    let written = (WRITES * WRITE_BYTES) as u64;
    assert!(written > room(), "the test writes too little to show anything");
    wait_for("a purged log", async || Ok(logs.iter().all(|log| size(log) <= room()).then_some(())))
        .await?;

    let sleeper = &mut cluster.nodes[2];
    sleeper.start()?;
    sleeper.ready().await?;
    let api = sleeper.api.clone();
    let goal = applied(&addresses[0], &operator).await?;
    wait_for("the node that was away", async || {
        Ok((applied(&api, &operator).await? >= goal).then_some(()))
    })
    .await?;
    assert!(snapshot.exists(), "it caught up without a snapshot");
    let log = std::fs::read_to_string(cluster.nodes[2].dir.join("log.txt"))?;
    assert!(log.contains("installed a snapshot from the leader"), "{log}");
    // It has the same state, and it survives a restart from what was streamed.
    let node = &mut cluster.nodes[2];
    node.kill().await?;
    node.start()?;
    node.ready().await?;
    let get = GetRequest { kind: "SyncProfile".to_owned(), stale: true, ..GetRequest::default() };
    let there = client::control(&addresses[0], &operator).get(get.clone()).await?.into_inner();
    wait_for("the same resources", async || {
        let here = client::control(&api, &operator).get(get.clone()).await?.into_inner();
        Ok((here.resources == there.resources).then_some(()))
    })
    .await?;
    assert_eq!(there.resources.len(), 20);
    Ok(())
}
