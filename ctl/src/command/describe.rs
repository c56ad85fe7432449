//! `millctl describe`.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::resource::Kind;
use serde_json::json;

use super::token;
use crate::{
    cli::Global,
    command::{client, kind_of},
    complete,
    error::{self, Error, Result},
    output::{self, terminal},
    view::describe::describe,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl describe gateway line1
  millctl describe fleet plants
  millctl describe rollout plants-2")]
pub struct Args {
    /// Kind.
    #[arg(add = ArgValueCandidates::new(complete::kinds))]
    pub kind: String,
    /// Name.
    #[arg(add = ArgValueCandidates::new(complete::names_of_kind_before))]
    pub name: String,
}

pub(super) async fn run(global: &Global, Args { kind, name }: Args) -> Result<()> {
    let kind = kind_of(&kind)?;
    let mut client = client(global)?;
    let missing = || Error::new(error::Kind::NotFound, format!("{kind} {name} does not exist"));
    let (value, index) = if kind == Kind::JoinToken {
        let all = token::list::tokens(&mut client).await?;
        let token = all.iter().find(|token| token.id == name).ok_or_else(missing)?;
        let value = token::list::value(token);
        let (name, state) = (&token.id, &token.state);
        (json!({"metadata": {"name": name}, "spec": value, "status": {"state": state}}), None)
    } else {
        let listing = client.get(kind.as_str(), &name, "").await?;
        let value = listing.values.into_iter().next().ok_or_else(missing)?;
        client.note_index(listing.index);
        (value, Some(listing.index))
    };
    output::show(&global.output, &value, index, |wide| {
        let limit = if wide { None } else { terminal::width() };
        describe(kind, &value, output::style(), limit)
    })
}
