//! What one agent costs beside its gateway: memory during the first apply of a large tree, memory and
//! processor time while nothing happens.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;

use playground::process::small_agent;

use crate::{
    machine::{cpu_seconds, peak_bytes, resident_bytes},
    output::{Output, say},
    scene::Scene,
    site::{self, Site},
    stats::rounded,
};

/// Goals: bytes at rest and at the peak of a first apply, share of one core at rest.
const IDLE_BYTES: u64 = 20_000_000;
const PEAK_BYTES: u64 = 80_000_000;
const IDLE_SHARE: f64 = 0.001;
/// The agent settles after an apply: its first look for drift is still work.
const SETTLES: Duration = Duration::from_secs(20);

/// `agent`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Git repository or bundle to apply: its root becomes one project.
    #[arg(long)]
    repo: PathBuf,
    /// Take the agent built for small memory: `cargo build --profile small -p millwright-agent`.
    #[arg(long)]
    small: bool,
    /// Seconds over which an agent at rest is watched.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
}

struct Rest {
    bytes: u64,
    share: f64,
}

async fn rest(site: &Site, seconds: u64) -> anyhow::Result<Rest> {
    tokio::time::sleep(SETTLES).await;
    let pid = site.agent_id()?;
    let before = cpu_seconds(pid)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    #[expect(clippy::cast_precision_loss, reason = "seconds of a benchmark")]
    let share = (cpu_seconds(pid)? - before) / seconds as f64;
    Ok(Rest { bytes: resident_bytes(pid)?, share })
}

/// Measures and prints.
pub async fn run(args: &Args, dir: &Path, output: &Output) -> anyhow::Result<()> {
    let mut scene = Scene::start(dir, &args.repo, &[]).await?;
    if args.small {
        scene.agent = small_agent()?.display().to_string();
    }
    let (mut site, first) = scene.site(dir, site::no_scan).await?;
    let seconds = args.seconds.max(1);
    let after_apply = rest(&site, seconds).await?;
    let peak = peak_bytes(site.agent_id()?)?;
    site.kill_and_start().await?;
    let restarted = rest(&site, seconds).await?;
    #[expect(clippy::cast_precision_loss, reason = "bytes of one process")]
    let mb = |bytes: u64| bytes as f64 / 1e6;
    say(&format!(
        "  peak of the first apply {:.1} MB (goal {:.0}); at rest {:.1} MB after it, {:.1} MB after a restart \
         (goal {:.0}), {:.3} % of a core (goal {:.1})",
        mb(peak),
        mb(PEAK_BYTES),
        mb(after_apply.bytes),
        mb(restarted.bytes),
        mb(IDLE_BYTES),
        restarted.share * 100.0,
        IDLE_SHARE * 100.0,
    ));
    let repo = args.repo.file_name().map(|name| name.to_string_lossy().into_owned());
    let setting = json!({"repo": repo, "small": args.small, "files": first["filesAdded"], "seconds": seconds});
    let at_rest =
        |rest: &Rest| json!({"residentBytes": rest.bytes, "cpuShare": rounded(rest.share)});
    let good = |rest: &Rest| rest.bytes <= IDLE_BYTES && rest.share <= IDLE_SHARE;
    let figures = json!({
        "peakBytes": peak, "afterApply": at_rest(&after_apply), "restarted": at_rest(&restarted),
        "goal": {"idleBytes": IDLE_BYTES, "peakBytes": PEAK_BYTES, "cpuShare": IDLE_SHARE},
        "met": peak <= PEAK_BYTES && good(&after_apply) && good(&restarted),
    });
    output.emit("one agent", setting, figures);
    Ok(())
}
