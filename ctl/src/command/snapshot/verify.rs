//! `millctl snapshot verify`. Reads a snapshot back from the agent's store and compares every file.

use super::{Target, ask};
use crate::{cli::Global, error::Result};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl snapshot verify line1 20261012t143413z

It exits with 8 when a file is damaged or the snapshot is not there.")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub target: Target,
}

pub(super) async fn run(global: &Global, Args { target }: Args) -> Result<()> {
    ask(global, "snapshot_verify", target).await
}
