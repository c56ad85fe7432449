//! What a node answers to the other one, on a port of its own.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;

use super::{Activity, pull};
use crate::gateway::Gateway;

type Gw = State<Arc<Gateway>>;

pub(crate) fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/gan/state", get(state))
        .route("/gan/tree", get(tree))
        .route("/gan/file", get(file))
        .route("/gan/synced", post(synced))
        .route("/gan/failed", post(failed))
        .route("/gan/activity", post(activity))
        .with_state(gateway)
}

async fn state(State(gateway): Gw) -> Response {
    match super::view(&gateway) {
        Some(view) => Json(view).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn tree(State(gateway): Gw) -> Response {
    match gateway.blocking(|gateway| pull::offered(&gateway.settings.data_dir)).await {
        Ok(tree) => Json(tree).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Deserialize)]
struct Which {
    path: String,
}

async fn file(State(gateway): Gw, Query(which): Query<Which>) -> Response {
    if !pull::replicated(&which.path) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match tokio::fs::read(gateway.path(&which.path)).await {
        Ok(bytes) => Bytes::from(bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn synced(State(gateway): Gw) -> StatusCode {
    gateway.change(|state| {
        // The two nodes note a sync some 50 to 90 ms apart.
        let at = state.now_ms() - rand::random_range(50..90);
        state.pair.synced(at);
    });
    StatusCode::NO_CONTENT
}

async fn failed(State(gateway): Gw) -> StatusCode {
    gateway.change(|state| "SyncError".clone_into(&mut state.pair.project_state));
    StatusCode::NO_CONTENT
}

async fn activity(State(gateway): Gw, Json(asked): Json<BTreeMap<String, Activity>>) -> StatusCode {
    gateway.change(|state| {
        if let Some(level) = asked.get("level") {
            state.pair.become_active(*level);
        }
    });
    StatusCode::NO_CONTENT
}
