//! `millctl gateway sessions`: who is at work on a gateway, as its agent saw it last.

use super::Gateway;
use crate::{
    cli::Global,
    command::client,
    error::Result,
    follow::gateway::read,
    output::{self, terminal},
    view::{list, moment, seen, text},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl gateway sessions line1
  millctl gateway sessions line1 -o jsonpath='{.items[*].user}'")]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub of: Gateway,
}

pub(super) async fn run(global: &Global, Args { of }: Args) -> Result<()> {
    let mut client = client(global)?;
    let (value, index) = read(&mut client, &of.gateway).await?;
    let sessions = &value["status"]["sessions"];
    let open = list(&value, "/status/sessions");
    output::show(&global.output, sessions, Some(index), |wide| {
        let limit = if wide { None } else { terminal::width() };
        if open.is_empty() { String::new() } else { seen::sessions(open, limit, output::style()) }
    })?;
    if !sessions.is_array() {
        output::note(&format!(
            "unknown: gateway {} does not tell who is at work on it",
            of.gateway
        ));
    } else if open.is_empty() {
        output::note(&format!("nobody is at work on gateway {}", of.gateway));
    }
    if text(&value, "/status/connection/state") == "lost" {
        let since = moment(&value, "/status/connection/since");
        output::note(&format!("as of {since}, when its agent was lost"));
    }
    client.note_index(index);
    Ok(())
}
