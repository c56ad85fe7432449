//! `millctl context`: the contexts file.

pub mod add;
pub mod list;
pub mod remove;
pub mod show;
pub mod switch;

use clap::Subcommand;

use crate::{cli::Global, error::Result};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl context list
  millctl context use prod
  millctl context show
  MILLWRIGHT_CONTEXT=lab millctl status";

/// What to do with contexts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Contexts of the file; the one in use is marked.
    List(list::Args),
    /// Put a context to use.
    Use(switch::Args),
    /// One context: addresses, pin, identity, expiry.
    Show(show::Args),
    /// Add a context for an identity that is there already.
    Add(add::Args),
    /// Take a context out of the file.
    Remove(remove::Args),
}

pub(super) fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(global, args),
        Command::Use(args) => switch::run(global, args),
        Command::Show(args) => show::run(global, args),
        Command::Add(args) => add::run(global, args),
        Command::Remove(args) => remove::run(global, args),
    }
}
