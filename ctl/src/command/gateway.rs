//! `millctl gateway`: what a person asks of one gateway. What all of these share is here: which
//! gateway, why, whether and how long to wait, and the two ways to ask: an action, which ends in an
//! attempt, and an instruction, which ends in an answer.

mod attempted;
pub mod confirm;
pub mod drift;
pub mod dry_run;
mod instructed;
pub mod pause;
pub mod resume;
pub mod retry;
pub mod rollback;
pub mod sessions;
pub mod sync;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use millwright_model::time::Span;
use millwright_proto::control::ActOnGatewayRequest;
use serde_json::json;

use crate::{
    cli::{Global, Reason},
    client::Client,
    command::client,
    complete,
    error::Result,
    follow::gateway::read,
    output,
};
use attempted::attempted;
pub(super) use instructed::{Ask, instructed};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl gateway sync line1 -m 'after the disk was replaced'
  millctl gateway retry line1
  millctl gateway rollback line1 -m 'wrong recipe'     back to before the last change
  millctl gateway pause line1 -m 'audit until Friday'
  millctl gateway dry-run line1                        what an apply would change
  millctl gateway sessions line1                       who is at work there";

/// What to do with a gateway.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Apply the assignment again, reading every file anew.
    Sync(sync::Args),
    /// Try again what failed.
    Retry(retry::Args),
    /// Go back to the files of a snapshot or of a commit.
    Rollback(rollback::Args),
    /// Give it nothing new until it is resumed.
    Pause(pause::Args),
    /// End a pause.
    Resume(resume::Args),
    /// Agree to what a rollout asks about.
    Confirm(confirm::Args),
    /// What an apply would change, without changing it.
    #[command(name = "dry-run")]
    DryRun(dry_run::Args),
    /// Who is at work on it.
    Sessions(sessions::Args),
    /// Files that somebody else changed.
    Drift(drift::Args),
}

/// A gateway by name.
#[derive(Debug, Clone, clap::Args)]
pub struct Gateway {
    /// Which gateway.
    #[arg(value_name = "GATEWAY", add = ArgValueCandidates::new(complete::gateways))]
    pub gateway: String,
}

/// Whether and how long to wait.
#[derive(Debug, Clone, clap::Args)]
pub struct Waiting {
    /// Do not wait for the end.
    #[arg(long)]
    pub detach: bool,
    /// Stop waiting after this; 0 looks once.
    #[arg(long, default_value = "5m")]
    pub timeout: Span,
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::Sync(args) => sync::run(global, args).await,
        Command::Retry(args) => retry::run(global, args).await,
        Command::Rollback(args) => rollback::run(global, args).await,
        Command::Pause(args) => pause::run(global, args).await,
        Command::Resume(args) => resume::run(global, args).await,
        Command::Confirm(args) => confirm::run(global, args).await,
        Command::DryRun(args) => dry_run::run(global, args).await,
        Command::Sessions(args) => sessions::run(global, args).await,
        Command::Drift(args) => drift::run(global, args).await,
    }
}

/// Sends an action; a name that does not exist is answered with the nearest. The answer is the log
/// index of the change.
async fn send(client: &mut Client, request: ActOnGatewayRequest) -> Result<u64> {
    read(client, &request.gateway).await?;
    Ok(client.control().await?.act_on_gateway(request).await?.into_inner().index)
}

/// An action that is done at once.
async fn at_once(
    global: &Global,
    action: &str,
    done: &str,
    of: Gateway,
    why: Reason,
) -> Result<()> {
    let gateway = of.gateway;
    let request = ActOnGatewayRequest {
        gateway: gateway.clone(),
        action: action.to_owned(),
        reason: why.reason,
        ..ActOnGatewayRequest::default()
    };
    let index = send(&mut client(global)?, request).await?;
    let value = json!({"kind": "Gateway", "name": gateway, "action": done});
    output::show(&global.output, &value, Some(index), |_| format!("gateway/{gateway} {done}\n"))
}
