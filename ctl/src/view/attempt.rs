//! Attempts for people: the table of a gateway's history, and one attempt with why it ended as it did.

use serde_json::Value;

use super::{bytes, fields::Fields, list, maybe, moment, number, short, text, took, words};
use crate::output::{
    style::{Style, Tone},
    table::{Column, table},
};

/// What stands in a column.
type Cell = fn(&Value) -> String;

const USUAL: [(Column, Cell); 10] = [
    (Column::new("WHEN"), |a| moment(a, "/at")),
    (Column::new("RESULT"), |a| text(a, "/result")),
    (Column::new("COMMIT"), |a| short(a, "/commit")),
    (Column::prose("TRIGGER"), |a| text(a, "/trigger")),
    (Column::new("ADDED").spare(4), |a| text(a, "/filesAdded")),
    (Column::new("CHANGED").spare(4), |a| text(a, "/filesChanged")),
    (Column::new("REMOVED").spare(4), |a| text(a, "/filesDeleted")),
    (Column::prose("PROJECTS").spare(6), |a| words(a, "/projects")),
    (Column::new("SNAPSHOT").spare(7), |a| text(a, "/snapshot")),
    (Column::new("TOOK").spare(2), |a| took(number(a, "/durationMs"))),
];
const MORE: [(Column, Cell); 4] = [
    (Column::new("GENERATION"), generation),
    (Column::new("FETCHED"), |a| bytes(number(a, "/bytesFetched"))),
    (Column::new("REF"), |a| text(a, "/reference")),
    (Column::new("CAUSE"), cause),
];

/// `7.2`: the second try of generation 7.
pub fn generation(attempt: &Value) -> String {
    format!("{}.{}", text(attempt, "/generation"), number(attempt, "/attempt").max(1))
}

/// The first failure in one line.
fn cause(attempt: &Value) -> String {
    list(attempt, "/failures").first().map_or("-".to_owned(), failure)
}

/// A failure in one line: its code, where, about what, and what happened.
pub fn failure(failure: &Value) -> String {
    let subject = maybe(failure, "/subject");
    let about = if subject.is_empty() { String::new() } else { format!(" ({subject})") };
    let (kind, step) = (text(failure, "/kind"), text(failure, "/step"));
    format!("{kind} in {step}{about}: {}", text(failure, "/message"))
}

/// The failures of a list with what to do about each one.
pub fn failures(out: &mut Fields, name: &str, failures: &[Value]) {
    for one in failures {
        out.line(name, &failure(one));
        out.line("  do", &maybe(one, "/remedy"));
    }
}

/// The table of a gateway's attempts, the newest first as they come.
pub fn history(attempts: &[Value], wide: bool, width: Option<usize>, style: Style) -> String {
    let used: Vec<&(Column, Cell)> =
        USUAL.iter().chain(if wide { &MORE[..] } else { &[] }).collect();
    let columns: Vec<Column> = used.iter().map(|(column, _)| *column).collect();
    let row = |attempt: &Value| used.iter().map(|(_, cell)| cell(attempt)).collect();
    let rows: Vec<Vec<String>> = attempts.iter().map(row).collect();
    table(&columns, &rows, width, style)
}

/// One attempt, whole.
pub fn whole(gateway: &str, attempt: &Value, style: Style, width: Option<usize>) -> String {
    let at = |path: &str| text(attempt, path);
    let mut out = Fields::new(style, width);
    out.line("Gateway", &style.paint(Tone::Strong, gateway));
    out.state("Result", &at("/result"), "", "");
    out.line("Ended", &moment(attempt, "/at"));
    out.line("Trigger", &at("/trigger"));
    let reference = maybe(attempt, "/reference");
    let reference = if reference.is_empty() { String::new() } else { format!(" ({reference})") };
    out.line("Commit", &format!("{}{reference}", short(attempt, "/commit")));
    out.line("Generation", &generation(attempt));
    out.line("Files", &files(attempt));
    out.line("Projects", &words(attempt, "/projects"));
    out.line("Snapshot", &at("/snapshot"));
    out.line("Took", &took(number(attempt, "/durationMs")));
    failures(&mut out, "Failure", list(attempt, "/failures"));
    out.line("Kept", &words(attempt, "/kept"));
    failures(&mut out, "Notice", list(attempt, "/notices"));
    out.finish()
}

fn files(attempt: &Value) -> String {
    let count = |name: &str| number(attempt, &format!("/files{name}"));
    let (added, changed, removed) = (count("Added"), count("Changed"), count("Deleted"));
    format!("{added} added, {changed} changed, {removed} removed")
}
