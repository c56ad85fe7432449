//! What the benchmarks ask of a cluster besides starting it.

use std::time::Duration;

use anyhow::{Context, bail};
use millwright_proto::control::ClusterStatusRequest;
use playground::cluster::Cluster;
use tokio::time::Instant;

use crate::operator::{Control, Operator};

/// How long a node may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// A node that answered the leader within this long is alive.
const ALIVE_MS: u64 = 1_000;

/// Index of the leader in `cluster.nodes`, as some node says that can be reached.
pub async fn leader(cluster: &Cluster, operator: &Operator) -> anyhow::Result<usize> {
    let deadline = Instant::now() + CATCH_UP;
    loop {
        for node in &cluster.nodes {
            let Ok(mut control) = operator.connect(&node.api).await else { continue };
            let Ok(status) = control.cluster_status(ClusterStatusRequest { stale: false }).await
            else {
                continue;
            };
            let status = status.into_inner();
            let name = status.nodes.iter().find(|seen| seen.id == status.leader).map(|n| &n.name);
            let at = cluster.nodes.iter().position(|node| Some(&node.name) == name);
            if let Some(at) = at {
                return Ok(at);
            }
        }
        if Instant::now() >= deadline {
            bail!("the cluster has no leader");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until every member answers the leader and has its whole log.
pub async fn whole(cluster: &Cluster, operator: &Operator) -> anyhow::Result<()> {
    let deadline = Instant::now() + CATCH_UP;
    loop {
        let at = leader(cluster, operator).await?;
        let mut control = operator.connect(&cluster.nodes[at].api).await?;
        if is_whole(&mut control, cluster.nodes.len()).await? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("the coordinators have not caught up");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn is_whole(control: &mut Control, size: usize) -> anyhow::Result<bool> {
    let status = control
        .cluster_status(ClusterStatusRequest { stale: false })
        .await
        .context("the leader does not answer")?
        .into_inner();
    let good = status
        .nodes
        .iter()
        .filter(|node| node.voter && node.last_contact_ms < ALIVE_MS)
        .filter(|node| node.matched_index >= status.last_applied)
        .count();
    Ok(good >= size)
}
