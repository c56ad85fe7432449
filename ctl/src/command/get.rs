//! `millctl get` and `millctl describe`.

use millwright_model::{resource::Kind, time::Timestamp};
use serde_json::Value;

use crate::{
    cli::{Global, Output},
    command::client,
    error::{self, Error, Result},
    output::{self, age, now_ms, table},
};

/// Text at a path; `-` when there is none.
pub(super) fn text(value: &Value, path: &str) -> String {
    match value.pointer(path) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(_) | None => "-".to_owned(),
    }
}

/// First characters of a commit.
pub(super) fn short(value: &Value, path: &str) -> String {
    text(value, path).chars().take(8).collect()
}

fn since(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_u64).map_or("-".to_owned(), |then| age(then, now_ms()))
}

fn columns(kind: Kind, wide: bool) -> Vec<&'static str> {
    let mut columns = match kind {
        Kind::Repository => vec!["NAME", "STATE", "REASON", "REF", "COMMIT", "SUBJECT"],
        Kind::SyncProfile => vec!["NAME", "MAPPINGS"],
        Kind::Gateway => vec!["NAME", "SITE", "STATE", "REASON", "COMMIT", "AGENT", "MESSAGE"],
        Kind::Fleet => vec!["NAME", "REPOSITORY", "STATE", "IN SYNC", "ROLLOUT", "MESSAGE"],
        Kind::Operator => vec!["NAME", "ROLE"],
        Kind::Rollout => vec!["NAME", "FLEET", "STATE", "REASON", "COMMIT", "AGE", "MESSAGE"],
        Kind::JoinToken => vec!["NAME"],
    };
    if wide && kind == Kind::Gateway {
        columns.extend(["GENERATION", "NODE", "IGNITION", "PROFILE", "ADDRESS"]);
    }
    columns
}

fn row(kind: Kind, wide: bool, value: &Value) -> Vec<String> {
    let at = |path: &str| text(value, path);
    let name = at("/metadata/name");
    match kind {
        Kind::Repository => vec![
            name,
            at("/status/state"),
            at("/status/reason"),
            at("/status/reference"),
            short(value, "/status/commit"),
            at("/status/subject"),
        ],
        Kind::SyncProfile => {
            let mappings = value.pointer("/spec/mappings").and_then(Value::as_array);
            vec![name, mappings.map_or(0, Vec::len).to_string()]
        }
        Kind::Gateway => {
            let mut row = vec![
                name,
                at("/spec/site"),
                at("/status/state"),
                at("/status/reason"),
                short(value, "/status/applied/commit"),
                at("/status/connection/state"),
                at("/status/message"),
            ];
            if wide {
                row.extend([
                    at("/status/applied/generation"),
                    at("/status/connection/node"),
                    at("/status/facts/ignitionVersion"),
                    at("/spec/profile"),
                    at("/status/connection/address"),
                ]);
            }
            row
        }
        Kind::Fleet => vec![
            name,
            at("/spec/repository"),
            at("/status/state"),
            format!("{}/{}", at("/status/inSync"), at("/status/gateways")),
            at("/status/rollout"),
            at("/status/message"),
        ],
        Kind::Operator => vec![name, at("/spec/role")],
        Kind::Rollout => vec![
            name,
            at("/spec/fleet"),
            at("/status/state"),
            at("/status/reason"),
            short(value, "/spec/commit"),
            since(value, "/status/startedAt"),
            at("/status/message"),
        ],
        Kind::JoinToken => vec![name],
    }
}

/// Shows resources in the format asked for.
pub(super) fn show(global: &Global, kind: Kind, values: &[Value], one: bool) {
    let whole = match (one, values) {
        (true, [only]) => only.clone(),
        _ => Value::from(values.to_vec()),
    };
    if let Some(text) = output::machine(global.output, &whole) {
        return output::print(&text);
    }
    if global.output == Output::Name {
        let line = |value: &Value| {
            format!("{}/{}\n", kind.as_str().to_lowercase(), text(value, "/metadata/name"))
        };
        return output::print(&values.iter().map(line).collect::<String>());
    }
    if values.is_empty() {
        return output::note(&format!("no {} found", kind.plural()));
    }
    let wide = global.output == Output::Wide;
    let rows: Vec<Vec<String>> = values.iter().map(|value| row(kind, wide, value)).collect();
    output::print(&table(&columns(kind, wide), &rows));
}

pub(super) fn kind_of(word: &str) -> Result<Kind> {
    word.parse().map_err(|error: millwright_model::resource::UnknownKind| {
        Error::new(error::Kind::Usage, error.to_string())
    })
}

/// `millctl get`.
pub(super) async fn run(
    global: &Global,
    kind: &str,
    name: Option<&str>,
    selector: &str,
) -> Result<()> {
    let kind = kind_of(kind)?;
    let values = client(global)?.get(kind.as_str(), name.unwrap_or_default(), selector).await?;
    show(global, kind, &values, name.is_some());
    Ok(())
}

/// `millctl describe`.
pub(super) async fn describe(global: &Global, kind: &str, name: &str) -> Result<()> {
    let kind = kind_of(kind)?;
    let values = client(global)?.get(kind.as_str(), name, "").await?;
    let Some(value) = values.first() else {
        return Err(Error::new(error::Kind::NotFound, format!("{kind} {name} does not exist")));
    };
    if let Some(text) = output::machine(global.output, value) {
        output::print(&text);
        return Ok(());
    }
    output::print(&match kind {
        Kind::Gateway => gateway(value),
        Kind::Rollout => super::rollout::picture(value),
        Kind::Repository | Kind::SyncProfile | Kind::Fleet | Kind::Operator | Kind::JoinToken => {
            output::machine(Output::Yaml, value).unwrap_or_default()
        }
    });
    Ok(())
}

fn gateway(value: &Value) -> String {
    let at = |path: &str| text(value, path);
    let mut out = String::new();
    let mut line = |name: &str, text: String| out.push_str(&format!("{name:<12} {text}\n"));
    line("Gateway", at("/metadata/name"));
    line("Site", at("/spec/site"));
    line("Profile", at("/spec/profile"));
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
    let labels: Vec<String> = labels
        .map(|labels| {
            labels.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect()
        })
        .unwrap_or_default();
    line("Labels", if labels.is_empty() { "-".to_owned() } else { labels.join(", ") });
    line("State", format!("{}  {}", at("/status/state"), at("/status/message")).replace("  -", ""));
    line(
        "Agent",
        format!(
            "{} at {} for {}, version {}, from {}",
            at("/status/connection/state"),
            at("/status/connection/node"),
            since(value, "/status/connection/since"),
            at("/status/connection/agentVersion"),
            at("/status/connection/address"),
        ),
    );
    line(
        "Ignition",
        format!(
            "{} {}, {}, {} {}",
            at("/status/facts/systemName"),
            at("/status/facts/ignitionVersion"),
            at("/status/facts/state"),
            at("/status/facts/redundancyRole"),
            at("/status/facts/activityLevel"),
        ),
    );
    for (name, key) in [("Desired", "desired"), ("Applied", "applied")] {
        let commit = short(value, &format!("/status/{key}/commit"));
        let generation = at(&format!("/status/{key}/generation"));
        let manifest: String = at(&format!("/status/{key}/manifest")).chars().take(12).collect();
        line(name, format!("commit {commit}  generation {generation}  manifest {manifest}"));
    }
    let failures = value.pointer("/status/failures").and_then(Value::as_array);
    for failure in failures.into_iter().flatten() {
        line(
            "Failure",
            format!(
                "{} in {}: {}",
                text(failure, "/kind"),
                text(failure, "/step"),
                text(failure, "/message")
            ),
        );
    }
    let history = value.pointer("/status/history").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = history.into_iter().flatten().map(history_row).collect();
    if !rows.is_empty() {
        let header =
            ["WHEN", "GENERATION", "COMMIT", "RESULT", "CHANGED", "DELETED", "BYTES", "TOOK"];
        out.push_str(&format!("\nHistory\n{}", table(&header, &rows)));
    }
    out
}

fn history_row(attempt: &Value) -> Vec<String> {
    let when = attempt.pointer("/at").and_then(Value::as_u64).unwrap_or(0);
    let applied = attempt.pointer("/manifest").is_some_and(Value::is_string);
    vec![
        Timestamp(when).to_string(),
        text(attempt, "/generation"),
        short(attempt, "/commit"),
        if applied { "applied" } else { "failed" }.to_owned(),
        text(attempt, "/filesChanged"),
        text(attempt, "/filesDeleted"),
        text(attempt, "/bytesFetched"),
        format!("{} ms", text(attempt, "/durationMs")),
    ]
}
