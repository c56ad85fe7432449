//! `millctl agent evict`.

use super::{Target, revoke};
use crate::{cli::Global, error::Result};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl agent evict line1 -m 'machine replaced'")]
pub struct Args {
    /// Which agent.
    #[command(flatten)]
    pub target: Target,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    revoke(global, args.target, false).await
}
