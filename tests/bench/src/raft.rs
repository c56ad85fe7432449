//! Committed writes per second through the real API, and the same load against etcd.
//!
//! A write labels a gateway: it is authenticated, parsed, validated, logged with an fsync on a
//! majority, applied and answered. Clients are closed loops with a connection each, spread over all
//! nodes, as agents and operators are. etcd gets a put of the same bytes. Its connections are plain,
//! ours are mTLS: the difference counts against us.

use std::{
    future::Future,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use playground::cluster::Cluster;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep_until};

use crate::{
    cluster,
    etcd::{self, Etcd},
    machine::milliseconds,
    operator::{self, Control, Operator},
    output::{Output, say},
    stats::{median, percentile, rounded},
};

/// Before the clock of a run starts.
const WARM_UP: Duration = Duration::from_secs(2);

/// `raft`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Clients, each with its own connection and one write at a time.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Length of one run.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Runs; the median is printed.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// The same load against three etcd nodes (Debian: etcd-server), in turn with ours.
    #[arg(long)]
    vs_etcd: bool,
}

/// Something that takes writes.
pub trait Writer: Send + 'static {
    /// One write, committed when this returns.
    fn write(&mut self, value: u64) -> impl Future<Output = anyhow::Result<()>> + Send;
}

struct Labels {
    control: Control,
    gateway: String,
}

impl Writer for Labels {
    async fn write(&mut self, value: u64) -> anyhow::Result<()> {
        let gateway = operator::gateway(&self.gateway, &value.to_string());
        operator::apply(&mut self.control, &[gateway]).await?;
        Ok(())
    }
}

/// What one run gave.
#[derive(Debug, Clone, Copy)]
struct Load {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Lets every writer write until the time is over.
async fn load<W: Writer>(writers: Vec<W>, span: Duration, salt: u64) -> anyhow::Result<Load> {
    let from = Instant::now() + WARM_UP;
    let until = from + span;
    let mut tasks = JoinSet::new();
    for mut writer in writers {
        tasks.spawn(async move {
            let mut took = Vec::new();
            let mut value = salt;
            while Instant::now() < until {
                let began = Instant::now();
                value += 1;
                writer.write(value).await?;
                let ended = Instant::now();
                if ended >= from && ended < until {
                    took.push(milliseconds(ended - began));
                }
            }
            anyhow::Ok(took)
        });
    }
    sleep_until(until.into()).await;
    let mut took = Vec::new();
    while let Some(done) = tasks.join_next().await {
        took.extend(done??);
    }
    if took.is_empty() {
        bail!("no write was committed");
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 writes")]
    let per_second = took.len() as f64 / span.as_secs_f64();
    Ok(Load {
        per_second: rounded(per_second),
        p50_ms: rounded(percentile(&took, 50.0)),
        p99_ms: rounded(percentile(&took, 99.0)),
    })
}

/// A fresh label for every run: a label that does not change would not be written.
fn salt(run: usize) -> u64 {
    run as u64 * 1_000_000_000
}

struct Ours {
    cluster: Cluster,
    operator: Operator,
}

impl Ours {
    async fn start(dir: &Path, clients: usize) -> anyhow::Result<Self> {
        let cluster = Cluster::start(dir, 3).await?;
        let operator = Operator::of(&cluster)?;
        let mut control = operator.connect(&cluster.nodes[0].api).await?;
        let mut resources = vec![operator::profile()];
        resources.extend((0..clients).map(|n| operator::gateway(&format!("gw{n}"), "0")));
        operator::apply(&mut control, &resources).await?;
        cluster::whole(&cluster, &operator).await?;
        Ok(Self { cluster, operator })
    }

    async fn run(&self, args: &Args, run: usize) -> anyhow::Result<Load> {
        let mut writers = Vec::with_capacity(args.clients);
        for n in 0..args.clients {
            let node = &self.cluster.nodes[n % self.cluster.nodes.len()];
            let control = self.operator.connect(&node.api).await?;
            writers.push(Labels { control, gateway: format!("gw{n}") });
        }
        load(writers, Duration::from_secs(args.seconds), salt(run)).await
    }
}

async fn etcd_run(etcd: &Etcd, args: &Args, run: usize) -> anyhow::Result<Load> {
    let mut writers = Vec::with_capacity(args.clients);
    for n in 0..args.clients {
        let value = move |label: u64| operator::gateway(&format!("gw{n}"), &label.to_string());
        writers.push(etcd.writer(n, value).await?);
    }
    load(writers, Duration::from_secs(args.seconds), salt(run)).await
}

fn figures(runs: &[Load]) -> Value {
    let of = |pick: fn(&Load) -> f64| {
        let values: Vec<f64> = runs.iter().map(pick).collect();
        json!({"median": rounded(median(&values)), "runs": values})
    };
    json!({
        "writesPerSecond": of(|load| load.per_second),
        "p50Ms": of(|load| load.p50_ms),
        "p99Ms": of(|load| load.p99_ms),
    })
}

fn line(who: &str, load: &Load) -> String {
    let Load { per_second, p50_ms, p99_ms } = load;
    format!("  {who:10} {per_second:9.0} writes/s   p50 {p50_ms:7.2} ms   p99 {p99_ms:7.2} ms")
}

/// Measures and prints.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    let etcd = match (args.vs_etcd, etcd::installed()) {
        (true, true) => Some(Etcd::start(dir).await?),
        (true, false) => {
            say(
                "etcd is not installed (Debian: apt-get install etcd-server): measuring ours alone",
            );
            None
        }
        (false, _) => None,
    };
    let ours = Ours::start(dir, args.clients).await?;
    let (mut own, mut peer) = (Vec::new(), Vec::new());
    for run in 1..=args.runs.max(1) {
        let load = ours.run(args, run).await?;
        say(&line("millwright", &load));
        own.push(load);
        if let Some(etcd) = &etcd {
            let load = etcd_run(etcd, args, run).await?;
            say(&line("etcd", &load));
            peer.push(load);
        }
    }
    let setting =
        json!({"clients": args.clients, "seconds": args.seconds, "runs": own.len(), "nodes": 3});
    output.emit("writes, millwright, mTLS", setting.clone(), figures(&own));
    if !peer.is_empty() {
        output.emit("writes, etcd, plain TCP", setting.clone(), figures(&peer));
        let ratios: Vec<f64> = own
            .iter()
            .zip(&peer)
            .map(|(own, peer)| rounded(own.per_second / peer.per_second))
            .collect();
        let ratio = rounded(median(&ratios));
        say(&format!("  ratio      {ratio:9.2} (goal: 1 or more)"));
        let figures = json!({"throughput": {"median": ratio, "runs": ratios}, "goal": 1.0, "met": ratio >= 1.0});
        output.emit("writes, ratio to etcd", setting, figures);
    }
    Ok(())
}
