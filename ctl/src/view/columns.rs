//! Columns and rows of each kind. A kind without columns of its own shows what all resources have.

use millwright_model::resource::Kind;
use serde_json::Value;

use super::{list, short, since, text};
use crate::output::table::Column;

const NAME: Column = Column::new("NAME");
const STATE: Column = Column::new("STATE");
const COMMIT: Column = Column::new("COMMIT");
const REASON: Column = Column::new("REASON").spare(1);
const MESSAGE: Column = Column::prose("MESSAGE");

/// Columns of a kind; a wide table has more.
pub fn columns(kind: Kind, wide: bool) -> Vec<Column> {
    let mut columns = match kind {
        Kind::Repository => vec![
            NAME,
            STATE,
            REASON,
            Column::prose("REF"),
            COMMIT,
            Column::new("AGE").spare(2),
            Column::prose("SUBJECT"),
        ],
        Kind::SyncProfile => vec![NAME, Column::new("MAPPINGS"), Column::prose("DESTINATIONS")],
        Kind::Gateway => vec![
            NAME,
            Column::new("SITE").spare(2),
            STATE,
            REASON,
            COMMIT,
            Column::new("AGENT").spare(3),
            MESSAGE,
        ],
        Kind::Fleet => vec![
            NAME,
            Column::new("REPOSITORY").spare(1),
            STATE,
            Column::new("IN SYNC"),
            Column::new("ROLLOUT"),
            MESSAGE,
        ],
        Kind::Operator => vec![NAME, Column::new("ROLE")],
        Kind::Rollout => vec![
            NAME,
            Column::new("FLEET").spare(2),
            STATE,
            REASON,
            COMMIT,
            Column::new("AGE"),
            MESSAGE,
        ],
        _ => vec![NAME, STATE, REASON, MESSAGE],
    };
    if wide {
        columns.extend(more(kind).into_iter().map(|(column, _)| column));
    }
    columns
}

/// Further columns of a wide table, and where their text is.
fn more(kind: Kind) -> Vec<(Column, &'static str)> {
    let column = Column::new;
    match kind {
        Kind::Gateway => vec![
            (column("GENERATION"), "/status/applied/generation"),
            (column("NODE"), "/status/connection/node"),
            (column("IGNITION"), "/status/facts/ignitionVersion"),
            (column("PROFILE"), "/spec/profile"),
            (column("AGENT VERSION"), "/status/connection/agentVersion"),
            (column("ADDRESS"), "/status/connection/address"),
        ],
        Kind::Repository => {
            vec![(column("AUTHOR"), "/status/author"), (column("URL"), "/spec/url")]
        }
        Kind::Fleet => vec![(column("SELECTOR"), "/spec/selector")],
        Kind::Rollout => {
            vec![(column("REF"), "/spec/reference"), (column("PLAN"), "/spec/planHash")]
        }
        _ => Vec::new(),
    }
}

/// The row of a resource.
pub fn row(kind: Kind, wide: bool, value: &Value) -> Vec<String> {
    let at = |path: &str| text(value, path);
    let name = at("/metadata/name");
    let (state, reason) = (at("/status/state"), at("/status/reason"));
    let mut row = match kind {
        Kind::Repository => vec![
            name,
            state,
            reason,
            at("/status/reference"),
            short(value, "/status/commit"),
            since(value, "/status/resolvedAt"),
            // Why it failed matters more than what the last good commit said.
            match at("/status/message").as_str() {
                "-" => at("/status/subject"),
                message => message.to_owned(),
            },
        ],
        Kind::SyncProfile => {
            let mappings = list(value, "/spec/mappings");
            let to: Vec<String> = mappings.iter().map(|one| text(one, "/destination")).collect();
            vec![name, mappings.len().to_string(), to.join(", ")]
        }
        Kind::Gateway => vec![
            name,
            at("/spec/site"),
            state,
            reason,
            short(value, "/status/applied/commit"),
            at("/status/connection/state"),
            at("/status/message"),
        ],
        Kind::Fleet => vec![
            name,
            at("/spec/repository"),
            state,
            format!("{}/{}", at("/status/inSync"), at("/status/gateways")),
            at("/status/rollout"),
            at("/status/message"),
        ],
        Kind::Operator => vec![name, at("/spec/role")],
        Kind::Rollout => vec![
            name,
            at("/spec/fleet"),
            state,
            reason,
            short(value, "/spec/commit"),
            since(value, "/status/startedAt"),
            at("/status/message"),
        ],
        _ => vec![name, state, reason, at("/status/message")],
    };
    if wide {
        row.extend(more(kind).into_iter().map(|(_, path)| at(path)));
    }
    row
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        for kind in Kind::ALL {
            for wide in [false, true] {
                let cells = row(kind, wide, &json!({})).len();
                assert_eq!(columns(kind, wide).len(), cells, "{kind} {wide}");
            }
        }
    }
}
