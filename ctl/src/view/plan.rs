//! A plan as people read it: what it brings, its stages and gates, what changes on each gateway, and when.

use millwright_model::time::Timestamp;
use serde_json::Value;

use super::{bytes, fields::Fields, list, maybe, number, short, text, words};
use crate::output::{
    style::{Style, Tone},
    table::{Column, table},
};

const STAGES: [Column; 7] = [
    Column::new("STAGE"),
    Column::new("GATEWAYS"),
    Column::new("AT A TIME"),
    Column::new("SOAK"),
    Column::new("APPROVAL"),
    Column::new("QUORUM").spare(1),
    Column::prose("GATES"),
];

const MEMBERS: [Column; 8] = [
    Column::new("GATEWAY"),
    Column::new("STAGE"),
    Column::new("FILES"),
    Column::new("BYTES").spare(1),
    Column::prose("PROJECTS").spare(3),
    Column::new("AFTER").spare(2),
    Column::new("WINDOW"),
    Column::prose("NOTES"),
];

const FORECAST: [Column; 4] =
    [Column::new("GATEWAY"), Column::new("BEGINS"), Column::new("TAKES"), Column::new("AFTER ALL")];

/// Gateways of a forecast that are listed for people; all of them: `-o json`.
const FORECAST_MAX: usize = 40;

/// Everything about a plan.
pub fn whole(value: &Value, style: Style, width: Option<usize>) -> String {
    let at = |path: &str| text(value, path);
    let mut out = Fields::new(style, width);
    out.line("Plan of", &style.paint(Tone::Strong, &format!("fleet {}", at("/spec/fleet"))));
    let commit = short(value, "/spec/commit");
    out.line("Commit", &format!("{commit} ({}): {}", at("/spec/reference"), at("/spec/subject")));
    out.line("Author", &at("/spec/author"));
    out.line("Plan hash", &at("/spec/planHash"));
    out.line("Begins", &begins(value));
    out.heading("Stages");
    let stages: Vec<Vec<String>> = list(value, "/spec/stages").iter().map(stage).collect();
    out.raw(&table(&STAGES, &stages, width, style));
    let before: Vec<String> = gates(list(value, "/spec/gates"), "prePlan");
    if !before.is_empty() {
        out.line("Before it", &format!("gate {}", before.join(", ")));
    }
    out.heading("Gateways");
    let members: Vec<Vec<String>> = list(value, "/status/members").iter().map(member).collect();
    out.raw(&table(&MEMBERS, &members, width, style));
    if value.pointer("/status/forecast").is_some_and(Value::is_object) {
        forecast(&mut out, value, style, width);
    }
    out.finish()
}

fn begins(value: &Value) -> String {
    let hash = text(value, "/spec/planHash");
    match (text(value, "/status/rollout").as_str(), text(value, "/spec/manual").as_str()) {
        ("-", "true") => "when a person begins it, once it is planned".to_owned(),
        ("-", _) => "by itself when the fleet follows this commit".to_owned(),
        (id, "true") => format!("millctl rollout start {id} --plan-hash {hash} -m WHY"),
        (id, _) => format!("it is rollout {id}"),
    }
}

fn gates(all: &[Value], phase: &str) -> Vec<String> {
    let of = all.iter().filter(|gate| phase.is_empty() || maybe(gate, "/phase") == phase);
    of.map(|gate| match phase {
        "" => format!("{} ({})", text(gate, "/name"), text(gate, "/phase")),
        _ => text(gate, "/name"),
    })
    .collect()
}

fn stage(stage: &Value) -> Vec<String> {
    let asks = if text(stage, "/approval") == "true" { "required" } else { "-" };
    let gates = gates(list(stage, "/gates"), "");
    vec![
        text(stage, "/name"),
        text(stage, "/gateways"),
        text(stage, "/maxConcurrent"),
        text(stage, "/soak"),
        asks.to_owned(),
        format!("{} %", number(stage, "/quorum")),
        if gates.is_empty() { "-".to_owned() } else { gates.join(", ") },
    ]
}

fn member(member: &Value) -> Vec<String> {
    let count = |what: &str| number(member, &format!("/change/{what}"));
    let files = match member.pointer("/change").filter(|change| change.is_object()) {
        None => "unknown".to_owned(),
        Some(_) => match (count("added"), count("changed"), count("removed")) {
            (0, 0, 0) => "none".to_owned(),
            (added, changed, removed) => format!("+{added} ~{changed} -{removed}"),
        },
    };
    let window = match member.pointer("/window/open").and_then(Value::as_bool) {
        Some(true) => "open".to_owned(),
        Some(false) => match number(member, "/window/nextChange") {
            0 => "closed".to_owned(),
            at => format!("from {}", Timestamp(at)),
        },
        None => "-".to_owned(),
    };
    vec![
        text(member, "/gateway"),
        text(member, "/stage"),
        files,
        bytes(count("bytes")),
        words(member, "/change/projects"),
        words(member, "/dependsOn"),
        window,
        notes(member),
    ]
}

fn notes(member: &Value) -> String {
    let mut notes = Vec::new();
    match member.pointer("/offlineSince").and_then(Value::as_u64) {
        None => {}
        Some(0) => notes.push("never connected".to_owned()),
        Some(since) => notes.push(format!("offline since {}", Timestamp(since))),
    }
    for one in list(member, "/designers") {
        let (user, project) = (text(one, "/user"), text(one, "/project"));
        notes.push(format!("designer {user} in {project}"));
    }
    let question = maybe(member, "/question");
    if !question.is_empty() {
        notes.push(format!("asks: {question}"));
    }
    if notes.is_empty() { "-".to_owned() } else { notes.join("; ") }
}

fn forecast(out: &mut Fields, value: &Value, style: Style, width: Option<usize>) {
    let now = Timestamp(number(value, "/status/at"));
    let at = |path: &str| Timestamp(number(value, &format!("/status/forecast{path}")));
    let all = list(value, "/status/forecast/members");
    out.heading("If nothing fails");
    let whole = at("/endsAt").since(now).to_seconds();
    let ends = match text(value, "/status/forecast/completes").as_str() {
        "true" => format!("{}, after {whole}", at("/endsAt")),
        _ => "not before the deadline".to_owned(),
    };
    out.line("Done", &ends);
    let critical = list(value, "/status/forecast/criticalPath");
    let critical: Vec<&str> = critical.iter().filter_map(Value::as_str).collect();
    out.line("Critical path", &critical.join(" -> "));
    let rows: Vec<Vec<String>> = all
        .iter()
        .take(FORECAST_MAX)
        .map(|one| {
            let begins = Timestamp(number(one, "/begins"));
            let ends = Timestamp(number(one, "/ends"));
            vec![
                text(one, "/gateway"),
                begins.to_string(),
                ends.since(begins).to_seconds().to_string(),
                ends.since(now).to_seconds().to_string(),
            ]
        })
        .collect();
    out.raw(&table(&FORECAST, &rows, width, style));
    if all.len() > FORECAST_MAX {
        out.raw(&format!("and {} more\n", all.len() - FORECAST_MAX));
    }
    for one in list(value, "/status/forecast/left") {
        out.line("Not in time", &format!("{}: {}", text(one, "/gateway"), text(one, "/waits")));
    }
}
