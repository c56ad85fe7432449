//! `millctl token` and `millctl agent`.

use millwright_model::time::Timestamp;
use millwright_proto::control::{
    CreateTokenRequest, ListTokensRequest, RevokeAgentRequest, RevokeTokenRequest,
};
use serde_json::json;

use crate::{
    cli::{Agent, AgentName, Global, Token},
    command::client,
    error::Result,
    output::{self, table},
};

/// `millctl token`.
pub(super) async fn token(global: &Global, command: Token) -> Result<()> {
    let mut control = client(global)?.connect().await?;
    match command {
        Token::Create { role, name, member, ttl } => {
            let member = if role == "agent" { member } else { String::new() };
            let request =
                CreateTokenRequest { role, name, member, ttl_ms: ttl.0, reason: String::new() };
            let made = control.create_token(request).await?.into_inner();
            let until = Timestamp(made.expires_at_ms);
            let value =
                json!({"id": made.id, "token": made.token, "expiresAt": made.expires_at_ms});
            let text = output::machine(global.output, &value);
            output::print(&text.unwrap_or_else(|| format!("{}\n", made.token)));
            output::note(&format!("token {} admits once, until {until}", made.id));
        }
        Token::List => {
            let request = ListTokensRequest { stale: global.stale };
            let tokens = control.list_tokens(request).await?.into_inner().tokens;
            let values: Vec<_> = tokens
                .iter()
                .map(|t| {
                    json!({"id": t.id, "role": t.role, "name": t.name, "member": t.member,
                    "state": t.state, "expiresAt": t.expires_at_ms, "createdBy": t.created_by})
                })
                .collect();
            if let Some(text) = output::machine(global.output, &json!(values)) {
                output::print(&text);
                return Ok(());
            }
            let rows: Vec<Vec<String>> = tokens
                .into_iter()
                .map(|t| {
                    vec![
                        t.id,
                        t.role,
                        t.name,
                        t.state,
                        Timestamp(t.expires_at_ms).to_string(),
                        t.created_by,
                    ]
                })
                .collect();
            output::print(&table(&["ID", "ROLE", "NAME", "STATE", "EXPIRES", "CREATED BY"], &rows));
        }
        Token::Revoke { id } => {
            control.revoke_token(RevokeTokenRequest { id: id.clone() }).await?;
            output::print(&format!("token {id} revoked\n"));
        }
    }
    Ok(())
}

/// `millctl agent`.
pub(super) async fn agent(global: &Global, command: Agent) -> Result<()> {
    let (AgentName { gateway, member, reason }, ban) = match command {
        Agent::Evict(name) => (name, false),
        Agent::Ban(name) => (name, true),
    };
    let request = RevokeAgentRequest {
        gateway: gateway.clone(),
        member,
        ban,
        reason: reason.unwrap_or_default(),
    };
    client(global)?.connect().await?.revoke_agent(request).await?;
    output::print(&format!("agent of {gateway} {}\n", if ban { "banned" } else { "evicted" }));
    Ok(())
}
