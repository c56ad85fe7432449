//! `millctl rollout status`.

use clap_complete::engine::ArgValueCandidates;

use super::one;
use crate::{
    cli::Global,
    command::client,
    complete,
    error::Result,
    output::{self, terminal},
    view::progress::whole,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl rollout status
  millctl rollout status plants-2 -o yaml
  millctl rollout status --fleet plants")]
pub struct Args {
    /// Which; the newest when none is named.
    #[arg(add = ArgValueCandidates::new(complete::rollouts))]
    pub id: Option<String>,
    /// The newest of this fleet.
    #[arg(long, conflicts_with = "id", add = ArgValueCandidates::new(complete::fleets))]
    pub fleet: Option<String>,
}

pub(super) async fn run(global: &Global, Args { id, fleet }: Args) -> Result<()> {
    let mut client = client(global)?;
    let (value, index) = one(&mut client, id.as_deref(), fleet.as_deref()).await?;
    output::show(&global.output, &value, Some(index), |wide| {
        whole(&value, output::style(), if wide { None } else { terminal::width() })
    })?;
    client.note_index(index);
    Ok(())
}
