//! Changes of configuration resources. A stale signature is a 500 here. While the scan-lock is held
//! a save waits, unanswered.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    answer::{bare, compact, invalid, ok, page, refuse},
    call::{Call, Found},
    resources::known,
    sync::wait_unlocked,
    write,
};
use crate::{
    gateway::Gateway,
    knobs::QueuedSave,
    model::config::Key,
    pair::{self, Cause},
    saves::{self, Content},
    scan::Kind,
    token,
};

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Modify,
}

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    if let Some(("POST", segments)) = call.api()
        && segments == ["api-token", "generate"]
    {
        return write(async {
            let key = token::new_key();
            ok(&json!({"key": key, "hash": token::key_hash(&key)}))
        });
    }
    let (method, segments) = call.below(&["data", "api", "v1", "resources"])?;
    let kind_of = |module: &str, kind: &str| {
        let kind = format!("{module}/{kind}");
        known(gateway, &kind).then_some(kind)
    };
    match (method, segments.as_slice()) {
        ("POST", ["delete", module, kind]) => {
            let kind = kind_of(module, kind)?;
            write(async move { delete_many(gateway, call, kind).await })
        }
        ("POST", [module, kind]) => {
            let kind = kind_of(module, kind)?;
            write(async move { save(gateway, call, kind, Verb::Create).await })
        }
        ("PUT", [module, kind]) => {
            let kind = kind_of(module, kind)?;
            write(async move { save(gateway, call, kind, Verb::Modify).await })
        }
        ("DELETE", [module, kind, rest @ .., signature]) => {
            let name = (!rest.is_empty()).then(|| rest.join("/"));
            let key = Key { kind: kind_of(module, kind)?, name };
            let signature = (*signature).to_owned();
            write(async move { delete(gateway, call, key, signature).await })
        }
        _ => None,
    }
}

/// Lets a mutation through, once no lock is held; whether a signature may be stale then.
pub(crate) async fn admitted(gateway: &Arc<Gateway>, call: &Call) -> Result<bool, Response> {
    if gateway.see(|state| state.pair.refuses_writes()) {
        return Err(page(403, &call.path, "Forbidden"));
    }
    let waited = wait_unlocked(gateway, Kind::Config).await;
    Ok(waited && gateway.see(|state| state.knobs.queued_save) == QueuedSave::Overwrite)
}

pub(crate) fn id(key: &Key, collection: &str) -> String {
    format!("ResourceId{{resourcePath={}, collectionName={collection}}}", key.path())
}

pub(crate) fn problem(status: u16, message: &str, deleting: bool) -> Response {
    let class = "com.inductiveautomation.ignition.gateway.config.ConfigurationManagerImpl";
    let trace: Vec<String> = (0..55).map(|line| format!("\tat {class}.push({line})")).collect();
    let mut body = json!({"success": false, "changes": [],
        "problem": {"message": message, "stacktrace": trace}});
    if deleting {
        body["references"] = Value::Null;
    }
    compact(status, &body)
}

pub(crate) fn done(key: &Key, collection: &str, signature: Option<&str>) -> Value {
    json!({"name": key.name, "type": key.kind, "collection": collection, "newSignature": signature})
}

/// One entry of a body, judged before anything is written.
struct Change {
    key: Key,
    collection: String,
    content: Content,
}

async fn save(gateway: &Arc<Gateway>, call: &Call, kind: String, verb: Verb) -> Response {
    let lenient = match admitted(gateway, call).await {
        Ok(lenient) => lenient,
        Err(refused) => return refused,
    };
    let Some(entries) = call.json().and_then(|body| body.as_array().cloned()) else {
        return invalid(&["Request body must be an array"], &[]);
    };
    let mut changes = Vec::new();
    for entry in &entries {
        match judge(gateway, &kind, entry, verb, lenient) {
            Ok(change) => changes.push(change),
            Err(refused) => return *refused,
        }
    }
    let actor = call.actor();
    let saved = gateway.blocking(move |gateway| {
        let mut all = Vec::new();
        for change in changes {
            let (key, collection) = (&change.key, &change.collection);
            let signature = saves::save(gateway, key, collection, change.content, &actor)?;
            all.push(done(key, collection, Some(&signature)));
            if verb == Verb::Create && key.kind == "ignition/database-connection" {
                companion(gateway, key, collection, &actor)?;
            }
        }
        Ok(all)
    });
    answer(gateway, call, saved.await)
}

pub(crate) fn answer(
    gateway: &Gateway,
    call: &Call,
    saved: anyhow::Result<Vec<Value>>,
) -> Response {
    match saved {
        Ok(changes) => {
            pair::content_changed(gateway, Cause::Save);
            ok(&json!({"success": true, "changes": changes, "problem": null}))
        }
        Err(_) => page(500, &call.path, "Server Error"),
    }
}

/// A new connection gets its store-and-forward engine.
fn companion(
    gateway: &Arc<Gateway>,
    of: &Key,
    collection: &str,
    actor: &str,
) -> anyhow::Result<()> {
    let kind = "ignition/store-and-forward-engine".to_owned();
    let key = Key { kind, name: of.name.clone() };
    if gateway.see(|state| state.config.copy(&key, collection).is_some()) {
        return Ok(());
    }
    let config = Some(json!({"enabled": true, "maxRecords": 25_000}));
    saves::save(gateway, &key, collection, Content { config, ..Content::default() }, actor)?;
    Ok(())
}

fn judge(
    gateway: &Gateway,
    kind: &str,
    entry: &Value,
    verb: Verb,
    lenient: bool,
) -> Result<Change, Box<Response>> {
    let singleton = crate::types::is_singleton(kind, false);
    let name = entry["name"].as_str().map(str::to_owned);
    if !singleton && name.as_deref().is_none_or(|name| !legal(name)) {
        return refuse(invalid(&[], &[("name", "Invalid resource name")]));
    }
    let key = Key { kind: kind.to_owned(), name: if singleton { None } else { name } };
    let config = entry.get("config").filter(|config| !config.is_null()).cloned();
    let collection = entry["collection"].as_str();
    let content = Content {
        config,
        enabled: entry["enabled"].as_bool(),
        description: entry["description"].as_str().map(str::to_owned),
    };
    match verb {
        Verb::Create => judge_create(gateway, key, collection, content),
        Verb::Modify => judge_modify(gateway, entry, key, collection, content, lenient),
    }
}

pub(crate) fn legal(name: &str) -> bool {
    let bad = |c: char| "\\/?*:|\"<>`".contains(c) || c.is_control();
    let trimmed = name.trim_matches(|c| c == ' ' || c == '.');
    !name.is_empty() && trimmed == name && !name.starts_with('-') && !name.chars().any(bad)
}

fn judge_create(
    gateway: &Gateway,
    key: Key,
    collection: Option<&str>,
    content: Content,
) -> Result<Change, Box<Response>> {
    // Even while a mode is active.
    let collection = collection.unwrap_or("core").to_owned();
    if content.config.is_none() {
        return refuse(invalid(&["Settings cannot be null"], &[]));
    }
    gateway.see(|state| {
        if state.config.copy(&key, &collection).is_some() {
            let text = format!("CREATE conflict: '{}' already exists", id(&key, &collection));
            return refuse(problem(409, &text, false));
        }
        if !state.config.collections.contains_key(&collection) {
            return refuse(invalid(&[], &[("collection", "Unknown collection")]));
        }
        Ok(Change { key, collection, content })
    })
}

fn judge_modify(
    gateway: &Gateway,
    entry: &Value,
    key: Key,
    collection: Option<&str>,
    content: Content,
    lenient: bool,
) -> Result<Change, Box<Response>> {
    let signature = entry["signature"].as_str().unwrap_or_default();
    if signature.is_empty() {
        return refuse(invalid(&[], &[("signature", "Missing 'signature' parameter")]));
    }
    gateway.see(|state| {
        let found = match collection {
            Some(collection) => state.config.copy(&key, collection).map(|item| (collection, item)),
            None => state.config.effective(&key),
        };
        let Some((collection, item)) = found else { return refuse(bare(404)) };
        if item.signature != signature && !lenient {
            let text = format!(
                "MODIFY illegal: signature mismatch for '{}', expected {}",
                id(&key, collection),
                item.signature
            );
            return refuse(problem(500, &text, false));
        }
        let collection = collection.to_owned();
        Ok(Change { key, collection, content })
    })
}

async fn delete(gateway: &Arc<Gateway>, call: &Call, key: Key, signature: String) -> Response {
    let lenient = match admitted(gateway, call).await {
        Ok(lenient) => lenient,
        Err(refused) => return refused,
    };
    let collection =
        match deletable(gateway, call, &key, call.param("collection"), &signature, lenient) {
            Ok(collection) => collection,
            Err(refused) => return *refused,
        };
    finish_delete(gateway, call, vec![(key, collection)]).await
}

pub(crate) fn deletable(
    gateway: &Gateway,
    call: &Call,
    key: &Key,
    collection: Option<&str>,
    signature: &str,
    lenient: bool,
) -> Result<String, Box<Response>> {
    gateway.see(|state| {
        let found = match collection {
            Some(collection) => state.config.copy(key, collection).map(|item| (collection, item)),
            None => state.config.effective(key),
        };
        let Some((collection, item)) = found else {
            return refuse(page(404, &call.path, &format!("Resource not found: {}", key.path())));
        };
        if item.signature != signature && !lenient {
            let text = format!("DELETE illegal: signature mismatch for '{}'", id(key, collection));
            return refuse(problem(500, &text, true));
        }
        Ok(collection.to_owned())
    })
}

async fn finish_delete(gateway: &Arc<Gateway>, call: &Call, all: Vec<(Key, String)>) -> Response {
    let deleted = gateway.blocking(move |gateway| {
        let mut changes = Vec::new();
        for (key, collection) in all {
            saves::delete(gateway, &key, &collection)?;
            changes.push(done(&key, &collection, None));
        }
        Ok(changes)
    });
    match deleted.await {
        Ok(changes) => {
            pair::content_changed(gateway, Cause::Save);
            ok(&json!({"success": true, "changes": changes, "problem": null, "references": []}))
        }
        Err(_) => page(500, &call.path, "Server Error"),
    }
}

async fn delete_many(gateway: &Arc<Gateway>, call: &Call, kind: String) -> Response {
    let lenient = match admitted(gateway, call).await {
        Ok(lenient) => lenient,
        Err(refused) => return refused,
    };
    let entries = call.json().and_then(|body| body.as_array().cloned()).unwrap_or_default();
    let mut all = Vec::new();
    for entry in entries {
        let key = Key { kind: kind.clone(), name: entry["name"].as_str().map(str::to_owned) };
        let signature = entry["signature"].as_str().unwrap_or_default();
        match deletable(gateway, call, &key, entry["collection"].as_str(), signature, lenient) {
            Ok(collection) => all.push((key, collection)),
            Err(refused) => return *refused,
        }
    }
    finish_delete(gateway, call, all).await
}
