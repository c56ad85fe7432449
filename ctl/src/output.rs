//! The one place that prints. Data goes to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};

use crate::{cli::Output, error::Error};

/// Prints data. A reader that went away is no error.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a note for the person.
pub fn note(text: &str) {
    let _gone = writeln!(io::stderr(), "{text}");
}

/// Whether a person watches standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints an error and its hint.
pub fn error(error: &Error, json: bool) {
    if json {
        let value = json!({"ok": false, "error": {
            "code": error.kind.code(), "message": error.message, "hint": error.hint,
        }});
        note(&value.to_string());
        return;
    }
    note(&format!("error: {}", error.message));
    if let Some(hint) = &error.hint {
        note(&format!("hint: {hint}"));
    }
}

/// Columns of text, as wide as they need to be.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (at, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            if at + 1 == cells.len() {
                text.push_str(cell);
            } else {
                text.push_str(&format!("{cell:width$}   "));
            }
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(header.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

/// A value in the format asked for; `None` when that is a table.
pub fn machine(output: Output, value: &Value) -> Option<String> {
    match output {
        Output::Json => {
            let data = json!({"ok": true, "data": value});
            Some(format!("{}\n", serde_json::to_string_pretty(&data).unwrap_or_default()))
        }
        Output::Yaml => {
            let mut text = String::new();
            match value {
                Value::Array(items) => {
                    for item in items {
                        text.push_str("---\n");
                        yaml(item, 0, &mut text);
                    }
                }
                other => yaml(other, 0, &mut text),
            }
            Some(text)
        }
        Output::Name | Output::Table | Output::Wide => None,
    }
}

/// Block-style YAML; text is quoted as JSON where YAML could read it as something else.
fn yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
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
                    yaml(item, indent + 2, &mut inner);
                    out.push_str(&format!("{pad}- {}", inner.trim_start()));
                } else {
                    out.push_str(&format!("{pad}-"));
                    nested(item, indent, out);
                }
            }
        }
        other => out.push_str(&format!("{pad}{}\n", scalar(other))),
    }
}

fn nested(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Object(_) | Value::Array(_) => {
            out.push('\n');
            yaml(value, indent + 2, out);
        }
        other => out.push_str(&format!(" {}\n", scalar(other))),
    }
}

fn scalar(value: &Value) -> String {
    let Some(text) = value.as_str() else { return value.to_string() };
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !["true", "false", "null", "yes", "no", "on", "off"]
            .contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

/// How long ago, in the coarsest unit that says something.
pub fn age(then_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Now, for ages.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_reads_back_as_what_it_was() {
        let value = json!({"kind": "Fleet", "list": [{"a": 1, "b": ["x", "true"]}, "y: z"], "e": {}, "n": null});
        let text = machine(Output::Yaml, &value).unwrap();
        let expected = "kind: Fleet\nlist:\n  - a: 1\n    b:\n      - x\n      - \"true\"\n  - \"y: z\"\ne: {}\nn: null\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn tables_align_and_ages_are_short() {
        let text = table(&["NAME", "STATE"], &[vec!["gateway-1".into(), "InSync".into()]]);
        assert_eq!(text, "NAME        STATE\ngateway-1   InSync\n");
        assert_eq!(age(0, 90_000), "90s");
        assert_eq!(age(0, 3 * 3_600_000), "3h");
    }
}
