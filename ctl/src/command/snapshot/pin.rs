//! `millctl snapshot pin`. Keeps a snapshot whatever its age.

use super::{Target, ask};
use crate::{cli::Global, error::Result};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl snapshot pin line1 20261012t143413z -m 'the line ran well on it'")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub target: Target,
}

pub(super) async fn run(global: &Global, Args { target }: Args) -> Result<()> {
    ask(global, "snapshot_pin", target).await
}
