//! How resources look to people: which columns a kind has, what `describe` says. It reads the JSON
//! that the cluster answers with and never fails on a field that is missing.

pub mod attempt;
pub mod audit;
pub mod columns;
pub mod describe;
pub mod fields;
pub mod gateway;
pub mod past;
pub mod plan;
pub mod progress;
pub mod seen;
pub mod transitions;

use serde_json::Value;

use crate::output::{age, now_ms};

/// Text at a path; `-` when there is none.
pub fn text(value: &Value, path: &str) -> String {
    match value.pointer(path) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(_) | None => "-".to_owned(),
    }
}

/// Text at a path; empty when there is none.
pub fn maybe(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Number at a path; zero when there is none.
pub fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// First characters of a commit.
pub fn short(value: &Value, path: &str) -> String {
    text(value, path).chars().take(8).collect()
}

/// How long ago the moment at a path was.
pub fn since(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_u64).map_or("-".to_owned(), |then| age(then, now_ms()))
}

/// Items at a path; none when there is no list.
pub fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `key=value` pairs of an object at a path.
pub fn pairs(value: &Value, path: &str) -> String {
    let object = value.pointer(path).and_then(Value::as_object);
    let pairs: Vec<String> = object
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() { "-".to_owned() } else { pairs.join(", ") }
}

/// A text of somebody else in one line: nothing in it moves the cursor.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Bytes in the unit that says something, in powers of 1024.
pub fn bytes(count: u64) -> String {
    match count {
        0..=9_999 => format!("{count} B"),
        10_000..=10_239_999 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / (1024 * 1024)),
    }
}

/// How long something took.
pub fn took(ms: u64) -> String {
    if ms < 2_000 { format!("{ms} ms") } else { crate::output::span(ms) }
}

/// Words of a list at a path, joined; `-` when there are none.
pub fn words(value: &Value, path: &str) -> String {
    let all: Vec<&str> = list(value, path).iter().filter_map(Value::as_str).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

/// A moment at a path; `-` when there is none.
pub fn moment(value: &Value, path: &str) -> String {
    match number(value, path) {
        0 => "-".to_owned(),
        ms => millwright_model::time::Timestamp(ms).to_string(),
    }
}
