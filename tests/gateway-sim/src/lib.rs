//! A simulated Ignition gateway: its data directory is the truth, projects and configuration are
//! read only on a scan, and its web server answers as the real one is known to.
//!
//! ```text
//!   files ──scan──▶ model ──▶ http routes ◀── clients          control port ◀── tests
//!     ▲                                            ╲                │ Command
//!     └── restamps, saves, imports, boot noise      ▶ State (one lock) ◀┘
//! ```
//!
//! It has no script engine, no running tags and no TLS. Everything that tests may want to set or to
//! happen is a [`Command`], in the library by [`Sim::run`] and for the program by
//! `POST /sim/command` on its control port, which is another one than the gateway's.
//!
//! Times are short in [`SimConfig::new`] and those of a real gateway in [`Knobs::default`]. That no
//! scan ever ran over a half-written tree is asserted with [`Sim::scans_of_other_trees`]. Files that
//! cannot be replaced are made with [`held::hold`]; full disks are the tests' own.

mod archive;
mod backup;
mod clock;
pub mod command;
mod config;
mod control;
pub mod counters;
pub mod designer;
mod disk;
pub mod faults;
mod gateway;
pub mod held;
mod http;
mod json;
pub mod knobs;
mod lifecycle;
mod lock;
mod logbook;
mod model;
mod modules;
mod pair;
mod project_files;
mod saves;
pub mod scan;
pub mod seed;
pub mod sessions;
pub mod signature;
mod socket;
mod stamps;
mod tags;
mod token;
pub mod tree;
mod trial;
mod types;
mod witness;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;

use self::gateway::Gateway;
pub use self::{
    command::Command,
    config::{Profile, Role, SimConfig},
    counters::Counters,
    knobs::Knobs,
    logbook::LogLine,
    pair::Activity,
    scan::{Kind, ScanRecord},
};

/// A running simulated gateway; stops when dropped.
#[derive(Debug)]
pub struct Sim {
    gateway: Arc<Gateway>,
    addr: SocketAddr,
    control: Option<SocketAddr>,
    gan: Option<SocketAddr>,
    token: String,
}

impl Sim {
    /// Seeds what the data directory lacks, boots, and serves.
    pub async fn start(mut config: SimConfig) -> anyhow::Result<Self> {
        let (name, key) = config.token.clone().unwrap_or_else(|| ("agent".into(), seed::new_key()));
        config.token = Some((name.clone(), key.clone()));
        let hash = seed::key_hash(&key).context("the token key is no base64url of 32 bytes")?;
        let (listen, control, role) = (config.listen, config.control, config.role);
        let gateway = Arc::new(Gateway::new(config));
        let booted = gateway.blocking(move |gateway| {
            seed::seed(&gateway.settings, &hash)?;
            lifecycle::boot(gateway)
        });
        booted.await?;
        let addr = serve(&gateway, listen, http::routes(Arc::clone(&gateway))).await?;
        let control = match control {
            Some(at) => Some(serve(&gateway, at, control::routes(Arc::clone(&gateway))).await?),
            None => None,
        };
        let mut gan = None;
        if role != Role::Independent {
            let any = SocketAddr::new(listen.ip(), 0);
            let routes = pair::serve::routes(Arc::clone(&gateway));
            gan = Some(serve(&gateway, any, routes).await?);
            gateway.tasks.spawn(pair::link::keep(Arc::clone(&gateway)));
        }
        gateway.tasks.spawn(scan::by_timer(Arc::clone(&gateway)));
        gateway.tasks.spawn(lifecycle::keep_noise(Arc::clone(&gateway)));
        Ok(Self { gateway, addr, control, gan, token: format!("{name}:{key}") })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it takes commands, if it does.
    pub fn control_addr(&self) -> Option<SocketAddr> {
        self.control
    }

    /// Where it listens for the other node of a pair.
    pub fn gan_addr(&self) -> Option<SocketAddr> {
        self.gan
    }

    /// Its web server.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `name:key`.
    pub fn token_header(&self) -> String {
        self.token.clone()
    }

    /// Every scan, oldest first, the running one included.
    pub fn scans(&self) -> Vec<ScanRecord> {
        self.gateway.see(|state| state.scans.iter().cloned().collect())
    }

    /// Scans that ran over another tree than one of these: with the digests of every whole state of
    /// a deployment, those that saw a half-written one.
    pub fn scans_of_other_trees(&self, whole: &[String]) -> Vec<ScanRecord> {
        let other = |scan: &ScanRecord| scan.digest.as_ref().is_some_and(|d| !whole.contains(d));
        self.scans().into_iter().filter(other).collect()
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        control::counters(&self.gateway)
    }

    /// Its log, oldest first.
    pub fn log(&self) -> Vec<LogLine> {
        self.gateway.see(|state| state.log.all())
    }

    /// What it is up to, as `GET /sim/state` shows it.
    pub fn state(&self) -> Value {
        control::state(&self.gateway)
    }

    /// Digest of the managed tree as it is now, to compare with [`ScanRecord::digest`].
    pub fn tree_digest(&self) -> anyhow::Result<String> {
        tree::digest(&self.gateway.settings.data_dir)
    }

    /// Resources whose signature a projects scan would find stale, as folders below `projects/`.
    pub fn stale_signatures(&self) -> anyhow::Result<Vec<String>> {
        scan::stale(&self.gateway)
    }

    /// Carries out a command.
    pub async fn run(&self, command: Command) -> anyhow::Result<Value> {
        command::run(&self.gateway, command).await
    }

    /// Changes knobs.
    pub fn set(&self, act: impl FnOnce(&mut Knobs)) {
        self.gateway.change(|state| act(&mut state.knobs));
    }

    /// Opens a session and returns its id.
    pub fn open(&self, session: sessions::NewSession) -> String {
        self.gateway.change(|state| {
            let now = state.now_ms();
            state.sessions.open(session, now)
        })
    }

    /// Waits until a look at [`Sim::state`] gives something; an error after a while.
    pub async fn until<T>(
        &self,
        patience: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> anyhow::Result<T> {
        let found = self.gateway.until_outside(|| look(self));
        tokio::time::timeout(patience, found).await.context("it did not happen in time")
    }

    /// Ends it and waits.
    pub async fn stop(self) {
        self.gateway.stop.cancel();
        self.gateway.tasks.close();
        let bounded = tokio::time::timeout(Duration::from_secs(2), self.gateway.tasks.wait());
        // A client may keep its connection open: the process ends it.
        let _ended = bounded.await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.gateway.stop.cancel();
    }
}

/// Makes two running nodes a pair.
pub async fn join(master: &Sim, backup: &Sim) -> anyhow::Result<()> {
    master.run(Command::Peer { address: backup.gan_addr() }).await?;
    backup.run(Command::Peer { address: master.gan_addr() }).await?;
    Ok(())
}

async fn serve(
    gateway: &Arc<Gateway>,
    at: SocketAddr,
    routes: Router,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(at).await.with_context(|| format!("cannot listen on {at}"))?;
    let addr = listener.local_addr()?;
    let stop = gateway.stop.clone();
    gateway.tasks.spawn(async move {
        let service = routes.into_make_service_with_connect_info::<socket::Client>();
        let served = axum::serve(socket::Listener(listener), service)
            .with_graceful_shutdown(stop.cancelled_owned());
        // Ends only when it is stopped.
        let _ended = served.await;
    });
    Ok(addr)
}
