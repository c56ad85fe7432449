//! `millctl audit`: who did what, and whether the record of it is whole. With files it needs no
//! cluster.

mod source;
mod verify;

use std::path::PathBuf;

use clap_complete::engine::ArgValueCandidates;
use millwright_model::{
    audit::{Entry, Filter},
    resource::Kind,
};
use serde_json::json;

pub(super) use self::source::entries_of;
use crate::{
    cli::Global,
    command::client,
    complete,
    error::{self, Error, Result},
    output::{self, terminal},
    since::Since,
    view::audit as view,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl audit --since 1h
  millctl audit --subject gateway/line1 -o wide
  millctl audit --actor ann --since 2026-10-12 -o json
  millctl audit --verify
  millctl audit --verify --head 4f0c1e22…         nothing up to this hash was rewritten since
  millctl audit --verify --file audit-*.jsonl     exported files, without a cluster")]
pub struct Args {
    /// After this entry's index, or not older than this: 17, 1h, 2026-10-12T14:34:14Z.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Only of this identity: ann, operator/ann, coordinator/n1.
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true,
        add = ArgValueCandidates::new(|| complete::names(Kind::Operator)))]
    pub actor: String,
    /// Only about this: gateway/line1, or a kind alone.
    #[arg(long, value_name = "KIND/NAME", default_value = "", hide_default_value = true)]
    pub subject: String,
    /// Only the newest so many.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub limit: u32,
    /// Compute the chain again, and name the first entry that is not what was written.
    #[arg(long, conflicts_with_all = ["since", "actor", "subject", "limit"])]
    pub verify: bool,
    /// With --verify: a hash that was noted before must be in the chain.
    #[arg(long, value_name = "HASH", requires = "verify")]
    pub head: Option<String>,
    /// Exported files instead of the cluster.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub file: Vec<PathBuf>,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    if args.verify {
        let head = args.head.as_deref();
        return match args.file.as_slice() {
            [] => verify::cluster(global, head).await,
            files => verify::files(global, files, head),
        };
    }
    let filter = filter(&args)?;
    let (entries, index) = match args.file.as_slice() {
        [] => {
            let mut client = client(global)?;
            let (info, entries) = entries_of(&mut client, &filter, args.limit).await?;
            source::warn_of_dropped(info.dropped);
            client.note_index(info.index);
            (entries, Some(info.index))
        }
        files => (source::from_files(files, &filter, args.limit)?, None),
    };
    show(global, &entries, index)
}

fn show(global: &Global, entries: &[Entry], index: Option<u64>) -> Result<()> {
    output::show(&global.output, &json!(entries), index, |wide| {
        if entries.is_empty() {
            output::note("no entries");
            return String::new();
        }
        let limit = if wide { None } else { terminal::width() };
        view::entries(entries, wide, limit, output::style())
    })
}

fn filter(args: &Args) -> Result<Filter> {
    let (kind, name) = args.subject.split_once('/').unwrap_or((&args.subject, ""));
    // What is no resource has a kind too.
    let known = kind.parse::<Kind>().map(|kind| kind.as_str().to_owned());
    let other = ["cluster", "node", "resources"].contains(&kind.to_lowercase().as_str());
    let kind = match known {
        Ok(kind) => kind,
        Err(_) if other || kind.is_empty() => kind.to_owned(),
        Err(unknown) => {
            return Err(Error::new(error::Kind::Usage, unknown.to_string())
                .hint("write it like gateway/line1; node/NAME and cluster/ID are there too"));
        }
    };
    let since = args.since;
    Ok(Filter {
        after: since.map_or(0, |since| since.index().0),
        since: since.map(|since| since.moment(output::now_ms())).unwrap_or_default(),
        actor: args.actor.clone(),
        kind,
        name: name.to_owned(),
    })
}
