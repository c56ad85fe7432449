//! Health and metrics for machines, on their own port without TLS: no state, no secrets.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use crate::{
    node::Shared,
    readiness::{self, Readiness},
};

/// Serves until the node stops.
pub async fn serve(listener: TcpListener, shared: Shared) {
    let stop = shared.stop.clone();
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shared);
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the health port has ended");
    }
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, String) {
    let seen = readiness::now(&shared);
    let code = match seen {
        Readiness::Ready => StatusCode::OK,
        Readiness::NoLeader | Readiness::CatchingUp | Readiness::Draining => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (code, format!("{}\n", seen.as_str()))
}

fn passed_over(shared: &Shared) -> u64 {
    let published = shared.consensus.watch();
    let state = published.borrow().state.clone();
    state.rollouts().values().map(|rollout| u64::from(rollout.failed_open)).sum()
}

async fn metrics(State(shared): State<Shared>) -> String {
    let group = shared.consensus.group();
    let state = shared.consensus.state().state;
    let audit = state.audit();
    let gauges = [
        ("millwright_raft_term", "Raft term.", group.term),
        ("millwright_raft_applied_index", "Last applied log index.", group.applied),
        ("millwright_raft_is_leader", "1 at the leader.", u64::from(shared.consensus.leads())),
        ("millwright_raft_members", "Coordinators in the cluster.", group.members.len() as u64),
        (
            "millwright_log_disk_bytes",
            "Bytes of the log on disk.",
            shared.consensus.log_disk_bytes(),
        ),
        (
            "millwright_audit_exported_index",
            "Newest entry of the audit that a leader has in its file.",
            audit.exported(),
        ),
        ("millwright_agent_links", "Agents connected to this node.", shared.links.len() as u64),
        (
            "millwright_gates_passed_over",
            "Gates that did not agree and were passed over by their policy, in the kept rollouts.",
            passed_over(&shared),
        ),
    ];
    let (api, peer) = (&shared.connections.api, &shared.connections.peer);
    let counters = [
        ("millwright_audit_entries_total", "Entries of the audit.", audit.head().index),
        (
            "millwright_audit_dropped_total",
            "Entries of the audit that were dropped before they were in a file.",
            audit.dropped(),
        ),
        (
            "millwright_api_connections_total",
            "Connections of agents and operators after their handshake.",
            api.accepted(),
        ),
        (
            "millwright_api_handshakes_refused_total",
            "Handshakes of agents and operators that failed.",
            api.refused(),
        ),
        (
            "millwright_peer_connections_total",
            "Connections of coordinators after their handshake.",
            peer.accepted(),
        ),
        (
            "millwright_peer_handshakes_refused_total",
            "Handshakes of coordinators that failed.",
            peer.refused(),
        ),
    ];
    let mut text = String::new();
    for (kind, values) in [("gauge", gauges.as_slice()), ("counter", counters.as_slice())] {
        for (name, help, value) in values {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"));
        }
    }
    text
}
