//! Designers, Perspective sessions and Vision clients over REST. A module that is absent has no
//! routes.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    answer::{bare, compact, ok, page},
    call::{Call, Found},
    list::envelope,
    read, write,
};
use crate::{
    gateway::Gateway,
    modules::{PERSPECTIVE, VISION},
    sessions::{Ended, SessionKind},
};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    if let Some((method, segments)) = call.api() {
        return match (method, segments.as_slice()) {
            ("GET", ["designers"]) => read(async { all(gateway, call, SessionKind::Designer) }),
            ("GET", ["designer", id]) => {
                let id = (*id).to_owned();
                read(async move { one(gateway, call, SessionKind::Designer, &id) })
            }
            ("DELETE", ["designer", id]) => {
                let id = (*id).to_owned();
                write(async move { prune(gateway, call, &id) })
            }
            _ => None,
        };
    }
    let has = |module: &str| gateway.see(|state| state.modules.has(module));
    if let Some((method, segments)) = call.below(&["data", "perspective", "api", "v1"]) {
        return if has(PERSPECTIVE) { perspective(gateway, call, method, &segments) } else { None };
    }
    let (method, segments) = call.below(&["data", "vision", "api", "v1"])?;
    if !has(VISION) {
        return None;
    }
    match (method, segments.as_slice()) {
        ("GET", ["clients"]) => read(async { all(gateway, call, SessionKind::Vision) }),
        ("GET", ["client", id]) => {
            let id = (*id).to_owned();
            read(async move { one(gateway, call, SessionKind::Vision, &id) })
        }
        ("DELETE", ["client", id]) => {
            let id = (*id).to_owned();
            write(async move { end_client(gateway, &id) })
        }
        _ => None,
    }
}

fn perspective<'a>(
    gateway: &'a Arc<Gateway>,
    call: &'a Call,
    method: &str,
    segments: &[&'a str],
) -> Option<Found<'a>> {
    match (method, segments) {
        // The slash is required here, and not below.
        ("GET", ["sessions", ""]) => read(async { all(gateway, call, SessionKind::Perspective) }),
        ("DELETE", ["sessions"]) => write(async { end_sessions(gateway, call) }),
        ("GET", ["session", id]) => {
            let id = (*id).to_owned();
            read(async move { one(gateway, call, SessionKind::Perspective, &id) })
        }
        ("GET", ["session", id, "pages"]) => {
            let id = (*id).to_owned();
            read(async move { pages(gateway, call, &id) })
        }
        ("GET", ["session", id, "page", _, "views"]) => {
            let id = (*id).to_owned();
            read(async move {
                match record(gateway, SessionKind::Perspective, &id) {
                    Some(_) => envelope(call, vec![]),
                    None => page(404, &call.path, "Not Found"),
                }
            })
        }
        _ => None,
    }
}

fn all(gateway: &Gateway, call: &Call, kind: SessionKind) -> Response {
    let items = gateway.see(|state| {
        let (now, odd) = (state.now_ms(), state.knobs.odd_shapes);
        state.sessions.of(kind).map(|session| session.record(now, odd)).collect()
    });
    envelope(call, items)
}

fn record(gateway: &Gateway, kind: SessionKind, id: &str) -> Option<Value> {
    gateway.see(|state| {
        let (now, odd) = (state.now_ms(), state.knobs.odd_shapes);
        let session = state.sessions.get(id).filter(|session| session.new.kind == kind)?;
        Some(session.record(now, odd))
    })
}

fn one(gateway: &Gateway, call: &Call, kind: SessionKind, id: &str) -> Response {
    match record(gateway, kind, id) {
        Some(record) => ok(&record),
        None => page(404, &call.path, "Not Found"),
    }
}

fn pages(gateway: &Gateway, call: &Call, id: &str) -> Response {
    let Some(record) = record(gateway, SessionKind::Perspective, id) else {
        return page(404, &call.path, "Not Found");
    };
    let ids = record["pageIds"].as_array().cloned().unwrap_or_default();
    envelope(call, ids.into_iter().map(|id| json!({"id": id})).collect())
}

fn prune(gateway: &Gateway, call: &Call, id: &str) -> Response {
    match gateway.change(|state| state.sessions.prune(id)) {
        Ended::Done => ok(&json!({"message": "The session was pruned."})),
        Ended::Live => bare(409),
        Ended::Unknown => page(404, &call.path, "Not Found"),
    }
}

fn end_sessions(gateway: &Gateway, call: &Call) -> Response {
    let ids = call.params().iter().filter(|(key, _)| key == "sessionId").map(|(_, id)| id.clone());
    let ended = gateway.change(|state| {
        let ours: Vec<String> = ids
            // A Designer's preview cannot be ended like this.
            .filter(|id| {
                let session = state.sessions.get(id);
                session.is_some_and(|session| {
                    session.new.kind == SessionKind::Perspective && session.new.scope != "designer"
                })
            })
            .collect();
        ours.iter().filter(|id| state.sessions.close(id)).count()
    });
    match ended {
        0 => compact(404, &json!({"message": "No valid sessions found to close."})),
        count => ok(&json!({"terminated": count})),
    }
}

fn end_client(gateway: &Gateway, id: &str) -> Response {
    let ours = record(gateway, SessionKind::Vision, id).is_some();
    if ours && gateway.change(|state| state.sessions.close(id)) {
        return ok(&json!({"message": "Session terminated"}));
    }
    compact(404, &json!({"message": "Client session not found"}))
}
