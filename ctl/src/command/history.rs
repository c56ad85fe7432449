//! `millctl history`: what was done to a gateway, attempt by attempt; the rollouts of a fleet; who
//! did what to a rollout. The newest first.

mod fleet;
mod rollout;

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
  millctl history fleet plants                 its rollouts, and how they ended
  millctl history rollout plants-7             who started, approved or stopped it
  millctl history gateway line1 -o json")]
pub struct Args {
    /// gateway, fleet or rollout.
    #[arg(add = ArgValueCandidates::new(complete::historic))]
    pub kind: String,
    /// Name.
    #[arg(add = ArgValueCandidates::new(complete::names_of_kind_before))]
    pub name: String,
}

pub(super) async fn run(global: &Global, Args { kind, name }: Args) -> Result<()> {
    let kind = kind_of(&kind)?;
    match kind {
        Kind::Gateway => gateway(global, &name).await,
        Kind::Fleet => fleet::run(global, &name).await,
        Kind::Rollout => rollout::run(global, &name).await,
        Kind::Repository | Kind::SyncProfile | Kind::Operator | Kind::Secret | Kind::JoinToken => {
            let word = kind.as_str().to_lowercase();
            Err(Error::new(
                error::Kind::Usage,
                format!("the kind {kind} has no history of its own"),
            )
            .hint(format!("who changed it: millctl audit --subject {word}/{name}")))
        }
    }
}

async fn gateway(global: &Global, name: &str) -> Result<()> {
    let mut client = client(global)?;
    let (value, index) = read(&mut client, name).await?;
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
