//! The configuration file of a coordinator. `init` and `join` write it with comments; the comments
//! are the documentation.

use std::{path::Path, time::Duration};

use millwright_model::{id::Name, time::Span};
use serde::Deserialize;

use crate::consensus::Timing;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be; every fault is listed.
    #[error("{path} is not valid:\n{}", faults.join("\n"))]
    Faults {
        /// Which file.
        path: String,
        /// One line each.
        faults: Vec<String>,
    },
}

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who this is.
    pub node: Node,
    /// Where it listens.
    pub listen: Listen,
    /// Certificates that it signs.
    #[serde(default)]
    pub certificates: Certificates,
    /// The replicated log.
    #[serde(default)]
    pub raft: Raft,
}

/// `[node]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Name, as in its certificate.
    pub name: Name,
    /// Peer addresses to ask for admission while it is no member.
    #[serde(default)]
    pub join: Vec<String>,
}

/// `[listen]`: `host:port`, which are also what others are told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Agents and operators.
    pub api: String,
    /// Coordinators.
    pub peer: String,
    /// Health and metrics, without TLS: keep it on a private address.
    pub http: String,
}

/// `[certificates]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Certificates {
    life: Span,
}

impl Default for Certificates {
    fn default() -> Self {
        // SPIRE's day for what must survive a weekend's outage is too short for plants that go dark,
        // but those come back by proof of key.
        Self { life: Span(24 * 3_600_000) }
    }
}

impl Certificates {
    /// Life of a certificate.
    pub fn life(&self) -> Duration {
        self.life.into()
    }
}

/// `[raft]`, in milliseconds. Defaults: etcd's ratio of one to ten, slowed a little for plants'
/// virtual machines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raft {
    heartbeat_ms: u64,
    election_min_ms: u64,
    election_max_ms: u64,
    snapshot_entries: u64,
}

impl Default for Raft {
    fn default() -> Self {
        Self {
            heartbeat_ms: 100,
            election_min_ms: 500,
            election_max_ms: 1_000,
            snapshot_entries: 10_000,
        }
    }
}

impl Config {
    /// Reads and checks a file; all faults at once.
    pub fn load(path: &Path) -> Result<Self, InvalidConfig> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| InvalidConfig::Read { path: shown.clone(), source })?;
        let config: Config = toml::from_str(&text).map_err(|error| InvalidConfig::Faults {
            path: shown.clone(),
            faults: vec![error.to_string()],
        })?;
        let faults = config.faults();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(InvalidConfig::Faults { path: shown, faults })
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let listen = &self.listen;
        for (key, address) in [("api", &listen.api), ("peer", &listen.peer), ("http", &listen.http)]
        {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) {
                faults.push(format!("listen.{key}: {address:?} is not host:port"));
            }
        }
        if self.certificates.life.0 < 3_000 {
            faults.push("certificates.life: shorter than 3s".to_owned());
        }
        let raft = &self.raft;
        if raft.heartbeat_ms == 0 || raft.election_min_ms < raft.heartbeat_ms * 3 {
            faults.push("raft.election_min_ms: must be three heartbeats at least".to_owned());
        }
        if raft.election_max_ms <= raft.election_min_ms {
            faults.push("raft.election_max_ms: must be more than election_min_ms".to_owned());
        }
        if raft.snapshot_entries < 100 {
            faults.push("raft.snapshot_entries: must be 100 at least".to_owned());
        }
        faults
    }

    /// Timing of the replicated log.
    pub fn timing(&self) -> Timing {
        let Raft { heartbeat_ms, election_min_ms, election_max_ms, snapshot_entries } = self.raft;
        Timing { heartbeat_ms, election_min_ms, election_max_ms, snapshot_entries }
    }
}

/// The commented file for a new node.
pub fn template(node: &Name, listen: &Listen, join: &[String], life: Span) -> String {
    let Listen { api, peer, http } = listen;
    format!(
        "# A Millwright coordinator.\n\n\
         [node]\n\
         # Its name, as in its certificate.\n\
         name = \"{node}\"\n\
         # Coordinators to ask for admission while this node is no member of the cluster.\n\
         join = {join:?}\n\n\
         [listen]\n\
         # Agents and operators. Others are told this address, so it must be reachable from them.\n\
         api = {api:?}\n\
         # Other coordinators.\n\
         peer = {peer:?}\n\
         # /healthz, /readyz and /metrics, without TLS: keep it on a private address.\n\
         http = {http:?}\n\n\
         [certificates]\n\
         # Life of the certificates that this cluster signs; renewed at two thirds.\n\
         life = \"{life}\"\n\n\
         [raft]\n\
         # heartbeat_ms = 100\n\
         # election_min_ms = 500\n\
         # election_max_ms = 1000\n\
         # Log entries between two snapshots.\n\
         # snapshot_entries = 10000\n"
    )
}
