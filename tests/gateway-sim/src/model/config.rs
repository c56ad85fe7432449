//! Configuration resources and tag units as the last config scan has found them, in all collections.
//!
//! Precedence, right over left: external, core, active mode, local; per whole resource.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use serde_json::{Value, json};

use super::{
    refusal::{self, Refusal},
    tags::{self, Tags},
};
use crate::{
    knobs::OnMismatch,
    stamps::{self, Verdict},
    tree::{Digest, Folder, Tree},
};

/// Folders of tags: their marker has another name.
pub(crate) const TAG_KINDS: [&str; 2] = ["tag-definition", "tag-type-definition"];

/// Which resource, in whatever collection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// `module/type`.
    pub(crate) kind: String,
    /// Absent for a singleton.
    pub(crate) name: Option<String>,
}

impl Key {
    /// `module/type/name`.
    pub(crate) fn path(&self) -> String {
        match &self.name {
            Some(name) => format!("{}/{name}", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// One copy of a resource.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) fingerprint: Digest,
    /// `resource.json`.
    pub(crate) meta: Value,
    /// `config.json`; null without one.
    pub(crate) config: Value,
    /// Changes on every write; not the one in the file.
    pub(crate) signature: String,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) stale: bool,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    /// Definitions of collections (`config-mode.json`), by name.
    pub(crate) collections: BTreeMap<String, Value>,
    /// Copies by collection.
    pub(crate) items: BTreeMap<Key, BTreeMap<String, Arc<Item>>>,
    /// The mode that the JVM was started with.
    pub(crate) mode: Option<String>,
    /// A mode has tag folders: a pair cannot sync.
    pub(crate) wedge: bool,
    /// Folders of tags.
    pub(crate) tags: Tags,
}

/// What reading found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) config: Config,
    /// Stale resources, as folders below the data directory.
    pub(crate) stale: Vec<String>,
    /// Copies that are new or changed and do not load.
    pub(crate) refused: Vec<(Key, Refusal)>,
    /// Copies that differ from before, gone ones included.
    pub(crate) changed: Vec<(Key, String)>,
    /// Tags differ from before.
    pub(crate) tags_changed: bool,
}

/// How to read.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) mismatch: OnMismatch,
    /// `module/type/name` of resources that shall not load.
    pub(crate) refuse: &'a [String],
}

/// Reads the configuration from a tree; what has not changed since `before` is taken from there.
pub(crate) fn read(data_dir: &Path, tree: &Tree, before: &Config, rules: &Rules<'_>) -> Found {
    let mut found = Found::default();
    found.config.mode.clone_from(&before.mode);
    found.config.tags = tags::read(data_dir, tree, &before.tags);
    for (path, folder) in &tree.folders {
        let Some(inside) = path.strip_prefix("config/resources/") else { continue };
        let mut segments = inside.splitn(4, '/');
        let (Some(collection), module) = (segments.next(), segments.next()) else { continue };
        let (Some(module), Some(kind)) = (module, segments.next()) else {
            if module.is_none() && folder.files.contains_key("config-mode.json") {
                let text = fs::read(data_dir.join(path).join("config-mode.json"));
                let mode = text.ok().and_then(|text| serde_json::from_slice(&text).ok());
                found.config.collections.insert(collection.to_owned(), mode.unwrap_or_default());
            }
            continue;
        };
        if module == "ignition" && TAG_KINDS.contains(&kind) {
            found.config.wedge |= !["external", "core", "local"].contains(&collection);
            continue;
        }
        if folder.files.contains_key("resource.json") {
            let name = segments.next().map(str::to_owned);
            let key = Key { kind: format!("{module}/{kind}"), name };
            let old = before.items.get(&key).and_then(|copies| copies.get(collection));
            if let Some(item) = item(data_dir, path, folder, &key, old, rules, &mut found) {
                if old.is_none_or(|old| old.fingerprint != item.fingerprint) {
                    found.changed.push((key.clone(), collection.to_owned()));
                }
                found.config.items.entry(key).or_default().insert(collection.to_owned(), item);
            }
        }
    }
    found.tags_changed = found.config.tags.units != before.tags.units;
    for (key, copies) in &before.items {
        for collection in copies.keys() {
            if found.config.copy(key, collection).is_none() {
                found.changed.push((key.clone(), collection.clone()));
            }
        }
    }
    found
}

/// Reads one copy from a tree that has its folder.
pub(crate) fn read_one(
    data_dir: &Path,
    tree: &Tree,
    path: &str,
    key: &Key,
    rules: &Rules<'_>,
) -> Option<Arc<Item>> {
    let folder = tree.folders.get(path)?;
    item(data_dir, path, folder, key, None, rules, &mut Found::default())
}

fn item(
    data_dir: &Path,
    path: &str,
    folder: &Folder,
    key: &Key,
    old: Option<&Arc<Item>>,
    rules: &Rules<'_>,
    found: &mut Found,
) -> Option<Arc<Item>> {
    let asked = rules.refuse.contains(&key.path());
    if let Some(old) = old
        && old.fingerprint == folder.fingerprint
        && asked == (old.refusal == Some(Refusal::Asked))
        && (!old.stale || rules.mismatch == OnMismatch::Keep)
    {
        return Some(Arc::clone(old));
    }
    let dir = data_dir.join(path);
    let verdict = stamps::check(&dir);
    let stale = verdict == Verdict::Stale;
    if stale {
        found.stale.push(path.to_owned());
        if rules.mismatch == OnMismatch::Skip {
            return old.cloned();
        }
    }
    let json = |name: &str| -> Option<Value> {
        serde_json::from_slice(&fs::read(dir.join(name)).ok()?).ok()
    };
    let meta = json("resource.json").unwrap_or_else(|| json!({}));
    let lists = |name: &str| {
        meta["files"].as_array().is_some_and(|files| files.iter().any(|file| file == name))
    };
    let config = if lists("config.json") { json("config.json") } else { Some(Value::Null) };
    let refusal = match verdict {
        Verdict::Missing(name) => Some(Refusal::Missing(name)),
        Verdict::Broken => Some(Refusal::Broken("resource.json cannot be parsed".into())),
        _ if config.is_none() => Some(Refusal::Broken("config.json cannot be parsed".into())),
        _ if asked => Some(Refusal::Asked),
        Verdict::Fits | Verdict::Absent | Verdict::Stale => {
            refusal::of(&key.kind, key.name.as_deref(), &meta)
        }
    };
    if let Some(refusal) = &refusal {
        found.refused.push((key.clone(), refusal.clone()));
    }
    Some(Arc::new(Item {
        fingerprint: folder.fingerprint,
        meta,
        config: config.unwrap_or_default(),
        signature: new_signature(),
        refusal,
        stale,
    }))
}

/// A REST signature: opaque, new on every write.
pub(crate) fn new_signature() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

impl Config {
    /// Collections from lowest to highest precedence, the built-in one left out.
    pub(crate) fn layers(&self) -> Vec<&str> {
        let mut layers = vec!["external", "core"];
        layers.extend(self.mode.as_deref());
        layers.push("local");
        layers
    }

    /// One copy.
    pub(crate) fn copy(&self, key: &Key, collection: &str) -> Option<&Arc<Item>> {
        self.items.get(key)?.get(collection)
    }

    /// The copy that counts, with its collection.
    pub(crate) fn effective(&self, key: &Key) -> Option<(&str, &Arc<Item>)> {
        let copies = self.items.get(key)?;
        self.layers().into_iter().rev().find_map(|layer| Some((layer, copies.get(layer)?)))
    }

    /// `config.json` of a singleton of `ignition`.
    pub(crate) fn setting(&self, kind: &str) -> Option<&Value> {
        let key = Key { kind: format!("ignition/{kind}"), name: None };
        self.effective(&key).map(|(_, item)| &item.config)
    }

    /// `systemName`.
    pub(crate) fn system_name(&self) -> Option<&str> {
        self.setting("system-properties")?["systemName"].as_str()
    }
}
