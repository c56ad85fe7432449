//! Snapshots of a large tree by a real agent: the first, one of what has not changed, several over
//! changes, and a restore. `tar czf` and restic keep the same tree on the same disk in the same run.
//!
//! A snapshot's time is the agent's own, with its look at every file; restic's is that of its process,
//! which also starts and reads its index.

mod peer;

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use self::peer::Peers;
use crate::{
    gitrepo::Change,
    output::{Output, say},
    scene::{ROOT, Scene},
    site::{self, Site},
    stats::{median, rounded},
};

/// Goals: milliseconds of a snapshot of what has not changed; factors over the peers.
const UNCHANGED_MS: f64 = 100.0;
const TAR_FACTOR: f64 = 50.0;
const RESTIC_FACTOR: f64 = 10.0;
/// Goals: bytes of five snapshots as a share of one plain copy; milliseconds of a restore.
const FIVE_FACTOR: f64 = 1.15;
const RESTORE_MS: f64 = 500.0;
/// One file of so many changes between two snapshots.
const CHANGED_ONE_OF: usize = 100;
/// Changes: with the first snapshot, five are kept.
const CHANGES: usize = 4;

/// `snapshot`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Git repository or bundle to keep: its root becomes one project.
    #[arg(long)]
    repo: PathBuf,
    /// How often each thing is measured.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

struct Run {
    scene: Scene,
    site: Site,
    tree: PathBuf,
}

impl Run {
    async fn start(args: &Args, dir: &Path) -> anyhow::Result<Self> {
        let mut scene = Scene::start(dir, &args.repo, &[]).await?;
        let (site, _) = scene.site(dir, site::no_scan).await?;
        let tree = site.data_dir().join(ROOT);
        Ok(Self { scene, site, tree })
    }

    /// Takes one and returns what is told of it.
    async fn take(&self) -> anyhow::Result<Value> {
        let args = ["snapshot", "create", &self.site.name, "-m", "benchmark", "-o", "json"];
        let answer: Value = serde_json::from_str(&self.scene.cluster.ctl(&args).await?)?;
        anyhow::ensure!(answer["data"]["answer"]["detail"].is_object(), "no snapshot: {answer:#}");
        Ok(answer["data"]["answer"]["detail"].clone())
    }

    /// Milliseconds of several of the same tree.
    async fn unchanged(&self, runs: usize) -> anyhow::Result<Vec<f64>> {
        let mut took = Vec::with_capacity(runs);
        for _ in 0..runs {
            let info = self.take().await?;
            took.push(info["durationMs"].as_f64().context("a snapshot without a duration")?);
        }
        Ok(took)
    }

    /// Changes one file of a hundred, another set each time, and waits until it is applied.
    async fn change(&mut self, round: usize) -> anyhow::Result<usize> {
        let paths: Vec<PathBuf> = files(&self.tree)?;
        let chosen = paths.iter().skip(round).step_by(CHANGED_ONE_OF);
        let changes = chosen
            .map(|path| {
                let mut content = std::fs::read(path)?;
                content.push(b'\n');
                let own = path.strip_prefix(&self.tree)?.to_str().context("a path is text")?;
                Ok(Change { path: own.to_owned(), content: Some(content) })
            })
            .collect::<anyhow::Result<Vec<Change>>>()?;
        let commit = self.scene.repo.commit_all("One of a hundred", &changes).await?;
        self.scene.applied(&self.site.name, &commit).await?;
        Ok(changes.len())
    }

    /// Back to the snapshot before the last change; milliseconds inside the agent, files written.
    async fn restore(&self) -> anyhow::Result<(f64, f64)> {
        let args =
            ["gateway", "rollback", &self.site.name, "-m", "benchmark", "--yes", "-o", "json"];
        let done: Value = serde_json::from_str(&self.scene.cluster.ctl(&args).await?)?;
        let attempt = &done["data"]["attempt"];
        anyhow::ensure!(attempt["result"] == "applied", "not restored: {attempt:#}");
        let number = |key: &str| attempt[key].as_f64().unwrap_or_default();
        Ok((number("durationMs"), number("filesChanged")))
    }
}

/// Every file below a folder, in order.
fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => open.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes of every file below a folder.
fn bytes(dir: &Path) -> anyhow::Result<u64> {
    files(dir)?.iter().map(|path| Ok(std::fs::metadata(path)?.len())).sum()
}

/// Measures and prints.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    let mut run = Run::start(args, dir).await?;
    let kept = run.site.agent_dir().join("state/snapshots");
    let first = run.take().await?;
    let unchanged = run.unchanged(args.runs.max(1)).await?;
    let peers = Peers::new(dir, &run.tree).await?;
    let (mut tar, mut restic) = (Vec::new(), Vec::new());
    let restic_first = peers.restic().await?;
    for _ in 0..args.runs.max(1) {
        tar.push(peers.tar().await?);
        restic.extend(peers.restic().await?);
    }
    let ours = median(&unchanged);
    let (by_tar, by_restic) = (median(&tar) / ours, median(&restic) / ours);
    say(&format!(
        "  unchanged: {ours:.0} ms (goal {UNCHANGED_MS:.0}); tar czf takes {by_tar:.0} times as long \
         (goal {TAR_FACTOR:.0}), restic {by_restic:.1} times (goal {RESTIC_FACTOR:.0})"
    ));
    let name = args.repo.file_name().map(|name| name.to_string_lossy().into_owned());
    let setting = json!({"repo": name, "files": first["files"], "bytes": first["bytes"]});
    output.emit(
        "snapshots",
        setting.clone(),
        json!({
            "firstMs": first["durationMs"], "unchangedMs": {"median": ours, "runs": unchanged},
            "tarMs": {"median": median(&tar), "runs": tar},
            "resticFirstMs": restic_first, "resticMs": {"median": median(&restic), "runs": restic},
            "goal": {"unchangedMs": UNCHANGED_MS, "tar": TAR_FACTOR, "restic": RESTIC_FACTOR},
            "met": ours <= UNCHANGED_MS && by_tar >= TAR_FACTOR && by_restic >= RESTIC_FACTOR,
        }),
    );
    restores(&mut run, &kept, &setting, output).await
}

async fn restores(
    run: &mut Run,
    kept: &Path,
    setting: &Value,
    output: &Output,
) -> anyhow::Result<()> {
    let (mut took, mut written) = (Vec::new(), Vec::new());
    for round in 0..CHANGES {
        run.change(round).await?;
    }
    let (copy, store) = (bytes(&run.tree)?, bytes(kept)?);
    #[expect(clippy::cast_precision_loss, reason = "sizes of a benchmark")]
    let share = rounded(store as f64 / copy as f64);
    for round in 0..CHANGES {
        run.change(CHANGES + round).await?;
        let (ms, files) = run.restore().await?;
        took.push(ms);
        written.push(files);
    }
    let ms = median(&took);
    say(&format!(
        "  five snapshots: {share} of one copy (goal {FIVE_FACTOR}); restore of 1 %: {ms:.0} ms (goal {RESTORE_MS:.0})"
    ));
    output.emit(
        "store and restore",
        setting.clone(),
        json!({
            "copyBytes": copy, "storeBytes": store, "share": share,
            "restoreMs": {"median": ms, "runs": took}, "filesRestored": written,
            "goal": {"share": FIVE_FACTOR, "restoreMs": RESTORE_MS},
            "met": share <= FIVE_FACTOR && ms <= RESTORE_MS,
        }),
    );
    Ok(())
}
