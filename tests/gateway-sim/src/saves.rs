//! Saves of configuration resources by the gateway itself: one copy at a time, to disk and to what
//! it knows. Files that others have left unscanned stay unseen.

use std::{fs, sync::Arc};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    clock, disk,
    gateway::Gateway,
    json::gson,
    lifecycle,
    model::config::{self, Item, Key, Rules},
    stamps, tree,
};

/// What a saved copy says.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) config: Option<Value>,
    pub(crate) enabled: Option<bool>,
    pub(crate) description: Option<String>,
}

/// Folder of a copy below the data directory.
pub(crate) fn folder(key: &Key, collection: &str) -> String {
    format!("config/resources/{collection}/{}", key.path())
}

/// Makes or changes a copy; answers its new REST signature.
pub(crate) fn save(
    gateway: &Arc<Gateway>,
    key: &Key,
    collection: &str,
    content: Content,
    actor: &str,
) -> anyhow::Result<String> {
    let folder = folder(key, collection);
    let dir = gateway.path(&folder);
    let old = fs::read(dir.join("resource.json")).ok();
    let mut meta: Value =
        old.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(fresh_meta);
    if let Some(config) = content.config {
        disk::write(gateway, &format!("{folder}/config.json"), gson(&config)?.as_bytes())?;
        list_file(&mut meta, "config.json", true);
    }
    if let Some(enabled) = content.enabled {
        meta["attributes"]["enabled"] = enabled.into();
    }
    if let Some(description) = content.description {
        meta["description"] = description.into();
    }
    finish(gateway, key, collection, meta, actor)
}

/// Writes, or deletes, one of the files of a copy.
pub(crate) fn save_file(
    gateway: &Arc<Gateway>,
    key: &Key,
    collection: &str,
    name: &str,
    bytes: Option<&[u8]>,
    actor: &str,
) -> anyhow::Result<String> {
    let folder = folder(key, collection);
    let text = fs::read(gateway.path(&folder).join("resource.json"))?;
    let mut meta: Value = serde_json::from_slice(&text)?;
    let path = format!("{folder}/{name}");
    match bytes {
        Some(bytes) => disk::write(gateway, &path, bytes)?,
        None => disk::delete(gateway, &path)?,
    }
    list_file(&mut meta, name, bytes.is_some());
    finish(gateway, key, collection, meta, actor)
}

/// Deletes a copy; its folder goes, and no other.
pub(crate) fn delete(gateway: &Arc<Gateway>, key: &Key, collection: &str) -> anyhow::Result<()> {
    disk::delete_folder(gateway, &folder(key, collection))?;
    install(gateway, key, collection, None);
    Ok(())
}

/// Moves or copies the files of one copy to another place.
pub(crate) fn transfer(
    gateway: &Arc<Gateway>,
    from: (&Key, &str),
    to: (&Key, &str),
    keep: bool,
    actor: &str,
) -> anyhow::Result<String> {
    let (source, target) = (folder(from.0, from.1), folder(to.0, to.1));
    for entry in fs::read_dir(gateway.path(&source))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let bytes = fs::read(gateway.path(&format!("{source}/{name}")))?;
        disk::write(gateway, &format!("{target}/{name}"), &bytes)?;
    }
    let text = fs::read(gateway.path(&format!("{target}/resource.json")))?;
    let mut meta: Value = serde_json::from_slice(&text)?;
    if keep {
        meta["attributes"]["uuid"] = new_uuid().into();
    } else {
        delete(gateway, from.0, from.1)?;
    }
    finish(gateway, to.0, to.1, meta, actor)
}

fn fresh_meta() -> Value {
    json!({"scope": "A", "version": 1, "restricted": false, "overridable": true, "files": [],
        "attributes": {"uuid": new_uuid(), "enabled": true}})
}

fn list_file(meta: &mut Value, name: &str, there: bool) {
    let mut files = meta["files"].as_array().cloned().unwrap_or_default();
    files.retain(|file| file != name);
    if there {
        files.push(name.into());
    }
    meta["files"] = files.into();
}

/// Version 4, as the gateway makes them.
fn new_uuid() -> String {
    let mut bytes = rand::random::<[u8; 16]>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn finish(
    gateway: &Arc<Gateway>,
    key: &Key,
    collection: &str,
    meta: Value,
    actor: &str,
) -> anyhow::Result<String> {
    let folder = folder(key, collection);
    let dir = gateway.path(&folder);
    let timestamp = clock::stamp(gateway.see(|state| state.now_ms()));
    let content = |name: &str| fs::read(dir.join(name)).ok();
    let text = stamps::stamped(meta, gateway.form(), actor, &timestamp, &content)?;
    disk::write(gateway, &format!("{folder}/resource.json"), text.as_bytes())?;
    let (tree, rules) = read_folder(gateway, &folder)?;
    let refuse: Vec<String> = rules;
    let rules = Rules { mismatch: crate::knobs::OnMismatch::Keep, refuse: &refuse };
    let item = config::read_one(&gateway.settings.data_dir, &tree, &folder, key, &rules)
        .context("what was just written can be read")?;
    let signature = item.signature.clone();
    install(gateway, key, collection, Some(item));
    Ok(signature)
}

fn read_folder(gateway: &Gateway, folder: &str) -> anyhow::Result<(tree::Tree, Vec<String>)> {
    let tree = tree::Reader::default().read(&gateway.settings.data_dir, &[folder])?;
    Ok((tree, gateway.see(|state| state.refuse.clone())))
}

fn install(gateway: &Gateway, key: &Key, collection: &str, item: Option<Arc<Item>>) {
    gateway.change(|state| {
        let config = Arc::make_mut(&mut state.config);
        match item {
            Some(item) => {
                config.items.entry(key.clone()).or_default().insert(collection.to_owned(), item);
            }
            None => {
                if let Some(copies) = config.items.get_mut(key) {
                    copies.remove(collection);
                    if copies.is_empty() {
                        config.items.remove(key);
                    }
                }
            }
        }
        if key.kind == "ignition/api-token" {
            state.tokens = lifecycle::tokens(&state.config);
        }
    });
}
