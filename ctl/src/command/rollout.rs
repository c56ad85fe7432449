//! `millctl rollout`.

pub mod list;
pub mod status;
pub mod watch;

use clap::Subcommand;
use serde_json::Value;

use crate::{
    cli::Global,
    client::Client,
    error::{Error, Kind, Result},
    view::{number, text},
};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl rollout list
  millctl rollout status plants-2
  millctl rollout watch                  the newest one, to its end";

/// What to do with rollouts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One line per rollout, the newest last.
    List(list::Args),
    /// One rollout, stage by stage; the newest when none is named.
    Status(status::Args),
    /// Follow one to its end; the newest when none is named. Ctrl-C stops only the watching.
    Watch(watch::Args),
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(global, args).await,
        Command::Status(args) => status::run(global, args).await,
        Command::Watch(args) => watch::run(global, args).await,
    }
}

/// The named rollout, or the newest of a fleet, or the newest of all; and the index of the read.
async fn one(client: &mut Client, id: Option<&str>, fleet: Option<&str>) -> Result<(Value, u64)> {
    let listing = client.get("Rollout", id.unwrap_or_default(), "").await?;
    let newest = listing
        .values
        .into_iter()
        .filter(|value| fleet.is_none_or(|fleet| text(value, "/spec/fleet") == fleet))
        .max_by_key(|value| number(value, "/status/startedAt"));
    let none = || {
        let of = fleet.map(|fleet| format!(" of fleet {fleet}")).unwrap_or_default();
        Error::new(Kind::NotFound, format!("there is no rollout{of} yet"))
            .hint("one begins when a fleet's repository is resolved: millctl get repositories")
    };
    newest.map(|value| (value, listing.index)).ok_or_else(none)
}
