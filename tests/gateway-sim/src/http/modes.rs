//! Deployment modes: definitions only. Which one is active is decided when the JVM starts.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    answer::{ok, page, pretty},
    call::{Call, Found},
    list::envelope,
    read,
    sync::wait_unlocked,
    write,
};
use crate::{
    disk,
    gateway::{Gateway, State},
    json::gson,
    pair::{self, Cause},
    scan::Kind,
    seed,
};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("GET", ["mode"]) => read(async {
            let items = gateway.see(|state| {
                let names: Vec<String> = state.config.collections.keys().cloned().collect();
                names.iter().filter_map(|name| record(state, name)).collect()
            });
            envelope(call, items)
        }),
        ("POST", ["mode"]) => write(async { create(gateway, call).await }),
        ("PUT", ["mode", name]) => {
            let name = (*name).to_owned();
            write(async move { change(gateway, call, &name).await })
        }
        ("DELETE", ["mode", name]) => {
            let name = (*name).to_owned();
            write(async move { delete(gateway, call, &name).await })
        }
        _ => None,
    }
}

fn record(state: &State, name: &str) -> Option<Value> {
    let mode = state.config.collections.get(name)?;
    let held = state.config.items.values().filter(|copies| copies.contains_key(name)).count();
    Some(json!({"name": name, "title": mode["title"], "description": mode["description"],
        "resourceCount": held}))
}

fn legal(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(fits)
}

async fn admitted(gateway: &Arc<Gateway>, call: &Call) -> Result<(), Response> {
    if gateway.see(|state| state.pair.refuses_writes()) {
        return Err(page(403, &call.path, "Forbidden"));
    }
    wait_unlocked(gateway, Kind::Config).await;
    Ok(())
}

async fn create(gateway: &Arc<Gateway>, call: &Call) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let body = call.json().unwrap_or_default();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let name = text("name");
    if !legal(&name) {
        return page(400, &call.path, "Invalid mode name");
    }
    let taken = |state: &mut State| {
        state.config.collections.keys().any(|known| known.eq_ignore_ascii_case(&name))
    };
    if gateway.see(taken) {
        return page(409, &call.path, "Mode already exists");
    }
    store(gateway, call, &name, seed::mode(&text("title"), &text("description"), "core")).await
}

async fn change(gateway: &Arc<Gateway>, call: &Call, name: &str) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let body = call.json().unwrap_or_default();
    let Some(mut mode) = gateway.see(|state| state.config.collections.get(name).cloned()) else {
        return page(404, &call.path, "Not Found");
    };
    for key in ["title", "description"] {
        if body[key].is_string() {
            mode[key] = body[key].clone();
        }
    }
    store(gateway, call, name, mode).await
}

async fn store(gateway: &Arc<Gateway>, call: &Call, name: &str, mode: Value) -> Response {
    let path = format!("config/resources/{name}/config-mode.json");
    let Ok(text) = gson(&mode) else { return page(500, &call.path, "Server Error") };
    if gateway.blocking(move |gateway| disk::write(gateway, &path, text.as_bytes())).await.is_err()
    {
        return page(500, &call.path, "Server Error");
    }
    let record = gateway.change(|state| {
        let config = Arc::make_mut(&mut state.config);
        config.collections.insert(name.to_owned(), mode);
        record(state, name)
    });
    pair::content_changed(gateway, Cause::Save);
    pretty(&record.unwrap_or_default())
}

async fn delete(gateway: &Arc<Gateway>, call: &Call, name: &str) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let own = ["core", "external", "local", "system"].contains(&name);
    if own || gateway.see(|state| !state.config.collections.contains_key(name)) {
        return page(404, &call.path, "Not Found");
    }
    let folder = format!("config/resources/{name}");
    if gateway.blocking(move |gateway| disk::delete_folder(gateway, &folder)).await.is_err() {
        return page(500, &call.path, "Server Error");
    }
    gateway.change(|state| {
        let config = Arc::make_mut(&mut state.config);
        config.collections.remove(name);
        for copies in config.items.values_mut() {
            copies.remove(name);
        }
        config.items.retain(|_, copies| !copies.is_empty());
    });
    pair::content_changed(gateway, Cause::Save);
    ok(&json!({"success": true}))
}
