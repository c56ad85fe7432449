//! `millctl snapshot list`: what the agent told of last; what only a remote store has is not here.

use super::Gateway;
use crate::{
    cli::Global,
    command::client,
    error::Result,
    follow::gateway::read,
    output::{self, terminal},
    view::{list, seen},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl snapshot list line1
  millctl snapshot list line1 -o name")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
}

pub(super) async fn run(global: &Global, Args { of }: Args) -> Result<()> {
    let mut client = client(global)?;
    let (value, index) = read(&mut client, &of.gateway).await?;
    let all = list(&value, "/status/snapshots");
    output::show(&global.output, &all.into(), Some(index), |wide| {
        if all.is_empty() {
            output::note(&format!(
                "no snapshots; millctl snapshot create {} takes one",
                of.gateway
            ));
            return String::new();
        }
        let limit = if wide { None } else { terminal::width() };
        seen::snapshots(all, limit, output::style())
    })?;
    client.note_index(index);
    Ok(())
}
