//! Tags: edits count at once, and arrive on disk late and always in `core`; export and import as
//! documents.
//!
//! Tag JSON is text here: integers above 2^53 and `1.0E10` stay as they are.

use std::{path::Path, sync::Arc};

use serde_json::{Value, json, value::RawValue};

use crate::{
    disk,
    gateway::Gateway,
    json::gson,
    model::{
        config::Config,
        tags::{Tags, Unit, UnitKey, entries},
    },
    signature::compact,
};

/// Folder of types in a document; there is none on disk.
const TYPES: &str = "_types_";

/// Marker of a folder: what is present, nothing signed.
pub(crate) fn marker(files: &[&str]) -> Value {
    json!({"scope": "G", "version": 1, "restricted": false, "overridable": true, "files": files,
        "attributes": {"config": {}}})
}

/// Tags of a provider.
pub(crate) fn count(config: &Config, provider: &str) -> usize {
    config.tags.count(provider, &config.layers())
}

/// Somebody edits the tags of a folder in a Designer.
pub(crate) fn edit(gateway: &Arc<Gateway>, provider: &str, path: &str, tags: &str) {
    let path = path.trim_matches('/');
    let whole = if path.is_empty() { provider.to_owned() } else { format!("{provider}/{path}") };
    let key = UnitKey { types: false, path: whole };
    let list = entries(tags.as_bytes());
    gateway.change(|state| {
        Arc::make_mut(&mut state.config).tags.edit(&key, |unit| unit.tags = list);
    });
    flush_later(gateway, vec![key]);
}

/// Writes units of `core` to disk, some time later.
fn flush_later(gateway: &Arc<Gateway>, keys: Vec<UnitKey>) {
    let gateway_then = Arc::clone(gateway);
    gateway.tasks.spawn(async move {
        let gateway = gateway_then;
        if !gateway.pause(gateway.see(|state| state.knobs.tag_flush_ms)).await {
            return;
        }
        let flush =
            move |gateway: &Arc<Gateway>| keys.iter().try_for_each(|key| flush(gateway, key));
        if let Err(error) = gateway.blocking(flush).await {
            gateway.change(|state| state.say("ERROR", "TagManager", &error.to_string()));
        }
    });
}

fn flush(gateway: &Arc<Gateway>, key: &UnitKey) -> anyhow::Result<()> {
    let unit = gateway.see(|state| state.config.tags.effective(key, &["core"]).cloned());
    let Some(unit) = unit else { return Ok(()) };
    let kind = if key.types { "tag-type-definition" } else { "tag-definition" };
    let top = format!("config/resources/core/ignition/{kind}");
    let mut folder = top;
    for segment in key.path.split('/') {
        folder = format!("{folder}/{segment}");
        let marker_path = format!("{folder}/unary-resource.json");
        if !gateway.path(&marker_path).exists() {
            disk::write(gateway, &marker_path, gson(&marker(&[]))?.as_bytes())?;
        }
    }
    let mut present = Vec::new();
    for (name, list) in [("tags.json", &unit.tags), ("udts.json", &unit.udts)] {
        if !list.is_empty() {
            let texts: Vec<&str> = list.iter().map(|(_, text)| text.as_str()).collect();
            let text = format!("[\n  {}\n]", texts.join(",\n  "));
            disk::write(gateway, &format!("{folder}/{name}"), text.as_bytes())?;
            present.push(name);
        }
    }
    let text = gson(&marker(&present))?;
    disk::write(gateway, &format!("{folder}/unary-resource.json"), text.as_bytes())
}

/// The document of a provider or of a folder of it; nothing if there is neither.
pub(crate) fn export(config: &Config, provider: &str, path: &str) -> Option<String> {
    let layers = config.layers();
    let tags = &config.tags;
    if path.is_empty() {
        let root = UnitKey { types: false, path: provider.to_owned() };
        let known = known(config, provider);
        let mut members = known.then(|| members(tags, &root, &layers))?;
        let types = UnitKey { types: true, path: provider.to_owned() };
        members.push(folder(TYPES, &self::members(tags, &types, &layers)));
        return Some(format!(
            r#"{{"name":"","tagType":"Provider","tags":[{}]}}"#,
            members.join(",")
        ));
    }
    let types = path == TYPES || path.starts_with(&format!("{TYPES}/"));
    let inner = if types { path[TYPES.len()..].trim_matches('/') } else { path.trim_matches('/') };
    let whole = if inner.is_empty() { provider.to_owned() } else { format!("{provider}/{inner}") };
    let key = UnitKey { types, path: whole };
    let name = path.rsplit('/').next().unwrap_or_default();
    tags.effective(&key, &layers).map(|_| folder(name, &members(tags, &key, &layers)))
}

/// Whether there is such a provider.
pub(crate) fn known(config: &Config, provider: &str) -> bool {
    let inside = |key: &UnitKey| key.path.split('/').next() == Some(provider);
    let named = config
        .items
        .keys()
        .any(|key| key.kind == "ignition/tag-provider" && key.name.as_deref() == Some(provider));
    named || config.tags.units.keys().any(inside)
}

fn folder(name: &str, members: &[String]) -> String {
    let name = Value::from(name);
    match members.is_empty() {
        true => format!(r#"{{"name":{name},"tagType":"Folder"}}"#),
        false => format!(r#"{{"name":{name},"tagType":"Folder","tags":[{}]}}"#, members.join(",")),
    }
}

fn members(tags: &Tags, key: &UnitKey, layers: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(unit) = tags.effective(key, layers) {
        all.extend(unit.tags.iter().chain(&unit.udts).map(|(_, text)| text.clone()));
    }
    for below in tags.folders(key) {
        let name = below.path.rsplit('/').next().unwrap_or_default();
        all.push(folder(name, &members(tags, &below, layers)));
    }
    all
}

/// What an import may do with a tag that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collision {
    Abort,
    Overwrite,
    Ignore,
}

/// Takes a document in; answers how many tags were taken, and what was refused.
pub(crate) fn import(
    gateway: &Arc<Gateway>,
    provider: &str,
    path: &str,
    collision: Collision,
    document: &[u8],
) -> anyhow::Result<Value> {
    let root: Node = serde_json::from_slice(document)?;
    let path = path.trim_matches('/');
    let types = path == TYPES || path.starts_with(&format!("{TYPES}/"));
    let inner = if types { path[TYPES.len()..].trim_matches('/') } else { path };
    let whole = if inner.is_empty() { provider.to_owned() } else { format!("{provider}/{inner}") };
    let mut found = Vec::new();
    collect(&UnitKey { types, path: whole }, root.tags, &mut found)?;
    let (mut taken, mut failures, mut touched) = (0, Vec::new(), Vec::new());
    gateway.change(|state| {
        let config = Arc::make_mut(&mut state.config);
        for (key, name, text) in found {
            let mut done = true;
            config.tags.edit(&key, |unit| done = place(unit, &name, text, collision, key.types));
            if done {
                taken += 1;
                touched.push(key);
            } else {
                let text = format!("Tag '[{provider}]{name}' already exists, and 'abort' collision policy has been specified");
                failures.push(json!({"diagnosticMessage": text, "quality": "Bad", "qualitySubCode": 527}));
            }
        }
    });
    touched.sort();
    touched.dedup();
    flush_later(gateway, touched);
    Ok(json!({"failureCount": failures.len(), "failures": failures, "successCount": taken}))
}

#[derive(Debug, serde::Deserialize)]
struct Node {
    #[serde(default)]
    tags: Vec<Box<RawValue>>,
}

#[derive(Debug, serde::Deserialize)]
struct Head {
    name: String,
    #[serde(rename = "tagType", default)]
    kind: String,
}

fn collect(
    at: &UnitKey,
    tags: Vec<Box<RawValue>>,
    found: &mut Vec<(UnitKey, String, String)>,
) -> anyhow::Result<()> {
    for raw in tags {
        let head: Head = serde_json::from_str(raw.get())?;
        if head.kind == "Folder" {
            let node: Node = serde_json::from_str(raw.get())?;
            let key = if head.name == TYPES && !at.path.contains('/') {
                UnitKey { types: true, path: at.path.clone() }
            } else {
                UnitKey { types: at.types, path: format!("{}/{}", at.path, head.name) }
            };
            collect(&key, node.tags, found)?;
        } else {
            found.push((at.clone(), head.name, compact(raw.get())));
        }
    }
    Ok(())
}

/// Puts a tag into a unit; whether it was allowed to.
fn place(unit: &mut Unit, name: &str, text: String, collision: Collision, types: bool) -> bool {
    let instance = text.contains(r#""tagType":"Udt"#);
    let list = if types || instance { &mut unit.udts } else { &mut unit.tags };
    match (list.iter_mut().find(|(known, _)| known == name), collision) {
        (None, _) => list.push((name.to_owned(), text)),
        (Some(_), Collision::Abort) => return false,
        (Some(_), Collision::Ignore) => {}
        (Some((_, old)), Collision::Overwrite) => *old = text,
    }
    true
}

/// The `System` provider's tree is generated and never at rest.
pub(crate) fn churn(gateway: &Gateway, data_dir: &Path) -> anyhow::Result<()> {
    let folder = "config/resources/core/ignition/tag-definition/System";
    if !data_dir.join("config/resources/core").exists() {
        return Ok(());
    }
    let now = gateway.see(|state| state.now_ms());
    let tags = format!(r#"[{{"name":"CurrentDateTime","tagType":"AtomicTag","value":{now}}}]"#);
    disk::write(gateway, &format!("{folder}/tags.json"), tags.as_bytes())?;
    let text = gson(&marker(&["tags.json"]))?;
    disk::write(gateway, &format!("{folder}/unary-resource.json"), text.as_bytes())
}
