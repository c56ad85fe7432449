//! The connection of a node to the other one: pings, and what follows from them.
//!
//! A backup becomes Active when the master has been silent for too long, or at once when the master
//! withdraws its approval; it steps down when the master serves again.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Activity, GAVE_UP, TRIES_MAX, View, pull};
use crate::{
    config::Role,
    gateway::{Gateway, Phase},
};

/// A peer on this machine answers at once or not at all.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// What the backup has copied.
#[derive(Debug, Default)]
struct Copied {
    sequence: i64,
    resyncs: u64,
    noticed: Option<(i64, Instant)>,
    tries: u32,
    next_try: Option<Instant>,
}

/// Tells the peer something; it may not listen.
pub(crate) async fn tell(peer: SocketAddr, path: &str, body: &Value) {
    let request = reqwest::Client::new().post(format!("http://{peer}{path}")).json(body);
    // Who does not hear it finds out by the next ping.
    let _told = request.timeout(PING_TIMEOUT).send().await;
}

async fn ask(client: &reqwest::Client, peer: SocketAddr) -> Option<View> {
    let request = client.get(format!("http://{peer}/gan/state")).timeout(PING_TIMEOUT);
    request.send().await.ok()?.error_for_status().ok()?.json().await.ok()
}

/// Runs as long as the simulation.
pub(crate) async fn keep(gateway: Arc<Gateway>) {
    let client = reqwest::Client::new();
    let mut copied = Copied::default();
    while gateway.pause(gateway.see(|state| state.knobs.pair.ping_ms)).await {
        let (peer, running) = gateway.see(|state| {
            let peer = if state.pair.link { state.pair.peer } else { None };
            (peer, state.phase == Phase::Running)
        });
        let view = match peer {
            Some(peer) => ask(&client, peer).await,
            None => None,
        };
        if !running {
            let active = view.is_some_and(|view| view.activity == Activity::Active);
            gateway.change(|state| state.pair.peer_active = active);
            continue;
        }
        gateway.change(|state| {
            let approved = state.pair.approved && view.as_ref().is_none_or(|view| view.approved);
            state.pair.connected = view.is_some() && approved;
            if let Some(view) = &view {
                if state.pair.peer_name.is_none() && view.mode != state.config.mode {
                    let text = "Active deployment mode differs from peer node!";
                    state.say("WARN", "R.S.SyncManager", text);
                }
                state.pair.peer_active = view.activity == Activity::Active;
                state.pair.peer_name = Some(view.name.clone());
            }
        });
        decide(&gateway, view.as_ref());
        if let (Some(view), Some(peer), Role::Backup) = (view, peer, gateway.settings.role) {
            follow(&gateway, &client, peer, &view, &mut copied).await;
        }
    }
}

/// Who serves, after a ping.
fn decide(gateway: &Gateway, view: Option<&View>) {
    gateway.change(|state| {
        let knobs = state.knobs.pair.clone();
        let now = Instant::now();
        let later = |ms: u64| now + Duration::from_millis(ms);
        let pair = &mut state.pair;
        let connected = pair.connected;
        if connected {
            pair.lost = None;
        } else if pair.lost.is_none() {
            pair.lost = Some(now);
        }
        match (pair.role, view) {
            (Role::Independent, _) => {}
            (Role::Backup, Some(view)) if !connected => {
                // Approval withdrawn: at once.
                let withdrawn = !view.approved;
                if withdrawn && pair.activity != Activity::Active {
                    pair.become_active(Activity::Active);
                }
            }
            (Role::Backup, Some(view)) => {
                let both = view.activity == Activity::Active && pair.activity == Activity::Active;
                match (both, pair.handover) {
                    (true, None) => pair.handover = Some(later(knobs.overlap_ms)),
                    (true, Some(at)) if at <= now => pair.become_active(Activity::Cold),
                    (true, Some(_)) => {}
                    (false, _) => pair.handover = None,
                }
            }
            (Role::Backup, None) => {
                let patience = Duration::from_millis(knobs.failover_ms);
                let silent = pair.lost.is_some_and(|lost| lost + patience <= now);
                if silent && pair.peer.is_some() && pair.activity != Activity::Active {
                    pair.become_active(Activity::Active);
                }
            }
            (Role::Master, _) => {
                if pair.handover.is_some_and(|at| at <= now) {
                    pair.become_active(Activity::Active);
                }
            }
        }
    });
}

/// The backup copies what the master has, after a delay; gives up after some failures.
async fn follow(
    gateway: &Arc<Gateway>,
    client: &reqwest::Client,
    peer: SocketAddr,
    view: &View,
    copied: &mut Copied,
) {
    let (connected, knobs) = gateway.see(|s| (s.pair.connected, s.knobs.pair.clone()));
    let now = Instant::now();
    if copied.resyncs != view.resyncs {
        copied.resyncs = view.resyncs;
        copied.tries = 0;
        copied.noticed = Some((view.sequence, now));
    }
    let serving = view.activity == Activity::Active && view.role == Role::Master;
    if !connected || !serving || knobs.never_converges || copied.sequence == view.sequence {
        return;
    }
    if copied.noticed.is_none_or(|(sequence, _)| sequence != view.sequence) {
        copied.noticed = Some((view.sequence, now + Duration::from_millis(knobs.delay_ms)));
        if copied.sequence != 0 && view.cause == super::Cause::Files {
            let text = "PushException: MODIFY illegal: signature mismatch for 'ResourceId{resourcePath=ignition, collectionName=core}'";
            gateway.change(|state| state.say("ERROR", "R.S.SyncManager", text));
        }
    }
    let due = copied.noticed.is_none_or(|(_, at)| at <= now);
    if !due || copied.tries >= TRIES_MAX || copied.next_try.is_some_and(|at| at > now) {
        return;
    }
    let done = !view.wedge && pull::pull(gateway, client, peer).await.is_ok();
    if done {
        copied.sequence = view.sequence;
        copied.tries = 0;
        copied.next_try = None;
        gateway.change(|state| {
            let at = state.now_ms();
            state.pair.synced(at);
            state.counters.syncs += 1;
        });
        tell(peer, "/gan/synced", &Value::Null).await;
        return;
    }
    copied.tries += 1;
    copied.next_try = Some(now + Duration::from_millis(knobs.retry_ms));
    if copied.tries == TRIES_MAX {
        gateway.change(|state| {
            state.say("ERROR", "R.S.SyncManager", GAVE_UP);
            "SyncError".clone_into(&mut state.pair.project_state);
        });
        tell(peer, "/gan/failed", &Value::Null).await;
    }
}
