//! `millctl render`: the exact bytes that a gateway gets of a ref, to look at or to keep.

mod keep;

use std::path::PathBuf;

use millwright_proto::control::{RenderPart, RenderPiece, RenderRequest, Side, SideInfo};
use serde_json::{Value, json};
use tonic::Streaming;

use self::keep::Keeper;
use super::{diff, gateway::Gateway};
use crate::{
    cli::Global,
    client::Client,
    command::client,
    error::{Error, Kind, Result},
    follow::gateway::read,
    output::{
        self,
        table::{self, plain},
        terminal,
    },
    view::bytes,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl render line1                            the files of what its fleet follows: path, size, mode
  millctl render line1 --ref fix-recipes          the files that a branch would give it
  millctl render line1 projects/packing/project.json        the exact bytes of one file
  millctl render line1 --ref v1.5 --out line1/    all files, into a new folder
  millctl render line1 --running --out has/       those that it runs

Files that hold secrets need the role operator; millctl diff masks them.")]
pub struct Args {
    /// Which gateway.
    #[command(flatten)]
    pub of: Gateway,
    /// Only this file or directory of the gateway.
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// Branch, tag or commit; what its fleet follows when absent.
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// What the gateway runs, by its agent's last account.
    #[arg(long, conflicts_with = "reference")]
    pub running: bool,
    /// Write the files below this folder, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let mut client = client(global)?;
    read(&mut client, &args.of.gateway).await?;
    let request = RenderRequest {
        of: Some(Side {
            gateway: args.of.gateway.clone(),
            reference: args.reference.clone().unwrap_or_default(),
            running: args.running,
        }),
        path: args.path.clone().unwrap_or_default(),
        list: args.out.is_none(),
        stale: global.stale,
    };
    if let Some(dir) = args.out {
        return keep(global, &mut client, request, Keeper::new(dir)?).await;
    }
    let (side, files) = list(&mut client, &request).await?;
    let one = args.path.as_deref().map(|path| path.trim_end_matches('/'));
    let whole = matches!(files.as_slice(), [only] if Some(only.path.as_str()) == one);
    if whole && !global.output.is_machine() {
        let of = exact(&request, &side);
        return print(&mut client, RenderRequest { list: false, ..of }).await;
    }
    told(&side);
    let data = json!({
        "of": diff::side_value(&side), "files": files.iter().map(value).collect::<Vec<_>>(),
    });
    output::show(&global.output, &data, None, |wide| {
        let limit = if wide { None } else { terminal::width() };
        picture(&files, limit)
    })
}

/// The same side once more, though a branch may have moved meanwhile.
fn exact(request: &RenderRequest, side: &SideInfo) -> RenderRequest {
    let mut request = request.clone();
    if let Some(of) = request.of.as_mut().filter(|of| !of.running && !side.commit.is_empty()) {
        of.reference.clone_from(&side.commit);
    }
    request
}

fn told(side: &SideInfo) {
    output::note(&diff::side_told(side));
    side.notes.iter().for_each(|note| output::note(&format!("note: {note}")));
}

async fn ask(
    client: &mut Client,
    request: &RenderRequest,
) -> Result<(SideInfo, Streaming<RenderPart>)> {
    let mut parts = client.read(async |mut control| control.render(request.clone()).await).await?;
    let first = parts.message().await?.and_then(|part| part.of);
    let of = first
        .ok_or_else(|| Error::new(Kind::Error, "the coordinator did not say what it rendered"))?;
    Ok((of, parts))
}

async fn list(
    client: &mut Client,
    request: &RenderRequest,
) -> Result<(SideInfo, Vec<RenderPiece>)> {
    let (side, mut parts) = ask(client, request).await?;
    let mut files = Vec::new();
    while let Some(part) = parts.message().await? {
        files.extend(part.pieces);
    }
    Ok((side, files))
}

async fn print(client: &mut Client, request: RenderRequest) -> Result<()> {
    let (_, mut parts) = ask(client, &request).await?;
    let mut whole = keep::Whole::default();
    while let Some(part) = parts.message().await? {
        for piece in part.pieces {
            if let Some((_, content)) = whole.add(piece)? {
                output::print_bytes(&content);
            }
        }
    }
    Ok(())
}

async fn keep(
    global: &Global,
    client: &mut Client,
    request: RenderRequest,
    mut keeper: Keeper,
) -> Result<()> {
    let (side, mut parts) = ask(client, &request).await?;
    told(&side);
    while let Some(part) = parts.message().await? {
        for piece in part.pieces {
            keeper.take(piece)?;
        }
    }
    let (dir, files, size) = keeper.done()?;
    let data = json!({
        "of": diff::side_value(&side), "out": dir, "files": files, "bytes": size,
    });
    output::show(&global.output, &data, None, |_| {
        format!("{files} files, {}, written to {dir}\n", bytes(size))
    })
}

fn value(file: &RenderPiece) -> Value {
    json!({"path": file.path, "size": file.size, "mode": format!("{:o}", file.mode)})
}

fn picture(files: &[RenderPiece], limit: Option<usize>) -> String {
    let rows: Vec<Vec<String>> = files
        .iter()
        .map(|file| vec![format!("{:o}", file.mode), file.size.to_string(), file.path.clone()])
        .collect();
    table::table(&plain(["MODE", "BYTES", "PATH"]), &rows, limit, output::style())
}
