//! `millctl history rollout`: who did what to it, from the audit.

use millwright_model::{audit::Filter, resource::Kind};
use serde_json::json;

use crate::{
    cli::Global,
    command::{audit, client},
    error::Result,
    output::{self, terminal},
    view::audit as view,
};

pub(super) async fn run(global: &Global, id: &str) -> Result<()> {
    let mut client = client(global)?;
    let (kind, name) = (Kind::Rollout.as_str().to_owned(), id.to_owned());
    let filter = Filter { kind, name, ..Filter::default() };
    let (info, mut entries) = audit::entries_of(&mut client, &filter, 0).await?;
    if entries.is_empty() {
        // Asking by name yields the cluster's own answer, with the nearest name.
        client.get(Kind::Rollout.as_str(), id, "").await?;
    }
    entries.reverse();
    output::show(&global.output, &json!(entries), Some(info.index), |wide| {
        if entries.is_empty() {
            output::note(&format!("nothing about rollout {id} is kept any more"));
            return String::new();
        }
        let limit = if wide { None } else { terminal::width() };
        view::entries(&entries, wide, limit, output::style())
    })?;
    client.note_index(info.index);
    Ok(())
}
