//! An agent is killed at random times while one commit after another changes a large tree. After every
//! commit the files are exactly those of the commit, no scan has ever run over anything but the files
//! of a whole commit, and what the cluster calls applied is what is on the disk.
//!
//! The seed decides what is changed and when is killed; what the machine does at that moment it does
//! not decide.

mod draw;
mod mirror;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use gateway_sim::{SimConfig, knobs::OnMismatch};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::time::Instant;

use self::mirror::Mirror;
use crate::{
    output::{Output, say},
    scene::{ROOT, Scene},
    site::Site,
};

/// Kills while one commit is on its way: with five crashes the agent would give the commit up.
const KILLS_PER_COMMIT: usize = 3;
/// The first kill comes within this after the commit: a poll of the repository, and one whole apply.
const FIRST_MS: u64 = 2_500;
/// The others come within this after the restart.
const NEXT_MS: u64 = 1_200;
/// Between two lines for people.
const SAY_EVERY: usize = 25;

/// `chaos`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Git repository or bundle: its root becomes one project.
    #[arg(long)]
    repo: PathBuf,
    /// How often the agent is killed.
    #[arg(long, default_value_t = 500)]
    kills: usize,
    /// Decides the changes and the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Most files that one commit changes.
    #[arg(long, default_value_t = 200)]
    files_max: usize,
}

/// What is going on.
struct Run<'a> {
    args: &'a Args,
    rng: StdRng,
    scene: Scene,
    site: Site,
    mirror: Mirror,
    /// Digests of whole commits.
    whole: Vec<String>,
    kills: usize,
    commits: usize,
    files: usize,
}

fn simulate(config: &mut SimConfig) {
    (config.knobs.scan.min_ms, config.knobs.scan.max_ms) = (1, 300);
    // A change of a file leaves its signature behind: stamping it anew would be one more writer.
    config.knobs.projects_mismatch = OnMismatch::Keep;
}

impl<'a> Run<'a> {
    async fn start(args: &'a Args, dir: &Path) -> anyhow::Result<Self> {
        let mut scene = Scene::start(dir, &args.repo, &[]).await?;
        let (site, _) = scene.site(dir, simulate).await?;
        let (mut mirror, before) = Mirror::copy(&site.data_dir(), &dir.join("mirror"), ROOT)?;
        let (whole, rng) = (vec![before, mirror.digest()?], StdRng::seed_from_u64(args.seed));
        Ok(Self { args, rng, scene, site, mirror, whole, kills: 0, commits: 0, files: 0 })
    }

    /// One commit, killed up to a few times on its way; what became of it is checked.
    async fn round(&mut self) -> anyhow::Result<()> {
        let changes = draw::changes(&mut self.rng, self.mirror.files(), self.args.files_max);
        self.mirror.change(&changes)?;
        self.whole.push(self.mirror.digest()?);
        let commit = self.scene.repo.commit_all("Next revision", &changes).await?;
        let left = self.args.kills - self.kills;
        let kills = self.rng.random_range(1..=KILLS_PER_COMMIT.min(left));
        for number in 0..kills {
            let within = if number == 0 { FIRST_MS } else { NEXT_MS };
            let wait = Duration::from_millis(self.rng.random_range(0..within));
            tokio::time::sleep(wait).await;
            self.site.kill_and_start().await?;
        }
        (self.kills, self.commits) = (self.kills + kills, self.commits + 1);
        self.files += changes.len();
        let last = self.scene.applied(&self.site.name, &commit).await?;
        ensure!(last["result"] == "applied", "it did not end as applied: {last:#}");
        self.check()
    }

    fn check(&self) -> anyhow::Result<()> {
        let expected = self.whole.last().context("there is a first commit")?;
        ensure!(self.site.sim.tree_digest()? == *expected, "the files are not those of the commit");
        let half = self.site.sim.scans_of_other_trees(&self.whole);
        ensure!(half.is_empty(), "a scan ran over files of no commit: {half:?}");
        let touched = self.site.sim.counters().never_touched;
        ensure!(touched.is_empty(), "what is never touched was: {touched:?}");
        Ok(())
    }

    /// How the agent went on after its restarts, by its own log; `idle` when nothing was in hand.
    fn recoveries(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let log = std::fs::read_to_string(self.site.agent_log())?;
        let mut found = BTreeMap::new();
        for line in log.lines().filter(|line| line.contains("going on after a restart")) {
            let word = line.split("recovery=").nth(1).unwrap_or_default();
            let end = word.find(|c: char| !c.is_alphanumeric()).unwrap_or(word.len());
            *found.entry(word[..end].to_owned()).or_default() += 1;
        }
        let known: usize = found.values().sum();
        found.insert("idle".to_owned(), self.kills.saturating_sub(known));
        Ok(found)
    }
}

/// Kills until there were enough, and prints what was seen.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut run = Run::start(args, dir).await?;
    say(&format!("  {} files are there; killing begins", run.mirror.files().len()));
    let mut said = 0;
    while run.kills < args.kills {
        let (kills, commits) = (run.kills, run.commits);
        run.round().await.with_context(|| {
            format!("seed {}, commit {}, after {kills} kills", args.seed, commits + 1)
        })?;
        if run.kills / SAY_EVERY > said {
            said = run.kills / SAY_EVERY;
            let seconds = began.elapsed().as_secs();
            say(&format!("  {} kills, {} commits, {seconds} s", run.kills, run.commits));
        }
    }
    let recoveries = run.recoveries()?;
    let scans = run.site.sim.scans().len();
    say(&format!(
        "  {} kills on the way of {} commits: no violation; {scans} scans; {recoveries:?}",
        run.kills, run.commits
    ));
    let name = args.repo.file_name().map(|name| name.to_string_lossy().into_owned());
    let setting = json!({"repo": name, "seed": args.seed, "filesMax": args.files_max,
        "files": run.mirror.files().len()});
    let figures = json!({"kills": run.kills, "commits": run.commits, "filesChanged": run.files,
        "scans": scans, "violations": 0, "recoveries": recoveries,
        "seconds": began.elapsed().as_secs()});
    output.emit("random kills", setting, figures);
    Ok(())
}
