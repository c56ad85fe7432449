//! One agent process and one large repository: the first apply, one changed file, nothing to do. git
//! and rsync bring the same tree to the same disk in the same run.
//!
//! Times are the agent's own, from the assignment to the report, with a gateway whose scan takes a
//! millisecond: what a real gateway needs for its scan is not ours. The agent fsyncs what it writes;
//! rsync does not.

pub mod peer;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::time::Instant;

use self::peer::Peer;
use crate::{
    machine::milliseconds,
    operator,
    output::{Output, say},
    scene::Scene,
    site::{self, Site, Usage},
    stats::{median, rounded},
};

/// Goals: milliseconds inside the agent; bytes on the wire beyond the file; factor over git and rsync.
const CHANGE_MS: f64 = 150.0;
const CHANGE_BYTES: f64 = 10_000.0;
const NOTHING_MS: f64 = 50.0;
const FIRST_FACTOR: f64 = 2.0;
/// File that changes, and its size.
const CHANGED: &str = "millwright-bench.bin";
const CHANGED_BYTES: usize = 4_096;

/// `sync`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Git repository or bundle to apply: its root becomes one project.
    #[arg(long)]
    repo: PathBuf,
    /// First applies, each with a new agent and an empty gateway; the median is printed.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// One-file changes and empty commits per run.
    #[arg(long, default_value_t = 5)]
    changes: usize,
}

/// One apply.
#[derive(Debug, Clone, Copy)]
struct Applied {
    agent_ms: f64,
    cpu_ms: f64,
    wire_bytes: f64,
    /// From the commit in git to the report in the log.
    whole_ms: f64,
    files: f64,
}

async fn one(
    scene: &mut Scene,
    site: &Site,
    commit: &str,
    began: Instant,
    before: Usage,
) -> anyhow::Result<Applied> {
    let attempt = scene.applied(&site.name, commit).await?;
    let whole_ms = rounded(milliseconds(began.elapsed()));
    let after = site.usage().await?;
    let number = |key: &str| attempt[key].as_f64().unwrap_or_default();
    Ok(Applied {
        agent_ms: number("durationMs"),
        cpu_ms: rounded((after.cpu_seconds - before.cpu_seconds) * 1000.0),
        wire_bytes: after.wire_bytes - before.wire_bytes,
        whole_ms,
        files: number("filesChanged"),
    })
}

async fn commit(scene: &mut Scene, site: &Site, file: Option<&[u8]>) -> anyhow::Result<Applied> {
    let before = site.usage().await?;
    let file = file.map(|content| (CHANGED, content));
    let commit = scene.repo.commit("Next revision", file).await?;
    one(scene, site, &commit, Instant::now(), before).await
}

/// Bytes that do not shrink, so that what is beyond the file on the wire shows.
fn content() -> Vec<u8> {
    (0..CHANGED_BYTES).map(|_| rand::random()).collect()
}

/// What was measured, ours and the peer's.
#[derive(Debug, Default)]
struct Measured {
    first: Vec<Applied>,
    change: Vec<Applied>,
    nothing: Vec<Applied>,
    peer_first: Vec<f64>,
    peer_change: Vec<f64>,
    peer_nothing: Vec<f64>,
}

async fn round(
    scene: &mut Scene,
    dir: &Path,
    args: &Args,
    n: usize,
    all: &mut Measured,
) -> anyhow::Result<()> {
    let mut peer = Peer::new(dir, &scene.url, n);
    if let Some(peer) = &mut peer {
        let ms = peer.first().await?;
        say(&format!("  git + rsync: first {ms:.0} ms"));
        all.peer_first.push(ms);
    }
    let name = format!("gw{n}");
    let head = scene.repo.head().await?;
    operator::apply(&mut scene.control, &[operator::gateway(&name, "0")]).await?;
    let began = Instant::now();
    let site = Site::start(dir, &scene.cluster, &name, site::no_scan, &scene.agent).await?;
    let first = one(scene, &site, &head, began, Usage::default()).await?;
    say(&line("first", &first));
    all.first.push(first);
    for _ in 0..args.changes {
        let change = commit(scene, &site, Some(&content())).await?;
        say(&line("one file", &change));
        all.change.push(change);
        if let Some(peer) = &peer {
            all.peer_change.push(peer.again().await?);
        }
        let nothing = commit(scene, &site, None).await?;
        say(&line("nothing", &nothing));
        all.nothing.push(nothing);
        if let Some(peer) = &peer {
            all.peer_nothing.push(peer.again().await?);
        }
    }
    scene.leave(site).await
}

fn line(what: &str, one: &Applied) -> String {
    let Applied { agent_ms, cpu_ms, wire_bytes, whole_ms, files } = one;
    format!(
        "  {what:9} {agent_ms:7.0} ms in the agent, {cpu_ms:6.0} ms CPU, {wire_bytes:10.0} bytes on TCP, \
         {whole_ms:7.0} ms from outside, {files:.0} files"
    )
}

fn middle(all: &[Applied], pick: fn(&Applied) -> f64) -> f64 {
    median(&all.iter().map(pick).collect::<Vec<_>>())
}

fn figures(all: &[Applied], peer: &[f64]) -> Value {
    let of = |pick: fn(&Applied) -> f64| {
        let runs: Vec<f64> = all.iter().map(pick).collect();
        json!({"median": rounded(median(&runs)), "runs": runs})
    };
    json!({
        "agentMs": of(|one| one.agent_ms), "cpuMs": of(|one| one.cpu_ms),
        "wireBytes": of(|one| one.wire_bytes), "wholeMs": of(|one| one.whole_ms),
        "files": middle(all, |one| one.files),
        "gitRsyncMs": {"median": rounded(median(peer)), "runs": peer},
    })
}

fn emit(all: &Measured, setting: &Value, output: &Output) {
    let mut first = figures(&all.first, &all.peer_first);
    let factor = middle(&all.first, |one| one.agent_ms) / median(&all.peer_first);
    if factor.is_finite() {
        first["factor"] = json!(rounded(factor));
        first["goalFactor"] = json!(FIRST_FACTOR);
        first["met"] = json!(factor <= FIRST_FACTOR);
        say(&format!(
            "  first apply: {factor:.2} times git + rsync (goal: {FIRST_FACTOR} or less)"
        ));
    }
    output.emit("first apply", setting.clone(), first);
    let mut change = figures(&all.change, &all.peer_change);
    let ms = middle(&all.change, |one| one.agent_ms);
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let beyond = middle(&all.change, |one| one.wire_bytes) - CHANGED_BYTES as f64;
    change["beyondFileBytes"] = json!(beyond);
    change["goal"] = json!({"agentMs": CHANGE_MS, "beyondFileBytes": CHANGE_BYTES});
    change["met"] = json!(ms <= CHANGE_MS && beyond < CHANGE_BYTES);
    say(&format!(
        "  one file: {ms:.0} ms, {beyond:.0} bytes beyond it (goals: {CHANGE_MS:.0}, {CHANGE_BYTES:.0})"
    ));
    output.emit("one changed file", setting.clone(), change);
    let mut nothing = figures(&all.nothing, &all.peer_nothing);
    let ms = middle(&all.nothing, |one| one.agent_ms);
    nothing["goal"] = json!({"agentMs": NOTHING_MS});
    nothing["met"] = json!(ms <= NOTHING_MS);
    say(&format!("  nothing to do: {ms:.0} ms (goal: {NOTHING_MS:.0})"));
    output.emit("nothing to do", setting.clone(), nothing);
}

/// Measures and prints.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    // The file that changes is there from the beginning.
    let mut scene = Scene::start(dir, &args.repo, &[(CHANGED, &content())]).await?;
    let mut all = Measured::default();
    for n in 1..=args.runs.max(1) {
        round(&mut scene, dir, args, n, &mut all).await?;
    }
    let name = args.repo.file_name().map(|name| name.to_string_lossy().into_owned());
    let setting =
        json!({"repo": name, "runs": all.first.len(), "changesPerRun": args.changes, "scanMs": 1});
    emit(&all, &setting, output);
    Ok(())
}
