//! How long writes stand still when the leader is killed: from SIGKILL to the first write that a
//! survivor has committed.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use playground::cluster::Cluster;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    cluster,
    machine::milliseconds,
    operator::{self, Control, Operator},
    output::{Output, say},
    stats::{percentile, rounded},
};

/// A write that takes longer than this has failed.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// Between two tries of a client that was refused.
const RETRY: Duration = Duration::from_millis(10);
/// p99 in milliseconds.
const GOAL_MS: f64 = 2_000.0;

/// `failover`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leaders to kill.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

/// Writes until it is committed.
async fn write(mut control: Control, label: String) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + WRITE_MAX;
    loop {
        let gateway = operator::gateway("gw0", &label);
        match operator::apply(&mut control, &[gateway]).await {
            Ok(_) => return Ok(Instant::now()),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context("no survivor commits writes"));
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Kills the leader once; milliseconds until the next committed write.
async fn round(cluster: &mut Cluster, operator: &Operator, n: usize) -> anyhow::Result<f64> {
    let at = cluster::leader(cluster, operator).await?;
    let mut survivors = Vec::new();
    for (_, node) in cluster.nodes.iter().enumerate().filter(|(other, _)| *other != at) {
        survivors.push(operator.connect(&node.api).await?);
    }
    let began = Instant::now();
    cluster.nodes[at].kill().await?;
    let mut writes = JoinSet::new();
    for (client, control) in survivors.into_iter().enumerate() {
        writes.spawn(write(control, format!("round{n}-{client}")));
    }
    let first = writes.join_next().await.context("no survivor")???;
    let took = milliseconds(first - began);
    // The other write ends too, so that the next round begins quietly.
    while let Some(done) = writes.join_next().await {
        done??;
    }
    cluster.nodes[at].start()?;
    cluster.nodes[at].ready().await?;
    cluster::whole(cluster, operator).await?;
    Ok(rounded(took))
}

/// Measures and prints.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    let mut cluster = Cluster::start(dir, 3).await?;
    let operator = Operator::of(&cluster)?;
    let mut control = operator.connect(&cluster.nodes[0].api).await?;
    operator::apply(&mut control, &[operator::profile(), operator::gateway("gw0", "0")]).await?;
    cluster::whole(&cluster, &operator).await?;
    let mut took = Vec::with_capacity(args.rounds);
    for n in 1..=args.rounds {
        let ms = round(&mut cluster, &operator, n).await?;
        say(&format!("  round {n:3}: {ms:7.0} ms"));
        took.push(ms);
    }
    if took.is_empty() {
        bail!("no round was asked for");
    }
    let (p50, p99) = (percentile(&took, 50.0), percentile(&took, 99.0));
    say(&format!("  p50 {p50:.0} ms, p99 {p99:.0} ms (goal: p99 {GOAL_MS:.0} ms or less)"));
    let figures = json!({"p50Ms": p50, "p99Ms": p99, "rounds": took, "goalP99Ms": GOAL_MS, "met": p99 <= GOAL_MS});
    output.emit(
        "SIGKILL of the leader to the next committed write",
        json!({"rounds": args.rounds, "nodes": 3}),
        figures,
    );
    Ok(())
}
