//! A thousand agents on three coordinators: enrolment, connecting, a commit that reaches everybody,
//! and what an idle connection costs in memory and on the wire.
//!
//! Agents are lightweight tasks of this process with a real mTLS stream each; coordinators are real
//! processes. All of it shares the machine's cores, so the time of the agents' own TLS is in every
//! figure.

pub mod agent;
pub mod crew;

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use millwright_proto::control::{CreateTokenRequest, WatchRequest};
use playground::{cluster::Cluster, gitserver::GitServer, repository::Repository};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use self::{
    agent::{Agent, now_ms},
    crew::Crew,
};
use crate::{
    cluster,
    gitrepo::GitRepo,
    machine::{milliseconds, resident_bytes},
    operator::{self, Control, Operator},
    output::{Output, say},
    stats::{median, percentile, rounded},
};

/// Enrolments and token requests in flight.
const AT_A_TIME: usize = 64;
/// Goals.
const LAST_ASSIGNED_MS: f64 = 1_000.0;
const KIB_PER_CONNECTION: f64 = 64.0;
/// Memory is read after so much quiet.
const SETTLE: Duration = Duration::from_secs(10);

/// `fanout`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Agents, each with its own gateway.
    #[arg(long, default_value_t = 1000)]
    agents: usize,
    /// Commits that are sent out; the median is printed.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Window in which the bytes of idle agents are counted.
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
}

/// Everything that runs.
pub(crate) struct Scene {
    cluster: Cluster,
    operator: Operator,
    pub(crate) repo: GitRepo,
    pub(crate) control: Control,
    pub(crate) server: GitServer,
}

/// The gateway of an agent.
pub(crate) fn name(n: usize) -> String {
    format!("gw{n:05}")
}

fn resources(url: &str, branch: &str, agents: usize) -> Vec<Value> {
    let mut all = vec![
        json!({"apiVersion": "millwright.dev/v1", "kind": "Repository", "metadata": {"name": "plant"},
            "spec": {"url": url, "ref": {"branch": branch}, "poll": "1s", "jitter": "0s"}}),
        operator::profile(),
        json!({"apiVersion": "millwright.dev/v1", "kind": "Fleet", "metadata": {"name": "plants"},
            "spec": {"repository": "plant", "stages": [{"name": "all", "maxConcurrent": agents}]}}),
    ];
    all.extend((0..agents).map(|n| operator::gateway(&name(n), "0")));
    all
}

impl Scene {
    /// Three coordinators and a repository.
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let git = dir.join("git");
        std::fs::create_dir_all(&git)?;
        let repository = Repository::create(&git, "plant").await?;
        repository.generate(1)?;
        repository.commit("First version of the plant").await?;
        let repo = GitRepo::open(&repository.bare).await?;
        let server = GitServer::start(&git).await?;
        let cluster = Cluster::start(dir, 3).await?;
        let operator = Operator::of(&cluster)?;
        let at = cluster::leader(&cluster, &operator).await?;
        let control = operator.connect(&cluster.nodes[at].api).await?;
        Ok(Self { cluster, operator, repo, control, server })
    }

    /// Where agents reach the coordinators.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.cluster.nodes.iter().map(|node| node.api.clone()).collect()
    }

    /// Resident bytes of all coordinators, after some quiet.
    async fn resident(&self) -> anyhow::Result<Vec<u64>> {
        tokio::time::sleep(SETTLE).await;
        let ids = self.cluster.nodes.iter().map(|node| node.process_id().context("not running"));
        ids.map(|id| resident_bytes(id?)).collect()
    }

    /// Every node again as a fresh process.
    async fn restart(&mut self) -> anyhow::Result<()> {
        for n in 0..self.cluster.nodes.len() {
            self.cluster.nodes[n].kill().await?;
            self.cluster.nodes[n].start()?;
            self.cluster.nodes[n].ready().await?;
            cluster::whole(&self.cluster, &self.operator).await?;
        }
        Ok(())
    }
}

/// Tokens, then identities. Returns the agents and both rates per second.
pub(crate) async fn enrol(scene: &Scene, agents: usize) -> anyhow::Result<(Vec<Agent>, f64, f64)> {
    let addresses = scene.addresses();
    let mut controls = Vec::new();
    for address in &addresses {
        controls.push(scene.operator.connect(address).await?);
    }
    let began = Instant::now();
    let tokens: Vec<(usize, String)> = stream::iter(0..agents)
        .map(|n| {
            let mut control = controls[n % controls.len()].clone();
            async move {
                let request = CreateTokenRequest {
                    role: "agent".to_owned(),
                    name: name(n),
                    member: String::new(),
                    ttl_ms: 3_600_000,
                    reason: "benchmark".to_owned(),
                };
                let answer = control.create_token(request).await?.into_inner();
                anyhow::Ok((n, answer.token))
            }
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await?;
    let tokens_per_second = per_second(agents, began);
    let began = Instant::now();
    let enrolled: Vec<Agent> = stream::iter(tokens)
        .map(|(n, token)| {
            let address = addresses[n % addresses.len()].clone();
            async move { Agent::enrol(name(n), &token, &address).await }
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await?;
    Ok((enrolled, tokens_per_second, per_second(agents, began)))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_second(count: usize, began: Instant) -> f64 {
    rounded(count as f64 / began.elapsed().as_secs_f64())
}

/// Logged times of new commits.
pub(crate) struct Releases {
    seen: mpsc::Receiver<(String, u64)>,
    _task: JoinSet<()>,
}

impl Releases {
    /// When a commit was proposed as the new release.
    pub(crate) async fn logged(&mut self, commit: &str) -> anyhow::Result<u64> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let short = format!(" is now {} ", &commit[..8]);
        loop {
            let (message, at_ms) = tokio::time::timeout_at(deadline, self.seen.recv())
                .await
                .with_context(|| format!("commit {commit} was not noticed"))?
                .context("the watch has ended")?;
            if message.contains(&short) {
                return Ok(at_ms);
            }
        }
    }
}

/// Logged times of new commits, as the cluster's own events say. The time in the log is the
/// proposer's, taken before the command was committed.
pub(crate) async fn follow_releases(mut control: Control) -> anyhow::Result<Releases> {
    let request = WatchRequest {
        kind: "Repository".to_owned(),
        name: "plant".to_owned(),
        ..WatchRequest::default()
    };
    let mut events = control.watch(request).await?.into_inner();
    let (tx, rx) = mpsc::channel(64);
    // Ends with the stream or its reader.
    let follow = async move {
        while let Ok(Some(event)) = events.message().await {
            if tx.send((event.message, event.at_ms)).await.is_err() {
                return;
            }
        }
    };
    let mut task = JoinSet::new();
    task.spawn(follow);
    Ok(Releases { seen: rx, _task: task })
}

struct Release {
    assigned_p50: f64,
    assigned_last: f64,
    recorded_last: f64,
}

/// One commit to everybody.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
async fn release(
    scene: &Scene,
    crew: &mut Crew,
    releases: &mut Releases,
    run: usize,
) -> anyhow::Result<Release> {
    let path = "projects/shared/ignition/script-python/plant/module0/code.py";
    let content = format!("def revision():\n    return {run}\n");
    let commit = scene.repo.commit("Next revision", Some((path, content.as_bytes()))).await?;
    let resolved = releases.logged(&commit).await? as f64;
    let times = crew.arrived(&commit).await?;
    let since = |list: &[f64]| list.iter().map(|at| at - resolved).collect::<Vec<_>>();
    let (assigned, recorded) = (since(&times.assigned), since(&times.recorded));
    Ok(Release {
        assigned_p50: rounded(percentile(&assigned, 50.0)),
        assigned_last: rounded(percentile(&assigned, 100.0)),
        recorded_last: rounded(percentile(&recorded, 100.0)),
    })
}

fn release_figures(all: &[Release]) -> (Value, f64) {
    let of = |pick: fn(&Release) -> f64| {
        let values: Vec<f64> = all.iter().map(pick).collect();
        json!({"median": rounded(median(&values)), "runs": values})
    };
    let last = of(|release| release.assigned_last);
    let middle = last["median"].as_f64().unwrap_or_default();
    let figures = json!({
        "assignedP50Ms": of(|release| release.assigned_p50),
        "assignedLastMs": last,
        "recordedLastMs": of(|release| release.recorded_last),
        "goalAssignedLastMs": LAST_ASSIGNED_MS, "met": middle < LAST_ASSIGNED_MS,
    });
    (figures, middle)
}

/// Measures and prints.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    if args.agents == 0 || args.runs == 0 {
        bail!("at least one agent and one run");
    }
    let setting =
        json!({"agents": args.agents, "nodes": 3, "runs": args.runs, "content": "not fetched"});
    let mut scene = Scene::start(dir).await?;
    let all = resources(&scene.server.url("plant"), scene.repo.branch(), args.agents);
    operator::apply(&mut scene.control, &all).await?;
    let (agents, tokens, enrolments) = enrol(&scene, args.agents).await?;
    say(&format!("  {tokens:.0} tokens/s, {enrolments:.0} enrolments/s"));
    let figures = json!({"tokensPerSecond": tokens, "enrolmentsPerSecond": enrolments});
    output.emit("enrolment by join token", setting.clone(), figures);

    let first = scene.repo.head().await?;
    let began = (Instant::now(), now_ms());
    let mut crew = Crew::start(agents, &scene.addresses());
    crew.welcomed().await?;
    let connected = milliseconds(began.0.elapsed());
    let times = crew.arrived(&first).await?;
    let assigned = rounded(percentile(&times.assigned, 100.0) - began.1);
    say(&format!(
        "  all connected after {connected:.0} ms, last first assignment after {assigned:.0} ms"
    ));
    let figures = json!({"connectedMs": rounded(connected), "assignedLastMs": assigned});
    output.emit("all agents connect at once", setting.clone(), figures);

    let mut releases = follow_releases(scene.control.clone()).await?;
    let mut taken = Vec::new();
    for run in 1..=args.runs {
        let one = release(&scene, &mut crew, &mut releases, run).await?;
        say(&format!(
            "  commit {run}: assigned p50 {:.0} ms, last {:.0} ms; last report recorded {:.0} ms",
            one.assigned_p50, one.assigned_last, one.recorded_last
        ));
        taken.push(one);
    }
    let (figures, last) = release_figures(&taken);
    say(&format!(
        "  median of the last assignment: {last:.0} ms (goal: below {LAST_ASSIGNED_MS:.0})"
    ));
    output.emit("a release to every agent", setting.clone(), figures);
    let agents = crew.stop().await?;
    idle(&mut scene, agents, args, setting, output).await
}

/// Memory and bytes of connections on which nothing happens.
#[expect(clippy::cast_precision_loss, reason = "bytes and counts are far below 2^52")]
async fn idle(
    scene: &mut Scene,
    agents: Vec<Agent>,
    args: &Args,
    setting: Value,
    output: &Output,
) -> anyhow::Result<()> {
    let count = agents.len() as f64;
    // Fresh processes: what the releases left in the allocator is not a connection's.
    scene.restart().await?;
    let without = scene.resident().await?;
    let mut crew = Crew::start(agents, &scene.addresses());
    crew.welcomed().await?;
    let with = scene.resident().await?;
    let grown: f64 =
        with.iter().zip(&without).map(|(with, without)| *with as f64 - *without as f64).sum();
    let kib = rounded(grown / count / 1024.0);
    let mib =
        |list: &[u64]| list.iter().map(|b| rounded(*b as f64 / 1_048_576.0)).collect::<Vec<_>>();
    say(&format!(
        "  coordinators: {:?} MiB without, {:?} MiB with connections: {kib:.1} KiB per connection (goal: {KIB_PER_CONNECTION:.0})",
        mib(&without),
        mib(&with)
    ));
    let figures = json!({"withoutMiB": mib(&without), "withMiB": mib(&with),
        "kibPerConnection": kib, "goalKib": KIB_PER_CONNECTION, "met": kib <= KIB_PER_CONNECTION});
    output.emit("memory of an idle connection", setting.clone(), figures);

    let (before, began) = (crew.wire_bytes(), Instant::now());
    crew.quiet(Duration::from_secs(args.idle_seconds)).await?;
    let bytes = (crew.wire_bytes() - before) as f64;
    let hourly = bytes / count / began.elapsed().as_secs_f64() * 3600.0;
    say(&format!("  an idle agent: {hourly:.0} bytes an hour on TCP, both directions"));
    let figures = json!({"bytesPerAgentHour": rounded(hourly), "windowSeconds": args.idle_seconds});
    output.emit("bytes of an idle agent", setting, figures);
    crew.stop().await?;
    Ok(())
}
