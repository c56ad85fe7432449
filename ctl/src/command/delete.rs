//! `millctl delete`.

use clap_complete::engine::ArgValueCandidates;
use millwright_proto::control::DeleteRequest;
use serde_json::json;

use crate::{
    cli::{Global, Reason},
    command::{client, kind_of},
    complete,
    confirm::{Confirm, confirm},
    error::Result,
    output,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl delete gateway line9 -m 'sold'
  millctl delete gateway line9 --yes              in a script
  millctl delete fleet old --confirm-context prod in a script, in a protected context")]
pub struct Args {
    /// Kind.
    #[arg(add = ArgValueCandidates::new(complete::kinds))]
    pub kind: String,
    /// Name.
    #[arg(add = ArgValueCandidates::new(complete::names_of_kind_before))]
    pub name: String,
    /// Whether it was confirmed.
    #[command(flatten)]
    pub confirm: Confirm,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { kind, name, confirm: flags, why } = args;
    let kind = kind_of(&kind)?;
    let word = kind.as_str().to_lowercase();
    let mut client = client(global)?;
    // A name that does not exist is said before anybody is asked.
    client.get(kind.as_str(), &name, "").await?;
    confirm(client.context(), &format!("deleting {word} {name}"), &flags)?;
    let request =
        DeleteRequest { kind: kind.as_str().to_owned(), name: name.clone(), reason: why.reason };
    let answer = client.control().await?.delete(request).await?.into_inner();
    let value = json!({"kind": kind.as_str(), "name": name, "action": "deleted"});
    output::show(&global.output, &value, Some(answer.index), |_| format!("{word}/{name} deleted\n"))
}
