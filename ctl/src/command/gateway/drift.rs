//! `millctl gateway drift`: managed files that are not what they should be. Its agent finds most of
//! them as they change; `--check` has it compare the whole tree first.

use serde_json::Value;

use super::{Ask, Gateway, Waiting, instructed};
use crate::{
    cli::{Global, Reason},
    command::client,
    error::Result,
    follow::gateway::read,
    output::{self, terminal},
    view::{list, moment, number, seen},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl gateway drift line1
  millctl gateway drift line1 --check          compare the whole tree first
  millctl gateway drift line1 -o jsonpath='{.entries[*].path}'")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
    /// Have its agent compare the whole tree, and wait for that.
    #[arg(long)]
    pub check: bool,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { of, check, waiting, why } = args;
    let mut client = client(global)?;
    if !check {
        let (value, index) = read(&mut client, &of.gateway).await?;
        show(global, &of.gateway, &value["status"]["drift"], index)?;
        client.note_index(index);
        return Ok(());
    }
    let ask = Ask { gateway: &of.gateway, kind: "drift_check", subject: "", reason: why.reason };
    let Some(answer) = instructed(global, &mut client, ask, &waiting).await? else {
        return Ok(());
    };
    answer.verdict("the drift check failed")?;
    // What was found travels with the answer; the status follows a little later.
    show(global, &of.gateway, &answer.detail, answer.index)
}

fn show(global: &Global, gateway: &str, drift: &Value, index: u64) -> Result<()> {
    output::show(&global.output, drift, Some(index), |wide| {
        let limit = if wide { None } else { terminal::width() };
        if list(drift, "/entries").is_empty() && number(drift, "/count") == 0 {
            return String::new();
        }
        seen::drift(drift, limit, output::style())
    })?;
    match number(drift, "/count") {
        0 => output::note(&format!("no file of gateway {gateway} was changed by somebody else")),
        count => {
            let (files, verb) = if count == 1 { ("file", "differs") } else { ("files", "differ") };
            let since = moment(drift, "/since");
            output::note(&format!("{count} {files} {verb} since {since}"));
        }
    }
    Ok(())
}
