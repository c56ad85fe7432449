//! `millctl snapshot unpin`. Keeps a snapshot no longer than others.

use super::{Target, ask};
use crate::{cli::Global, error::Result};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl snapshot unpin line1 20261012t143413z")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub target: Target,
}

pub(super) async fn run(global: &Global, Args { target }: Args) -> Result<()> {
    ask(global, "snapshot_unpin", target).await
}
