//! `millctl agent ban`.

use super::{Target, revoke};
use crate::{cli::Global, error::Result};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl agent ban line1 -m 'laptop stolen'")]
pub struct Args {
    /// Which agent.
    #[command(flatten)]
    pub target: Target,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    revoke(global, args.target, true).await
}
