//! `millctl token create`.

use clap::ValueEnum;
use clap_complete::engine::ArgValueCandidates;
use millwright_model::time::{Span, Timestamp};
use millwright_proto::control::CreateTokenRequest;
use serde_json::json;

use crate::{
    cli::{Global, Reason},
    command::client,
    complete,
    error::Result,
    output,
};

/// Whom a token makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The agent of a gateway.
    Agent,
    /// A coordinator that joins the cluster.
    Coordinator,
    /// A person or program that uses millctl.
    Operator,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Role::Agent => "agent",
            Role::Coordinator => "coordinator",
            Role::Operator => "operator",
        }
    }
}

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl token create agent line1
  millctl token create agent line2 --member backup --ttl 30m
  millctl token create operator ann -m 'new in the team'")]
pub struct Args {
    /// Whom it makes.
    pub role: Role,
    /// Name of the gateway, node or operator.
    #[arg(add = ArgValueCandidates::new(complete::names_of_role_before))]
    pub name: String,
    /// Agents of a redundant pair: master or backup.
    #[arg(long, default_value = "single")]
    pub member: String,
    /// Its life; a day at most.
    #[arg(long, default_value = "10m")]
    pub ttl: Span,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { role, name, member, ttl, why } = args;
    let member = if role == Role::Agent { member } else { String::new() };
    let request = CreateTokenRequest {
        role: role.as_str().to_owned(),
        name: name.clone(),
        member,
        ttl_ms: ttl.0,
        reason: why.reason,
    };
    let mut client = client(global)?;
    let made = client.control().await?.create_token(request).await?.into_inner();
    let until = Timestamp(made.expires_at_ms);
    let value = json!({
        "kind": "JoinToken", "id": made.id, "name": made.id, "token": made.token,
        "role": role.as_str(), "for": name, "expiresAt": made.expires_at_ms,
    });
    output::show(&global.output, &value, None, |_| format!("{}\n", made.token))?;
    let coordinator = client.context().coordinators.first().cloned().unwrap_or_default();
    let dir = "--dir DIR";
    let next = match role {
        Role::Agent => {
            format!("millwright-agent enrol {dir} --coordinator {coordinator} --token …")
        }
        Role::Coordinator => {
            format!("millwright-coordinator join {dir} --coordinator {coordinator} --token …")
        }
        Role::Operator => {
            format!("millctl login --name {name} --coordinator {coordinator} --token …")
        }
    };
    output::note(&format!("token {} admits {name} once, until {until}; next: {next}", made.id));
    Ok(())
}
