//! `describe gateway`: what it should run, what it runs, who says so, and what happened before.

use millwright_model::time::Timestamp;
use serde_json::Value;

use super::{fields::Fields, list, maybe, number, pairs, short, since, text};
use crate::output::{
    self,
    style::{Style, Tone},
    table::{Column, table},
};

const HISTORY: [Column; 8] = [
    Column::new("WHEN"),
    Column::new("GENERATION"),
    Column::new("COMMIT"),
    Column::new("RESULT"),
    Column::new("CHANGED").spare(1),
    Column::new("DELETED").spare(2),
    Column::new("BYTES").spare(3),
    Column::new("TOOK"),
];

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
    for failure in list(value, "/status/failures") {
        let step = text(failure, "/step");
        let told = format!("{} in {step}: {}", text(failure, "/kind"), text(failure, "/message"));
        out.line("Failure", &told);
    }
    let history: Vec<Vec<String>> =
        list(value, "/status/history").iter().map(history_row).collect();
    if !history.is_empty() {
        out.heading("History");
        out.raw(&table(&HISTORY, &history, width, style));
    }
    out.finish()
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

fn history_row(attempt: &Value) -> Vec<String> {
    let applied = attempt.pointer("/manifest").is_some_and(Value::is_string);
    vec![
        Timestamp(number(attempt, "/at")).to_string(),
        text(attempt, "/generation"),
        short(attempt, "/commit"),
        if applied { "applied" } else { "failed" }.to_owned(),
        text(attempt, "/filesChanged"),
        text(attempt, "/filesDeleted"),
        bytes(number(attempt, "/bytesFetched")),
        took(number(attempt, "/durationMs")),
    ]
}

fn took(ms: u64) -> String {
    if ms < 2_000 { format!("{ms} ms") } else { output::span(ms) }
}

/// Bytes in the unit that says something, in powers of 1024.
fn bytes(count: u64) -> String {
    match count {
        0..=9_999 => format!("{count} B"),
        10_000..=10_239_999 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / (1024 * 1024)),
    }
}
