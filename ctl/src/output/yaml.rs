//! Block-style YAML that reads back as what it was. It writes JSON values only, which is why it is
//! not a library: no anchors, no tags, no styles.

use serde_json::{Value, json};

/// A list as one document per item, anything else as one document.
pub fn documents(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            items.iter().map(|item| format!("---\n{}", document(item))).collect()
        }
        other => document(other),
    }
}

/// One document.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

/// Text is quoted as JSON where YAML could read it as something else.
fn write(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(&format!("{pad}{{}}\n")),
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&format!("{pad}{}:", scalar(&Value::from(key.as_str()))));
                nested(value, indent, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                if item.is_object() && item != &json!({}) {
                    let mut inner = String::new();
                    write(item, indent + 2, &mut inner);
                    out.push_str(&format!("{pad}- {}", inner.trim_start()));
                } else {
                    out.push_str(&format!("{pad}-"));
                    nested(item, indent, out);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&format!("{pad}{}\n", scalar(value)));
        }
    }
}

fn nested(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Object(_) | Value::Array(_) => {
            out.push('\n');
            write(value, indent + 2, out);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&format!(" {}\n", scalar(value)));
        }
    }
}

fn scalar(value: &Value) -> String {
    let Some(text) = value.as_str() else { return value.to_string() };
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_as_what_it_was() {
        let value = json!({"kind": "Fleet", "list": [{"a": 1, "b": ["x", "true"]}, "y: z"], "e": {}, "nil": null});
        let expected = "kind: Fleet\nlist:\n  - a: 1\n    b:\n      - x\n      - \"true\"\n  - \"y: z\"\ne: {}\nnil: null\n";
        assert_eq!(documents(&value), expected);
        assert_eq!(documents(&json!([{"a": 1}, {}])), "---\na: 1\n---\n{}\n");
    }
}
