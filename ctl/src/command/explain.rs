//! `millctl explain`: what a kind or a field means, from its schema.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::resource::{self, Kind};
use serde_json::{Value, json};

use super::kind_of;
use crate::{
    cli::Global,
    complete,
    error::{self, Error, Result},
    output::{
        self,
        style::{Style, Tone},
        table::{Column, table},
        terminal::{self, wrap},
    },
};

/// Widest text: longer lines are hard to read.
const TEXT_MAX: usize = 92;

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl explain                      the kinds
  millctl explain fleet
  millctl explain fleet.spec.stages")]
pub struct Args {
    /// kind, or kind.field.field; all kinds when absent.
    #[arg(add = ArgValueCandidates::new(complete::kinds))]
    pub path: Option<String>,
}

pub(super) fn run(global: &Global, Args { path }: Args) -> Result<()> {
    let Some(path) = path else { return kinds(global) };
    let mut parts = path.split('.');
    let kind = kind_of(parts.next().unwrap_or_default())?;
    let fields: Vec<&str> = parts.collect();
    // The model knows the nearest field.
    resource::explain(kind, &fields).map_err(|error| {
        Error::new(error::Kind::NotFound, error.to_string())
            .hint(format!("millctl explain {} shows every field", kind.short()))
    })?;
    let schema = resource::schema(kind);
    let mut node = &schema;
    for field in &fields {
        node = below(node).pointer(&format!("/properties/{field}")).unwrap_or(&Value::Null);
    }
    let width = terminal::width().unwrap_or(TEXT_MAX).min(TEXT_MAX);
    output::show(&global.output, node, None, |_| {
        picture(kind, &fields, node, output::style(), width)
    })
}

fn kinds(global: &Global) -> Result<()> {
    let rows: Vec<Vec<String>> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let schema = resource::schema(kind);
            let about = match description(&schema) {
                "" => "made by the cluster",
                about => about.lines().next().unwrap_or_default(),
            };
            vec![
                kind.to_string(),
                kind.plural().to_owned(),
                kind.short().to_owned(),
                about.to_owned(),
            ]
        })
        .collect();
    let names: Vec<Value> = rows
        .iter()
        .map(|row| json!({"name": row[0], "plural": row[1], "short": row[2], "about": row[3]}))
        .collect();
    output::show(&global.output, &json!(names), None, |_| {
        let titles = [
            Column::new("KIND"),
            Column::new("PLURAL"),
            Column::new("SHORT"),
            Column::prose("MEANS"),
        ];
        table(&titles, &rows, terminal::width(), output::style())
    })
}

/// Through a list to its items.
fn below(node: &Value) -> &Value {
    node.get("items").unwrap_or(node)
}

fn description(node: &Value) -> &str {
    node.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn type_of(node: &Value) -> String {
    if let Some(constant) = node.get("const").and_then(Value::as_str) {
        return format!("\"{constant}\"");
    }
    let options = node.get("oneOf").or(node.get("enum")).and_then(Value::as_array);
    let words: Vec<&str> = options
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("const").unwrap_or(one).as_str())
        .collect();
    if !words.is_empty() {
        return words.join(" | ");
    }
    let named = |kind: &str| match kind {
        "array" => format!("list of {}", type_of(below(node))),
        other => other.to_owned(),
    };
    match node.get("type") {
        Some(Value::String(kind)) => named(kind),
        Some(Value::Array(kinds)) => {
            let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
            kind.map_or_else(|| "any".to_owned(), named)
        }
        _ => "any".to_owned(),
    }
}

fn picture(kind: Kind, fields: &[&str], node: &Value, style: Style, width: usize) -> String {
    let title = [kind.as_str()].iter().chain(fields).copied().collect::<Vec<_>>().join(".");
    let mut text = style.paint(Tone::Strong, &title);
    if !fields.is_empty() {
        text.push_str(&format!("  {}", style.paint(Tone::Busy, &type_of(node))));
    }
    text.push('\n');
    let about = match description(node) {
        "" => description(below(node)),
        about => about,
    };
    for line in wrap(about, width) {
        text.push_str(&format!("{line}\n"));
    }
    if let Some(default) = node.get("default").filter(|value| !value.is_null()) {
        text.push_str(&format!("Default: {default}\n"));
    }
    let Some(inner) = below(node).get("properties").and_then(Value::as_object) else {
        return text;
    };
    let required = below(node).get("required").and_then(Value::as_array);
    text.push('\n');
    for (name, field) in inner {
        let must = required.is_some_and(|names| names.iter().any(|one| one == name));
        let must = if must { style.paint(Tone::Waiting, "  required") } else { String::new() };
        let kind = style.paint(Tone::Busy, &type_of(field));
        text.push_str(&format!("  {}  {kind}{must}\n", style.paint(Tone::Strong, name)));
        for line in wrap(description(field), width.saturating_sub(6)) {
            if !line.is_empty() {
                text.push_str(&format!("      {line}\n"));
            }
        }
    }
    let deeper = inner.iter().find(|(_, field)| below(field).get("properties").is_some());
    if let Some((name, _)) = deeper {
        let path = [&[kind.short()], fields, &[name.as_str()]].concat().join(".");
        text.push_str(&format!(
            "\n{}\n",
            style.paint(Tone::Dim, &format!("Further: millctl explain {path}"))
        ));
    }
    text
}
