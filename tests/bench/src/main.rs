//! `cargo run --release -p bench -- …`; see the library for what it measures.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use bench::{
    agent, chaos, decide, failover, fanout, machine,
    output::{self, Output},
    raft, render, rollout, snapshot, sync,
};
use clap::{Parser, Subcommand};
use playground::process::build_for_play;

const EXAMPLES: &str = "Examples:
  cargo run --release -p bench -- fanout --agents 1000
  cargo run --release -p bench -- raft --clients 64 --seconds 20 --vs-etcd
  cargo run --release -p bench -- failover --rounds 20
  cargo run --release -p bench -- sync --repo site.bundle
  cargo run --release -p bench -- render --repo site.bundle
  cargo run --release -p bench -- decide --gateways 10000
  cargo run --release -p bench -- rollout --agents 1000
  cargo run --release -p bench -- snapshot --repo site.bundle
  cargo run --release -p bench -- agent --repo site.bundle
  cargo run --release -p bench -- --minutes-max 60 chaos --repo site.bundle --kills 500
  cargo run --release -p bench -- --dir /var/tmp raft --runs 5 >> results.jsonl

Figures depend on the disk: --dir names a folder on the disk that is to be measured. Every process
that is started ends with this one, and every file is removed.";

/// Measures coordinators and agents as real processes on loopback.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Folder for everything that is written; a new one inside is used and removed.
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Use the programs beside this one as they are.
    #[arg(long, global = true)]
    no_build: bool,
    /// Give up after so many minutes.
    #[arg(long, global = true, default_value_t = 20)]
    minutes_max: u64,
    /// Keep the folder, to read the logs.
    #[arg(long, global = true)]
    keep: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Committed writes per second and their latency through the real API of three coordinators.
    Raft(raft::Args),
    /// Many agents: enrolment, connecting, a release to all of them, the cost of idle connections.
    Fanout(fanout::Args),
    /// One agent and a large repository: first apply, one changed file, nothing to do; git and rsync
    /// beside it.
    Sync(sync::Args),
    /// Snapshots of a large tree and a restore; tar and restic beside it.
    Snapshot(snapshot::Args),
    /// Memory and processor time of one agent.
    Agent(agent::Args),
    /// The manifests of many gateways out of one large repository, without agents.
    Render(render::Args),
    /// Decisions in a fleet of ten thousand gateways, in one process.
    Decide(decide::Args),
    /// A rollout of three stages to many agents that report at once.
    Rollout(rollout::Args),
    /// SIGKILL of an agent at random times while files change; any violation ends it with an error.
    Chaos(chaos::Args),
    /// SIGKILL of the leader until the next committed write at the survivors.
    Failover(failover::Args),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Raft(_) => "raft",
            Command::Fanout(_) => "fanout",
            Command::Sync(_) => "sync",
            Command::Render(_) => "render",
            Command::Snapshot(_) => "snapshot",
            Command::Agent(_) => "agent",
            Command::Decide(_) => "decide",
            Command::Rollout(_) => "rollout",
            Command::Chaos(_) => "chaos",
            Command::Failover(_) => "failover",
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    millwright_certs::install_crypto_provider();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    if !cli.no_build {
        build_for_play()?;
    }
    machine::raise_file_limit();
    let base = cli.dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&base)?;
    let mut folder = tempfile::Builder::new().prefix("millwright-bench-").tempdir_in(&base)?;
    folder.disable_cleanup(cli.keep);
    let dir = std::path::absolute(folder.path())?;
    let output = Output::new(cli.command.name(), &dir)?;
    output.begin();
    let limit = Duration::from_secs(cli.minutes_max.max(1) * 60);
    tokio::select! {
        done = tokio::time::timeout(limit, carry_out(cli.command, &dir, &output)) => {
            done.with_context(|| format!("not done within {} minutes", limit.as_secs() / 60))?
        }
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}

async fn carry_out(command: Command, dir: &Path, output: &Output) -> anyhow::Result<()> {
    match command {
        Command::Raft(args) => raft::run(&args, dir, output).await,
        Command::Fanout(args) => fanout::run(&args, dir, output).await,
        Command::Sync(args) => sync::run(&args, dir, output).await,
        Command::Render(args) => render::run(&args, dir, output).await,
        Command::Snapshot(args) => snapshot::run(&args, dir, output).await,
        Command::Agent(args) => agent::run(&args, dir, output).await,
        Command::Decide(args) => decide::run(&args, output),
        Command::Rollout(args) => rollout::run(&args, dir, output).await,
        Command::Chaos(args) => chaos::run(&args, dir, output).await,
        Command::Failover(args) => failover::run(&args, dir, output).await,
    }
}
