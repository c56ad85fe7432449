//! `millctl snapshot restore`: a rollback of the gateway to one of its snapshots.

use clap_complete::engine::ArgValueCandidates;

use super::{Gateway, Waiting};
use crate::{
    cli::{Global, Reason},
    command::gateway::rollback,
    complete,
    confirm::Confirm,
    error::Result,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl snapshot restore line1 20261012t143413z -m 'wrong recipe'
  millctl snapshot restore line1 20261012t143413z --project packing --yes

It is the same as millctl gateway rollback line1 --to ID.")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// Id, as in the list.
    #[arg(add = ArgValueCandidates::new(complete::snapshots))]
    pub id: String,
    /// Only this project.
    #[arg(long)]
    pub project: Option<String>,
    /// Whether it was confirmed.
    #[command(flatten)]
    pub confirm: Confirm,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { of, id, project, confirm, waiting, why } = args;
    let to = Some(id);
    let args = rollback::Args { of, to, project, allow_deletions: false, confirm, waiting, why };
    rollback::run(global, args).await
}
