//! `millctl token revoke`.

use clap_complete::engine::ArgValueCandidates;
use millwright_proto::control::RevokeTokenRequest;
use serde_json::json;

use crate::{
    cli::{Global, Reason},
    command::client,
    complete,
    error::Result,
    output,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl token revoke 3fa85f64c1d2 -m 'sent to the wrong person'")]
pub struct Args {
    /// Id, as in the list.
    #[arg(add = ArgValueCandidates::new(complete::tokens))]
    pub id: String,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, Args { id, why }: Args) -> Result<()> {
    let request = RevokeTokenRequest { id: id.clone(), reason: why.reason };
    client(global)?.control().await?.revoke_token(request).await?;
    let value = json!({"kind": "JoinToken", "id": id, "action": "revoked"});
    output::show(&global.output, &value, None, |_| format!("token {id} revoked\n"))
}
