//! The diagnostics bundle: made on request, there for two minutes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{
    answer::{ok, page},
    call::{Call, Found},
    read, write,
};
use crate::gateway::Gateway;

/// Time until it is there.
const MADE_AFTER: Duration = Duration::from_millis(200);
/// Time until it is gone again.
const GONE_AFTER: Duration = Duration::from_mins(2);
/// An empty zip.
const CONTENT: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("POST", ["diagnostics", "bundle", "generate"]) => write(async {
            gateway.change(|state| state.bundle = Some(Instant::now()));
            ok(&json!({"state": "Generating"}))
        }),
        ("GET", ["diagnostics", "bundle", "status"]) => read(async { ok(&status(gateway)) }),
        ("GET", ["diagnostics", "bundle", "download"]) => read(async { download(gateway, call) }),
        _ => None,
    }
}

fn status(gateway: &Gateway) -> Value {
    match gateway.see(|state| state.bundle.map(|asked| asked.elapsed())) {
        Some(age) if age < MADE_AFTER => json!({"state": "Generating"}),
        Some(age) if age < GONE_AFTER => json!({"state": "Valid", "fileSize": CONTENT.len()}),
        Some(_) | None => json!({"state": "Invalid"}),
    }
}

fn download(gateway: &Gateway, call: &Call) -> Response {
    if status(gateway)["state"] != "Valid" {
        return page(404, &call.path, "Not Found");
    }
    ([("content-type", "application/zip")], CONTENT).into_response()
}
