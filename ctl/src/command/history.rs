//! `millctl history`: what was done to a gateway, attempt by attempt, the newest first.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::resource::Kind;
use serde_json::{Value, json};

use crate::{
    cli::Global,
    command::{client, kind_of},
    complete,
    error::{self, Error, Result},
    follow::gateway::read,
    output::{self, terminal},
    view::{attempt, list},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl history gateway line1
  millctl history gateway line1 -o wide        with generation, ref and cause
  millctl history gateway line1 -o json")]
pub struct Args {
    /// Kind; gateways have a history.
    #[arg(add = ArgValueCandidates::new(complete::historic))]
    pub kind: String,
    /// Name.
    #[arg(add = ArgValueCandidates::new(complete::names_of_kind_before))]
    pub name: String,
}

pub(super) async fn run(global: &Global, Args { kind, name }: Args) -> Result<()> {
    let kind = kind_of(&kind)?;
    if kind != Kind::Gateway {
        return Err(Error::new(error::Kind::Usage, format!("a {kind} has no history of its own"))
            .hint("millctl history gateway NAME; millctl rollout list shows the rollouts"));
    }
    let mut client = client(global)?;
    let (value, index) = read(&mut client, &name).await?;
    let attempts = list(&value, "/status/history");
    let data: Vec<Value> = attempts.iter().map(with_id).collect();
    output::show(&global.output, &json!(data), Some(index), |wide| {
        if attempts.is_empty() {
            output::note(&format!("nothing was ever applied to gateway {name}"));
            return String::new();
        }
        let limit = if wide { None } else { terminal::width() };
        attempt::history(attempts, wide, limit, output::style())
    })?;
    client.note_index(index);
    Ok(())
}

/// An attempt is named by generation and try.
fn with_id(attempt: &Value) -> Value {
    let mut value = attempt.clone();
    value["id"] = json!(attempt::generation(attempt));
    value
}
