//! Health and metrics for machines, on their own port without TLS: no state, no secrets.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use crate::node::Shared;

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

/// Ready: the node knows a leader and does not send agents away.
async fn ready(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if *shared.draining.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    match shared.consensus.leader() {
        Some(_) => (StatusCode::OK, "ready\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no leader\n"),
    }
}

async fn metrics(State(shared): State<Shared>) -> String {
    let group = shared.consensus.group();
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
        ("millwright_agent_links", "Agents connected to this node.", shared.links.len() as u64),
    ];
    let mut text = String::new();
    for (name, help, value) in gauges {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"));
    }
    text
}
