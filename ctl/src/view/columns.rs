//! Columns of each kind, and what stands in them. A kind without columns of its own shows what all
//! resources have, so a new kind can be listed before anybody has drawn it.

use millwright_model::resource::Kind;
use serde_json::Value;

use super::{list, seen, short, since, text};
use crate::output::table::Column;

/// What stands in a column.
type Cell = fn(&Value) -> String;

const NAME: (Column, Cell) = (Column::new("NAME"), |v| text(v, "/metadata/name"));
const STATE: (Column, Cell) = (Column::new("STATE"), |v| text(v, "/status/state"));
const REASON: (Column, Cell) = (Column::new("REASON").spare(1), |v| text(v, "/status/reason"));
const MESSAGE: (Column, Cell) = (Column::prose("MESSAGE"), |v| text(v, "/status/message"));

const REPOSITORY: [(Column, Cell); 7] = [
    NAME,
    STATE,
    REASON,
    (Column::prose("REF"), |v| text(v, "/status/reference")),
    (Column::new("COMMIT"), |v| short(v, "/status/commit")),
    (Column::new("AGE").spare(2), |v| since(v, "/status/resolvedAt")),
    (Column::prose("SUBJECT"), subject),
];
const REPOSITORY_MORE: [(Column, Cell); 2] = [
    (Column::new("AUTHOR"), |v| text(v, "/status/author")),
    (Column::new("URL"), |v| text(v, "/spec/url")),
];
const SYNC_PROFILE: [(Column, Cell); 3] = [
    NAME,
    (Column::new("MAPPINGS"), |v| list(v, "/spec/mappings").len().to_string()),
    (Column::prose("DESTINATIONS"), destinations),
];
const GATEWAY: [(Column, Cell); 7] = [
    NAME,
    (Column::new("SITE").spare(2), |v| text(v, "/spec/site")),
    STATE,
    REASON,
    (Column::new("COMMIT"), |v| short(v, "/status/applied/commit")),
    (Column::new("AGENT").spare(3), |v| text(v, "/status/connection/state")),
    MESSAGE,
];
const GATEWAY_MORE: [(Column, Cell); 9] = [
    (Column::new("SESSIONS"), seen::sessions_counted),
    (Column::new("DRIFT"), |v| text(v, "/status/drift/count")),
    (Column::new("BACKUP"), seen::backup_word),
    (Column::new("GENERATION"), |v| text(v, "/status/applied/generation")),
    (Column::new("NODE"), |v| text(v, "/status/connection/node")),
    (Column::new("IGNITION"), |v| text(v, "/status/facts/ignitionVersion")),
    (Column::new("PROFILE"), |v| text(v, "/spec/profile")),
    (Column::new("AGENT VERSION"), |v| text(v, "/status/connection/agentVersion")),
    (Column::new("ADDRESS"), |v| text(v, "/status/connection/address")),
];
const FLEET: [(Column, Cell); 6] = [
    NAME,
    (Column::new("REPOSITORY").spare(1), |v| text(v, "/spec/repository")),
    STATE,
    (Column::new("IN SYNC"), |v| {
        format!("{}/{}", text(v, "/status/inSync"), text(v, "/status/gateways"))
    }),
    (Column::new("ROLLOUT"), |v| text(v, "/status/rollout")),
    MESSAGE,
];
const FLEET_MORE: [(Column, Cell); 1] = [(Column::new("SELECTOR"), |v| text(v, "/spec/selector"))];
const OPERATOR: [(Column, Cell); 2] = [NAME, (Column::new("ROLE"), |v| text(v, "/spec/role"))];
const SECRET: [(Column, Cell); 2] = [NAME, (Column::prose("KEYS"), keys)];
const ROLLOUT: [(Column, Cell); 7] = [
    NAME,
    (Column::new("FLEET").spare(2), |v| text(v, "/spec/fleet")),
    STATE,
    REASON,
    (Column::new("COMMIT"), |v| short(v, "/spec/commit")),
    (Column::new("AGE"), |v| since(v, "/status/startedAt")),
    MESSAGE,
];
const ROLLOUT_MORE: [(Column, Cell); 2] = [
    (Column::new("REF"), |v| text(v, "/spec/reference")),
    (Column::new("PLAN"), |v| text(v, "/spec/planHash")),
];
const ANY: [(Column, Cell); 4] = [NAME, STATE, REASON, MESSAGE];

/// Columns of the kinds that have their own, and further ones of a wide table.
const OWN: [(Kind, &[(Column, Cell)], &[(Column, Cell)]); 7] = [
    (Kind::Repository, &REPOSITORY, &REPOSITORY_MORE),
    (Kind::SyncProfile, &SYNC_PROFILE, &[]),
    (Kind::Gateway, &GATEWAY, &GATEWAY_MORE),
    (Kind::Fleet, &FLEET, &FLEET_MORE),
    (Kind::Operator, &OPERATOR, &[]),
    (Kind::Secret, &SECRET, &[]),
    (Kind::Rollout, &ROLLOUT, &ROLLOUT_MORE),
];

fn keys(value: &Value) -> String {
    let keys: Vec<&str> = list(value, "/spec/keys").iter().filter_map(Value::as_str).collect();
    keys.join(", ")
}

/// Why it failed matters more than what the last good commit said.
fn subject(value: &Value) -> String {
    match text(value, "/status/message").as_str() {
        "-" => text(value, "/status/subject"),
        message => message.to_owned(),
    }
}

fn destinations(value: &Value) -> String {
    let all: Vec<String> =
        list(value, "/spec/mappings").iter().map(|one| text(one, "/destination")).collect();
    all.join(", ")
}

fn of(kind: Kind, wide: bool) -> impl Iterator<Item = &'static (Column, Cell)> {
    let own = OWN.iter().find(|(own, _, _)| *own == kind);
    let (usual, more) = own.map_or((&ANY[..], &[][..]), |(_, usual, more)| (*usual, *more));
    usual.iter().chain(if wide { more } else { &[] })
}

/// Columns of a kind; a wide table has more.
pub fn columns(kind: Kind, wide: bool) -> Vec<Column> {
    of(kind, wide).map(|(column, _)| *column).collect()
}

/// The row of a resource.
pub fn row(kind: Kind, wide: bool, value: &Value) -> Vec<String> {
    of(kind, wide).map(|(_, cell)| cell(value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repository_that_failed_says_why_instead_of_its_last_subject() {
        let value = json!({"metadata": {"name": "plant"}, "status": {"state": "Failed",
            "message": "connection refused", "subject": "Speed"}});
        let row = row(Kind::Repository, false, &value);
        assert_eq!(row.last().map(String::as_str), Some("connection refused"));
    }

    #[test]
    fn an_unknown_kind_has_the_usual_columns() {
        assert_eq!(columns(Kind::JoinToken, true).len(), ANY.len());
        assert!(columns(Kind::Gateway, true).len() > columns(Kind::Gateway, false).len());
    }
}
