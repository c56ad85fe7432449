//! JSON as the gateway spells it: on disk two spaces and Gson's HTML-safe escapes, in messages
//! compact or pretty.
//!
//! It does not keep the spelling of numbers such as `1.0E10`: what must keep it (tags) is handled as text.

use serde_json::Value;

/// Pretty JSON in the gateway's style on disk: two spaces, HTML-safe escapes, no final newline.
pub fn gson(value: &Value) -> anyhow::Result<String> {
    Ok(html_safe(&serde_json::to_string_pretty(value)?))
}

/// Gson's HTML-safe escapes. Outside of strings none of these characters occurs in JSON.
pub(crate) fn html_safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003d"),
            '\'' => out.push_str("\\u0027"),
            _ => out.push(c),
        }
    }
    out
}

/// Lays a partial object over a whole one, member by member.
pub(crate) fn merge(whole: &mut Value, part: &Value) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part {
                merge(whole.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (whole, part) => *whole = part.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn strings_are_html_safe_and_there_is_no_final_newline() {
        let text = super::gson(&json!({"a": "x='<&>", "b": [], "c": {}, "d": [1]})).unwrap();
        assert_eq!(
            text,
            "{\n  \"a\": \"x\\u003d\\u0027\\u003c\\u0026\\u003e\",\n  \"b\": [],\n  \"c\": {},\n  \"d\": [\n    1\n  ]\n}"
        );
    }

    #[test]
    fn a_part_changes_only_what_it_names() {
        let mut whole = json!({"scan": {"minMs": 1, "maxMs": 2}, "noise": true});
        super::merge(&mut whole, &json!({"scan": {"maxMs": 9}}));
        assert_eq!(whole, json!({"scan": {"minMs": 1, "maxMs": 9}, "noise": true}));
    }
}
