//! A redundant pair: fixed roles, moving activity, and what REST says of it.
//!
//! Both nodes ping each other (`link`), answer each other (`serve`), and the backup copies what the
//! master has (`pull`). Nobody but the two nodes talks over that port.

pub(crate) mod link;
pub(crate) mod pull;
pub(crate) mod serve;

use std::{net::SocketAddr, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    config::Role,
    gateway::{Gateway, State},
};

/// Tries of a sync that fails, before the gateway gives up.
pub(crate) const TRIES_MAX: u32 = 5;
/// What the gateway says then.
pub(crate) const GAVE_UP: &str = "[config-resource] State sync request failed. Sync operation has failed 5 time(s), which exceeds the max attempt count. No further synchronization attempts will be made.";

/// How active a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// Not decided yet.
    Undecided,
    /// Stands by.
    Cold,
    /// Stands by, running.
    Warm,
    /// Stands by, running.
    Hot,
    /// Serves.
    Active,
}

impl Activity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Activity::Undecided => "Undecided",
            Activity::Cold => "Cold",
            Activity::Warm => "Warm",
            Activity::Hot => "Hot",
            Activity::Active => "Active",
        }
    }
}

/// Why there is something to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// Files were changed from outside, and scanned.
    Files,
    /// Somebody saved through the gateway.
    Save,
}

/// What a node tells the other one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) role: Role,
    pub(crate) activity: Activity,
    pub(crate) name: String,
    /// Counts changes of the content.
    pub(crate) sequence: i64,
    pub(crate) cause: Cause,
    /// Counts orders to sync again.
    pub(crate) resyncs: u64,
    pub(crate) wedge: bool,
    pub(crate) approved: bool,
    pub(crate) mode: Option<String>,
}

#[derive(Debug)]
pub(crate) struct PairState {
    pub(crate) role: Role,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) activity: Activity,
    pub(crate) active_since: Instant,
    /// A test has set the activity: nothing else changes it.
    pub(crate) pinned: bool,
    pub(crate) project_state: String,
    pub(crate) last_sync: i64,
    pub(crate) sync_pending: bool,
    pub(crate) connected: bool,
    /// The name of the peer, once it was seen.
    pub(crate) peer_name: Option<String>,
    /// The peer served when it was last seen.
    pub(crate) peer_active: bool,
    /// The network between the two works.
    pub(crate) link: bool,
    /// The master has approved the backup's connection.
    pub(crate) approved: bool,
    pub(crate) sequence: i64,
    pub(crate) cause: Cause,
    pub(crate) resyncs: u64,
    /// Says who was lost when.
    pub(crate) lost: Option<Instant>,
    /// Master: when it takes back. Backup: when it steps down.
    pub(crate) handover: Option<Instant>,
}

impl PairState {
    pub(crate) fn new(role: Role) -> Self {
        let alone = role == Role::Independent;
        Self {
            role,
            peer: None,
            activity: match role {
                Role::Independent | Role::Master => Activity::Active,
                Role::Backup => Activity::Cold,
            },
            active_since: Instant::now(),
            pinned: false,
            project_state: if alone { "Unknown" } else { "Good" }.to_owned(),
            last_sync: -1,
            sync_pending: false,
            connected: false,
            peer_name: None,
            peer_active: false,
            link: true,
            approved: true,
            sequence: 0,
            cause: Cause::Files,
            resyncs: 0,
            lost: None,
            handover: None,
        }
    }

    /// Changes who serves, unless a test has decided that.
    pub(crate) fn become_active(&mut self, activity: Activity) {
        if !self.pinned {
            self.set(activity);
        }
    }

    pub(crate) fn set(&mut self, activity: Activity) {
        if activity == Activity::Active && self.activity != Activity::Active {
            self.active_since = Instant::now();
        }
        self.activity = activity;
        self.handover = None;
    }

    /// Whether this node is the one that follows.
    pub(crate) fn refuses_writes(&self) -> bool {
        self.role == Role::Backup
    }

    /// The content has moved past its own earlier value.
    pub(crate) fn synced(&mut self, at_ms: i64) {
        self.last_sync = at_ms.max(self.last_sync + 1);
        "Good".clone_into(&mut self.project_state);
    }
}

/// `GET /redundancy`.
pub(crate) fn record(state: &State) -> Value {
    let pair = &state.pair;
    let mut record = json!({
        "role": pair.role.name(), "projectState": pair.project_state,
        "activityLevel": pair.activity.name(), "localId": "127.0.0.1",
    });
    if let Some(name) = &pair.peer_name {
        let other = if pair.role == Role::Master { Role::Backup } else { Role::Master };
        record["peerId"] = format!("{name}-{}", other.name()).into();
    }
    let since = if pair.role == Role::Independent { state.booted } else { pair.active_since };
    let active = pair.activity == Activity::Active;
    let uptime = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
    for (key, value) in [
        ("peerConnected", json!(pair.connected)),
        ("hasConfigAccess", json!(true)),
        ("syncPending", json!(pair.sync_pending)),
        ("failoverPending", json!(false)),
        ("uptime", json!(if active { uptime } else { -1 })),
        ("lastSyncTimestamp", json!(pair.last_sync)),
    ] {
        record[key] = value;
    }
    record
}

/// Says that there is something for the backup to copy.
pub(crate) fn content_changed(gateway: &Gateway, cause: Cause) {
    gateway.change(|state| {
        let now = state.now_ms();
        state.pair.sequence = now.max(state.pair.sequence + 1);
        state.pair.cause = cause;
    });
}

/// What this node tells the other one; nothing while the network is cut or it does not run.
pub(crate) fn view(gateway: &Gateway) -> Option<View> {
    gateway.see(|state| {
        let running = state.phase == crate::gateway::Phase::Running;
        (state.pair.link && running).then(|| View {
            role: state.pair.role,
            activity: state.pair.activity,
            name: state.config.system_name().unwrap_or(&gateway.settings.name).to_owned(),
            sequence: state.pair.sequence,
            cause: state.pair.cause,
            resyncs: state.pair.resyncs,
            wedge: state.config.wedge,
            approved: state.pair.approved,
            mode: state.config.mode.clone(),
        })
    })
}

/// Orders the backup to copy everything again; does nothing unless this node serves as master.
pub(crate) fn resync(gateway: &Gateway) {
    gateway.change(|state| {
        if state.pair.role == Role::Master && state.pair.activity == Activity::Active {
            state.pair.resyncs += 1;
            state.pair.sequence = state.now_ms().max(state.pair.sequence + 1);
        }
    });
}

/// Hands the work to the other node.
pub(crate) async fn failover(gateway: &Arc<Gateway>) {
    let peer = gateway.change(|state| {
        if state.pair.activity != Activity::Active || !state.pair.connected {
            return None;
        }
        state.pair.become_active(Activity::Cold);
        state.pair.peer
    });
    if let Some(peer) = peer {
        link::tell(peer, "/gan/activity", &json!({"level": "Active"})).await;
    }
}
