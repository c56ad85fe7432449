//! `resource.json` apart from its stamps: the gateway re-stamps and re-orders it by itself, which is
//! no edit. Payload files are compared byte for byte.

use std::collections::BTreeMap;

use millwright_model::digest::Digest;
use serde_json::{Map, Value};

/// Members that say when and by whom, not what.
const STAMPS: [&str; 2] = ["lastModification", "lastModificationSignature"];
/// Defaults of absent members, as the gateway reads them.
const DEFAULTS: [(&str, &str); 6] = [
    ("scope", "\"N\""),
    ("version", "1"),
    ("locked", "false"),
    ("restricted", "false"),
    ("overridable", "true"),
    ("files", "[]"),
];

/// Whether a path names a file that carries stamps.
pub fn has_stamps(path: &str) -> bool {
    path == "resource.json" || path.ends_with("/resource.json")
}

/// Whether two `resource.json` say the same apart from stamps, defaults and order. What cannot be
/// parsed is equal only to itself.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (plain(a), plain(b)) {
        (Some(a), Some(b)) => a == b,
        (None, _) | (_, None) => false,
    }
}

/// A digest of what a `resource.json` says apart from stamps: two that are [`equal`] have the same one.
/// Nothing for what cannot be parsed.
pub fn plain_digest(bytes: &[u8]) -> Option<Digest> {
    let mut text = Vec::new();
    canonical(&Value::Object(plain(bytes)?), &mut text)?;
    Some(Digest::of(&text))
}

/// JSON with the members of each object by name.
fn canonical(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            out.push(b'{');
            for (name, value) in sorted {
                serde_json::to_writer(&mut *out, name).ok()?;
                out.push(b':');
                canonical(value, out)?;
                out.push(b',');
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                canonical(item, out)?;
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(out, value).ok()?;
        }
    }
    Some(())
}

fn plain(bytes: &[u8]) -> Option<Map<String, Value>> {
    let Value::Object(mut all) = serde_json::from_slice(bytes).ok()? else { return None };
    if let Some(Value::Object(attributes)) = all.get_mut("attributes") {
        for stamp in STAMPS {
            attributes.remove(stamp);
        }
    }
    for (key, value) in DEFAULTS {
        if !all.contains_key(key) {
            all.insert(key.to_owned(), serde_json::from_str(value).ok()?);
        }
    }
    all.entry("attributes").or_insert_with(|| Value::Object(Map::new()));
    if let Some(Value::Array(files)) = all.get_mut("files") {
        files.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    Some(all)
}

/// Who a `resource.json` says changed it last; empty when it does not say.
pub fn actor(bytes: &[u8]) -> String {
    let parsed: Option<Value> = serde_json::from_slice(bytes).ok();
    parsed
        .and_then(|all| Some(all["attributes"]["lastModification"]["actor"].as_str()?.to_owned()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_order_and_defaults_do_not_count() {
        let ours = br#"{"scope":"G","version":1,"files":["view.json","thumbnail.png"],
            "attributes":{"lastModification":{"actor":"admin","timestamp":"1"},"x":1}}"#;
        let theirs = br#"{"files":["thumbnail.png","view.json"],"scope":"G","overridable":true,
            "attributes":{"x":1,"lastModificationSignature":"00",
            "lastModification":{"actor":"external","timestamp":"2"}}}"#;
        assert!(equal(ours, theirs));
        assert_eq!(plain_digest(ours), plain_digest(theirs));
        assert_eq!(actor(theirs), "external");
        let other = br#"{"scope":"G","files":["view.json"],"attributes":{"x":1}}"#;
        assert!(!equal(ours, other));
        assert_ne!(plain_digest(ours), plain_digest(other));
        assert_eq!(plain_digest(b"not json"), None);
        assert!(!equal(ours, b"not json"));
        assert!(equal(b"not json", b"not json"));
        assert!(has_stamps("projects/p/v/resource.json") && !has_stamps("a/my-resource.json"));
    }
}
