//! What a gateway's agents see, for people: sessions, foreign changes, snapshots, both nodes of a
//! pair, instructions and their answers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{bytes, list, maybe, moment, number, short, since, text, took, words};
use crate::output::{
    style::Style,
    table::{Column, table},
};

const SESSIONS: [Column; 5] = [
    Column::new("KIND"),
    Column::new("USER"),
    Column::prose("PROJECT"),
    Column::new("SINCE").spare(1),
    Column::new("ADDRESS").spare(2),
];
const DRIFT: [Column; 3] =
    [Column::new("CHANGE"), Column::prose("PATH"), Column::new("ACTOR").spare(1)];
const SNAPSHOTS: [Column; 10] = [
    Column::new("ID"),
    Column::new("TAKEN").spare(2),
    Column::new("COMMIT").spare(1),
    Column::new("FILES").spare(4),
    Column::new("SIZE").spare(3),
    Column::new("NEW").spare(7),
    Column::new("TOOK").spare(6),
    Column::prose("STORES").spare(5),
    Column::new("PINNED"),
    Column::prose("CAUSE"),
];
const INSTRUCTIONS: [Column; 6] = [
    Column::new("WHEN"),
    Column::new("KIND"),
    Column::new("SUBJECT").spare(2),
    Column::new("BY").spare(1),
    Column::new("DONE"),
    Column::prose("ANSWER"),
];
const MEMBERS: [Column; 7] = [
    Column::new("MEMBER"),
    Column::new("AGENT"),
    Column::new("NODE").spare(3),
    Column::new("STATE").spare(1),
    Column::new("ROLE"),
    Column::new("ACTIVITY"),
    Column::new("PEER").spare(2),
];

/// The sessions of a list.
pub fn sessions(sessions: &[Value], width: Option<usize>, style: Style) -> String {
    let row = |one: &Value| {
        vec![
            text(one, "/kind"),
            text(one, "/user"),
            text(one, "/project"),
            moment(one, "/since"),
            text(one, "/address"),
        ]
    };
    table(&SESSIONS, &sessions.iter().map(row).collect::<Vec<_>>(), width, style)
}

/// How many sessions of which kind; `unknown` when the gateway does not tell.
pub fn sessions_counted(value: &Value) -> String {
    let Some(all) = value.pointer("/status/sessions").and_then(Value::as_array) else {
        return "unknown".to_owned();
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(text(one, "/kind")).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Files that somebody else changed; `drift` is the object with `count` and `entries`.
pub fn drift(drift: &Value, width: Option<usize>, style: Style) -> String {
    let entries = list(drift, "/entries");
    let row = |one: &Value| vec![text(one, "/change"), text(one, "/path"), text(one, "/actor")];
    let rows: Vec<_> = entries.iter().map(row).collect();
    let mut out = table(&DRIFT, &rows, width, style);
    let more = number(drift, "/count").saturating_sub(entries.len() as u64);
    if more > 0 {
        out.push_str(&format!("and {more} more\n"));
    }
    out
}

/// Foreign changes in one line.
pub fn drift_counted(drift: &Value) -> String {
    match number(drift, "/count") {
        0 => "none".to_owned(),
        count => {
            let files = if count == 1 { "file" } else { "files" };
            let began = moment(drift, "/since");
            let began = if began == "-" { String::new() } else { format!(" since {began}") };
            format!("{count} {files}{began}")
        }
    }
}

/// Snapshots of a list.
pub fn snapshots(all: &[Value], width: Option<usize>, style: Style) -> String {
    let row = |one: &Value| {
        vec![
            text(one, "/id"),
            moment(one, "/takenAt"),
            short(one, "/commit"),
            text(one, "/files"),
            bytes(number(one, "/bytes")),
            bytes(number(one, "/newBytes")),
            took(number(one, "/durationMs")),
            words(one, "/stores"),
            if one["pinned"] == true { "pinned" } else { "-" }.to_owned(),
            text(one, "/cause"),
        ]
    };
    table(&SNAPSHOTS, &all.iter().map(row).collect::<Vec<_>>(), width, style)
}

/// Instructions of a list and what became of them.
pub fn instructions(all: &[Value], width: Option<usize>, style: Style) -> String {
    let row = |one: &Value| {
        let done = match one.pointer("/answer/ok").and_then(Value::as_bool) {
            Some(true) => "done",
            Some(false) => "failed",
            None => "open",
        };
        vec![
            moment(one, "/at"),
            text(one, "/kind"),
            text(one, "/subject"),
            text(one, "/by"),
            done.to_owned(),
            text(one, "/answer/message"),
        ]
    };
    table(&INSTRUCTIONS, &all.iter().map(row).collect::<Vec<_>>(), width, style)
}

/// Both nodes of a pair; empty when there is only one.
pub fn members(value: &Value, width: Option<usize>, style: Style) -> String {
    let all = value.pointer("/status/members").and_then(Value::as_object);
    let all = all.filter(|members| members.keys().any(|member| member != "single"));
    let Some(all) = all else { return String::new() };
    let row = |(member, one): (&String, &Value)| {
        let agent = text(one, "/connection/state");
        let connected = one.pointer("/facts/peerConnected") == Some(&Value::Bool(true));
        vec![
            member.clone(),
            agent,
            text(one, "/connection/node"),
            text(one, "/facts/state"),
            text(one, "/facts/redundancyRole"),
            text(one, "/facts/activityLevel"),
            if connected { "connected" } else { "lost" }.to_owned(),
        ]
    };
    table(&MEMBERS, &all.iter().map(row).collect::<Vec<_>>(), width, style)
}

/// The backup's side of a pair in one line; `-` when there is none.
pub fn backup(value: &Value) -> String {
    let Some(backup) = value.pointer("/status/backup").filter(|one| one.is_object()) else {
        return "-".to_owned();
    };
    let generation = text(backup, "/generation");
    let ago = since(backup, "/at");
    match (backup["inSync"] == true, maybe(backup, "/message").as_str()) {
        (true, _) => format!("in sync at generation {generation}, {ago} ago"),
        (false, "") => format!("takes generation {generation} over"),
        (false, why) => format!("not in sync at generation {generation}: {why}"),
    }
}

/// The backup's side in one word, for a column.
pub fn backup_word(value: &Value) -> String {
    match value.pointer("/status/backup/inSync").and_then(Value::as_bool) {
        None => "-",
        Some(true) => "InSync",
        Some(false) => "Pending",
    }
    .to_owned()
}
