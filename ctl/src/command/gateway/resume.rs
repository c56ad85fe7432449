//! `millctl gateway resume`: ends a pause that a command began; a pause in the resource (\`spec.paused\`) ends there.

use super::{Gateway, at_once};
use crate::{
    cli::{Global, Reason},
    error::Result,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl gateway resume line1 -m 'the audit is over'")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, Args { of, why }: Args) -> Result<()> {
    at_once(global, "resume", "resumed", of, why).await
}
