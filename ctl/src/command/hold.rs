//! `millctl hold`: commits that no plan may bring to gateways.

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use millwright_model::{resource::Kind, time::Timestamp};
use millwright_proto::control::{Hold, HoldCommitRequest, ListHoldsRequest};
use serde_json::{Value, json};

use crate::{
    cli::Global,
    command::client,
    complete,
    error::Result,
    output::{
        self,
        table::{Column, table},
        terminal,
    },
};

/// Shown below the help.
pub const EXAMPLES: &str = "Examples:
  millctl hold list
  millctl hold create plant 4bf57a6 -m 'stops the pumps'
  millctl hold lift plant 4bf57a6 -m 'it was the network'";

const COLUMNS: [Column; 5] = [
    Column::new("REPOSITORY").spare(1),
    Column::new("COMMIT"),
    Column::new("STATE"),
    Column::new("BY"),
    Column::prose("REASON"),
];

/// What to do with holds.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Holds, those that hold first.
    #[command(after_help = "Examples:\n  millctl hold list")]
    List,
    /// Keep a commit, and what descends from it, from every gateway.
    #[command(after_help = "Examples:\n  millctl hold create plant 4bf57a6 -m 'stops the pumps'")]
    Create(Args),
    /// Lift a hold.
    #[command(after_help = "Examples:\n  millctl hold lift plant 4bf57a6 -m 'it was the network'")]
    Lift(Args),
}

/// Which commit, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// In which repository.
    #[arg(add = ArgValueCandidates::new(|| complete::names(Kind::Repository)))]
    pub repository: String,
    /// Which: 40 characters, or the first 7 of one that a rollout, release or hold names.
    pub commit: String,
    /// Why.
    #[arg(short = 'm', long, value_name = "TEXT")]
    pub reason: String,
}

pub(super) async fn run(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::List => list(global).await,
        Command::Create(args) => change(global, args, false, "held").await,
        Command::Lift(args) => change(global, args, true, "lifted").await,
    }
}

async fn change(global: &Global, args: Args, lift: bool, done: &str) -> Result<()> {
    let Args { repository, commit, reason } = args;
    let mut client = client(global)?;
    let request = HoldCommitRequest { repository, commit, lift, reason };
    let answer = client.control().await?.hold_commit(request).await?.into_inner();
    let value = json!({"kind": "Hold", "name": answer.commit, "action": done});
    output::show(&global.output, &value, Some(answer.index), |_| {
        format!("commit {} {done}\n", &answer.commit[..answer.commit.len().min(8)])
    })
}

fn value(hold: &Hold) -> Value {
    let Hold { repository, commit, by, reason, at_ms, lifted_by, lifted_reason, lifted_at_ms } =
        hold;
    let mut value = json!({"repository": repository, "commit": commit, "by": by,
        "reason": reason, "at": Timestamp(*at_ms).to_string()});
    if !lifted_by.is_empty() {
        value["lifted"] = json!({"by": lifted_by, "reason": lifted_reason,
            "at": Timestamp(*lifted_at_ms).to_string()});
    }
    value
}

async fn list(global: &Global) -> Result<()> {
    let mut client = client(global)?;
    let request = ListHoldsRequest { stale: client.is_stale() };
    let answer = client.read(async |mut control| control.list_holds(request).await).await?;
    let all: Vec<Value> = answer.holds.iter().map(value).collect();
    output::show(&global.output, &all.into(), Some(answer.index), |wide| {
        if answer.holds.is_empty() {
            output::note("no commit is held");
            return String::new();
        }
        let rows = answer.holds.iter().map(|hold| {
            let state = if hold.lifted_by.is_empty() { "held" } else { "lifted" };
            let commit = hold.commit[..hold.commit.len().min(8)].to_owned();
            let text = [&hold.repository, &commit, state, &hold.by, &hold.reason];
            text.map(|cell: &str| cell.to_owned()).to_vec()
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let limit = if wide { None } else { terminal::width() };
        table(&COLUMNS, &rows, limit, output::style())
    })?;
    client.note_index(answer.index);
    Ok(())
}
