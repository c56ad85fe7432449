//! The control port: `POST /sim/command`, `GET /sim/{state,scans,counters,log}`.
//!
//! It is a port of its own, so that the gateway's has nothing that a real one has not.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    command::{self, Command},
    counters::Counters,
    gateway::{Gateway, Phase},
    scan::Kind,
    tree::ROOTS,
};

pub(crate) fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/sim/command", post(order))
        .route(
            "/sim/state",
            get(|State(gateway): State<Arc<Gateway>>| async move { Json(state(&gateway)) }),
        )
        .route(
            "/sim/scans",
            get(|State(gateway): State<Arc<Gateway>>| async move {
                Json(gateway.see(|state| state.scans.clone()))
            }),
        )
        .route(
            "/sim/counters",
            get(|State(gateway): State<Arc<Gateway>>| async move { Json(counters(&gateway)) }),
        )
        .route(
            "/sim/log",
            get(|State(gateway): State<Arc<Gateway>>| async move {
                Json(gateway.see(|state| state.log.all()))
            }),
        )
        .with_state(gateway)
}

async fn order(State(gateway): State<Arc<Gateway>>, body: String) -> Response {
    let command: Command = match serde_json::from_str(&body) {
        Ok(command) => command,
        Err(error) => {
            let text = format!("that is no command: {error}");
            return (StatusCode::BAD_REQUEST, Json(json!({"error": text}))).into_response();
        }
    };
    match command::run(&gateway, command).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => {
            let text = format!("{error:#}");
            (StatusCode::CONFLICT, Json(json!({"error": text}))).into_response()
        }
    }
}

/// Counts, after a look at what is never to be touched.
pub(crate) fn counters(gateway: &Gateway) -> Counters {
    let data_dir = &gateway.settings.data_dir;
    let touched = {
        let mut disk = gateway.disk();
        match disk.reader.read(data_dir, &ROOTS) {
            Ok(tree) => disk.witness.violations(data_dir, &tree),
            // The next look will do.
            Err(_) => Vec::new(),
        }
    };
    gateway.change(|state| {
        state.counters.never_touched.extend(touched);
        state.counters.clone()
    })
}

/// What a test may want to look at.
pub(crate) fn state(gateway: &Gateway) -> Value {
    gateway.change(|state| {
        let now = std::time::Instant::now();
        let lock = |state: &mut crate::gateway::State, kind: Kind| {
            crate::http::lapse(state, kind);
            state.slot(kind).lock.held().map(|lock| lock.body(now))
        };
        let locks =
            json!({"projects": lock(state, Kind::Projects), "config": lock(state, Kind::Config)});
        let phase = match state.phase {
            Phase::Uncommissioned => "uncommissioned",
            Phase::Dark => "dark",
            Phase::Starting => "starting",
            Phase::Running => "running",
        };
        let sessions: Vec<Value> = state.sessions.all();
        json!({
            "phase": phase, "nowMs": state.now_ms(), "locks": locks, "knobs": state.knobs,
            "redundancy": crate::pair::record(state), "sessions": sessions,
            "scanning": {"projects": state.projects_slot.active.is_some(),
                "config": state.config_slot.active.is_some()},
            "projects": state.projects.by_name.keys().collect::<Vec<_>>(),
            "faults": state.faults,
        })
    })
}
