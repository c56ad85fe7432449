//! Liveness, identity and health, and all that an 8.1 gateway answers.

use std::sync::Arc;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    answer::{ok, page},
    call::{Call, Found},
    list::envelope,
    open, read, write,
};
use crate::{
    config::{Profile, Role},
    gateway::{Gateway, Phase, State},
    lifecycle,
    pair::Activity,
    scan::{self, Kind},
};

/// Routes that answer in every phase, without a token.
pub(crate) fn always<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.below(&[])?;
    match (method, segments.as_slice()) {
        ("GET", ["StatusPing"] | ["system", "StatusPing"]) => open(async { ping(gateway) }),
        ("GET", ["system", "gwinfo"]) => open(async { gwinfo(gateway, call) }),
        ("GET", ["welcome"]) => open(async {
            ([(header::CONTENT_TYPE, "text/html")], "<html><body>Ignition</body></html>\n")
                .into_response()
        }),
        _ => None,
    }
}

fn ping(gateway: &Gateway) -> Response {
    ok(&match gateway.see(|state| state.phase) {
        Phase::Uncommissioned => json!({"state": "RUNNING", "details": "COMMISSIONING"}),
        Phase::Dark | Phase::Starting => json!({"state": "STARTING"}),
        Phase::Running => json!({"state": "RUNNING"}),
    })
}

fn gwinfo(gateway: &Gateway, call: &Call) -> Response {
    let text = gateway.see(|state| {
        let context = match state.phase {
            Phase::Dark | Phase::Starting => return None,
            Phase::Uncommissioned => "NEEDS_COMMISSIONING",
            Phase::Running => "RUNNING",
        };
        let name = name(gateway, state);
        let version = gateway.settings.version.split(' ').next().unwrap_or_default();
        let role = state.pair.role.name();
        let mut text = format!(
            "ContextStatus={context};PlatformName=Ignition-{name};Version={version};OS=Linux;\
             RuntimeVersion=17.0.18;PlatformEdition=;RedundancyStatus={role};RequireSsl=false;"
        );
        if state.pair.role != Role::Independent {
            let level = match state.pair.activity {
                Activity::Active => "Active",
                Activity::Warm | Activity::Hot => "Warm",
                Activity::Cold | Activity::Undecided => "Cold",
            };
            text.push_str(&format!(
                "RedundantState={};RedundantNodeActiveStatus={level};",
                state.pair.project_state
            ));
        }
        if let (Role::Master, Some(peer)) = (state.pair.role, state.pair.peer) {
            text.push_str(&format!("RedundantBackupAddresses={};", peer.ip()));
        }
        Some(text)
    });
    match text {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain;charset=utf-8")], text).into_response(),
        None => page(503, &call.path, "Service Unavailable"),
    }
}

/// The name as the loaded configuration has it: on a pair the master's, on both nodes.
pub(crate) fn name(gateway: &Gateway, state: &State) -> String {
    state.config.system_name().unwrap_or(&gateway.settings.name).to_owned()
}

/// What an 8.1 gateway answers beyond its status: the scan module, if it is installed. Without a
/// token, as its versions for 8.1 do.
pub(crate) fn legacy<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    if let Some(found) = super::webdev::route(gateway, call) {
        return Some(found);
    }
    scan_module(gateway, call)
}

pub(crate) fn scan_module<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    if !gateway.settings.scan_module {
        return None;
    }
    let mount = ["data", "project-scan-endpoint"];
    let below = call.below(&mount);
    let (method, segments) = match (below, gateway.settings.profile) {
        (None, Profile::V81) => call.below(&["main", mount[0], mount[1]])?,
        (found, _) => found?,
    };
    let protect = |found: Option<Found<'a>>| {
        found.map(|found| Found {
            access: match gateway.settings.profile {
                Profile::V81 => crate::token::Access::Open,
                Profile::V83 => crate::token::Access::Read,
            },
            ..found
        })
    };
    match (method, segments.as_slice()) {
        ("GET", ["confirm-support"]) => protect(open(async { ok(&json!({"supported": true})) })),
        ("POST", ["scan"]) => protect(open(async {
            let done = scan::to_the_end(gateway, Kind::Projects, "scan-module").await;
            let told = call.flag("updateDesigners");
            ok(&json!({"gatewayProjectScanSuccess": done, "sentDesignerUpdateNotification": told}))
        })),
        _ => None,
    }
}

/// Pages that want a browser's session.
fn login<'a>(call: &Call) -> Option<Found<'a>> {
    let (_, segments) = call.below(&["data", "app"])?;
    (!segments.is_empty()).then_some(())?;
    let to = [(header::LOCATION, "/idp/default/oidc/auth")];
    open(async move { (StatusCode::FOUND, to).into_response() })
}

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    if let Some(found) = login(call) {
        return Some(found);
    }
    if let Some(found) = scan_module(gateway, call) {
        return Some(found);
    }
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("GET", ["gateway-info"]) => read(async { ok(&info(gateway)) }),
        ("GET", ["modules", "healthy"]) => read(async {
            let version = gateway.settings.version.clone();
            envelope(call, gateway.see(|state| state.modules.records(&version)))
        }),
        ("GET", ["modules", "quarantined"]) => {
            read(async { envelope(call, gateway.see(|state| state.modules.quarantined())) })
        }
        ("PUT", ["modules", "toggle-state"]) => write(async { toggle(gateway, call) }),
        ("DELETE", ["modules", "uninstall"]) => write(async { uninstall(gateway, call) }),
        ("GET", ["trial"]) => open(async { ok(&gateway.see(|state| state.trial.record())) }),
        ("POST", ["trial"]) => write(async {
            match gateway.change(|state| state.trial.reset().then(|| state.trial.record())) {
                Some(fresh) => ok(&fresh),
                None => page(403, &call.path, "Forbidden"),
            }
        }),
        ("GET", ["licenses"]) => read(async {
            ok(&json!({"cloud": [], "certificate": [], "hardware": [], "embedded": [],
                "leased": [], "effective": {"lastUpdated": gateway.see(|state| state.now_ms())},
                "leasedUnactivateTimeoutMS": 0, "busy": false}))
        }),
        ("GET", ["restart-tasks", "pending"]) => read(async {
            ok(&json!({"pending": gateway.see(|state| state.modules.pending().to_vec())}))
        }),
        ("POST", ["restart-tasks", "restart"]) => write(async {
            if !call.flag("confirm") {
                return page(400, &call.path, "Bad Request");
            }
            lifecycle::restart(gateway);
            ok(&Value::Bool(true))
        }),
        _ => None,
    }
}

fn info(gateway: &Gateway) -> Value {
    gateway.see(|state| {
        let odd = state.knobs.odd_shapes;
        let (valid, expires) = match odd {
            true => (json!(8.3), "2026-10-12T16:31:03Z"),
            false => (json!(8), "Oct 12, 2026, 4:31:03 PM"),
        };
        json!({
            "name": name(gateway, state), "redundancyRole": state.pair.role.name(),
            "edition": gateway.settings.edition, "hostname": "localhost", "port": "8088",
            "ignitionVersion": gateway.settings.version,
            "deploymentMode": state.config.mode.clone().unwrap_or_default(),
            "timeZone": "Coordinated Universal Time", "timeZoneId": "Etc/UTC",
            "jvmVersion": "17.0.18", "allowUnsignedModules": false,
            "license": {"mode": "Trial", "validForVersion": valid,
                "expirationDate": expires, "licenseRestrictions": []},
        })
    })
}

fn ids(call: &Call, key: &str) -> Vec<String> {
    let body = call.json().unwrap_or_default();
    let list = body[key].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

fn toggle(gateway: &Gateway, call: &Call) -> Response {
    let all = [(ids(call, "enable"), true), (ids(call, "disable"), false)];
    let unknown = gateway.change(|state| {
        let each = all.into_iter().flat_map(|(ids, on)| ids.into_iter().map(move |id| (id, on)));
        each.filter(|(id, on)| !state.modules.toggle(id, *on)).count()
    });
    if unknown > 0 {
        return page(404, &call.path, "Not Found");
    }
    ok(&json!({"success": true}))
}

/// Always 200; the verdict is in the body.
fn uninstall(gateway: &Gateway, call: &Call) -> Response {
    let failed: Vec<String> = gateway.change(|state| {
        ids(call, "uninstall").into_iter().filter(|id| !state.modules.uninstall(id)).collect()
    });
    ok(&json!({"success": failed.is_empty(), "failedUninstalls": {"uninstall": failed}}))
}
