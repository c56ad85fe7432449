//! `millctl apply`: sends resources, then waits for the rollouts that the change causes.

mod concern;
pub(super) mod source;

use std::{collections::BTreeSet, path::PathBuf};

use clap::ValueHint;
use millwright_model::{resource::Resource, time::Span};
use millwright_proto::control::{ApplyRequest, ApplyResponse, Resource as Wire};
use serde_json::{Value, json};

use crate::{
    cli::{Global, Reason},
    client::Client,
    command::client,
    error::{Error, Kind, Result},
    follow::{self, Screen, Target},
    output::{self, style::tone_of},
    view::text,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl apply -f plant.yaml -m 'new line 4'
  millctl apply -f plant/ --dry-run               check with the cluster, change nothing
  millctl apply -f plant.yaml --detach            do not wait for the rollouts
  git show HEAD:plant.yaml | millctl apply -f -")]
pub struct Args {
    /// File, folder, or - for standard input; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE", required = true, value_hint = ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,
    /// Check with the cluster, change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for the rollouts that follow; this is so anyway.
    #[arg(long, conflicts_with = "detach")]
    pub wait: bool,
    /// Do not wait for the rollouts that follow.
    #[arg(long)]
    pub detach: bool,
    /// Stop waiting after this; 0 looks once.
    #[arg(long, default_value = "5m")]
    pub timeout: Span,
    /// Why.
    #[command(flatten)]
    pub why: Reason,
}

/// Reads every file first: nothing is sent while any has an error.
pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let Args { files, dry_run, wait: _, detach, timeout, why } = args;
    let resources = source::read(&files)?;
    let request = ApplyRequest {
        resources: resources.iter().map(wire).collect(),
        dry_run,
        reason: why.reason,
    };
    let mut client = client(global)?;
    let known: BTreeSet<String> = if dry_run || detach {
        BTreeSet::new()
    } else {
        let before = client.get("Rollout", "", "").await?;
        before.values.iter().map(|value| text(value, "/metadata/name")).collect()
    };
    let answer = client.control().await?.apply(request).await?.into_inner();
    let changed: Vec<&Resource> = resources
        .iter()
        .filter(|resource| {
            answer.results.iter().any(|one| {
                one.kind == resource.kind().as_str()
                    && one.name == resource.name()
                    && one.action != "unchanged"
            })
        })
        .collect();
    if dry_run || detach || changed.is_empty() {
        return show(global, &answer, &[], dry_run);
    }
    if !global.output.is_machine() {
        show(global, &answer, &[], dry_run)?;
    }
    let fleets = concern::fleets(&mut client, &changed).await?;
    let rollouts = wait(global, &mut client, fleets, known, timeout).await?;
    if global.output.is_machine() {
        return show(global, &answer, &rollouts, dry_run);
    }
    Ok(())
}

async fn wait(
    global: &Global,
    client: &mut Client,
    fleets: BTreeSet<String>,
    known: BTreeSet<String>,
    timeout: Span,
) -> Result<Vec<Value>> {
    if fleets.is_empty() {
        return Ok(Vec::new());
    }
    let screen = Screen::beside(&global.output);
    let target = Target::Caused { fleets, known };
    let followed = follow::run(client, target, timeout.into(), screen).await;
    followed.map_err(|error| match error.kind {
        // The change itself is kept, whatever became of the waiting.
        Kind::TimedOut | Kind::OperationFailed => {
            Error { message: format!("the change is applied, but {}", error.message), ..error }
        }
        _ => error,
    })
}

fn wire(resource: &Resource) -> Wire {
    Wire {
        kind: resource.kind().to_string(),
        name: resource.name().to_owned(),
        json: resource.to_canonical_json(),
        version: 0,
    }
}

/// Programs get the results as data; the rollouts beside them when they were waited for.
fn show(global: &Global, answer: &ApplyResponse, rollouts: &[Value], dry_run: bool) -> Result<()> {
    let results: Vec<Value> = answer
        .results
        .iter()
        .map(|one| {
            let mut value = json!({"kind": one.kind, "name": one.name, "action": one.action});
            if dry_run {
                value["dryRun"] = json!(true);
            }
            value
        })
        .chain(rollouts.iter().map(|rollout| {
            json!({"kind": "Rollout", "name": text(rollout, "/metadata/name"),
                "action": text(rollout, "/status/phase").to_lowercase()})
        }))
        .collect();
    output::show(&global.output, &json!(results), Some(answer.index), |_| {
        let suffix = if dry_run { " (dry run)" } else { "" };
        let line = |one: &millwright_proto::control::apply_response::Result| {
            let action = output::style().paint(tone_of(&one.action), &one.action);
            format!("{}/{} {action}{suffix}\n", one.kind.to_lowercase(), one.name)
        };
        answer.results.iter().map(line).collect()
    })
}
