//! JSON Schema of each kind, and the explanation of a field, both from the types' doc comments.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::{API_VERSION, Fleet, Gateway, Kind, Operator, Repository, Secret, SyncProfile};
use crate::template::nearest;

/// The schema of a kind, whole: `apiVersion` and `kind` included. Kinds that people do not write
/// have no spec schema and yield an object without rules.
pub fn schema(kind: Kind) -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
    });
    let generator = SchemaGenerator::new(settings);
    let root = match kind {
        Kind::Repository => generator.into_root_schema_for::<Repository>(),
        Kind::SyncProfile => generator.into_root_schema_for::<SyncProfile>(),
        Kind::Gateway => generator.into_root_schema_for::<Gateway>(),
        Kind::Fleet => generator.into_root_schema_for::<Fleet>(),
        Kind::Operator => generator.into_root_schema_for::<Operator>(),
        Kind::Secret => generator.into_root_schema_for::<Secret>(),
        Kind::Rollout | Kind::JoinToken => return json!({"type": "object"}),
    };
    let mut root = root.to_value();
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        let mut all = Map::new();
        all.insert("apiVersion".into(), json!({"const": API_VERSION}));
        all.insert("kind".into(), json!({"const": kind.as_str()}));
        all.append(properties);
        // Written by the cluster, ignored when it comes back from a `get -o yaml`.
        all.insert("status".into(), json!({"type": "object"}));
        *properties = all;
    }
    if let Some(required) = root.get_mut("required").and_then(Value::as_array_mut) {
        required.extend([json!("apiVersion"), json!("kind")]);
    }
    root
}

/// Why a field cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} has no field {field:?}{}", hint.as_ref().map(|h| format!(", did you mean {h:?}?")).unwrap_or_default())]
pub struct UnknownField {
    kind: &'static str,
    field: String,
    hint: Option<String>,
}

/// A field of a kind for people: what it means, its type, what it holds.
pub fn explain(kind: Kind, path: &[&str]) -> Result<String, UnknownField> {
    let root = schema(kind);
    let mut node = &root;
    for field in path {
        node = below(node);
        let known = node.get("properties").and_then(Value::as_object);
        node = known.and_then(|fields| fields.get(*field)).ok_or_else(|| UnknownField {
            kind: kind.as_str(),
            field: path.join("."),
            hint: known.and_then(|fields| nearest(field, fields.keys().map(String::as_str))),
        })?;
    }
    let mut text = format!("KIND     {kind}\nVERSION  {API_VERSION}\n");
    if !path.is_empty() {
        text.push_str(&format!("FIELD    {} <{}>\n", path.join("."), type_of(node)));
    }
    text.push_str(&format!("\n{}\n", description(node)));
    if let Some(fields) = below(node).get("properties").and_then(Value::as_object) {
        text.push_str("\nFIELDS\n");
        let required = below(node).get("required").and_then(Value::as_array);
        for (name, field) in fields {
            let must = required.is_some_and(|names| names.iter().any(|n| n == name));
            let must = if must { " (required)" } else { "" };
            text.push_str(&format!("  {name} <{}>{must}\n", type_of(field)));
            for line in description(field).lines().filter(|line| !line.is_empty()) {
                text.push_str(&format!("      {line}\n"));
            }
        }
    }
    Ok(text)
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
    let words: Vec<&str> = match node.get("oneOf").or(node.get("enum")).and_then(Value::as_array) {
        Some(options) => {
            options.iter().filter_map(|one| one.get("const").unwrap_or(one).as_str()).collect()
        }
        None => Vec::new(),
    };
    if !words.is_empty() {
        return words.join("|");
    }
    match node.get("type") {
        Some(Value::String(kind)) if kind == "array" => format!("[]{}", type_of(below(node))),
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|k| *k != "null")
            .unwrap_or("any")
            .to_owned(),
        _ => "any".to_owned(),
    }
}
