//! Redundancy over REST.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    answer::{ok, page},
    call::{Call, Found},
    list::envelope,
    read, write,
};
use crate::{config::Role, gateway::Gateway, pair};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("GET", ["redundancy"]) => read(async { ok(&gateway.see(|state| pair::record(state))) }),
        ("GET", ["redundancy", "config"]) => read(async { ok(&config(gateway)) }),
        // Taken, and without effect here.
        ("PUT", ["redundancy", "config"]) => write(async { ok(&config(gateway)) }),
        ("GET", ["redundancy", "providers" | "events" | "charts"]) => {
            read(async { envelope(call, vec![]) })
        }
        ("POST", ["redundancy", "gwaction", "resync"]) => write(async {
            pair::resync(gateway);
            // Says so everywhere, and does something on an active master only.
            ok(&json!({"resync_state": "started"}))
        }),
        ("POST", ["redundancy", "gwaction", "failover"]) => write(async {
            pair::failover(gateway).await;
            ok(&json!({"failover_state": "started"}))
        }),
        ("GET", ["resources", "list", "ignition", "gateway-network-incoming"]) => {
            read(async { envelope(call, incoming(gateway)) })
        }
        ("PUT", ["gateway-network-incoming", "toggleApproval", _, approved]) => {
            let approved = *approved == "true";
            write(async move { approve(gateway, call, approved) })
        }
        _ => None,
    }
}

fn config(gateway: &Gateway) -> Value {
    gateway.see(|state| {
        let peer = state.pair.peer;
        json!({
            "role": state.pair.role.name(), "joinWaitTime": 30_000,
            "masterRecoveryMode": "Automatic", "activeHistoryLevel": "Full",
            "standbyActivityLevel": "Cold", "syncTimoutSecs": 60, "autoDetectLocal": true,
            "localInterface": "", "useActiveUptimeToResolveConflict": false,
            "gatewayNetworkSetup": {
                "host": peer.map(|peer| peer.ip().to_string()).unwrap_or_default(),
                "port": peer.map_or(8060, |peer| peer.port()), "enableSsl": true,
                "pingRate": 1000, "pingTimeout": 300, "pingMaxMissed": 10,
                "websocketTimeout": 10_000, "httpConnectTimeout": 10_000,
                "httpReadTimeout": 60_000, "sendThreads": 5, "receiveThreads": 5,
            },
        })
    })
}

fn incoming(gateway: &Gateway) -> Vec<Value> {
    gateway.see(|state| {
        if state.pair.role == Role::Independent || state.pair.peer_name.is_none() {
            return Vec::new();
        }
        let status = if state.pair.approved { "Approved" } else { "PendingApproval" };
        vec![json!({"type": "ignition/gateway-network-incoming", "name": "peer", "enabled": true,
            "collection": "core",
            "config": {"securityStatus": status, "connectionId": "peer-1"}})]
    })
}

/// On the master it makes and drops the connection.
fn approve(gateway: &Gateway, call: &Call, approved: bool) -> Response {
    gateway.change(|state| {
        if state.pair.refuses_writes() {
            return page(403, &call.path, "Forbidden");
        }
        state.pair.approved = approved;
        ok(&json!({"success": true}))
    })
}
