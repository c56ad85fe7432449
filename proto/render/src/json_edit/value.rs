//! JSON values that keep their numbers as spelled and their members in order, and how they are
//! written: compact, or as the gateway itself writes (Gson, HTML-safe).

use std::fmt::Write as _;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number as spelled.
    Number(String),
    /// Text.
    String(String),
    /// Items.
    Array(Vec<Json>),
    /// Members in order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Levels below this value: none for a scalar.
    pub(super) fn depth(&self) -> usize {
        match self {
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
            Json::Array(items) => items.iter().map(Json::depth).max().map_or(0, |deep| deep + 1),
            Json::Object(members) => {
                members.iter().map(|(_, value)| value.depth()).max().map_or(0, |deep| deep + 1)
            }
        }
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => Json::Number(number.to_string()),
            Value::String(text) => Json::String(text.clone()),
            Value::Array(items) => Json::Array(items.iter().map(Json::from).collect()),
            Value::Object(members) => {
                Json::Object(members.iter().map(|(k, v)| (k.clone(), Json::from(v))).collect())
            }
        }
    }
}

/// How a value is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    /// White space before each member at depth 1; `None` is one line.
    pub(super) newline: Option<&'a str>,
    /// One level of indentation.
    pub(super) unit: &'a str,
    /// Indentation of the line on which the value begins.
    pub(super) base: &'a str,
    /// Between key and value.
    pub(super) colon: &'a str,
    /// Between items on one line.
    pub(super) comma: &'a str,
    /// Whether `< > & = '` are escaped.
    pub(super) html: bool,
}

impl Json {
    pub(super) fn write(&self, layout: Layout<'_>, depth: usize, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(spelled) => out.push_str(spelled),
            Json::String(text) => quote(text, layout.html, out),
            Json::Array(items) => {
                list(items, ('[', ']'), layout, depth, out, |item, out| {
                    item.write(layout, depth + 1, out);
                });
            }
            Json::Object(members) => {
                list(members, ('{', '}'), layout, depth, out, |(key, value), out| {
                    quote(key, layout.html, out);
                    out.push_str(layout.colon);
                    value.write(layout, depth + 1, out);
                });
            }
        }
    }

    /// On one line without spaces and without HTML escapes, as signatures hash it.
    pub fn compact(&self) -> String {
        let mut out = String::with_capacity(match self {
            Json::String(text) => text.len() + 2,
            _ => 0,
        });
        let layout =
            Layout { newline: None, unit: "", base: "", colon: ":", comma: ",", html: false };
        self.write(layout, 0, &mut out);
        out
    }
}

fn list<T>(
    items: &[T],
    (open, close): (char, char),
    layout: Layout<'_>,
    depth: usize,
    out: &mut String,
    mut each: impl FnMut(&T, &mut String),
) {
    out.push(open);
    let line = |depth: usize, out: &mut String| {
        if let Some(newline) = layout.newline {
            out.push_str(newline);
            out.push_str(layout.base);
            (0..depth).for_each(|_| out.push_str(layout.unit));
        }
    };
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(if layout.newline.is_some() { "," } else { layout.comma });
        }
        line(depth + 1, out);
        each(item, out);
    }
    if !items.is_empty() {
        line(depth, out);
    }
    out.push(close);
}

fn quote(text: &str, html: bool, out: &mut String) {
    out.push('"');
    escape(text, html, out);
    out.push('"');
}

/// The inside of a string literal. With `html`, as Gson escapes by default: `< > & = '` and the two
/// separators that break JavaScript.
pub fn escape(text: &str, html: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' '
                || (html
                    && matches!(c, '<' | '>' | '&' | '=' | '\'' | '\u{2028}' | '\u{2029}')) =>
            {
                write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string succeeds");
            }
            c => out.push(c),
        }
    }
}

/// A value as the gateway writes its own files: two spaces, one item per line, `[]` and `{}` when
/// empty, HTML-safe escapes, LF, no final newline.
pub fn gson(value: &Json) -> String {
    let mut out = String::new();
    let layout =
        Layout { newline: Some("\n"), unit: "  ", base: "", colon: ": ", comma: ",", html: true };
    value.write(layout, 0, &mut out);
    out
}
