//! `millctl cluster`: the coordinators.

pub mod status;

use clap::Subcommand;

use crate::{cli::Global, error::Result};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl cluster status
  millctl cluster status --stale     when there is no leader";

/// What to do with the coordinators.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The coordinators, their roles and how far each one trails.
    Status(status::Args),
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::Status(args) => status::run(global, args).await,
    }
}
