//! Entries of the audit for people.

use millwright_model::audit::{Entry, Outcome, short_identity};

use super::one_line;
use crate::output::{
    style::Style,
    table::{Column, table},
};

/// What stands in a column.
type Cell = fn(&Entry) -> String;

const USUAL: [(Column, Cell); 6] = [
    (Column::new("TIME"), |e| e.at.to_string()),
    (Column::new("WHO"), who),
    (Column::new("FROM").spare(1), |e| word(&e.from)),
    (Column::new("WHAT"), |e| e.what.clone()),
    (Column::prose("SUBJECT"), subject),
    (Column::prose("WHY"), why),
];
const MORE: [(Column, Cell); 5] = [
    (Column::new("INDEX"), |e| e.index.to_string()),
    (Column::new("OUTCOME"), |e| e.outcome.as_str().to_owned()),
    (Column::new("CHANGE"), change),
    (Column::new("FIELDS"), |e| word(&e.fields.join(", "))),
    (Column::new("MESSAGE"), |e| word(&e.message)),
];

fn word(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { one_line(text) }
}

fn who(entry: &Entry) -> String {
    word(short_identity(&entry.who))
}

/// `gateway/line1`, as `--subject` takes it.
pub fn subject(entry: &Entry) -> String {
    one_line(&format!("{}/{}", entry.kind.to_lowercase(), entry.name))
}

/// The reason that was given; why it was refused, if it was; what came of it when nobody gave one.
fn why(entry: &Entry) -> String {
    let Entry { why, message, outcome, .. } = entry;
    match (outcome, why.as_str()) {
        (Outcome::Refused, _) => one_line(&format!("refused: {message}")),
        (Outcome::Accepted, "") => word(message),
        (Outcome::Accepted, why) => one_line(why),
    }
}

/// Digests are for programs; a person sees that they differ.
fn change(entry: &Entry) -> String {
    let short = |text: &str| match text.len() {
        0 => "-".to_owned(),
        64 => text[..8].to_owned(),
        _ => one_line(text),
    };
    match (entry.before.as_str(), entry.after.as_str()) {
        ("", "") => "-".to_owned(),
        (before, after) => format!("{} -> {}", short(before), short(after)),
    }
}

/// The table, oldest first as they come.
pub fn entries(entries: &[Entry], wide: bool, width: Option<usize>, style: Style) -> String {
    let more = if wide { &MORE[..] } else { &[] };
    let columns: Vec<Column> = USUAL.iter().chain(more).map(|(column, _)| *column).collect();
    let row = |entry: &Entry| USUAL.iter().chain(more).map(|(_, cell)| cell(entry)).collect();
    table(&columns, &entries.iter().map(row).collect::<Vec<_>>(), width, style)
}

#[cfg(test)]
mod tests {
    use millwright_model::{digest::Digest, time::Timestamp};

    use super::*;

    #[test]
    fn what_somebody_wrote_stays_in_its_line() {
        let entry = Entry {
            format: 1,
            index: 1,
            log_index: 1,
            at: Timestamp(0),
            who: "spiffe://c1/operator/eve".to_owned(),
            from: String::new(),
            what: "delete".to_owned(),
            kind: "Gateway".to_owned(),
            name: "a\nb".to_owned(),
            why: "\u{1b}[2J\nall is well".to_owned(),
            before: "a".repeat(64),
            after: String::new(),
            fields: Vec::new(),
            outcome: Outcome::Accepted,
            message: String::new(),
            hash: Digest::default(),
        };
        let text = entries(&[entry], true, None, Style::default());
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(!text.contains('\u{1b}') && text.contains("aaaaaaaa -> -"), "{text:?}");
        assert!(text.contains("operator/eve   -      delete   gateway/a b"), "{text:?}");
    }
}
