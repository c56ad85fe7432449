//! Which fields of a resource changed: their paths, never their values.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cut;

/// Paths in one entry.
const FIELDS_MAX: usize = 20;
/// Characters of one path.
const FIELD_CHARS_MAX: usize = 120;
/// What is not there.
static NOTHING: Value = Value::Null;

/// Paths of what differs, in order; how many more there are when there are many.
pub(super) fn changed(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    let more = found.len().saturating_sub(FIELDS_MAX);
    found.truncate(FIELDS_MAX);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    found
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let (old, new) =
                    (old.get(key).unwrap_or(&NOTHING), new.get(key).unwrap_or(&NOTHING));
                compare(&below(path, key), old, new, found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for at in 0..old.len().max(new.len()) {
                let (old, new) = (old.get(at).unwrap_or(&NOTHING), new.get(at).unwrap_or(&NOTHING));
                compare(&format!("{path}[{at}]"), old, new, found);
            }
        }
        _ => found.push(cut(path, FIELD_CHARS_MAX)),
    }
}

/// A key that could be taken for a path is quoted.
fn below(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-/".contains(c));
    match (path, plain) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_name_what_differs_and_no_value() {
        for (before, after, paths) in [
            (json!({"a": 1}), json!({"a": 1}), vec![]),
            (json!({"a": 1, "b": 2}), json!({"a": 2, "c": 3}), vec!["a", "b", "c"]),
            (json!({"a": {"b": {"c": 1}}}), json!({"a": {"b": {"c": 2}}}), vec!["a.b.c"]),
            (json!({"a": {"b": 1}}), json!({"a": "secret"}), vec!["a"]),
            (json!({"l": [1, 2]}), json!({"l": [1, 3, 4]}), vec!["l[1]", "l[2]"]),
            (json!({"l": [{"a": 1}]}), json!({"l": [{"a": 2}]}), vec!["l[0].a"]),
            (json!({"a.b": 1}), json!({"a.b": 2}), vec!["[\"a.b\"]"]),
            (json!({"s": {"": 1}}), json!({"s": {"": 2}}), vec!["s[\"\"]"]),
        ] {
            assert_eq!(changed(&before, &after), paths, "{before} {after}");
        }
    }

    #[test]
    fn many_are_counted() {
        let many: serde_json::Map<String, Value> =
            (0..30).map(|n| (format!("k{n:02}"), json!(n))).collect();
        let paths = changed(&json!({}), &Value::Object(many));
        assert_eq!(paths.len(), FIELDS_MAX + 1);
        assert_eq!(paths.last().map(String::as_str), Some("and 10 more"));
    }
}
