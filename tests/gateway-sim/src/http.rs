//! The web server: routes, token check, Jetty's error pages.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    Inner, Lock,
    scan::{self, Kind},
    seed,
};

type Gateway = State<Arc<Inner>>;

/// Jetty's error page.
fn page(status: u16, path: &str, message: &str) -> Response {
    let text = format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
         <title>Error {status}</title>\n</head>\n<body><h2>HTTP ERROR {status} {message}</h2>\n<table>\n\
         <tr><th>URI:</th><td>{path}</td></tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n\
         <tr><th>MESSAGE:</th><td>{message}</td></tr>\n</table>\n\n</body>\n</html>\n"
    );
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, [(header::CONTENT_TYPE, "text/html;charset=iso-8859-1")], text).into_response()
}

fn json_text(status: StatusCode, value: &Value, pretty: bool) -> Response {
    let text =
        if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    (status, [(header::CONTENT_TYPE, "application/json")], text.unwrap_or_default()).into_response()
}

fn ok(value: &Value) -> Response {
    json_text(StatusCode::OK, value, false)
}

pub(crate) fn routes(inner: Arc<Inner>) -> Router {
    let api = Router::new()
        .route("/data/api/v1/gateway-info", get(info))
        .route("/data/api/v1/redundancy", get(redundancy))
        .route(
            "/data/api/v1/scan/projects",
            get(|s: Gateway| scan_get(s, Kind::Projects))
                .post(|s: Gateway| scan_post(s, Kind::Projects)),
        )
        .route(
            "/data/api/v1/scan/config",
            get(|s: Gateway| scan_get(s, Kind::Config))
                .post(|s: Gateway| scan_post(s, Kind::Config)),
        )
        .route(
            "/data/api/v1/scan-lock/projects",
            get(|s: Gateway| lock_get(s, Kind::Projects)).post(
                |s: Gateway, c: ConnectInfo<SocketAddr>, b: Bytes| {
                    lock_post(s, c, b, Kind::Projects)
                },
            ),
        )
        .route(
            "/data/api/v1/scan-lock/config",
            get(|s: Gateway| lock_get(s, Kind::Config)).post(
                |s: Gateway, c: ConnectInfo<SocketAddr>, b: Bytes| lock_post(s, c, b, Kind::Config),
            ),
        )
        .route("/data/api/v1/designers", get(empty_list))
        .route("/data/perspective/api/v1/sessions/", get(empty_list))
        .route("/data/vision/api/v1/clients", get(empty_list))
        .route("/data/api/v1/projects/names", get(project_names))
        .layer(middleware::from_fn_with_state(Arc::clone(&inner), authenticate));
    let mut routes = Router::new()
        .route("/StatusPing", get(ping))
        .route("/system/gwinfo", get(gwinfo))
        .merge(api)
        .fallback(no_route);
    if inner.config.control {
        routes = routes.route("/sim/faults", post(set_faults)).route("/sim/scans", get(scan_log));
    }
    routes.layer(middleware::from_fn_with_state(Arc::clone(&inner), lifecycle)).with_state(inner)
}

/// An uncommissioned gateway redirects; one that starts answers 503. Two routes answer always.
async fn lifecycle(State(inner): Gateway, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if path == "/StatusPing" || path == "/system/gwinfo" || path.starts_with("/sim/") {
        return next.run(request).await;
    }
    let faults = inner.faults();
    if faults.uncommissioned {
        return (StatusCode::FOUND, [(header::LOCATION, "/welcome")]).into_response();
    }
    if faults.starting {
        return page(503, &path, "Service Unavailable");
    }
    if faults.internal_error {
        return page(500, &path, "Server Error");
    }
    next.run(request).await
}

async fn authenticate(
    State(inner): Gateway,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let token = headers.get("X-Ignition-API-Token").and_then(|value| value.to_str().ok());
    let known = token.and_then(|token| token.split_once(':')).is_some_and(|(name, key)| {
        name == inner.token_name && seed::key_hash(key).as_deref() == Some(&inner.token_hash)
    });
    if known { next.run(request).await } else { page(401, request.uri().path(), "Unauthorized") }
}

async fn no_route(method: Method, request: Request) -> Response {
    let message = format!("No route match for path: {}", request.uri().path());
    if method == Method::GET || request.uri().path().starts_with("/data/") {
        return json_text(StatusCode::NOT_FOUND, &json!({"message": message}), false);
    }
    page(404, request.uri().path(), "Not Found")
}

async fn ping(State(inner): Gateway) -> Response {
    let faults = inner.faults();
    ok(&match (faults.uncommissioned, faults.starting) {
        (true, _) => json!({"state": "RUNNING", "details": "COMMISSIONING"}),
        (false, true) => json!({"state": "STARTING"}),
        (false, false) => json!({"state": "RUNNING"}),
    })
}

async fn gwinfo(State(inner): Gateway) -> String {
    let version = inner.config.version.split(' ').next().unwrap_or_default();
    format!(
        "ContextStatus=RUNNING;PlatformName={};Version={version};OS=Linux;RuntimeVersion=17.0.18;\
         PlatformEdition=;RedundancyStatus=Independent;RequireSsl=false;",
        inner.config.name
    )
}

async fn info(State(inner): Gateway) -> Response {
    ok(&json!({
        "name": inner.config.name, "redundancyRole": "Independent", "edition": "standard",
        "hostname": "localhost", "port": "8088", "ignitionVersion": inner.config.version,
        "deploymentMode": "", "timeZone": "Coordinated Universal Time", "timeZoneId": "Etc/UTC",
        "jvmVersion": "17.0.18", "allowUnsignedModules": false,
        "license": {"mode": "Trial", "validForVersion": 8, "licenseRestrictions": []},
    }))
}

async fn redundancy(State(inner): Gateway) -> Response {
    let uptime = u64::try_from(inner.began.elapsed().as_millis()).unwrap_or(u64::MAX);
    ok(&json!({
        "role": "Independent", "projectState": "Unknown", "activityLevel": "Active",
        "localId": "127.0.0.1", "peerConnected": false, "hasConfigAccess": true,
        "syncPending": false, "failoverPending": false, "uptime": uptime, "lastSyncTimestamp": -1,
    }))
}

async fn empty_list() -> Response {
    let metadata = json!({"total": 0, "matching": 0, "limit": -1, "offset": 0});
    ok(&json!({"items": [], "metadata": metadata}))
}

async fn project_names(State(inner): Gateway) -> Response {
    let entries = std::fs::read_dir(inner.config.data_dir.join("projects"));
    let names: Vec<String> = entries
        .map(|entries| {
            entries
                .filter_map(Result::ok)
                .filter(|entry| entry.path().join("project.json").is_file())
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    ok(&json!(names))
}

fn scan_state(inner: &Inner, kind: Kind, active: Option<bool>) -> Response {
    let slot = inner.slot(kind).lock().expect("nothing panics while holding it");
    let value = json!({
        "scanActive": active.unwrap_or(slot.until.is_some()),
        "lastScanTimestamp": slot.last_timestamp,
        "lastScanDuration": slot.last_duration,
    });
    json_text(StatusCode::OK, &value, true)
}

async fn scan_get(State(inner): Gateway, kind: Kind) -> Response {
    scan_state(&inner, kind, None)
}

/// 200 means started: the body has the old timestamp.
async fn scan_post(State(inner): Gateway, kind: Kind) -> Response {
    scan::trigger(&inner, kind);
    scan_state(&inner, kind, Some(true))
}

fn lock_body(lock: &Lock) -> Value {
    let remaining = lock.until.saturating_duration_since(Instant::now()).as_secs();
    json!({"timestamp": lock.timestamp, "remaining": remaining, "actor": lock.actor})
}

fn held(inner: &Inner, kind: Kind) -> Option<Lock> {
    let mut slot = inner.slot(kind).lock().expect("nothing panics while holding it");
    if slot.lock.as_ref().is_some_and(|lock| lock.until <= Instant::now()) {
        slot.lock = None;
    }
    slot.lock.clone()
}

async fn lock_get(State(inner): Gateway, kind: Kind) -> Response {
    match held(&inner, kind) {
        Some(lock) => json_text(StatusCode::OK, &lock_body(&lock), true),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn lock_post(
    State(inner): Gateway,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    body: Bytes,
    kind: Kind,
) -> Response {
    let path = format!(
        "/data/api/v1/scan-lock/{}",
        if kind == Kind::Config { "config" } else { "projects" }
    );
    if body.is_empty() {
        return page(500, &path, "java.lang.NullPointerException");
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return page(400, &path, "Bad Request");
    };
    let seconds = |key: &str, default: i64| asked[key].as_i64().unwrap_or(default);
    let (acquire, hold) = (seconds("acquireTimeout", 10), seconds("holdTimeout", 60));
    if acquire <= 0 || hold <= 0 {
        return page(400, &path, "Timeouts must be positive");
    }
    if let Some(lock) = held(&inner, kind) {
        return page(409, &path, &format!("Lock already held by {}", lock.actor));
    }
    let lock = Lock {
        timestamp: rand::random_range(100_000_000..999_999_999),
        until: Instant::now() + Duration::from_secs(u64::try_from(hold).unwrap_or(60)),
        actor: format!("api-token:{}:{}", inner.token_name, client.ip()),
    };
    let answer = json_text(StatusCode::OK, &lock_body(&lock), true);
    inner.slot(kind).lock().expect("nothing panics while holding it").lock = Some(lock);
    answer
}

async fn set_faults(State(inner): Gateway, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let on = |key: &str| asked[key].as_bool().unwrap_or(false);
    *inner.faults.lock().expect("nothing panics while holding it") = crate::Faults {
        stuck_scan: on("stuckScan"),
        internal_error: on("internalError"),
        starting: on("starting"),
        uncommissioned: on("uncommissioned"),
    };
    StatusCode::NO_CONTENT.into_response()
}

async fn scan_log(State(inner): Gateway) -> Response {
    let scans = inner.scans.lock().expect("nothing panics while holding it");
    let list: Vec<Value> = scans
        .iter()
        .map(|scan| json!({"kind": scan.kind.top(), "files": scan.files.len(), "restamped": scan.restamped}))
        .collect();
    ok(&json!(list))
}
