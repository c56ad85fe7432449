//! Our connections to agents: one task per stream, a registry that finds the task of a gateway, and
//! one batcher that turns what many agents say into few log entries.
//!
//! ```text
//!  state machine ──touched gateways──▶ Registry ──notify──▶ link task ──Assignment──▶ agent
//!  agent ──Report──▶ link task ──▶ batcher ──RecordReports──▶ log ──▶ ReportAck
//! ```
//! A change of one gateway wakes one task: nothing here walks the fleet. Heartbeats end here.

pub mod batch;
pub mod session;
pub mod task;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use millwright_coordinator_domain::Touched;
use millwright_model::id::{GatewayName, Member};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Which agent.
pub type AgentKey = (GatewayName, Member);

/// Why a link was closed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The same agent opened a newer stream here.
    Replaced,
    /// The agent was evicted or banned.
    Revoked,
}

#[derive(Debug)]
struct Entry {
    /// Distinguishes this stream from a later one of the same agent.
    serial: u64,
    wake: Arc<Notify>,
    close: CancellationToken,
    reason: Arc<Mutex<Closed>>,
}

/// What a link task needs from the registry.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Serial of the stream.
    pub serial: u64,
    /// Woken when the gateway's desired state may have changed.
    pub wake: Arc<Notify>,
    /// Cancelled when the stream must end.
    pub close: CancellationToken,
    reason: Arc<Mutex<Closed>>,
}

impl Seat {
    /// Why [`Seat::close`] was cancelled.
    pub fn reason(&self) -> Closed {
        *self.reason.lock().expect("nothing panics while holding it")
    }
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    by_agent: BTreeMap<AgentKey, Entry>,
}

/// The streams of this node, by agent. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    seats: Arc<Mutex<Seats>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().expect("nothing panics while holding it")
    }

    /// Registers a stream; an older one of the same agent is closed.
    pub fn enter(&self, agent: &AgentKey) -> Seat {
        let mut seats = self.lock();
        seats.next += 1;
        let seat = Seat {
            serial: seats.next,
            wake: Arc::new(Notify::new()),
            close: CancellationToken::new(),
            reason: Arc::new(Mutex::new(Closed::Replaced)),
        };
        let entry = Entry {
            serial: seat.serial,
            wake: Arc::clone(&seat.wake),
            close: seat.close.clone(),
            reason: Arc::clone(&seat.reason),
        };
        if let Some(older) = seats.by_agent.insert(agent.clone(), entry) {
            older.close.cancel();
        }
        seat
    }

    /// Forgets a stream; `true` when no newer one of the same agent is here.
    pub fn leave(&self, agent: &AgentKey, serial: u64) -> bool {
        let mut seats = self.lock();
        let ours = seats.by_agent.get(agent).is_some_and(|entry| entry.serial == serial);
        if ours {
            seats.by_agent.remove(agent);
        }
        ours
    }

    /// Whether the agent has a stream here.
    pub fn holds(&self, agent: &AgentKey) -> bool {
        self.lock().by_agent.contains_key(agent)
    }

    /// Number of streams.
    pub fn len(&self) -> usize {
        self.lock().by_agent.len()
    }

    /// Whether there is no stream.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes the streams of an agent that lost its right to be here.
    pub fn revoke(&self, agent: &AgentKey) {
        if let Some(entry) = self.lock().by_agent.get(agent) {
            *entry.reason.lock().expect("nothing panics while holding it") = Closed::Revoked;
            entry.close.cancel();
        }
    }

    /// Wakes the links of the gateways that a batch of entries touched.
    pub fn wake(&self, touched: &Touched) {
        let seats = self.lock();
        if touched.is_everything() {
            seats.by_agent.values().for_each(|entry| entry.wake.notify_one());
            return;
        }
        for gateway in &touched.gateways {
            for member in [Member::Single, Member::Master, Member::Backup] {
                if let Some(entry) = seats.by_agent.get(&(gateway.clone(), member)) {
                    entry.wake.notify_one();
                }
            }
        }
    }
}
