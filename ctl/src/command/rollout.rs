//! `millctl rollout`.

use std::time::Duration;

use millwright_model::resource::Kind;
use serde_json::Value;
use tokio::time::Instant;

use super::get::{short, show, text};
use crate::{
    cli::{Global, Rollout},
    client::Client,
    command::client,
    error::{self, Error, Result},
    output::{self, table},
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Carries the subcommand out.
pub(super) async fn run(global: &Global, command: Rollout) -> Result<()> {
    let mut client = client(global)?;
    match command {
        Rollout::List => {
            let values = list(&mut client).await?;
            show(global, Kind::Rollout, &values, false);
            Ok(())
        }
        Rollout::Status { id } => {
            let value = one(&mut client, id.as_deref(), None).await?.ok_or_else(none)?;
            let shown = output::machine(global.output, &value).unwrap_or_else(|| picture(&value));
            output::print(&shown);
            Ok(())
        }
        Rollout::Watch { id, commit, timeout } => {
            watch(&mut client, id.as_deref(), commit.as_deref(), timeout.into()).await
        }
    }
}

fn none() -> Error {
    Error::new(error::Kind::NotFound, "there is no rollout yet")
        .hint("a rollout begins when a fleet's repository is resolved: millctl get repositories")
}

async fn list(client: &mut Client) -> Result<Vec<Value>> {
    let mut values = client.get("Rollout", "", "").await?;
    values.sort_by_key(|value| value.pointer("/status/startedAt").and_then(Value::as_u64));
    Ok(values)
}

/// The named rollout, or the newest, or the newest of a commit.
async fn one(client: &mut Client, id: Option<&str>, commit: Option<&str>) -> Result<Option<Value>> {
    if let Some(id) = id {
        return Ok(client.get("Rollout", id, "").await?.into_iter().next());
    }
    let values = list(client).await?;
    Ok(values
        .into_iter()
        .rev()
        .find(|value| commit.is_none_or(|commit| text(value, "/spec/commit").starts_with(commit))))
}

/// A rollout for people.
pub(super) fn picture(value: &Value) -> String {
    let mut out = format!(
        "Rollout   {}\nFleet     {}\nCommit    {}  ({})\nState     {}  {}\n\n",
        text(value, "/metadata/name"),
        text(value, "/spec/fleet"),
        short(value, "/spec/commit"),
        text(value, "/spec/reference"),
        text(value, "/status/state"),
        text(value, "/status/message"),
    );
    let list =
        |path: &str| value.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let stages: Vec<Vec<String>> = list("/status/stages")
        .iter()
        .map(|stage| {
            let columns =
                ["/name", "/state", "/total", "/applied", "/running", "/failed", "/skipped"];
            columns.iter().map(|path| text(stage, path)).collect()
        })
        .collect();
    let header = ["STAGE", "STATE", "TOTAL", "APPLIED", "RUNNING", "FAILED", "SKIPPED"];
    out.push_str(&table(&header, &stages));
    let members: Vec<Vec<String>> = list("/status/members")
        .iter()
        .map(|member| {
            ["/gateway", "/stage", "/state", "/generation", "/message"]
                .iter()
                .map(|path| text(member, path))
                .collect()
        })
        .collect();
    out.push('\n');
    out.push_str(&table(&["GATEWAY", "STAGE", "STATE", "GENERATION", "MESSAGE"], &members));
    out
}

/// Follows to the end: a live picture on a terminal, one line per change otherwise.
async fn watch(
    client: &mut Client,
    id: Option<&str>,
    commit: Option<&str>,
    timeout: Duration,
) -> Result<()> {
    let deadline = Instant::now() + timeout;
    let mut last = String::new();
    loop {
        match one(client, id, commit).await {
            Ok(Some(value)) => {
                tell(&value, &mut last);
                match text(&value, "/status/phase").as_str() {
                    "Completed" => return Ok(()),
                    "Failed" => {
                        let message = format!(
                            "rollout {} failed: {}",
                            text(&value, "/metadata/name"),
                            text(&value, "/status/message")
                        );
                        return Err(Error::new(error::Kind::OperationFailed, message)
                            .hint("fix it in git: the next commit starts a new rollout"));
                    }
                    "Superseded" if id.is_some() => {
                        let message = "a newer rollout took its place".to_owned();
                        return Err(Error::new(error::Kind::OperationFailed, message));
                    }
                    _ => {}
                }
            }
            Ok(None) if id.is_some() => return Err(none()),
            Ok(None) => {}
            // A coordinator that goes away is no reason to stop watching.
            Err(error) if error.kind == error::Kind::Unavailable => {}
            Err(error) => return Err(error),
        }
        if Instant::now() >= deadline {
            return Err(Error::new(error::Kind::TimedOut, "stopped waiting; the rollout goes on")
                .hint("millctl rollout watch follows it again"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn tell(value: &Value, last: &mut String) {
    let line = format!(
        "{} {} {}",
        text(value, "/metadata/name"),
        text(value, "/status/state"),
        text(value, "/status/message")
    );
    if line == *last {
        return;
    }
    if output::is_terminal() {
        // Home and clear: the picture is redrawn in place.
        output::print(&format!("\u{1b}[H\u{1b}[2J{}", picture(value)));
    } else {
        output::print(&format!("{line}\n"));
    }
    *last = line;
}
