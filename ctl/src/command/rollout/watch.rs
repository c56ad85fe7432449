//! `millctl rollout watch`.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::time::Span;

use crate::{
    cli::Global,
    command::client,
    complete,
    error::Result,
    follow::{self, Screen, Target},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl rollout watch
  millctl rollout watch plants-2 --timeout 30m
  millctl rollout watch --commit $(git rev-parse HEAD)     wait for what was just pushed

It exits with 0 when the rollout is complete, 8 when it failed, 7 when it stopped watching.")]
pub struct Args {
    /// Which; the newest when none is named.
    #[arg(add = ArgValueCandidates::new(complete::rollouts))]
    pub id: Option<String>,
    /// The newest of this fleet.
    #[arg(long, conflicts_with = "id", add = ArgValueCandidates::new(complete::fleets))]
    pub fleet: Option<String>,
    /// Wait for a rollout of this commit; its beginning is enough.
    #[arg(long, conflicts_with = "id")]
    pub commit: Option<String>,
    /// Stop watching after this; 0 looks once.
    #[arg(long, default_value = "5m")]
    pub timeout: Span,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { id, fleet, commit, timeout } = args;
    let target = match id {
        Some(id) => Target::One(id),
        None => Target::Newest { fleet, commit },
    };
    let screen = Screen::watching(&global.output);
    follow::run(&mut client(global)?, target, timeout.into(), screen).await.map(drop)
}
