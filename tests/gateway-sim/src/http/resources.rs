//! Configuration resources as REST shows them: the effective view, with defaults filled in. A
//! resource that the gateway refused to load is still listed.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{
    answer::{ok, page},
    call::{Call, Found},
    list::envelope,
    read,
};
use crate::{
    gateway::Gateway,
    model::config::{Config, Item, Key},
    saves, types,
};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.below(&["data", "api", "v1", "resources"])?;
    if method != "GET" {
        return None;
    }
    let (verb, module, kind, rest) = match segments.as_slice() {
        [verb, module, kind, rest @ ..] => (*verb, *module, *kind, rest.join("/")),
        _ => return None,
    };
    let kind = format!("{module}/{kind}");
    known(gateway, &kind).then_some(())?;
    match verb {
        "list" if rest.is_empty() => read(async move { list(gateway, call, &kind) }),
        "names" if rest.is_empty() => read(async move { names(gateway, call, &kind) }),
        "type" if rest.is_empty() => read(async move {
            let singleton = types::is_singleton(&kind, false);
            ok(&json!({"type": kind, "singleton": singleton, "version": 1}))
        }),
        "find" if !rest.is_empty() => {
            read(async move { one(gateway, call, &Key { kind, name: Some(rest) }) })
        }
        "singleton" if rest.is_empty() => {
            read(async move { one(gateway, call, &Key { kind, name: None }) })
        }
        "datafile" if !rest.is_empty() => {
            read(async move { datafile(gateway, call, &kind, &rest) })
        }
        _ => None,
    }
}

/// Whether a type has routes here.
pub(crate) fn known(gateway: &Gateway, kind: &str) -> bool {
    gateway.see(|state| {
        let on_disk = state.config.items.keys().any(|key| key.kind == kind);
        types::has_routes(kind, on_disk)
    })
}

/// The record of a copy.
pub(crate) fn record(config: &Config, key: &Key, collection: &str, item: &Item) -> Value {
    let copies = config.items.get(key);
    let holding: Vec<&str> = config
        .layers()
        .into_iter()
        .filter(|layer| copies.is_some_and(|copies| copies.contains_key(*layer)))
        .collect();
    let attributes = &item.meta["attributes"];
    let mut record = json!({
        "type": key.kind, "name": key.name,
        "description": item.meta["description"], "enabled": attributes["enabled"].as_bool().unwrap_or(true),
        "version": item.meta["version"].as_i64().unwrap_or(1), "collection": collection,
        "collections": holding, "signature": item.signature,
        "config": types::view(&key.kind, &item.config), "data": item.meta["files"],
        "attributes": attributes, "metrics": {}, "healthchecks": {},
    });
    if key.name.is_none()
        && let Some(members) = record.as_object_mut()
    {
        members.shift_remove("name");
    }
    record
}

fn list(gateway: &Gateway, call: &Call, kind: &str) -> Response {
    let config = gateway.see(|state| Arc::clone(&state.config));
    let keys = config.items.keys().filter(|key| key.kind == kind);
    let items = keys.filter_map(|key| {
        let (collection, item) = config.effective(key)?;
        let mut record = record(&config, key, collection, item);
        if kind == "ignition/tag-provider" {
            let provider = key.name.as_deref().unwrap_or_default();
            record["metrics"]["tagCount"] = crate::tags::count(&config, provider).into();
        }
        Some(record)
    });
    envelope(call, items.collect())
}

fn names(gateway: &Gateway, call: &Call, kind: &str) -> Response {
    let config = gateway.see(|state| Arc::clone(&state.config));
    let items = config.items.iter().filter(|(key, _)| key.kind == kind).map(|(key, copies)| {
        let enabled = config
            .effective(key)
            .is_none_or(|(_, item)| item.meta["attributes"]["enabled"].as_bool().unwrap_or(true));
        json!({"name": key.name, "enabled": enabled, "modes": copies.keys().collect::<Vec<_>>()})
    });
    envelope(call, items.collect())
}

fn one(gateway: &Gateway, call: &Call, key: &Key) -> Response {
    let config = gateway.see(|state| Arc::clone(&state.config));
    let found = match call.param("collection") {
        Some(collection) => config.copy(key, collection).map(|item| (collection, item)),
        None => config.effective(key),
    };
    match found {
        Some((collection, item)) => ok(&record(&config, key, collection, item)),
        None if key.name.is_none() && call.flag("defaultIfUndefined") => ok(&json!({
            "type": key.kind, "description": null, "enabled": true, "version": 1,
            "collection": "system", "collections": [], "signature": "",
            "config": types::view(&key.kind, &json!({})), "data": [], "attributes": {},
            "metrics": {}, "healthchecks": {},
        })),
        None => page(404, &call.path, &format!("Resource not found: {}", key.path())),
    }
}

/// Which copy and file a datafile route means; singletons have no name in it.
pub(crate) fn datafile_of(kind: &str, rest: &str) -> (Key, String) {
    let (name, file) =
        rest.rsplit_once('/').map_or((None, rest), |(name, file)| (Some(name.to_owned()), file));
    (Key { kind: kind.to_owned(), name }, file.to_owned())
}

fn datafile(gateway: &Gateway, call: &Call, kind: &str, rest: &str) -> Response {
    let (key, file) = datafile_of(kind, rest);
    let config = gateway.see(|state| Arc::clone(&state.config));
    let found = config.effective(&key).filter(|(_, item)| {
        item.meta["files"].as_array().is_some_and(|files| files.iter().any(|f| *f == file))
    });
    let bytes = found.and_then(|(collection, _)| {
        std::fs::read(gateway.path(&format!("{}/{file}", saves::folder(&key, collection)))).ok()
    });
    match bytes {
        Some(bytes) => ([("content-type", "application/octet-stream")], bytes).into_response(),
        None => page(404, &call.path, "Not Found"),
    }
}
