//! `millctl agent`: identities of agents. Both commands act on open connections at once.

pub mod ban;
pub mod evict;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use millwright_proto::control::RevokeAgentRequest;
use serde_json::json;

use crate::{
    cli::{Global, Reason},
    command::client,
    complete,
    confirm::{Confirm, confirm},
    error::Result,
    output,
};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl agent evict line1 -m 'machine replaced'      it may enrol again
  millctl agent ban line1 -m 'laptop stolen'           it may not";

/// What to do with an agent.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// End an agent's identity; it may enrol again.
    Evict(evict::Args),
    /// End an agent's identity for good.
    Ban(ban::Args),
}

/// Which agent.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// Its gateway.
    #[arg(add = ArgValueCandidates::new(complete::gateways))]
    pub gateway: String,
    /// Which node of a redundant pair: master or backup.
    #[arg(long, default_value = "single")]
    pub member: String,
    /// Whether it was confirmed.
    #[command(flatten)]
    pub confirm: Confirm,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::Evict(args) => evict::run(global, args).await,
        Command::Ban(args) => ban::run(global, args).await,
    }
}

async fn revoke(global: &Global, target: Target, ban: bool) -> Result<()> {
    let Target { gateway, member, confirm: flags, why } = target;
    let mut client = client(global)?;
    let (doing, done) = if ban { ("banning", "banned") } else { ("evicting", "evicted") };
    confirm(client.context(), &format!("{doing} the agent of {gateway} ({member})"), &flags)?;
    let request = RevokeAgentRequest {
        gateway: gateway.clone(),
        member: member.clone(),
        ban,
        reason: why.reason,
    };
    client.control().await?.revoke_agent(request).await?;
    let value = json!({"kind": "Agent", "name": gateway, "member": member, "action": done});
    output::show(&global.output, &value, None, |_| format!("agent of {gateway} {done}\n"))?;
    if !ban {
        output::note(&format!("it may enrol again: millctl token create agent {gateway}"));
    }
    Ok(())
}
