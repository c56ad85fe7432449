//! `millctl gateway pause`: nothing new is given to the gateway until somebody resumes it. What is in hand ends.

use super::{Gateway, at_once};
use crate::{
    cli::{Global, Reason},
    error::Result,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl gateway pause line1 -m 'audit until Friday'")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, Args { of, why }: Args) -> Result<()> {
    at_once(global, "pause", "paused", of, why).await
}
