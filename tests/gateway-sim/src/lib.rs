//! A simulated Ignition 8.3 gateway: its data directory is the truth, project resources and
//! configuration are read only on a scan, and its web server answers as the real one is known to.
//!
//! It covers state, identity, tokens, scans, scan-locks, signatures, sessions lists and redundancy
//! state. It has no designers that save, no pair replication, no backups.

mod http;
pub mod scan;
pub mod seed;
pub mod signature;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::scan::{Kind, ScanRecord};

/// How to simulate.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// The gateway's data directory; seeded when empty.
    pub data_dir: PathBuf,
    /// Its system name.
    pub name: String,
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// As `gateway-info` says it.
    pub version: String,
    /// Token name and key; made when absent.
    pub token: Option<(String, String)>,
    /// Serve `/sim/...` for tests.
    pub control: bool,
    /// Shortest and longest scan, in milliseconds.
    pub scan_ms: (u64, u64),
    /// Gateway's clock minus ours, in milliseconds.
    pub clock_skew_ms: i64,
}

impl SimConfig {
    /// A gateway on a port of the system's choice.
    pub fn new(data_dir: PathBuf, name: &str) -> Self {
        Self {
            data_dir,
            name: name.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            version: "8.3.6 (b2026042713)".to_owned(),
            token: None,
            control: false,
            scan_ms: (50, 200),
            clock_skew_ms: 0,
        }
    }
}

/// State of one kind of scan.
#[derive(Debug, Default)]
pub(crate) struct ScanSlot {
    pub(crate) until: Option<Instant>,
    pub(crate) last_timestamp: i64,
    pub(crate) last_duration: i64,
    pub(crate) lock: Option<Lock>,
}

/// A held scan-lock.
#[derive(Debug, Clone)]
pub(crate) struct Lock {
    pub(crate) timestamp: u64,
    pub(crate) until: Instant,
    pub(crate) actor: String,
}

/// Switches that tests flip.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Scans begin and never end.
    pub stuck_scan: bool,
    /// Every authenticated route answers 500.
    pub internal_error: bool,
    /// The gateway is starting: 503.
    pub starting: bool,
    /// The gateway is not commissioned: 302.
    pub uncommissioned: bool,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: SimConfig,
    pub(crate) token_name: String,
    pub(crate) token_hash: String,
    pub(crate) projects: Mutex<ScanSlot>,
    pub(crate) configuration: Mutex<ScanSlot>,
    pub(crate) scans: Mutex<Vec<ScanRecord>>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) began: Instant,
}

impl Inner {
    pub(crate) fn slot(&self, kind: Kind) -> &Mutex<ScanSlot> {
        match kind {
            Kind::Projects => &self.projects,
            Kind::Config => &self.configuration,
        }
    }

    /// The gateway's clock, epoch milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX) + self.config.clock_skew_ms
    }

    pub(crate) fn faults(&self) -> Faults {
        *self.faults.lock().expect("nothing panics while holding it")
    }
}

/// A running simulated gateway; stops when dropped.
#[derive(Debug)]
pub struct Sim {
    inner: Arc<Inner>,
    addr: SocketAddr,
    token: String,
}

impl Sim {
    /// Seeds the data directory if it is empty, and serves.
    pub async fn start(mut config: SimConfig) -> anyhow::Result<Self> {
        let (name, key) = config.token.clone().unwrap_or_else(|| ("agent".into(), seed::new_key()));
        config.token = Some((name.clone(), key.clone()));
        let token_hash =
            seed::key_hash(&key).context("the token key is no base64url of 32 bytes")?;
        seed::seed(&config, &token_hash)?;
        let listener = TcpListener::bind(config.listen).await?;
        let addr = listener.local_addr()?;
        let inner = Arc::new(Inner {
            config,
            token_name: name.clone(),
            token_hash,
            projects: Mutex::default(),
            configuration: Mutex::default(),
            scans: Mutex::default(),
            faults: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            began: Instant::now(),
        });
        for kind in [Kind::Projects, Kind::Config] {
            let now = inner.now_ms();
            let mut slot = inner.slot(kind).lock().expect("nothing panics while holding it");
            slot.last_timestamp = now;
            slot.last_duration = 1;
        }
        let routes = http::routes(Arc::clone(&inner));
        let stop = inner.stop.clone();
        inner.tasks.spawn(async move {
            let service = routes.into_make_service_with_connect_info::<SocketAddr>();
            let served =
                axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
            // Ends only when it is stopped.
            let _ended = served.await;
        });
        Ok(Self { inner, addr, token: format!("{name}:{key}") })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its web server.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `name:key`.
    pub fn token_header(&self) -> String {
        self.token.clone()
    }

    /// Every scan that has ended, oldest first.
    pub fn scans(&self) -> Vec<ScanRecord> {
        self.inner.scans.lock().expect("nothing panics while holding it").clone()
    }

    /// Resources whose signature the gateway would rewrite now, relative to `projects/`.
    pub fn stale_signatures(&self) -> anyhow::Result<Vec<String>> {
        scan::stale(&self.inner.config.data_dir)
    }

    /// Flips switches.
    pub fn set_faults(&self, faults: Faults) {
        *self.inner.faults.lock().expect("nothing panics while holding it") = faults;
    }

    /// Ends it and waits.
    pub async fn stop(self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        let bounded = tokio::time::timeout(Duration::from_secs(2), self.inner.tasks.wait());
        // A client may keep its connection open: the process ends it.
        let _ended = bounded.await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}
