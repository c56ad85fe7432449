//! Lines of *name value* for `describe`, with headings; and any JSON as such lines.

use millwright_model::time::Timestamp;
use serde_json::Value;

use crate::output::{
    style::{Style, Tone, tone_of},
    terminal::{columns, wrap},
};

/// Width of the names on the left.
const NAME: usize = 13;

/// Collects lines.
#[derive(Debug)]
pub struct Fields {
    text: String,
    style: Style,
    width: usize,
}

impl Fields {
    /// Nothing yet; values are wrapped at `width`, or not at all.
    pub fn new(style: Style, width: Option<usize>) -> Self {
        Self { text: String::new(), style, width: width.unwrap_or(usize::MAX) }
    }

    /// A name and a value; nothing when the value is `-` or empty.
    pub fn line(&mut self, name: &str, value: &str) {
        if value.is_empty() || value == "-" {
            return;
        }
        let room = self.width.saturating_sub(NAME + 1).max(20);
        for (at, line) in wrap(value, room).into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            let name = self.style.paint(Tone::Dim, &format!("{name:<NAME$}"));
            self.text.push_str(&format!("{name} {line}\n"));
        }
    }

    /// A state word, its reason and its prose.
    pub fn state(&mut self, name: &str, word: &str, reason: &str, message: &str) {
        let mut value = self.style.paint(tone_of(word), word);
        if !matches!(reason, "" | "-") {
            value.push_str(&format!(" ({reason})"));
        }
        let name = self.style.paint(Tone::Dim, &format!("{name:<NAME$}"));
        let message = if message == "-" { "" } else { message };
        // One line if it fits; the escape sequences of a colour take no room.
        let room = self.width.saturating_sub(NAME + word.len() + reason.len() + 6);
        if message.is_empty() || columns(message) > room {
            self.text.push_str(&format!("{name} {value}\n"));
            self.line("", message);
        } else {
            self.text.push_str(&format!("{name} {value}: {message}\n"));
        }
    }

    /// An empty line and a heading.
    pub fn heading(&mut self, text: &str) {
        let text = self.style.paint(Tone::Strong, text);
        self.text.push_str(&format!("\n{text}\n"));
    }

    /// Text that is formatted already.
    pub fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Any value, indented, without the empty parts.
    pub fn tree(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(map) => {
                let wide = map.keys().map(|key| columns(key)).max().unwrap_or(0);
                for (key, value) in map {
                    self.branch(key, value, indent, wide);
                }
            }
            other => self.raw(&format!("{}{}\n", " ".repeat(indent), leaf(other))),
        }
    }

    fn branch(&mut self, key: &str, value: &Value, indent: usize, wide: usize) {
        let pad = " ".repeat(indent);
        let name = self.style.paint(Tone::Dim, &format!("{key:<wide$}"));
        match value {
            Value::Object(map) if map.is_empty() => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Null => {}
            Value::Object(map) if map.values().all(is_leaf) && map.len() <= 2 => {
                self.raw(&format!("{pad}{name}  {}\n", inline(value)));
            }
            Value::Object(_) => {
                self.raw(&format!("{pad}{}\n", name.trim_end()));
                self.tree(value, indent + 2);
            }
            Value::Array(items) if items.iter().all(is_leaf) => {
                let joined: Vec<String> = items.iter().map(leaf).collect();
                self.raw(&format!("{pad}{name}  {}\n", joined.join(", ")));
            }
            Value::Array(items) => {
                self.raw(&format!("{pad}{}\n", name.trim_end()));
                for item in items {
                    self.raw(&format!("{pad}  - {}\n", inline(item)));
                }
            }
            Value::Number(ms) if key.ends_with("At") => {
                let moment = Timestamp(ms.as_u64().unwrap_or(0));
                self.raw(&format!("{pad}{name}  {moment}\n"));
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_) => {
                self.raw(&format!("{pad}{name}  {}\n", leaf(value)));
            }
        }
    }

    /// Everything.
    pub fn finish(self) -> String {
        self.text
    }
}

fn is_leaf(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn leaf(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let part = |(key, value): (&String, &Value)| match value {
                Value::Array(items) if items.is_empty() => None,
                Value::Array(_) | Value::Object(_) => Some(format!("{key} {value}")),
                other => Some(format!("{key} {}", leaf(other))),
            };
            map.iter().filter_map(part).collect::<Vec<_>>().join("  ")
        }
        other => leaf(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_value_has_a_shape_and_empty_parts_are_left_out() {
        let mut fields = Fields::new(Style::default(), Some(40));
        fields.line("Message", "one two three four five six seven");
        fields.line("Nothing", "-");
        fields.state("State", "Failed", "ApplyFailed", "verify: it did not load");
        fields.state("State", "Completed", "", "8/8 applied");
        fields.heading("Spec");
        fields.tree(
            &json!({"url": "u", "ref": {"branch": "main"}, "stages": [{"name": "a", "n": 1}], "e": []}),
            2,
        );
        let expected = "Message       one two three four five\n              six seven\nState         Failed (ApplyFailed)\n              verify: it did not load\nState         Completed: 8/8 applied\n\nSpec\n  url     u\n  ref     branch main\n  stages\n    - name a  n 1\n";
        assert_eq!(fields.finish(), expected);
    }
}
