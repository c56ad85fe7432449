//! Backup download and restore.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;

use super::{
    answer::{ok, page},
    call::{Call, Found},
    read, write,
};
use crate::{
    backup::{self, Restored, Which},
    gateway::Gateway,
};

/// Bytes sent at once.
const CHUNK: usize = 64 << 10;

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("GET", ["backup"]) => read(download(gateway, call)),
        ("POST", ["backup"]) => write(restore(gateway, call)),
        _ => None,
    }
}

/// Streamed in chunks, without a length; a cut one ends as if it were whole.
async fn download(gateway: &Arc<Gateway>, call: &Call) -> Response {
    let which = match call.param("type") {
        Some("roaming") => Which::Roaming,
        _ => Which::All,
    };
    let Ok(zip) = gateway.blocking(move |gateway| backup::make(gateway, which)).await else {
        return page(500, &call.path, "Server Error");
    };
    let cut = gateway.change(|state| {
        if state.knobs.backup_cut.is_none() {
            state.counters.backups += 1;
        }
        state.knobs.backup_cut
    });
    let mut zip = Bytes::from(zip);
    if let Some(cut) = cut.and_then(|cut| usize::try_from(cut).ok()) {
        zip.truncate(cut);
    }
    let chunks = std::iter::from_fn(move || {
        (!zip.is_empty()).then(|| Ok::<_, std::io::Error>(zip.split_to(CHUNK.min(zip.len()))))
    });
    let name = format!("attachment; filename=\"{}.gwbk\"", gateway.settings.name);
    let head = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    (head, Body::from_stream(stream::iter(chunks))).into_response()
}

async fn restore(gateway: &Arc<Gateway>, call: &Call) -> Response {
    if gateway.see(|state| state.pair.refuses_writes()) {
        return page(403, &call.path, "Forbidden");
    }
    let (bytes, local) = (call.body.clone(), call.flag("restoreLocal"));
    match gateway.blocking(move |gateway| backup::restore(gateway, &bytes, local)).await {
        Ok(Restored::Accepted) => ok(&serde_json::json!({"success": true})),
        Ok(Restored::WrongVersion) => page(400, &call.path, "Bad Request"),
        Err(_) => page(500, &call.path, "Server Error"),
    }
}
