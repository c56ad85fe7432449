//! `millctl rollout`.

pub mod act;
pub mod list;
pub mod status;
pub mod watch;

use clap::Subcommand;
use millwright_proto::control::ActOnRolloutRequest;
use serde_json::Value;

use self::act::Action;

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
  millctl rollout watch                  the newest one, to its end
  millctl rollout approve -m 'seen on the canary'
  millctl rollout promote -m 'no need to soak longer'
  millctl rollout undo --yes -m 'pumps stop'      everything back, in the reverse order";

/// What to do with rollouts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One line per rollout, the newest last.
    List(list::Args),
    /// One rollout, stage by stage; the newest when none is named.
    Status(status::Args),
    /// Follow one to its end; the newest when none is named. Ctrl-C stops only the watching.
    Watch(watch::Args),
    /// Begin a planned one: for fleets with a manual trigger.
    #[command(
        after_help = "Examples:\n  millctl rollout start -m 'the plan is good'\n  millctl rollout start plants-7 --plan-hash HASH -m 'as reviewed'"
    )]
    Start(act::Start),
    /// Begin nothing new; what is in flight ends.
    #[command(after_help = "Examples:\n  millctl rollout pause -m 'shift change'")]
    Pause(act::Args),
    /// Go on after a pause, or after a failure that is accepted.
    #[command(after_help = "Examples:\n  millctl rollout resume -m 'line9 is known to fail'")]
    Resume(act::Args),
    /// Let a stage begin that asks for an approval.
    #[command(
        after_help = "Examples:\n  millctl rollout approve -m 'seen on the canary'\n  millctl rollout approve plants-7 --stage rest -m 'seen on the canary'"
    )]
    Approve(act::Stage),
    /// Stop at a stage that asks for an approval.
    #[command(after_help = "Examples:\n  millctl rollout deny -m 'alarms are missing'")]
    Deny(act::Stage),
    /// End the soak of the stage before.
    #[command(after_help = "Examples:\n  millctl rollout promote -m 'no need to soak longer'")]
    Promote(act::Args),
    /// Try what failed once more.
    #[command(
        after_help = "Examples:\n  millctl rollout retry -m 'the network is back'\n  millctl rollout retry --gateway line9 -m 'disk replaced'"
    )]
    Retry(act::Retry),
    /// Go on without one gateway.
    #[command(after_help = "Examples:\n  millctl rollout skip --gateway line9 -m 'under repair'")]
    Skip(act::Skip),
    /// Begin nothing new, for good; what is in flight ends.
    #[command(after_help = "Examples:\n  millctl rollout abort --yes -m 'wrong branch'")]
    Abort(act::Ask),
    /// Everything back to what it was before, in the reverse order; the commit is held.
    #[command(
        after_help = "Examples:\n  millctl rollout undo -m 'pumps stop'\n  millctl rollout undo plants-7 --yes -m 'pumps stop'"
    )]
    Undo(act::Ask),
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(global, args).await,
        Command::Status(args) => status::run(global, args).await,
        Command::Watch(args) => watch::run(global, args).await,
        Command::Start(act::Start { of, plan_hash }) => {
            let plan_hash = plan_hash.unwrap_or_default();
            let request = ActOnRolloutRequest { plan_hash, ..ActOnRolloutRequest::default() };
            act::run(global, of, plain("start", "started"), request).await
        }
        Command::Pause(of) => simple(global, of, "pause", "paused").await,
        Command::Resume(of) => simple(global, of, "resume", "resumed").await,
        Command::Promote(of) => simple(global, of, "promote", "promoted").await,
        Command::Approve(args) => at_stage(global, args, "approve", "approved").await,
        Command::Deny(args) => at_stage(global, args, "deny", "denied").await,
        Command::Retry(act::Retry { of, gateway }) => {
            let gateway = gateway.unwrap_or_default();
            let request = ActOnRolloutRequest { gateway, ..ActOnRolloutRequest::default() };
            act::run(global, of, plain("retry", "tried again"), request).await
        }
        Command::Skip(act::Skip { of, gateway }) => {
            let request = ActOnRolloutRequest { gateway, ..ActOnRolloutRequest::default() };
            act::run(global, of, plain("skip", "goes on without it"), request).await
        }
        Command::Abort(act::Ask { of, confirm }) => {
            let asks = Some(("aborting", &confirm));
            let action = Action { asks, ..plain("abort", "aborted") };
            act::run(global, of, action, ActOnRolloutRequest::default()).await
        }
        Command::Undo(act::Ask { of, confirm }) => {
            let asks = Some(("giving all gateways their previous files back: undoing", &confirm));
            let action = Action { asks, ..plain("undo", "goes back") };
            act::run(global, of, action, ActOnRolloutRequest::default()).await
        }
    }
}

fn plain(word: &'static str, done: &'static str) -> Action<'static> {
    Action { word, done, asks: None }
}

async fn simple(
    global: &Global,
    of: act::Args,
    word: &'static str,
    done: &'static str,
) -> Result<()> {
    act::run(global, of, plain(word, done), ActOnRolloutRequest::default()).await
}

async fn at_stage(
    global: &Global,
    args: act::Stage,
    word: &'static str,
    done: &'static str,
) -> Result<()> {
    let act::Stage { of, stage } = args;
    let stage = stage.unwrap_or_default();
    let request = ActOnRolloutRequest { stage, ..ActOnRolloutRequest::default() };
    act::run(global, of, plain(word, done), request).await
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
