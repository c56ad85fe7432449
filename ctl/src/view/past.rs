//! The rollouts that a fleet has had.

use serde_json::{Value, json};

use super::{list, maybe, moment, number, one_line, short, text, took};
use crate::output::{
    style::Style,
    table::{Column, table},
};

/// What stands in a column.
type Cell = fn(&Value) -> String;

const USUAL: [(Column, Cell); 11] = [
    (Column::new("ROLLOUT"), |r| text(r, "/id")),
    (Column::new("COMMIT"), |r| short(r, "/commit")),
    (Column::prose("AUTHOR").spare(3), |r| one_line(&text(r, "/author"))),
    (Column::prose("PHASE"), |r| text(r, "/phase")),
    (Column::new("STARTED"), |r| minute(&moment(r, "/startedAt"))),
    (Column::new("TOOK").spare(2), |r| match number(r, "/finishedAt") {
        0 => "-".to_owned(),
        _ => took(number(r, "/tookMs")),
    }),
    (Column::new("APPLIED"), |r| text(r, "/applied")),
    (Column::new("FAILED").spare(1), |r| text(r, "/failed")),
    (Column::new("SKIPPED").spare(4), |r| text(r, "/skipped")),
    (Column::new("DEFERRED").spare(4), |r| text(r, "/deferred")),
    (Column::prose("CAUSE"), |r| one_line(&text(r, "/cause"))),
];
const MORE: [(Column, Cell); 2] = [
    (Column::new("REVERTED"), |r| text(r, "/reverted")),
    (Column::new("REF"), |r| text(r, "/reference")),
];

/// A moment without its seconds: the column is one of many.
fn minute(moment: &str) -> String {
    moment.get(..16).map_or_else(|| moment.to_owned(), |minute| format!("{minute}Z"))
}

/// What is said of each rollout of a fleet; they come with the newest first.
pub fn rollouts(newest_first: &[Value]) -> Vec<Value> {
    let newer = std::iter::once(None).chain(newest_first.iter().map(Some));
    newest_first.iter().zip(newer).map(|(rollout, newer)| past(rollout, newer)).collect()
}

fn past(rollout: &Value, newer: Option<&Value>) -> Value {
    let sum = |what: &str| -> u64 {
        let stages = list(rollout, "/status/stages").iter();
        stages.map(|stage| number(stage, &format!("/{what}"))).sum()
    };
    let (started, finished) =
        (number(rollout, "/status/startedAt"), number(rollout, "/status/finishedAt"));
    let phase = text(rollout, "/status/phase");
    let cause = match (maybe(rollout, "/status/stop/cause"), phase.as_str(), newer) {
        (cause, "Superseded", Some(newer)) if cause.is_empty() => {
            format!("superseded by {}", text(newer, "/metadata/name"))
        }
        (cause, ..) => cause,
    };
    json!({
        "id": text(rollout, "/metadata/name"), "commit": maybe(rollout, "/spec/commit"),
        "author": maybe(rollout, "/spec/author"), "reference": maybe(rollout, "/spec/reference"),
        "phase": phase, "startedAt": started,
        "finishedAt": (finished > 0).then_some(finished),
        "tookMs": (finished > 0).then(|| finished.saturating_sub(started)),
        "applied": sum("applied"), "failed": sum("failed"), "skipped": sum("skipped"),
        "deferred": sum("deferred"), "reverted": sum("reverted"), "cause": cause,
    })
}

/// The table.
pub fn table_of(past: &[Value], wide: bool, width: Option<usize>, style: Style) -> String {
    let more = if wide { &MORE[..] } else { &[] };
    let columns: Vec<Column> = USUAL.iter().chain(more).map(|(column, _)| *column).collect();
    let row = |one: &Value| USUAL.iter().chain(more).map(|(_, cell)| cell(one)).collect();
    table(&columns, &past.iter().map(row).collect::<Vec<_>>(), width, style)
}
