//! What carries actions out, one file each. Every effect may be repeated after a restart.

pub mod commit;
pub mod content;
pub mod converge;
pub mod fetch;
pub mod finalize;
pub mod lock;
pub mod manifest;
pub mod preflight;
pub mod restore;
pub mod role;
pub mod scan;
pub mod sessions;
pub mod snapshot;
pub mod stage;
pub mod verify;
pub mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use millwright_agent_domain::{
    job::{Event, Mode},
    lock::Grant,
};
use millwright_model::{
    assignment::Assignment,
    digest::Digest,
    generation::{Epoch, Generation},
    id::{GatewayName, Member},
    manifest::Manifest,
    path::ManagedPath,
    policy::Policies,
    report::{Failure, FailureKind, Retry, Step},
    time::Timestamp,
};
use tokio::sync::watch;

use crate::{
    config::Config,
    connect::Coordinators,
    edge::{self, CoordinatorTime},
    fs::{Done, FileFailed},
    gateway::{Gateway, ScanKind, Scanned},
    local::Local,
    plan::Plan,
    secret::Secret,
    state::{Restamped, StateDir, Unread},
};

/// What all effects work with.
#[derive(Debug, Clone)]
pub struct Tools {
    /// As read.
    pub config: Arc<Config>,
    /// Which node of the gateway this is.
    pub member: Member,
    /// Name of the gateway in the cluster.
    pub gateway_name: GatewayName,
    /// Policies of the newest assignment.
    pub policies: watch::Receiver<Policies>,
    /// How active the other node of a pair is, by its own agent; empty when unknown.
    pub peer: watch::Receiver<String>,
    /// What the policies name, by a coordinator.
    pub secret: watch::Receiver<Secret>,
    /// A coordinator's clock; nothing until one has told.
    pub coordinator_time: watch::Receiver<Option<CoordinatorTime>>,
    /// The newest assignment.
    pub newest: watch::Receiver<Option<Assignment>>,
    /// The gateway beside us.
    pub gateway: Gateway,
    /// The way to content.
    pub coordinators: Coordinators,
    /// What we remember.
    pub state: StateDir,
    /// What we know of the disk.
    pub local: Arc<Mutex<Local>>,
}

impl Tools {
    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.config.gateway.data_dir
    }

    /// A path below the data directory.
    pub fn target(&self, path: &ManagedPath) -> PathBuf {
        self.data_dir().join(path.as_str())
    }

    /// What is known of the disk.
    pub fn lock_local(&self) -> MutexGuard<'_, Local> {
        // A job that panicked half-way left caches, which are checked against the disk anyway.
        self.local.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The agent's clock.
    pub fn now(&self) -> Timestamp {
        edge::now()
    }

    /// Runs a job on the disk, off the runtime's own threads.
    pub async fn on_disk<T: Send + 'static>(
        &self,
        step: Step,
        job: impl FnOnce(&Tools, &mut Local) -> Done<T> + Send + 'static,
    ) -> Result<T, Event> {
        let tools = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut local = tools.lock_local();
            job(&tools, &mut local)
        });
        match done.await {
            Ok(result) => result.map_err(|error: FileFailed| failed(error.failure(step))),
            Err(_) => {
                let message = "a file job ended unexpectedly; the agent's log says more";
                Err(failed(Failure::new(step, FailureKind::Internal, message)))
            }
        }
    }
}

/// A scan lock of ours.
#[derive(Debug, Clone)]
pub struct Held {
    /// As granted.
    pub grant: Grant,
    /// Seconds asked for.
    pub asked_s: u64,
    /// When, by our own steady clock.
    pub at: tokio::time::Instant,
}

/// One assignment in hand.
#[derive(Debug)]
pub struct Work {
    /// What is wanted.
    pub assignment: Assignment,
    /// How far it goes.
    pub mode: Mode,
    /// Its files, once known.
    pub manifest: Option<Arc<Manifest>>,
    /// What is done to the tree, once planned.
    pub plan: Plan,
    /// Files below the roots that belong to nobody, as the plan found them; unknown after a restart.
    pub unmanaged: Option<BTreeSet<ManagedPath>>,
    /// Locks of ours.
    pub locks: BTreeMap<ScanKind, Held>,
    /// Whether a process before this one had it in hand: it may have scanned already.
    pub recovered: bool,
    /// Whether windows let it begin when it was begun here.
    pub was_allowed: bool,
    /// Scans that ended over the new files.
    pub scans: Vec<(ScanKind, Scanned)>,
    /// What was written before and is not known to be read and well.
    pub unread: Unread,
    /// What the files with stamps that the change replaces said when it was planned, apart from the stamps.
    pub plain: BTreeMap<ManagedPath, Digest>,
    /// What the gateway has stamped anew.
    pub restamped: Restamped,
    /// Whether anything of it is written: no other takes its place then.
    pub is_written: bool,
    /// The newest assignment that was known when it began: only what comes after it replaces it.
    pub known: Option<(Epoch, Generation)>,
}

impl Work {
    /// Nothing known yet.
    pub fn new(assignment: Assignment, mode: Mode) -> Self {
        Self {
            assignment,
            mode,
            manifest: None,
            plan: Plan::default(),
            unmanaged: None,
            locks: BTreeMap::new(),
            recovered: false,
            was_allowed: false,
            scans: Vec::new(),
            unread: Unread::default(),
            plain: BTreeMap::new(),
            restamped: Restamped::new(),
            is_written: false,
            known: None,
        }
    }

    /// The kinds of scan that the change needs, in order, with those that an earlier one still owes.
    pub fn scan_kinds(&self) -> Vec<ScanKind> {
        let needed = |kind: &ScanKind| {
            self.unread.kinds.contains(kind) || self.plan.changes.touches(kind.top())
        };
        ScanKind::ALL.into_iter().filter(needed).collect()
    }

    /// The event that ends it when another assignment has taken its place meanwhile, before anything is
    /// written.
    pub fn replaced(&self, tools: &Tools) -> Result<(), Event> {
        let Some(newest) = tools.newest.borrow().as_ref().map(number) else { return Ok(()) };
        if self.is_written || self.mode != Mode::Apply {
            return Ok(());
        }
        if newest <= number(&self.assignment).max(self.known.unwrap_or_default()) {
            return Ok(());
        }
        let message = format!("generation {} has taken its place; nothing was written", newest.1.0);
        let why = Failure::new(Step::Preflight, FailureKind::Stale, message).retry(Retry::Never);
        Err(Event::Aborted { why })
    }
}

/// What tells which of two assignments is the newer one, whatever was tried of them.
pub(crate) fn number(assignment: &Assignment) -> (Epoch, Generation) {
    (assignment.epoch, assignment.generation)
}

/// One failure as an event.
pub(crate) fn failed(failure: Failure) -> Event {
    Event::Failed(vec![failure])
}

/// The value, or the event that ends the action.
pub(crate) fn event(result: Result<Event, Event>) -> Event {
    match result {
        Ok(event) | Err(event) => event,
    }
}
