//! Scans and scan-locks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::response::Response;
use serde_json::Value;

use super::{
    answer::{bare, no_content, page, pretty},
    call::{Call, Found},
    read, write,
};
use crate::{
    clock,
    gateway::{Gateway, State},
    knobs::ScanOutcome,
    scan::{self, Kind},
};

/// A longer hold than this was never asked of a real gateway.
const HOLD_MAX_S: u64 = 86_400;

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("GET", ["scan", kind]) => {
            let kind = Kind::of(kind)?;
            read(async move { pretty(&gateway.see(|state| scan::body(state, kind))) })
        }
        ("POST", ["scan", kind]) => {
            let kind = Kind::of(kind)?;
            write(async move {
                match scan::trigger(gateway, kind, &call.actor()) {
                    Some(body) => pretty(&body),
                    None => page(500, &call.path, "Server Error"),
                }
            })
        }
        ("GET", ["scan-lock", kind]) => {
            let kind = Kind::of(kind)?;
            read(async move { lock_state(gateway, kind) })
        }
        ("POST", ["scan-lock", kind]) => {
            let kind = Kind::of(kind)?;
            write(acquire(gateway, call, kind))
        }
        // There is no release: it does nothing.
        ("DELETE", ["scan-lock", kind]) | ("POST", ["scan-lock", kind, "release"]) => {
            Kind::of(kind)?;
            write(async move { bare(404) })
        }
        _ => None,
    }
}

/// Ends a hold whose time is up.
pub(crate) fn lapse(state: &mut State, kind: Kind) {
    if state.slot(kind).lock.lapse(Instant::now(), clock::machine_ms()) {
        state.counters.locks_lapsed += 1;
    }
}

fn lock_state(gateway: &Gateway, kind: Kind) -> Response {
    let held = gateway.change(|state| {
        lapse(state, kind);
        state.slot(kind).lock.held().map(|lock| lock.body(Instant::now()))
    });
    held.map_or_else(no_content, |body| pretty(&body))
}

async fn acquire(gateway: &Arc<Gateway>, call: &Call, kind: Kind) -> Response {
    if call.body.is_empty() {
        return page(500, &call.path, "java.lang.NullPointerException");
    }
    let number = |value: Option<&Value>| value.is_none_or(Value::is_number);
    let fits = |body: &Value| {
        body.is_object() && number(body.get("acquireTimeout")) && number(body.get("holdTimeout"))
    };
    let Some(asked) = call.json().filter(fits) else {
        return page(400, &call.path, "Bad Request");
    };
    // The documented defaults.
    let seconds = |key: &str, default: f64| asked[key].as_f64().unwrap_or(default);
    let (wait, hold) = (seconds("acquireTimeout", 10.0), seconds("holdTimeout", 60.0));
    if wait <= 0.0 || hold <= 0.0 {
        return page(400, &call.path, "Timeouts must be positive");
    }
    let grant = gateway.see(|state| state.knobs.grant_ms);
    if grant > 0 && !gateway.pause(grant).await {
        return page(503, &call.path, "Service Unavailable");
    }
    let hold = Duration::try_from_secs_f64(hold).unwrap_or(Duration::from_secs(HOLD_MAX_S));
    let hold = hold.min(Duration::from_secs(HOLD_MAX_S));
    let granted = gateway.change(|state| {
        lapse(state, kind);
        if let Some(holder) = state.slot(kind).lock.held() {
            let text = format!("Lock already held by {}", holder.actor);
            state.counters.lock_conflicts += 1;
            return Err(text);
        }
        state.counters.locks += 1;
        let now = Instant::now();
        let lock = &mut state.slot(kind).lock;
        lock.hold(call.actor(), hold, now, clock::machine_ms());
        // A moment has passed when it is answered: a hold of 60 s reads 59.
        let read_at = now + Duration::from_millis(1);
        Ok(lock.held().map(|lock| lock.body(read_at)).unwrap_or_default())
    });
    match granted {
        Ok(body) => pretty(&body),
        Err(text) => page(409, &call.path, &text),
    }
}

/// Waits while the lock of a kind is held or a scan of it runs, as every save does; whether there
/// was a lock.
pub(crate) async fn wait_unlocked(gateway: &Arc<Gateway>, kind: Kind) -> bool {
    let mut waited = false;
    loop {
        let left = gateway.change(|state| {
            lapse(state, kind);
            let held = state.slot(kind).lock.held().map(|lock| (lock.timestamp, lock.until));
            if held.is_some() && !waited {
                state.counters.queued_saves += 1;
            }
            held
        });
        let Some((which, until)) = left else { break };
        waited = true;
        let gone = gateway.until(|state| {
            let still = state.slot(kind).lock.held().is_some_and(|lock| lock.timestamp == which);
            (!still).then_some(())
        });
        tokio::select! {
            () = gone => {}
            () = tokio::time::sleep_until(until.into()) => {}
            () = gateway.stop.cancelled() => break,
        }
    }
    // What the scan has read would hide the save; one that never ends is not waited for.
    let over = |state: &mut State| {
        let endless = state.knobs.scan.outcome == ScanOutcome::Never;
        (state.slot(kind).active.is_none() || endless).then_some(())
    };
    tokio::select! {
        () = gateway.until(over) => {}
        () = gateway.stop.cancelled() => {}
    }
    waited
}
