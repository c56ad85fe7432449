//! `millctl rollout list`.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::resource::Kind;

use crate::{
    cli::Global,
    command::{client, get},
    complete,
    error::Result,
    view::text,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl rollout list
  millctl rollout list --fleet plants -o json")]
pub struct Args {
    /// Only of this fleet.
    #[arg(long, add = ArgValueCandidates::new(complete::fleets))]
    pub fleet: Option<String>,
}

pub(super) async fn run(global: &Global, Args { fleet }: Args) -> Result<()> {
    let mut client = client(global)?;
    let mut listing = client.get("Rollout", "", "").await?;
    listing
        .values
        .retain(|value| fleet.as_ref().is_none_or(|fleet| text(value, "/spec/fleet") == *fleet));
    get::sort(Kind::Rollout, &mut listing.values);
    get::show(global, Kind::Rollout, &listing.values, false, Some(listing.index))?;
    client.note_index(listing.index);
    Ok(())
}
