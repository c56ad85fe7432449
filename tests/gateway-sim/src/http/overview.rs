//! Numbers and lists that a dashboard asks for, and an ordinary answer for the rest of the index of
//! routes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    answer::{ok, page},
    call::{Call, Found},
    list::envelope,
    open, read,
    status::name,
};
use crate::gateway::Gateway;

const MEMORY_MAX: u64 = 1_073_741_824;
const MEMORY_USED: f64 = 2.857_467_28e8;

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("GET", ["overview"]) => read(async { ok(&overview(gateway)) }),
        ("GET", ["overview", "name"]) => read(async {
            let name = gateway.see(|state| name(gateway, state));
            ok(&json!({"gatewayName": name, "cleanGatewayName": name}))
        }),
        ("GET", ["overview", "banners"]) => open(async { ok(&banners(gateway)) }),
        ("GET", ["overview", "gan"]) => read(async {
            ok(&json!({"totalConnections": 0, "runningConnections": 0, "outgoingByteRate": 0,
                "incomingByteRate": 0, "remoteGateways": 0}))
        }),
        ("GET", ["overview", "problems" | "connections"]) => read(async { envelope(call, vec![]) }),
        ("GET", ["systemPerformance", "currentGauges"]) => read(async {
            // In percent here, and a float for whole bytes.
            ok(&json!({"cpu": 4.88, "heapMemory": MEMORY_USED, "maxMemory": MEMORY_MAX}))
        }),
        ("GET", ["systemPerformance", "threads"]) => read(async {
            ok(&json!({"running": 32, "waiting": 39, "timedWaiting": 51, "blocked": 0}))
        }),
        ("GET", ["systemPerformance", "charts"]) => read(async {
            let memory = json!({"heapMemoryDatapoints": [], "nonHeapMemoryDatapoints": []});
            ok(&json!({"cpuChartDatapoints": [], "memoryChartDatapoints": memory}))
        }),
        ("GET", ["systemPerformance", "driftEvents" | "driftGauge"]) => {
            read(async { envelope(call, vec![]) })
        }
        ("GET", ["diagnostics", "threads", "dump", "formatted"]) => {
            read(async { ok(&json!({"version": "17.0.18", "threads": []})) })
        }
        ("GET", ["diagnostics", "threads", "deadlocks"]) => {
            read(async { ok(&json!({"deadlocks": []})) })
        }
        ("GET", rest) if EMPTY.contains(&rest.join("/").as_str()) => {
            read(async { envelope(call, vec![]) })
        }
        ("GET", ["secret-providers", provider, "secrets"]) => {
            let provider = (*provider).to_owned();
            read(async move { secrets(gateway, call, &provider) })
        }
        _ => None,
    }
}

/// Lists that are empty on a gateway with nothing in particular.
const EMPTY: [&str; 20] = [
    "executors/private",
    "executors/shared",
    "scripts",
    "launcher/list",
    "locales",
    "logs/properties",
    "logs/properties/applied",
    "logs/properties/registered",
    "opcConnections",
    "sync/items",
    "gateway-network/gateways",
    "gateway-network/crawler",
    "gateway-network/livediagram",
    "gateway-network/diagnostics/getRemoteServerIds",
    "entity/browse",
    "entity/enabled",
    "activation/is-online",
    "certificates",
    "audit/profiles",
    "system/properties",
];

fn overview(gateway: &Gateway) -> Value {
    gateway.see(|state| {
        let uptime = u64::try_from(state.booted.elapsed().as_millis()).unwrap_or(u64::MAX);
        json!({
            "version": gateway.settings.version,
            "redundancy": {"role": state.pair.role.name(),
                "activityLevel": state.pair.activity.name().to_uppercase(),
                "projectState": "RUNNING", "localAddress": "127.0.0.1"},
            "java": {"version": "17.0.18", "vendor": "Azul Systems, Inc.", "name": "OpenJDK"},
            "os": {"name": "Linux", "arch": "amd64", "version": "6.1"},
            "cloudEnv": null, "uptime": uptime, "timezone": "Etc/UTC", "locale": "en",
            "time": state.now_ms(), "memory": [MEMORY_USED, MEMORY_MAX], "cpu": 0.0488,
            "disk": {"total": 53_687_091_200_u64, "used": 10_737_418_240_u64},
            "license": {"state": "trial", "trialRemaining": state.trial.left()},
            "gatewayName": name(gateway, state), "processId": std::process::id(), "nics": [],
        })
    })
}

fn banners(gateway: &Gateway) -> Value {
    gateway.see(|state| {
        let expired = state.trial.expired();
        let left = i64::try_from(state.trial.left()).unwrap_or(0) * 1000;
        let at = if expired { Value::Null } else { (state.now_ms() + left).into() };
        let severity = if expired { "warning" } else { "info" };
        json!({"banners": [{"order": 1, "type": "trial", "data": {"severity": severity,
            "expireTime": at, "toolTips": [], "actions": []}}]})
    })
}

/// Names only; a remote provider cannot list.
fn secrets(gateway: &Gateway, call: &Call, provider: &str) -> axum::response::Response {
    let config = gateway.see(|state| {
        let key = crate::model::config::Key {
            kind: "ignition/secret-provider".into(),
            name: Some(provider.to_owned()),
        };
        state.config.effective(&key).map(|(_, item)| item.config.clone())
    });
    let Some(config) = config else {
        return page(404, &call.path, "Not Found");
    };
    if config["profile"]["type"] == "remote" {
        return page(500, &call.path, "Server Error");
    }
    let settings = &config["settings"];
    let named = settings["files"].as_object().or_else(|| settings["secrets"].as_object());
    let names: Vec<&String> = named.into_iter().flat_map(serde_json::Map::keys).collect();
    ok(&json!({"secrets": names}))
}
