//! A whole rollout: three stages of real coordinators and a thousand agents that report at once, so that
//! what is measured is the coordinators' own part. The agents are those of [`crate::fanout`].
//!
//! `KubeFleet` publishes the same measure of itself: a run of three stages.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use millwright_proto::control::WatchRequest;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use crate::{
    fanout::{Scene, crew::Crew, enrol, follow_releases, name},
    operator::{self, Control},
    output::{Output, say},
    stats::{median, percentile, rounded},
};

/// Goal for the whole rollout.
const WHOLE_MS: f64 = 20_000.0;
/// What `KubeFleet` says of a run of three stages with a hundred clusters each: the 90th percentile, in its
/// report on the first quarter of 2026, on machines of 8 to 12 cores.
const KUBEFLEET_P90_MS: f64 = 96_000.0;
/// How long one rollout may take.
const PATIENCE: Duration = Duration::from_mins(5);
const STAGES: [&str; 3] = ["first", "second", "third"];

/// `rollout`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Agents, each with its own gateway; a third of them in each stage.
    #[arg(long, default_value_t = 1000)]
    agents: usize,
    /// Gateways at a time in each stage: a number or a share.
    #[arg(long, default_value = "100%")]
    at_a_time: String,
    /// Commits that are rolled out.
    #[arg(long, default_value_t = 10)]
    runs: usize,
}

fn resources(url: &str, branch: &str, args: &Args) -> Vec<Value> {
    let at_a_time = args.at_a_time.parse::<u32>().map_or(json!(args.at_a_time), |n| json!(n));
    let stage = |name: &str| json!({"name": name, "select": format!("ring={name}"), "maxConcurrent": at_a_time});
    let mut all = vec![
        json!({"apiVersion": "millwright.dev/v1", "kind": "Repository", "metadata": {"name": "plant"},
            "spec": {"url": url, "ref": {"branch": branch}, "poll": "1s", "jitter": "0s"}}),
        operator::profile(),
        json!({"apiVersion": "millwright.dev/v1", "kind": "Fleet", "metadata": {"name": "plants"},
            "spec": {"repository": "plant", "stages": STAGES.map(stage)}}),
    ];
    all.extend((0..args.agents).map(|n| {
        let mut gateway = operator::gateway(&name(n), "0");
        gateway["metadata"]["labels"]["ring"] = json!(STAGES[n % STAGES.len()]);
        gateway
    }));
    all
}

/// What a rollout says of its stages, with the logged times.
struct Stages {
    seen: mpsc::Receiver<(String, String, u64)>,
    _task: JoinSet<()>,
}

/// When each stage of one rollout began and was done, in milliseconds since 1970.
type Ends = BTreeMap<String, (u64, u64)>;

impl Stages {
    async fn follow(mut control: Control) -> anyhow::Result<Self> {
        let request =
            WatchRequest { kind: "Rollout".to_owned(), brief: true, ..WatchRequest::default() };
        let mut events = control.watch(request).await?.into_inner();
        let (tx, seen) = mpsc::channel(4096);
        let mut task = JoinSet::new();
        // Ends with the stream or its reader.
        task.spawn(async move {
            while let Ok(Some(event)) = events.message().await {
                if tx.send((event.name, event.message, event.at_ms)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { seen, _task: task })
    }

    /// The stages of the next rollout that is done.
    async fn next(&mut self) -> anyhow::Result<Ends> {
        let deadline = Instant::now() + PATIENCE;
        let mut ends: BTreeMap<String, Ends> = BTreeMap::new();
        loop {
            let (rollout, message, at) = tokio::time::timeout_at(deadline, self.seen.recv())
                .await
                .context("the rollout takes too long")?
                .context("the watch has ended")?;
            let Some((stage, what)) =
                message.strip_prefix("stage ").and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            let of = ends.entry(rollout).or_default();
            match what {
                "begins" => of.entry(stage.to_owned()).or_default().0 = at,
                "is done" => of.entry(stage.to_owned()).or_default().1 = at,
                _ => continue,
            }
            if of.len() == STAGES.len() && of.values().all(|(begun, done)| *begun > 0 && *done > 0)
            {
                return Ok(std::mem::take(of));
            }
        }
    }
}

/// One rollout in milliseconds.
struct Run {
    whole: f64,
    /// From the commit in the log to the first stage.
    planning: f64,
    /// Of each stage: from its beginning to its end.
    stages: Vec<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "spans of a few minutes in milliseconds")]
fn run_of(resolved: u64, ends: &Ends) -> anyhow::Result<Run> {
    let span = |from: u64, to: u64| to.saturating_sub(from) as f64;
    let mut stages = Vec::new();
    for stage in STAGES {
        let (begun, done) = ends.get(stage).with_context(|| format!("no stage {stage}"))?;
        stages.push(span(*begun, *done));
    }
    let first = ends[STAGES[0]].0;
    let last = ends[STAGES[STAGES.len() - 1]].1;
    Ok(Run { whole: span(resolved, last), planning: span(resolved, first), stages })
}

fn figures(all: &[Run]) -> (Value, f64) {
    let of = |values: Vec<f64>| {
        json!({"median": rounded(median(&values)), "p90": rounded(percentile(&values, 90.0)),
            "runs": values})
    };
    let whole = of(all.iter().map(|run| run.whole).collect());
    let p90 = whole["p90"].as_f64().unwrap_or_default();
    let figures = json!({
        "wholeMs": whole,
        "planningMs": of(all.iter().map(|run| run.planning).collect()),
        "stageMs": of(all.iter().flat_map(|run| run.stages.clone()).collect()),
        "goalWholeMs": WHOLE_MS, "met": p90 <= WHOLE_MS,
        "kubefleetPublishedP90Ms": KUBEFLEET_P90_MS,
        "kubefleetRatio": rounded(KUBEFLEET_P90_MS / p90.max(1.0)),
    });
    (figures, p90)
}

/// Measures and prints.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    ensure!(args.agents >= STAGES.len() && args.runs > 0, "at least three agents and one run");
    let setting = json!({"agents": args.agents, "nodes": 3, "stages": STAGES.len(),
        "atATime": args.at_a_time, "runs": args.runs, "content": "not fetched"});
    let mut scene = Scene::start(dir).await?;
    let all = resources(&scene.server.url("plant"), scene.repo.branch(), args);
    operator::apply(&mut scene.control, &all).await?;
    let (agents, _, _) = enrol(&scene, args.agents).await?;
    let mut crew = Crew::start(agents, &scene.addresses());
    crew.welcomed().await?;
    crew.arrived(&scene.repo.head().await?).await?;
    let mut releases = follow_releases(scene.control.clone()).await?;
    let mut stages = Stages::follow(scene.control.clone()).await?;
    let mut taken = Vec::new();
    for run in 1..=args.runs {
        let path = "projects/shared/ignition/script-python/plant/module0/code.py";
        let content = format!("def revision():\n    return {run}\n");
        let commit = scene.repo.commit("Next revision", Some((path, content.as_bytes()))).await?;
        let resolved = releases.logged(&commit).await?;
        crew.arrived(&commit).await?;
        let one = loop {
            // The watch begins with what is remembered of the rollout before.
            let ends = stages.next().await?;
            if ends.values().all(|(begun, _)| *begun >= resolved) {
                break run_of(resolved, &ends)?;
            }
        };
        say(&format!(
            "  rollout {run}: {:.0} ms; planned after {:.0} ms, stages {:?} ms",
            one.whole, one.planning, one.stages
        ));
        taken.push(one);
    }
    if taken.is_empty() {
        bail!("nothing was measured");
    }
    let (figures, p90) = figures(&taken);
    say(&format!(
        "  whole rollout: p90 {p90:.0} ms (goal {WHOLE_MS:.0} ms), {:.0} times as fast as KubeFleet says of itself; stages p90 {} ms",
        figures["kubefleetRatio"], figures["stageMs"]["p90"]
    ));
    output.emit("a rollout of three stages", setting, figures);
    crew.stop().await?;
    Ok(())
}
