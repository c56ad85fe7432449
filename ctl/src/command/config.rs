//! `millctl config`: this program's own settings.

pub mod explain;

use clap::Subcommand;

use crate::{cli::Global, context::settings::Origins, error::Result};

/// Shown below the help.
pub const EXAMPLES: &str = "Example:
  millctl config explain";

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every setting, and where its value came from.
    Explain(explain::Args),
}

pub(super) fn run(global: &Global, command: Command, origins: Origins) -> Result<()> {
    match command {
        Command::Explain(args) => explain::run(global, args, origins),
    }
}
