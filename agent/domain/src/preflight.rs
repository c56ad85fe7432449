//! What the content itself must not be: checks on paths and bytes that need no gateway. The shell
//! collects what each asks for; every fault found is reported together with the gateway's own.

use std::collections::BTreeSet;

use millwright_model::{
    path::ManagedPath,
    report::{Failure, FailureKind, Retry, Step},
};
use serde_json::Value;

/// Faults of one kind that are named one by one; more are counted in the last.
const EACH_MAX: usize = 10;

fn fault(kind: FailureKind, message: String) -> Failure {
    Failure::new(Step::Preflight, kind, message).retry(Retry::Never)
}

/// Whether a path is a tag unit in a mode collection: on a pair it stops the synchronisation of the
/// whole configuration for good.
fn is_tag_unit_in_mode(path: &ManagedPath) -> bool {
    let key = path.case_key();
    let segments: Vec<&str> = key.split('/').collect();
    match segments.as_slice() {
        [
            "config",
            "resources",
            collection,
            "ignition",
            "tag-definition" | "tag-type-definition",
            ..,
        ] => !matches!(*collection, "core" | "external" | "local" | "system"),
        _ => false,
    }
}

/// Tag units in mode collections; a fault on a pair only.
pub fn tag_units_in_mode<'a>(paths: impl Iterator<Item = &'a ManagedPath>) -> Vec<Failure> {
    let found: Vec<&ManagedPath> = paths.filter(|path| is_tag_unit_in_mode(path)).collect();
    named(&found, |path| {
        let message = format!("{path} is a tag unit in a mode collection, which wedges the pair");
        fault(FailureKind::TagUnitsInMode, message)
            .about(path.as_str())
            .remedy("map tag definitions into the core collection")
    })
}

/// A failure for each of the first; the last one says how many more there are.
fn named<T>(all: &[T], failure: impl Fn(&T) -> Failure) -> Vec<Failure> {
    let mut failures: Vec<Failure> = all.iter().take(EACH_MAX).map(&failure).collect();
    if let Some(last) = failures.last_mut()
        && all.len() > EACH_MAX
    {
        last.message.push_str(&format!(" (and {} more like it)", all.len() - EACH_MAX));
    }
    failures
}

/// Whether the gateway parses a file of this name as JSON.
pub fn is_parsed(path: &ManagedPath) -> bool {
    matches!(
        path.file_name(),
        "resource.json"
            | "unary-resource.json"
            | "config.json"
            | "view.json"
            | "props.json"
            | "style.json"
            | "project.json"
            | "tags.json"
            | "udts.json"
            | "users.json"
    )
}

/// A file that the gateway parses and that is no JSON.
pub fn invalid_json(path: &ManagedPath, bytes: &[u8]) -> Option<Failure> {
    let error = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).err()?;
    let message = format!("{path} is no valid JSON: {error}");
    Some(
        fault(FailureKind::InvalidJson, message)
            .about(path.as_str())
            .remedy("correct the file in git"),
    )
}

/// A secret that was encrypted by another gateway: one whose ciphertext is not in what this gateway
/// has at the same path now.
pub fn foreign_secret(path: &ManagedPath, new: &[u8], live: Option<&[u8]>) -> Option<Failure> {
    const MARK: &[u8] = b"\"ciphertext\"";
    if !new.windows(MARK.len()).any(|window| window == MARK) {
        return None;
    }
    let texts = |bytes: &[u8]| {
        let mut found = BTreeSet::new();
        if let Ok(value) = serde_json::from_slice(bytes) {
            ciphertexts(&value, &mut found);
        }
        found
    };
    let ours = live.map(texts).unwrap_or_default();
    texts(new).difference(&ours).next()?;
    let message =
        format!("{path} holds a secret that was encrypted by another gateway: useless here");
    Some(
        fault(FailureKind::EmbeddedSecret, message)
            .about(path.as_str())
            .remedy("use a Referenced secret of a secret provider, or leave the file out"),
    )
}

fn ciphertexts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(text) = members.get("ciphertext").and_then(Value::as_str) {
                found.insert(text.to_owned());
            }
            members.values().for_each(|value| ciphertexts(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| ciphertexts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Modules that the paths need, by id, without those that every gateway has.
pub fn needed_modules<'a>(paths: impl Iterator<Item = &'a ManagedPath>) -> BTreeSet<&'a str> {
    paths
        .filter_map(|path| {
            let segments: Vec<&str> = path.as_str().split('/').collect();
            match segments.as_slice() {
                ["projects", _, module, _, ..] | ["config", "resources", _, module, _, ..] => {
                    Some(*module)
                }
                _ => None,
            }
        })
        // A module id is a reversed domain; `ignition` is the platform itself.
        .filter(|module| module.contains('.') && !module.starts_with('.'))
        .collect()
}

/// A notice for each module that is missing or not active.
pub fn missing_modules(needed: &BTreeSet<&str>, active: &BTreeSet<String>) -> Vec<Failure> {
    let missing: Vec<&&str> = needed.iter().filter(|id| !active.contains(**id)).collect();
    named(&missing, |id| {
        let message = format!("the content needs the module {id}, which is not active here");
        Failure::new(Step::Preflight, FailureKind::ModuleMissing, message)
            .about(**id)
            .remedy("install the module, or exclude its resources in the profile")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ManagedPath {
        ManagedPath::parse(text).unwrap()
    }

    #[test]
    fn tag_units_are_found_in_mode_collections_only() {
        let all = [
            path("config/resources/prod/ignition/tag-definition/P/tags.json"),
            path("config/resources/Prod/Ignition/Tag-Type-Definition/P/udts.json"),
            path("config/resources/core/ignition/tag-definition/P/tags.json"),
            path("config/resources/prod/ignition/tag-provider/P/config.json"),
            path("projects/tag-definition/x"),
        ];
        assert_eq!(tag_units_in_mode(all.iter()).len(), 2);
        let many: Vec<_> = (0..15)
            .map(|n| path(&format!("config/resources/m/ignition/tag-definition/P/{n}")))
            .collect();
        let faults = tag_units_in_mode(many.iter());
        assert_eq!(faults.len(), 10);
        assert!(faults[9].message.ends_with("(and 5 more like it)"));
    }

    #[test]
    fn json_is_checked_where_the_gateway_parses_it() {
        assert!(is_parsed(&path("projects/p/v/view.json")));
        assert!(!is_parsed(&path("projects/p/script/data.json")));
        let at = path("projects/p/v/view.json");
        assert!(invalid_json(&at, b"{\"a\": 1e400, \"b\": 12345678901234567890123}").is_none());
        let fault = invalid_json(&at, b"{\"a\":\n 1,}").unwrap();
        assert!(fault.message.contains("line 2"), "{}", fault.message);
    }

    #[test]
    fn a_secret_is_at_home_where_it_already_is() {
        let at = path("config/resources/core/ignition/database-connection/X/config.json");
        let secret = br#"{"settings":{"password":{"type":"Embedded","data":{"ciphertext":"abc"}}}}"#;
        let other = br#"{"settings":{"password":{"type":"Embedded","data":{"ciphertext":"xyz"}}}}"#;
        assert!(foreign_secret(&at, secret, None).is_some());
        assert!(foreign_secret(&at, secret, Some(other)).is_some());
        assert!(foreign_secret(&at, secret, Some(secret)).is_none());
        assert!(foreign_secret(&at, b"{\"a\":1}", None).is_none());
    }

    #[test]
    fn modules_are_read_off_the_paths() {
        let all = [
            path("projects/p/com.inductiveautomation.perspective/views/a/view.json"),
            path("projects/p/ignition/script-python/x/code.py"),
            path("projects/p/project.json"),
            path("config/resources/core/com.inductiveautomation.opcua/device/x/config.json"),
        ];
        let needed = needed_modules(all.iter());
        let expected = ["com.inductiveautomation.opcua", "com.inductiveautomation.perspective"];
        assert_eq!(needed.iter().copied().collect::<Vec<_>>(), expected);
        let active = BTreeSet::from(["com.inductiveautomation.opcua".to_owned()]);
        let missing = missing_modules(&needed, &active);
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].subject, "com.inductiveautomation.perspective");
    }
}
