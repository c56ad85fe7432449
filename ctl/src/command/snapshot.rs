//! `millctl snapshot`: the snapshots that the agent of a gateway keeps.

pub mod create;
pub mod list;
pub mod pin;
pub mod restore;
pub mod unpin;
pub mod verify;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use millwright_model::template::nearest;

use super::gateway::{Ask, Gateway, Waiting, instructed};
use crate::{
    cli::{Global, Reason},
    command::client,
    complete,
    error::Result,
    output,
    view::{list as items, text},
};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl snapshot list line1
  millctl snapshot create line1 -m 'before the module upgrade'
  millctl snapshot verify line1 20261012t143413z
  millctl snapshot restore line1 20261012t143413z -m 'wrong recipe'";

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One line per snapshot, the newest first.
    List(list::Args),
    /// Take one now.
    Create(create::Args),
    /// Read one back and compare.
    Verify(verify::Args),
    /// Roll the gateway back to one.
    Restore(restore::Args),
    /// Keep one whatever its age.
    Pin(pin::Args),
    /// Keep one no longer than others.
    Unpin(unpin::Args),
}

/// A snapshot of a gateway, to be instructed about.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// Which gateway.
    #[command(flatten)]
    pub of: Gateway,
    /// Id, as in the list.
    #[arg(add = ArgValueCandidates::new(complete::snapshots))]
    pub id: String,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(global, args).await,
        Command::Create(args) => create::run(global, args).await,
        Command::Verify(args) => verify::run(global, args).await,
        Command::Restore(args) => restore::run(global, args).await,
        Command::Pin(args) => pin::run(global, args).await,
        Command::Unpin(args) => unpin::run(global, args).await,
    }
}

/// Has the agent do something with a snapshot, and shows its answer.
async fn ask(global: &Global, kind: &str, target: Target) -> Result<()> {
    let Target { of, id, waiting, why } = target;
    let mut client = client(global)?;
    let ask = Ask { gateway: &of.gateway, kind, subject: &id, reason: why.reason };
    let Some(answer) = instructed(global, &mut client, ask, &waiting).await? else {
        return Ok(());
    };
    if answer.ok {
        return output::show(&global.output, &answer.record, Some(answer.index), |_| {
            format!("{}\n", answer.message)
        });
    }
    output::show(&global.output, &answer.record, Some(answer.index), |_| {
        let damaged = items(&answer.detail, "/damaged").iter();
        damaged.filter_map(|path| path.as_str()).map(|path| format!("damaged {path}\n")).collect()
    })?;
    let what = kind.replace('_', " ");
    answer.verdict(&format!("{what} failed")).map_err(|error| {
        let known = items(&answer.gateway, "/status/snapshots");
        let known: Vec<String> = known.iter().map(|one| text(one, "/id")).collect();
        let list = format!("millctl snapshot list {}", of.gateway);
        match nearest(&id, known.iter().map(String::as_str)).filter(|meant| *meant != id) {
            Some(meant) => error.hint(format!("did you mean {meant:?}? {list}")),
            None => error.hint(list),
        }
    })
}
