//! `millctl get`: resources as a table or for programs, and their changes as they happen.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::resource::Kind;
use serde_json::Value;

use super::token;
use crate::{
    cli::Global,
    client::Client,
    command::{client, kind_of},
    complete,
    error::{self, Error, Result},
    output::{self, Output, table::table, terminal},
    view::columns,
};

mod watch;

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl get gateways -l area=packing
  millctl get gateways -w
  millctl get fleet plants -o yaml
  millctl get gateways -o jsonpath='{.items[*].metadata.name}'")]
pub struct Args {
    /// gateways, fleets, repositories, syncprofiles, rollouts, operators, tokens.
    #[arg(add = ArgValueCandidates::new(complete::kinds))]
    pub kind: String,
    /// Only this one.
    #[arg(add = ArgValueCandidates::new(complete::names_of_kind_before))]
    pub name: Option<String>,
    /// Label selector, such as area=packing,line in (1,2).
    #[arg(short = 'l', long, default_value = "", hide_default_value = true)]
    pub selector: String,
    /// Go on with every change until Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<()> {
    let kind = kind_of(&args.kind)?;
    let mut client = client(global)?;
    if kind == Kind::JoinToken {
        return tokens(global, &mut client, &args).await;
    }
    let name = args.name.as_deref().unwrap_or_default();
    let mut listing = client.get(kind.as_str(), name, &args.selector).await?;
    sort(kind, &mut listing.values);
    if args.watch {
        return watch::run(global, &mut client, kind, args, listing).await;
    }
    show(global, kind, &listing.values, args.name.is_some(), Some(listing.index))?;
    client.note_index(listing.index);
    Ok(())
}

/// Rollouts by age, the newest last, as they appear; everything else by name, as it comes.
pub(super) fn sort(kind: Kind, values: &mut [Value]) {
    if kind == Kind::Rollout {
        values.sort_by_key(|value| crate::view::number(value, "/status/startedAt"));
    }
}

/// Tokens have a list of their own: they are no resources that a selector could match.
async fn tokens(global: &Global, client: &mut Client, args: &Args) -> Result<()> {
    if args.watch || !args.selector.is_empty() {
        let message = "tokens have no labels and cannot be watched";
        return Err(Error::new(error::Kind::Usage, message).hint("list them: millctl token list"));
    }
    let all = token::list::tokens(client).await?;
    let Some(id) = &args.name else { return token::list::show(global, &all) };
    let found: Vec<_> = all.into_iter().filter(|token| token.id == *id).collect();
    if found.is_empty() {
        return Err(Error::new(error::Kind::NotFound, format!("there is no token {id}"))
            .hint("list them: millctl token list"));
    }
    token::list::show(global, &found)
}

/// Shows resources in the format asked for; `one` shows the resource instead of a list.
pub(super) fn show(
    global: &Global,
    kind: Kind,
    values: &[Value],
    one: bool,
    index: Option<u64>,
) -> Result<()> {
    let whole = match (one, values) {
        (true, [only]) => only.clone(),
        _ => Value::from(values.to_vec()),
    };
    output::show(&global.output, &whole, index, |wide| {
        if values.is_empty() {
            output::note(&format!("no {} found", kind.plural()));
            return String::new();
        }
        let rows: Vec<_> = values.iter().map(|value| columns::row(kind, wide, value)).collect();
        let limit = if wide { None } else { terminal::width() };
        table(&columns::columns(kind, wide), &rows, limit, output::style())
    })
}

/// Whether the format is a table.
fn wide(format: &Output) -> Option<bool> {
    match format {
        Output::Table => Some(false),
        Output::Wide => Some(true),
        Output::Json | Output::Yaml | Output::Name | Output::Sarif | Output::JsonPath(_) => None,
    }
}
