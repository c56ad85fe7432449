//! Tags as the last config scan has found them: one unit per folder, text by name.
//!
//! A folder without its marker is no unit; a file that the marker does not list does not count. A
//! scan merges new members into a type, but a member that changes its kind is refused silently: the
//! gateway runs the old type until the folder was gone for one scan.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use serde_json::{Value, value::RawValue};

use crate::tree::{Digest, Tree};

/// Whose folder it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnitKey {
    /// Types rather than tags.
    pub(crate) types: bool,
    /// Provider, then folders.
    pub(crate) path: String,
}

/// One folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) fingerprint: Digest,
    /// Tags of the folder, then instances or types: name and text.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) udts: Vec<(String, String)>,
}

/// All units, by collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tags {
    pub(crate) units: BTreeMap<UnitKey, BTreeMap<String, Arc<Unit>>>,
}

/// Reads a list of tags; each with its own spelling of numbers, without white space between members.
pub(crate) fn entries(text: &[u8]) -> Vec<(String, String)> {
    let list: Vec<Box<RawValue>> = serde_json::from_slice(text).unwrap_or_default();
    let each = list.iter().filter_map(|raw| {
        let value: Value = serde_json::from_str(raw.get()).ok()?;
        let name = value["name"].as_str()?.to_owned();
        Some((name, crate::signature::compact(raw.get())))
    });
    each.collect()
}

/// Folder and marker of a unit.
pub(crate) fn key_of(path: &str) -> Option<(String, UnitKey)> {
    let inside = path.strip_prefix("config/resources/")?;
    let (collection, rest) = inside.split_once("/ignition/")?;
    let (kind, unit) = rest.split_once('/')?;
    let types = match kind {
        "tag-definition" => false,
        "tag-type-definition" => true,
        _ => return None,
    };
    Some((collection.to_owned(), UnitKey { types, path: unit.to_owned() }))
}

/// Reads all units of a tree.
pub(crate) fn read(data_dir: &Path, tree: &Tree, before: &Tags) -> Tags {
    let mut tags = Tags::default();
    for (path, folder) in &tree.folders {
        let Some((collection, key)) = key_of(path) else { continue };
        if !folder.files.contains_key("unary-resource.json") {
            continue;
        }
        let old = before.units.get(&key).and_then(|copies| copies.get(&collection));
        let unit = match old {
            Some(old) if old.fingerprint == folder.fingerprint => Arc::clone(old),
            old => {
                let mut unit = unit(&data_dir.join(path));
                unit.fingerprint = folder.fingerprint;
                if let (true, Some(old)) = (key.types, old) {
                    keep_kinds(&mut unit, old);
                }
                Arc::new(unit)
            }
        };
        tags.units.entry(key).or_default().insert(collection, unit);
    }
    tags
}

fn unit(dir: &Path) -> Unit {
    let json = |name: &str| -> Value {
        let bytes = fs::read(dir.join(name)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    let listed = json("unary-resource.json")["files"].as_array().cloned().unwrap_or_default();
    let list = |name: &str| {
        let bytes = listed.iter().any(|file| file == name).then(|| fs::read(dir.join(name)).ok());
        bytes.flatten().map(|bytes| entries(&bytes)).unwrap_or_default()
    };
    Unit { fingerprint: Digest::default(), tags: list("tags.json"), udts: list("udts.json") }
}

/// Types in which a member would change its kind stay as they were.
fn keep_kinds(unit: &mut Unit, old: &Unit) {
    for (name, text) in &mut unit.udts {
        let Some((_, before)) = old.udts.iter().find(|(known, _)| known == name) else { continue };
        if changes_kind(before, text) {
            before.clone_into(text);
        }
    }
}

fn changes_kind(before: &str, after: &str) -> bool {
    let kinds = |text: &str| -> BTreeMap<String, String> {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let members = value["tags"].as_array().cloned().unwrap_or_default();
        let each = members.iter().filter_map(|member| {
            Some((member["name"].as_str()?.to_owned(), member["tagType"].as_str()?.to_owned()))
        });
        each.collect()
    };
    let (before, after) = (kinds(before), kinds(after));
    before.iter().any(|(name, kind)| after.get(name).is_some_and(|other| other != kind))
}

impl Tags {
    /// The unit that counts, out of the layers from lowest to highest.
    pub(crate) fn effective(&self, key: &UnitKey, layers: &[&str]) -> Option<&Arc<Unit>> {
        let copies = self.units.get(key)?;
        layers.iter().rev().find_map(|layer| copies.get(*layer))
    }

    /// Folders right below one.
    pub(crate) fn folders(&self, key: &UnitKey) -> Vec<UnitKey> {
        let inside = format!("{}/", key.path);
        let all = self.units.keys().filter(|other| {
            let rest = other.path.strip_prefix(&inside);
            other.types == key.types && rest.is_some_and(|rest| !rest.contains('/'))
        });
        all.cloned().collect()
    }

    /// Number of tags of a provider, types left out.
    pub(crate) fn count(&self, provider: &str, layers: &[&str]) -> usize {
        let inside = format!("{provider}/");
        let ours = self
            .units
            .keys()
            .filter(|key| !key.types && (key.path == provider || key.path.starts_with(&inside)));
        ours.filter_map(|key| self.effective(key, layers))
            .map(|unit| unit.tags.len() + unit.udts.len())
            .sum()
    }

    /// Changes a unit of `core` in memory; makes the folders above it.
    pub(crate) fn edit(&mut self, key: &UnitKey, act: impl FnOnce(&mut Unit)) {
        let mut above = String::new();
        for segment in key.path.split('/') {
            above = if above.is_empty() { segment.into() } else { format!("{above}/{segment}") };
            let key = UnitKey { types: key.types, path: above.clone() };
            self.units.entry(key).or_default().entry("core".into()).or_default();
        }
        let copies = self.units.entry(key.clone()).or_default();
        act(Arc::make_mut(copies.entry("core".into()).or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_spelling() {
        let text = br#"[{"name": "a", "value": 9007199254740993}, {"name":"b","v":1.0E10}]"#;
        assert_eq!(
            entries(text),
            [
                ("a".to_owned(), r#"{"name":"a","value":9007199254740993}"#.to_owned()),
                ("b".to_owned(), r#"{"name":"b","v":1.0E10}"#.to_owned()),
            ]
        );
    }

    #[test]
    fn a_member_may_be_added_but_not_change_its_kind() {
        let udt = |kind: &str, more: &str| {
            format!(r#"{{"name":"T","tags":[{{"name":"m","tagType":"{kind}"}}{more}]}}"#)
        };
        let atomic = udt("AtomicTag", "");
        assert!(!changes_kind(
            &atomic,
            &udt("AtomicTag", r#",{"name":"n","tagType":"UdtInstance"}"#)
        ));
        assert!(changes_kind(&atomic, &udt("UdtInstance", "")));
    }
}
