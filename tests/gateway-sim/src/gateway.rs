//! The gateway itself: its state behind one lock, its clock, and the news that something changed.
//!
//! Files are read and written outside of the lock on the state; whoever does so holds `disk`.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock,
    config::SimConfig,
    counters::Counters,
    faults::Fault,
    held::Held,
    knobs::Knobs,
    lock::LockSlot,
    logbook::Logbook,
    model::{config::Config, projects::Projects},
    modules::Modules,
    pair::PairState,
    scan::{Kind, ScanRecord},
    sessions::Sessions,
    signature::Form,
    token::Token,
    tree::Reader,
    trial::Trial,
    witness::Witness,
};

/// Where it is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything but the status routes redirects.
    Uncommissioned,
    /// The process is being replaced: connections are reset.
    Dark,
    /// Everything but the status routes answers 503.
    Starting,
    /// It serves.
    Running,
}

/// One kind of scan.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Sequence number of the scan that runs.
    pub(crate) active: Option<u64>,
    pub(crate) last_timestamp: i64,
    pub(crate) last_duration: i64,
    pub(crate) lock: LockSlot,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) knobs: Knobs,
    pub(crate) phase: Phase,
    pub(crate) projects_slot: Slot,
    pub(crate) config_slot: Slot,
    pub(crate) scans: VecDeque<ScanRecord>,
    pub(crate) next_scan: u64,
    pub(crate) sessions: Sessions,
    pub(crate) log: Logbook,
    pub(crate) audit: Vec<Value>,
    pub(crate) counters: Counters,
    pub(crate) modules: Modules,
    pub(crate) trial: Trial,
    pub(crate) pair: PairState,
    pub(crate) tokens: Vec<Token>,
    pub(crate) config: Arc<Config>,
    pub(crate) projects: Arc<Projects>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) held: Vec<Held>,
    /// When a diagnostics bundle was asked for.
    pub(crate) bundle: Option<Instant>,
    /// `module/type/name` or `projects/...` of what shall not load.
    pub(crate) refuse: Vec<String>,
    /// Routes of `WebDev` by path, with status and body.
    pub(crate) webdev: BTreeMap<String, (u16, String)>,
    /// Projects whose exports go on changing until then.
    pub(crate) settling: BTreeMap<String, Instant>,
    pub(crate) booted: Instant,
}

impl State {
    pub(crate) fn slot(&mut self, kind: Kind) -> &mut Slot {
        match kind {
            Kind::Projects => &mut self.projects_slot,
            Kind::Config => &mut self.config_slot,
        }
    }

    /// The gateway's clock, epoch milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        clock::machine_ms() + self.knobs.clock_skew_ms
    }

    pub(crate) fn say(&mut self, level: &str, logger: &str, message: &str) {
        self.log.write(self.now_ms(), level, logger, message);
    }
}

/// What belongs to whoever reads or writes files.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) reader: Reader,
    pub(crate) witness: Witness,
}

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) settings: SimConfig,
    state: Mutex<State>,
    disk: Mutex<Disk>,
    news: watch::Sender<u64>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Gateway {
    pub(crate) fn new(settings: SimConfig) -> Self {
        let knobs = settings.knobs.clone();
        let state = State {
            knobs,
            phase: Phase::Starting,
            projects_slot: Slot::default(),
            config_slot: Slot::default(),
            scans: VecDeque::new(),
            next_scan: 1,
            sessions: Sessions::default(),
            log: Logbook::default(),
            audit: Vec::new(),
            counters: Counters::default(),
            modules: Modules::stock(),
            trial: Trial::new(),
            pair: PairState::new(settings.role),
            tokens: Vec::new(),
            config: Arc::default(),
            projects: Arc::default(),
            faults: Vec::new(),
            held: Vec::new(),
            bundle: None,
            refuse: Vec::new(),
            webdev: BTreeMap::new(),
            settling: BTreeMap::new(),
            booted: Instant::now(),
        };
        Self {
            settings,
            state: Mutex::new(state),
            disk: Mutex::default(),
            news: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Looks at the state.
    pub(crate) fn see<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().expect("nothing panics while holding it"))
    }

    /// Changes the state, and tells those who wait.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let done = self.see(act);
        self.news.send_modify(|count| *count += 1);
        done
    }

    /// Waits until a look at the state gives something.
    pub(crate) async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut news = self.news.subscribe();
        loop {
            if let Some(found) = self.see(&mut look) {
                return found;
            }
            // The sender lives as long as we do.
            let _alive = news.changed().await;
        }
    }

    /// The same for a look from outside, which may take the lock itself.
    pub(crate) async fn until_outside<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        /// Some things happen without news: files appear, time passes.
        const AGAIN: Duration = Duration::from_millis(20);
        let mut news = self.news.subscribe();
        loop {
            if let Some(found) = look() {
                return found;
            }
            let _news_or_time = tokio::time::timeout(AGAIN, news.changed()).await;
        }
    }

    /// The right to read and write files.
    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("nothing panics while holding it")
    }

    /// A path below the data directory.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.settings.data_dir.join(relative)
    }

    /// The form in which this version signs.
    pub(crate) fn form(&self) -> Form {
        match self.settings.profile {
            crate::Profile::V81 => Form::V81,
            crate::Profile::V83 => Form::V83,
        }
    }

    pub(crate) fn knobs(&self) -> Knobs {
        self.see(|state| state.knobs.clone())
    }

    /// Waits, or ends when the simulation does; whether it waited to the end.
    pub(crate) async fn pause(&self, ms: u64) -> bool {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Does something with files, off the threads that serve.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&Arc<Gateway>) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let gateway = Arc::clone(self);
        tokio::task::spawn_blocking(move || job(&gateway)).await?
    }
}
