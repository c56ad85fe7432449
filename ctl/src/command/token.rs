//! `millctl token`: join tokens. Each buys one identity, once.

pub mod create;
pub mod list;
pub mod revoke;

use clap::Subcommand;

use crate::{cli::Global, error::Result};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl token create agent line1 --ttl 30m
  millctl token list
  millctl token revoke 3fa85f64c1d2 -m 'sent to the wrong person'";

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token; it is shown once.
    Create(create::Args),
    /// Tokens and what became of them.
    List(list::Args),
    /// Make a token void.
    Revoke(revoke::Args),
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::Create(args) => create::run(global, args).await,
        Command::List(args) => list::run(global, args).await,
        Command::Revoke(args) => revoke::run(global, args).await,
    }
}
