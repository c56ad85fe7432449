//! The formats of `-o`, and the envelope around JSON.

use std::str::FromStr;

use millwright_model::template::nearest;
use serde_json::{Value, json};

use super::{SCHEMA, jsonpath::Template};

/// How results look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Columns that fit the terminal.
    Table,
    /// More columns, never shortened.
    Wide,
    /// JSON in an envelope.
    Json,
    /// YAML, as `apply` reads it.
    Yaml,
    /// kind/name lines.
    Name,
    /// Findings for a forge; of `lint` alone.
    Sarif,
    /// What a path yields.
    JsonPath(Template),
}

const WORDS: [&str; 7] = ["table", "wide", "json", "yaml", "name", "sarif", "jsonpath"];

impl Output {
    /// Whether a program reads it, so that live pictures and questions are out of place.
    pub fn is_machine(&self) -> bool {
        match self {
            Output::Json | Output::Yaml | Output::Name | Output::Sarif | Output::JsonPath(_) => {
                true
            }
            Output::Table | Output::Wide => false,
        }
    }

    /// The word, without a path.
    pub fn word(&self) -> &'static str {
        match self {
            Output::Table => "table",
            Output::Wide => "wide",
            Output::Json => "json",
            Output::Yaml => "yaml",
            Output::Name => "name",
            Output::Sarif => "sarif",
            Output::JsonPath(_) => "jsonpath",
        }
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("jsonpath=") {
            return path.parse().map(Output::JsonPath);
        }
        match text {
            "table" => Ok(Output::Table),
            "wide" => Ok(Output::Wide),
            "json" => Ok(Output::Json),
            "yaml" => Ok(Output::Yaml),
            "name" => Ok(Output::Name),
            "sarif" => Ok(Output::Sarif),
            "jsonpath" => Err("a path is missing: -o jsonpath='{.items[*].metadata.name}'".into()),
            other => {
                let meant = nearest(other, WORDS.into_iter())
                    .map(|word| format!(", did you mean {word:?}?"))
                    .unwrap_or_default();
                Err(format!("table, wide, json, yaml, name or jsonpath=PATH{meant}"))
            }
        }
    }
}

/// `{ok, schema, index, data}`; the index is there when the cluster said at which one it read.
pub fn envelope(data: &Value, index: Option<u64>) -> String {
    let mut value = json!({"ok": true, "schema": SCHEMA});
    if let Some(index) = index {
        value["index"] = json!(index);
    }
    value["data"] = data.clone();
    format!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default())
}

/// `kind/name` of each resource; the plain name or id of what is no resource.
pub fn names(data: &Value) -> String {
    let one = |value: &Value| {
        let at = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let name = at("/metadata/name").or_else(|| at("/name")).or_else(|| at("/id"));
        let kind = at("/kind").map(|kind| format!("{}/", kind.to_lowercase()));
        name.map(|name| format!("{}{name}\n", kind.unwrap_or_default())).unwrap_or_default()
    };
    match data {
        Value::Array(items) => items.iter().map(one).collect(),
        other => one(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_and_the_nearest_is_suggested() {
        assert_eq!("wide".parse(), Ok(Output::Wide));
        assert!("jsonpath={.a}".parse::<Output>().is_ok());
        let error = "jason".parse::<Output>().unwrap_err();
        assert!(error.ends_with("did you mean \"json\"?"), "{error}");
    }

    #[test]
    fn names_are_kind_and_name_or_what_there_is() {
        let list = json!([{"kind": "Gateway", "metadata": {"name": "gw1"}}, {"id": "ab12"}, {}]);
        assert_eq!(names(&list), "gateway/gw1\nab12\n");
    }
}
