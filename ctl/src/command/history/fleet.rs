//! `millctl history fleet`: its rollouts.

use serde_json::{Value, json};

use crate::{
    cli::Global,
    command::client,
    error::Result,
    output::{self, terminal},
    view::{number, past, text},
};

pub(super) async fn run(global: &Global, fleet: &str) -> Result<()> {
    let mut client = client(global)?;
    // Asking by name yields the cluster's own answer, with the nearest name.
    client.get("Fleet", fleet, "").await?;
    let listing = client.get("Rollout", "", "").await?;
    let mut rollouts = listing.values;
    rollouts.retain(|rollout| text(rollout, "/spec/fleet") == fleet);
    rollouts.sort_by_key(|rollout| std::cmp::Reverse(number(rollout, "/status/startedAt")));
    let data: Vec<Value> = past::rollouts(&rollouts);
    output::show(&global.output, &json!(data), Some(listing.index), |wide| {
        if data.is_empty() {
            output::note(&format!("fleet {fleet} has had no rollout yet"));
            return String::new();
        }
        let limit = if wide { None } else { terminal::width() };
        past::table_of(&data, wide, limit, output::style())
    })?;
    client.note_index(listing.index);
    Ok(())
}
