//! `millctl diff`: what differs between the files that a gateway has and those that it would get, or
//! between two refs, or between two gateways. For a person before a merge and for a script, so the exit
//! code is an answer. Secrets are masked before they leave the coordinator.

mod picture;
mod sides;
mod text;

use clap_complete::engine::ArgValueCandidates;
use millwright_proto::control::{DiffPart, DiffRequest, SideInfo};
use serde_json::json;
use tonic::Streaming;

pub(super) use self::sides::{told as side_told, value as side_value};
use self::{picture::Told, sides::Sides};
use super::gateway::Gateway;
use crate::{
    cli::Global,
    command::client,
    complete,
    error::{Error, Kind, Result},
    follow::gateway::read,
    output::{self, Output},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl diff line1                          what line1 runs, and what its fleet's ref gives it now
  millctl diff line1 --ref fix-recipes        what line1 runs, and what a branch would give it
  millctl diff line1 --from v1.4 --ref v1.5   what two tags give line1
  millctl diff line1 --against-gateway line2  what sets two gateways apart
  millctl diff line1 --stat --path projects/packing
  millctl diff line1 -o json                  for a program

It exits with 0 when nothing differs, 1 when something does, 2 or more on an error. Secrets are shown
as ***, and as *** (changed) where they differ.")]
pub struct Args {
    /// Which gateway.
    #[command(flatten)]
    pub of: Gateway,
    /// Branch, tag or commit that gives the new files; what its fleet follows when absent.
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// Branch, tag or commit that gives the old files; what the gateway runs when absent.
    #[arg(long, value_name = "REF")]
    pub from: Option<String>,
    /// Take the old files from another gateway, of the same ref.
    #[arg(
        long, value_name = "GATEWAY", conflicts_with = "from",
        add = ArgValueCandidates::new(complete::gateways)
    )]
    pub against_gateway: Option<String>,
    /// Only this file or directory of the gateway; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub path: Vec<String>,
    /// Files and counts of lines, without the lines.
    #[arg(long)]
    pub stat: bool,
    /// Lines around a change.
    #[arg(short = 'U', long, value_name = "LINES", default_value_t = 3)]
    pub unified: usize,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let done = compare(global, args).await;
    // Exit code 1 is an answer here.
    done.map_err(|error| match error.kind {
        Kind::Error => Error { kind: Kind::NoAnswer, ..error },
        Kind::Differs
        | Kind::NoAnswer
        | Kind::Usage
        | Kind::ConfirmationRequired
        | Kind::NotFound
        | Kind::Conflict
        | Kind::Denied
        | Kind::TimedOut
        | Kind::OperationFailed
        | Kind::Unavailable
        | Kind::Bug => error,
    })
}

async fn compare(global: &Global, args: Args) -> Result<()> {
    let mut client = client(global)?;
    read(&mut client, &args.of.gateway).await?;
    if let Some(other) = &args.against_gateway {
        read(&mut client, other).await?;
    }
    let sides = Sides::of(&args);
    let request = DiffRequest {
        base: Some(sides.base),
        target: Some(sides.target),
        paths: args.path.clone(),
        stale: global.stale,
    };
    let mut parts = client.read(async |mut control| control.diff(request.clone()).await).await?;
    let (base, target) = header(&mut parts).await?;
    for (word, side) in [("from", &base), ("to", &target)] {
        output::note(&format!("{word}: {}", sides::told(side)));
        side.notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    }
    let told = draw(global, &args, &mut parts).await?;
    let differs = !told.files.is_empty();
    finish(global, &args, &base, &target, told)?;
    if differs { Err(Error::new(Kind::Differs, "")) } else { Ok(()) }
}

async fn header(parts: &mut Streaming<DiffPart>) -> Result<(SideInfo, SideInfo)> {
    let first = parts.message().await?;
    let sides = first.and_then(|part| part.base.zip(part.target));
    sides.ok_or_else(|| Error::new(Kind::Error, "the coordinator said nothing of the two sides"))
}

/// Draws each file as it comes; keeps what a program or the last line needs.
async fn draw(global: &Global, args: &Args, parts: &mut Streaming<DiffPart>) -> Result<Told> {
    let mut told = Told::default();
    while let Some(part) = parts.message().await? {
        for file in &part.files {
            let compared = text::compare(file, args.unified, !args.stat);
            match &global.output {
                Output::Table | Output::Wide => {
                    let style = output::style();
                    output::print(&match args.stat {
                        true => picture::stat(file, &compared, style),
                        false => picture::file(file, &compared, style),
                    });
                    told.count(file, compared, false);
                }
                Output::Json
                | Output::Yaml
                | Output::Name
                | Output::Sarif
                | Output::JsonPath(_) => {
                    told.count(file, compared, true);
                }
            }
        }
    }
    Ok(told)
}

fn finish(
    global: &Global,
    args: &Args,
    base: &SideInfo,
    target: &SideInfo,
    told: Told,
) -> Result<()> {
    let summary = told.summary();
    match &global.output {
        Output::Table | Output::Wide if args.stat => output::print(&format!("{summary}\n")),
        Output::Table | Output::Wide => output::note(&summary),
        Output::Name => {
            let names: Vec<_> =
                told.files.iter().map(|file| json!({"name": file["path"]})).collect();
            output::show(&global.output, &json!(names), None, |_| String::new())?;
        }
        Output::Json | Output::Yaml | Output::Sarif | Output::JsonPath(_) => {
            let data = json!({
                "base": sides::value(base), "target": sides::value(target),
                "same": told.files.is_empty(), "added": told.added, "changed": told.changed,
                "removed": told.removed, "linesAdded": told.lines.0, "linesRemoved": told.lines.1,
                "files": told.files,
            });
            output::show(&global.output, &data, None, |_| String::new())?;
        }
    }
    Ok(())
}
