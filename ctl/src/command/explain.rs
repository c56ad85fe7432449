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
            .hint(format!("millctl explain {} shows every field", word(kind)))
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
            let about = description(&schema);
            let about = about.lines().next().unwrap_or("Made by the cluster.");
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

fn word(kind: Kind) -> String {
    kind.as_str().to_lowercase()
}

/// Through a list to its items.
fn below(node: &Value) -> &Value {
    node.get("items").unwrap_or(node)
}

/// Lines of a paragraph are joined: they were broken for an editor.
fn description(node: &Value) -> String {
    let text = node.get("description").and_then(Value::as_str).unwrap_or_default();
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    paragraphs.join("\n")
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
        about if about.is_empty() => description(below(node)),
        about => about,
    };
    for line in wrap(&about, width) {
        text.push_str(&format!("{line}\n"));
    }
    if let Some(default) = node.get("default").filter(|value| !value.is_null()) {
        text.push_str(&format!("Default: {default}\n"));
    }
    let (listed, deeper) = properties(node, 2, style, width);
    if !listed.is_empty() {
        text.push_str(&format!("\n{listed}"));
    }
    if let Some(name) = deeper {
        let path = [&[word(kind).as_str()], fields, &[name.as_str()]].concat().join(".");
        let further = format!("\nFurther: millctl explain {path}");
        text.push_str(&format!("{}\n", style.paint(Tone::Dim, &further)));
    }
    text
}

/// Fields of an object, and one that has fields below what is shown. `spec` is shown with its own,
/// because that is what people write.
fn properties(node: &Value, indent: usize, style: Style, width: usize) -> (String, Option<String>) {
    let Some(inner) = below(node).get("properties").and_then(Value::as_object) else {
        return (String::new(), None);
    };
    let required = below(node).get("required").and_then(Value::as_array);
    let pad = " ".repeat(indent);
    let (mut text, mut further) = (String::new(), None);
    for (name, field) in inner {
        let must = required.is_some_and(|names| names.iter().any(|one| one == name));
        let must = if must { style.paint(Tone::Waiting, "  required") } else { String::new() };
        let kind = style.paint(Tone::Busy, &type_of(field));
        text.push_str(&format!("{pad}{}  {kind}{must}\n", style.paint(Tone::Strong, name)));
        for line in wrap(&description(field), width.saturating_sub(indent + 4)) {
            if !line.is_empty() {
                text.push_str(&format!("{pad}    {line}\n"));
            }
        }
        if name == "spec" {
            let (listed, deeper) = properties(field, indent + 4, style, width);
            text.push_str(&listed);
            further = deeper.map(|deeper| format!("spec.{deeper}"));
        } else if below(field).get("properties").is_some() && name != "metadata" {
            further = further.or(Some(name.clone()));
        }
    }
    (text, further)
}
