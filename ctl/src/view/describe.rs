//! `describe` of each kind. Kinds without a picture of their own show their fields as they are.

use millwright_model::{resource::Kind, time::Timestamp};
use serde_json::Value;

use super::{fields::Fields, gateway, list, number, pairs, progress, since, text};
use crate::output::{
    style::{Style, Tone},
    table::{plain, table},
};

/// A resource for people.
pub fn describe(kind: Kind, value: &Value, style: Style, width: Option<usize>) -> String {
    match kind {
        Kind::Gateway => gateway::describe(value, style, width),
        Kind::Rollout => progress::whole(value, style, width),
        Kind::Fleet => fleet(value, style, width),
        Kind::Repository => repository(value, style, width),
        Kind::SyncProfile => profile(value, style, width),
        _ => any(kind, value, style, width),
    }
}

fn head(kind: Kind, value: &Value, style: Style, width: Option<usize>) -> Fields {
    let mut out = Fields::new(style, width);
    out.line(kind.as_str(), &style.paint(Tone::Strong, &text(value, "/metadata/name")));
    if text(value, "/status/state") != "-" {
        let at = |path: &str| text(value, path);
        out.state("State", &at("/status/state"), &at("/status/reason"), &at("/status/message"));
    }
    out.line("Labels", &pairs(value, "/metadata/labels"));
    out.line("Annotations", &pairs(value, "/metadata/annotations"));
    out
}

fn any(kind: Kind, value: &Value, style: Style, width: Option<usize>) -> String {
    let mut out = head(kind, value, style, width);
    for (title, path) in [("Spec", "/spec"), ("Status", "/status")] {
        let part = value.pointer(path).and_then(Value::as_object).filter(|part| !part.is_empty());
        if let Some(part) = part {
            out.heading(title);
            out.tree(&Value::Object(part.clone()), 2);
        }
    }
    out.finish()
}

fn repository(value: &Value, style: Style, width: Option<usize>) -> String {
    let mut out = head(Kind::Repository, value, style, width);
    let at = |path: &str| text(value, path);
    out.line("URL", &at("/spec/url"));
    let wanted = value.pointer("/spec/ref").and_then(Value::as_object);
    let wanted = wanted.and_then(|fields| fields.iter().find(|(_, value)| value.is_string()));
    if let Some((kind, name)) = wanted {
        out.line("Follows", &format!("{kind} {}", name.as_str().unwrap_or_default()));
    }
    out.line("Poll", &format!("every {}", at("/spec/poll")));
    if at("/status/commit") != "-" {
        out.line("Commit", &at("/status/commit"));
        out.line("Subject", &at("/status/subject"));
        out.line("Author", &at("/status/author"));
        let committed = number(value, "/status/committedAt");
        if committed > 0 {
            out.line("Committed", &Timestamp(committed).to_string());
        }
        out.line("Resolved", &format!("{} ago", since(value, "/status/resolvedAt")));
    }
    out.finish()
}

fn fleet(value: &Value, style: Style, width: Option<usize>) -> String {
    let mut out = head(Kind::Fleet, value, style, width);
    let at = |path: &str| text(value, path);
    out.line("Repository", &at("/spec/repository"));
    let selector = at("/spec/selector");
    out.line("Selector", if selector == "-" { "every gateway" } else { &selector });
    out.line(
        "In sync",
        &format!("{} of {} gateways", at("/status/inSync"), at("/status/gateways")),
    );
    out.line("Rollout", &at("/status/rollout"));
    let stages: Vec<Vec<String>> = list(value, "/spec/stages")
        .iter()
        .enumerate()
        .map(|(at, stage)| {
            let select = text(stage, "/select");
            let select = if select == "-" { "the others".to_owned() } else { select };
            let limit = number(stage, "/maxConcurrent").max(1);
            vec![(at + 1).to_string(), text(stage, "/name"), select, limit.to_string()]
        })
        .collect();
    if !stages.is_empty() {
        out.heading("Stages");
        out.raw(&table(&plain(["ORDER", "STAGE", "SELECTS", "AT A TIME"]), &stages, width, style));
    }
    out.finish()
}

fn profile(value: &Value, style: Style, width: Option<usize>) -> String {
    let mut out = head(Kind::SyncProfile, value, style, width);
    out.line("Vars", &pairs(value, "/spec/vars"));
    let words = |path: &str| {
        let items: Vec<&str> = list(value, path).iter().filter_map(Value::as_str).collect();
        items.join(", ")
    };
    out.line("Excludes", &words("/spec/excludePatterns"));
    out.line("Allows", &words("/spec/allow"));
    let rows: Vec<Vec<String>> = list(value, "/spec/mappings")
        .iter()
        .map(|mapping| {
            let required = mapping.pointer("/required") != Some(&Value::Bool(false));
            vec![
                text(mapping, "/source"),
                text(mapping, "/destination"),
                if required { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    out.heading("Mappings");
    out.raw(&table(&plain(["FROM", "TO", "REQUIRED"]), &rows, width, style));
    out.finish()
}
