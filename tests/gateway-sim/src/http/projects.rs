//! Projects over REST, but for import and export.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    answer::{compact, ok, page},
    call::{Call, Found},
    list::envelope,
    read,
    sync::wait_unlocked,
    write,
};
use crate::{
    gateway::Gateway,
    pair::{self, Cause},
    project_files,
    scan::Kind,
};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.below(&["data", "api", "v1", "projects"])?;
    match (method, segments.as_slice()) {
        ("GET", ["list"]) => read(async { envelope(call, records(gateway, |_| true)) }),
        ("GET", ["names"]) => read(async {
            let all = records(gateway, |_| true);
            let names = all.iter().map(|record| {
                json!({"name": record["name"], "title": record["title"], "enabled": record["enabled"]})
            });
            envelope(call, names.collect())
        }),
        ("GET", ["parents"]) => {
            read(async { envelope(call, records(gateway, |record| record["inheritable"] == true)) })
        }
        ("GET", ["parents", name]) => {
            let name = (*name).to_owned();
            read(async move {
                let fits = |r: &Value| r["inheritable"] == true && r["name"] != name.as_str();
                envelope(call, records(gateway, fits))
            })
        }
        ("GET", ["find", name]) => {
            let name = (*name).to_owned();
            read(async move {
                match gateway.see(|state| state.projects.record(&name)) {
                    Some(record) => ok(&record),
                    None => page(404, &call.path, "Not Found"),
                }
            })
        }
        ("POST", [] | [""]) => write(create(gateway, call)),
        ("POST", ["copy"]) => write(copy(gateway, call)),
        ("POST", ["rename", name]) => write(rename(gateway, call, (*name).to_owned())),
        ("PUT", [name]) => write(update(gateway, call, (*name).to_owned())),
        ("DELETE", [name]) => write(delete(gateway, call, (*name).to_owned())),
        _ => None,
    }
}

fn records(gateway: &Gateway, keep: impl Fn(&Value) -> bool) -> Vec<Value> {
    gateway.see(|state| {
        let all = state.projects.by_name.keys().filter_map(|name| state.projects.record(name));
        all.filter(|record| keep(record)).collect()
    })
}

/// Lets a mutation through, once no lock is held.
pub(crate) async fn admitted(gateway: &Arc<Gateway>, call: &Call) -> Result<(), Response> {
    if gateway.see(|state| state.pair.refuses_writes()) {
        return Err(page(403, &call.path, "Forbidden"));
    }
    wait_unlocked(gateway, Kind::Projects).await;
    Ok(())
}

fn conflict(name: &str) -> Response {
    let message = format!("Project '{name}' already exists");
    compact(409, &json!({"success": false, "changes": [], "problem": {"message": message}}))
}

fn legal(name: &str) -> bool {
    let trimmed = name.trim_matches(|c| c == ' ' || c == '.');
    let bad = |c: char| "\\/?*:|\"<>`".contains(c) || c.is_control();
    !name.is_empty() && trimmed == name && !name.starts_with('-') && !name.chars().any(bad)
}

fn finish(gateway: &Gateway, call: &Call, name: &str, done: anyhow::Result<()>) -> Response {
    match done {
        Ok(()) => {
            pair::content_changed(gateway, Cause::Save);
            ok(&json!({"success": true, "changes": [{"name": name}], "problem": null}))
        }
        Err(_) => page(500, &call.path, "Server Error"),
    }
}

async fn create(gateway: &Arc<Gateway>, call: &Call) -> Response {
    // One project, and only the gateway makes it.
    if gateway.settings.edition == "edge" {
        return page(403, &call.path, "Forbidden");
    }
    let is_json = call
        .headers
        .get("content-type")
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/json")));
    if !is_json {
        return page(415, &call.path, "Unsupported Media Type");
    }
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let Some(body) = call.json() else { return page(400, &call.path, "Bad Request") };
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    if !legal(&name) || !body["enabled"].is_boolean() {
        return page(400, &call.path, "Bad Request");
    }
    if gateway.see(|state| state.projects.clash(&name).is_some()) {
        return conflict(&name);
    }
    let made = name.clone();
    let done = gateway.blocking(move |gateway| project_files::put(gateway, &made, &body)).await;
    finish(gateway, call, &name, done)
}

async fn update(gateway: &Arc<Gateway>, call: &Call, name: String) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let Some(body) = call.json() else { return page(400, &call.path, "Bad Request") };
    let known = gateway.see(|state| state.projects.by_name.get(&name).cloned());
    let Some(project) = known else { return page(404, &call.path, "Not Found") };
    let mut properties = project.properties.clone();
    crate::json::merge(&mut properties, &body);
    let put = name.clone();
    let done = gateway.blocking(move |gateway| project_files::put(gateway, &put, &properties));
    finish(gateway, call, &name, done.await)
}

async fn copy(gateway: &Arc<Gateway>, call: &Call) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let body = call.json().unwrap_or_default();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (from, to) = (text("fromName"), text("toName"));
    match gateway.see(|state| {
        (state.projects.by_name.contains_key(&from), state.projects.clash(&to).is_some())
    }) {
        _ if !legal(&to) => return page(400, &call.path, "Bad Request"),
        (false, _) => return page(404, &call.path, "Not Found"),
        (true, true) => return conflict(&to),
        (true, false) => {}
    }
    let name = to.clone();
    let done = gateway.blocking(move |gateway| project_files::copy(gateway, &from, &to)).await;
    finish(gateway, call, &name, done)
}

async fn rename(gateway: &Arc<Gateway>, call: &Call, from: String) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let to = call.json().unwrap_or_default()["name"].as_str().unwrap_or_default().to_owned();
    match gateway.see(|state| {
        (state.projects.by_name.contains_key(&from), state.projects.clash(&to).cloned())
    }) {
        _ if !legal(&to) => return page(400, &call.path, "Bad Request"),
        (false, _) => return page(404, &call.path, "Not Found"),
        (true, Some(other)) if other != from => return conflict(&to),
        (true, _) => {}
    }
    let name = to.clone();
    let done = gateway.blocking(move |gateway| {
        project_files::copy(gateway, &from, &to)?;
        project_files::delete(gateway, &from)
    });
    finish(gateway, call, &name, done.await)
}

async fn delete(gateway: &Arc<Gateway>, call: &Call, name: String) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    if !gateway.see(|state| state.projects.by_name.contains_key(&name)) {
        return page(404, &call.path, "Not Found");
    }
    if !call.flag("confirm") {
        return page(400, &call.path, "Bad Request");
    }
    let gone = name.clone();
    let done = gateway.blocking(move |gateway| project_files::delete(gateway, &gone)).await;
    finish(gateway, call, &name, done)
}
