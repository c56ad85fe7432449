//! `describe gateway`: what it should run, what it runs, who says so, and what happened before.

use serde_json::Value;

use super::{
    attempt::{self, failures},
    fields::Fields,
    list, maybe, pairs, seen, short, since, text,
};
use crate::output::style::{Style, Tone};

/// Attempts, snapshots and instructions shown at most; commands of their own show all.
const SHOWN_MAX: usize = 10;

/// The gateway for people.
pub fn describe(value: &Value, style: Style, width: Option<usize>) -> String {
    let at = |path: &str| text(value, path);
    let mut out = Fields::new(style, width);
    out.line("Gateway", &style.paint(Tone::Strong, &at("/metadata/name")));
    out.state("State", &at("/status/state"), &at("/status/reason"), &at("/status/message"));
    out.line("Site", &at("/spec/site"));
    out.line("Profile", &at("/spec/profile"));
    out.line("Labels", &pairs(value, "/metadata/labels"));
    out.line("Annotations", &pairs(value, "/metadata/annotations"));
    out.line("Vars", &pairs(value, "/spec/vars"));
    out.line("Agent", &agent(value));
    out.line("Ignition", &ignition(value));
    out.line("Desired", &version(value, "/status/desired"));
    out.line("Attempted", &version(value, "/status/attempted"));
    out.line("Applied", &version(value, "/status/applied"));
    failures(&mut out, "Failure", list(value, "/status/failures"));
    failures(&mut out, "Notice", list(value, "/status/notices"));
    out.line("Paused", &paused(value));
    out.line("Backup", &seen::backup(value));
    if value.pointer("/status/facts").is_some() {
        out.line("Sessions", &seen::sessions_counted(value));
        out.line("Drift", &seen::drift_counted(value.pointer("/status/drift").unwrap_or(value)));
    }
    sections(&mut out, value, style, width);
    out.finish()
}

/// Tables of what there is; what is empty has no heading.
fn sections(out: &mut Fields, value: &Value, style: Style, width: Option<usize>) {
    let some = |path: &str| {
        let all = list(value, path);
        &all[..all.len().min(SHOWN_MAX)]
    };
    let members = seen::members(value, width, style);
    section(out, "Members", !members.is_empty(), || members);
    let open = list(value, "/status/sessions");
    section(out, "Sessions", !open.is_empty(), || seen::sessions(open, width, style));
    let drifted = !list(value, "/status/drift/entries").is_empty();
    let drift = &value["status"]["drift"];
    section(out, "Drift", drifted, || seen::drift(drift, width, style));
    let snapshots = some("/status/snapshots");
    section(out, "Snapshots", !snapshots.is_empty(), || seen::snapshots(snapshots, width, style));
    let asked = some("/status/instructions");
    section(out, "Instructions", !asked.is_empty(), || seen::instructions(asked, width, style));
    let history = some("/status/history");
    let table = || attempt::history(history, false, width, style);
    section(out, "History", !history.is_empty(), table);
}

fn section(out: &mut Fields, title: &str, shown: bool, table: impl FnOnce() -> String) {
    if shown {
        out.heading(title);
        out.raw(&table());
    }
}

fn paused(value: &Value) -> String {
    if !value.pointer("/status/paused").is_some_and(Value::is_object) {
        return "-".to_owned();
    }
    let reason = maybe(value, "/status/paused/reason");
    let colon = if reason.is_empty() { "" } else { ": " };
    let (by, ago) = (text(value, "/status/paused/by"), since(value, "/status/paused/since"));
    format!("by {by} {ago} ago{colon}{reason}")
}

fn agent(value: &Value) -> String {
    let at = |path: &str| text(value, path);
    let since = since(value, "/status/connection/since");
    match maybe(value, "/status/connection/state").as_str() {
        "connected" => format!(
            "connected at {} for {since}, version {}, from {}",
            at("/status/connection/node"),
            at("/status/connection/agentVersion"),
            at("/status/connection/address"),
        ),
        "lost" => format!("lost {since} ago, was at {}", at("/status/connection/node")),
        _ => "has never connected".to_owned(),
    }
}

fn ignition(value: &Value) -> String {
    let parts = ["systemName", "ignitionVersion", "state", "redundancyRole", "activityLevel"]
        .map(|name| maybe(value, &format!("/status/facts/{name}")));
    let [name, version, state, role, activity] = parts;
    let said: Vec<String> = [format!("{name} {version}"), state, format!("{role} {activity}")]
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    said.join(", ")
}

fn version(value: &Value, path: &str) -> String {
    if !value.pointer(path).is_some_and(Value::is_object) {
        return "-".to_owned();
    }
    let at = |name: &str| text(value, &format!("{path}/{name}"));
    let mut line =
        format!("{} generation {}", short(value, &format!("{path}/commit")), at("generation"));
    let manifest: String = maybe(value, &format!("{path}/manifest")).chars().take(12).collect();
    if !manifest.is_empty() {
        line.push_str(&format!(", manifest {manifest}"));
    }
    if value.pointer(&format!("{path}/at")).is_some() {
        line.push_str(&format!(", {} ago", since(value, &format!("{path}/at"))));
    }
    let rollout = at("rollout");
    if rollout != "-" {
        line.push_str(&format!(", by {rollout}"));
    }
    line
}
