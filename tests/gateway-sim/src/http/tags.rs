//! Tag export and import.

use std::sync::Arc;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    answer::{ok, page},
    call::{Call, Found},
    read, write,
};
use crate::{
    gateway::Gateway,
    model::config::Key,
    pair::{self, Cause},
    tags::{self, Collision},
};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("GET", ["tags", "export"]) => read(async { export(gateway, call) }),
        ("POST", ["tags", "import"]) => write(import(gateway, call)),
        _ => None,
    }
}

fn export(gateway: &Gateway, call: &Call) -> Response {
    let provider = call.param("provider").unwrap_or("default");
    let path = call.param("path").unwrap_or_default();
    let config = gateway.see(|state| Arc::clone(&state.config));
    match tags::export(&config, provider, path) {
        Some(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        None => page(404, &call.path, "Not Found"),
    }
}

async fn import(gateway: &Arc<Gateway>, call: &Call) -> Response {
    if gateway.see(|state| state.pair.refuses_writes()) {
        return page(403, &call.path, "Forbidden");
    }
    let provider = call.param("provider").unwrap_or("default").to_owned();
    let path = call.param("path").unwrap_or_default().to_owned();
    let collision = match call.param("collisionPolicy") {
        Some("Overwrite" | "MergeOverwrite") => Collision::Overwrite,
        Some("Ignore") => Collision::Ignore,
        _ => Collision::Abort,
    };
    let (known, protected) = gateway.see(|state| {
        let key = Key { kind: "ignition/tag-provider".into(), name: Some(provider.clone()) };
        let item = state.config.effective(&key);
        let permissions = item.map(|(_, item)| item.config["settings"]["editPermissions"].clone());
        (tags::known(&state.config, &provider), permissions.is_some_and(|value| !value.is_null()))
    });
    if !known {
        return page(404, &call.path, "Not Found");
    }
    if protected {
        return ok(&refused("Insufficient Tag Provider Edit Permissions"));
    }
    let body = call.body.clone();
    let imported = gateway
        .blocking(move |gateway| tags::import(gateway, &provider, &path, collision, &body))
        .await;
    match imported {
        Ok(answer) => {
            pair::content_changed(gateway, Cause::Save);
            ok(&answer)
        }
        Err(_) => page(400, &call.path, "Bad Request"),
    }
}

fn refused(why: &str) -> Value {
    let failure =
        json!({"diagnosticMessage": why, "quality": "Bad_AccessDenied", "qualitySubCode": 0});
    json!({"failureCount": 1, "failures": [failure], "successCount": 0})
}
