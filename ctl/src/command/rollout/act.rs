//! What a person asks of a rollout: `millctl rollout start`, `pause`, `resume`, `approve`, `deny`,
//! `promote`, `retry`, `skip`, `abort` and `undo`. They differ in a word, so they share a file.

use clap_complete::engine::ArgValueCandidates;
use millwright_proto::control::ActOnRolloutRequest;
use serde_json::json;

use super::one;
use crate::{
    cli::{Global, Reason},
    command::client,
    complete,
    confirm::{Confirm, confirm},
    error::Result,
    output,
    view::text,
};

/// Which rollout, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which; the newest when none is named.
    #[arg(add = ArgValueCandidates::new(complete::rollouts))]
    pub id: Option<String>,
    /// The newest of this fleet.
    #[arg(long, conflicts_with = "id", add = ArgValueCandidates::new(complete::fleets))]
    pub fleet: Option<String>,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

/// For `start`.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// Which.
    #[command(flatten)]
    pub of: Args,
    /// Only if the plan is this one, as `millctl why rollout` shows it.
    #[arg(long, value_name = "HASH")]
    pub plan_hash: Option<String>,
}

/// For `approve` and `deny`.
#[derive(Debug, clap::Args)]
pub struct Stage {
    /// Which.
    #[command(flatten)]
    pub of: Args,
    /// Which stage; the one that is asked about when none is named.
    #[arg(long)]
    pub stage: Option<String>,
}

/// For `retry`.
#[derive(Debug, clap::Args)]
pub struct Retry {
    /// Which.
    #[command(flatten)]
    pub of: Args,
    /// Only this gateway.
    #[arg(long, add = ArgValueCandidates::new(complete::gateways))]
    pub gateway: Option<String>,
}

/// For `skip`.
#[derive(Debug, clap::Args)]
pub struct Skip {
    /// Which.
    #[command(flatten)]
    pub of: Args,
    /// Which gateway.
    #[arg(long, add = ArgValueCandidates::new(complete::gateways))]
    pub gateway: String,
}

/// For `abort` and `undo`.
#[derive(Debug, clap::Args)]
pub struct Ask {
    /// Which.
    #[command(flatten)]
    pub of: Args,
    /// Whether it was confirmed.
    #[command(flatten)]
    pub confirm: Confirm,
}

/// One of the actions, with what it takes besides.
pub(super) struct Action<'a> {
    /// As the coordinator knows it.
    pub word: &'static str,
    /// As a person reads it.
    pub done: &'static str,
    /// Something to ask before, with how it was answered beforehand.
    pub asks: Option<(&'static str, &'a Confirm)>,
}

/// Sends an action; its request has what else is needed.
pub(super) async fn run(
    global: &Global,
    of: Args,
    action: Action<'_>,
    request: ActOnRolloutRequest,
) -> Result<()> {
    let mut client = client(global)?;
    let (value, _) = one(&mut client, of.id.as_deref(), of.fleet.as_deref()).await?;
    let rollout = text(&value, "/metadata/name");
    if let Some((clause, flags)) = action.asks {
        confirm(client.context(), &format!("{clause} rollout {rollout}"), flags)?;
    }
    let request = ActOnRolloutRequest {
        rollout: rollout.clone(),
        action: action.word.to_owned(),
        reason: of.why.reason,
        ..request
    };
    let index = client.control().await?.act_on_rollout(request).await?.into_inner().index;
    let value = json!({"kind": "Rollout", "name": rollout, "action": action.done});
    output::show(&global.output, &value, Some(index), |_| {
        format!("rollout/{rollout} {}\n", action.done)
    })
}
