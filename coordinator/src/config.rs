//! The configuration file of a coordinator. Its commented default is the documentation; `init` and
//! `join` write it with this node's own values. Every fault of a file is reported at once.

mod read;

use std::{path::Path, str::FromStr, time::Duration};

use millwright_certs::identity::Identity;
use millwright_model::{id::Name, time::Span};

use self::read::{Found, Reader, Section};
use crate::consensus::Timing;

/// The commented file: every key with its default.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// Shortest life of a certificate: its times have whole seconds, and it must be renewed within.
const LIFE_MIN: Span = Span(3_000);

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
    #[error(
        "{path} is not valid; millwright-coordinator config default shows every key:\n{}",
        faults.join("\n")
    )]
    Faults {
        /// Which file.
        path: String,
        /// One line each, in the order of the file, with line and column.
        faults: Vec<String>,
    },
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who this is.
    pub node: Node,
    /// Where it listens.
    pub listen: Listen,
    /// Certificates that it signs.
    pub certificates: Certificates,
    /// The replicated log.
    pub raft: Timing,
}

/// `[node]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name, as in its certificate.
    pub name: Name,
    /// Peer addresses to ask for admission while it is no member.
    pub join: Vec<String>,
}

/// `[listen]`: `host:port`, which are also what others are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Agents and operators.
    pub api: String,
    /// Coordinators.
    pub peer: String,
    /// Health and metrics, without TLS: keep it on a private address.
    pub http: String,
}

/// `[certificates]`: how long they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificates {
    /// Of agents.
    pub agent: Span,
    /// Of coordinators.
    pub coordinator: Span,
    /// Of operators.
    pub operator: Span,
}

impl Default for Certificates {
    fn default() -> Self {
        // A day, as SPIRE has it for what must survive an outage of the authority. Too short for
        // plants that go dark, but those come back by proof of key.
        let day = Span(24 * 3_600_000);
        Self { agent: day, coordinator: day, operator: Span(30 * 24 * 3_600_000) }
    }
}

impl Certificates {
    /// Life of a certificate of this identity.
    pub fn life_of(&self, identity: &Identity) -> Duration {
        match identity {
            Identity::Agent { .. } => self.agent,
            Identity::Coordinator { .. } => self.coordinator,
            Identity::Operator { .. } => self.operator,
        }
        .into()
    }
}

/// `host:port` with a port that can be told to others.
#[derive(Debug)]
struct Address(String);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
            Some(1..) => Ok(Self(text.to_owned())),
            Some(0) | None => Err(format!("{text:?} is not host:port")),
        }
    }
}

impl Config {
    /// Reads and checks a file; all faults at once.
    pub fn load(path: &Path) -> Result<Self, InvalidConfig> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| InvalidConfig::Read { path: shown.clone(), source })?;
        Self::parse(&text).map_err(|faults| InvalidConfig::Faults { path: shown, faults })
    }

    /// Reads and checks a text; the error lists every fault.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut reader = Reader::new(text);
        let node = node(reader.section("node"));
        let listen = listen(reader.section("listen"));
        let certificates = certificates(reader.section("certificates"));
        let raft = raft(reader.section("raft"));
        let faults = reader.finish();
        match (node, listen) {
            (Some(node), Some(listen)) if faults.is_empty() => {
                Ok(Self { node, listen, certificates, raft })
            }
            _ => Err(faults),
        }
    }
}

fn node(mut section: Section<'_, '_>) -> Option<Node> {
    let name = section.needed("name");
    let join = section.texts("join");
    section.done();
    Some(Node { name: name?.value, join })
}

fn listen(mut section: Section<'_, '_>) -> Option<Listen> {
    let mut address = |key| section.needed::<Address>(key).map(|found| found.value.0);
    let (api, peer, http) = (address("api"), address("peer"), address("http"));
    section.done();
    Some(Listen { api: api?, peer: peer?, http: http? })
}

fn certificates(mut section: Section<'_, '_>) -> Certificates {
    let mut life = |key| {
        let found: Found<Span> = section.text(key)?;
        if found.value < LIFE_MIN {
            let why = format!("{} is shorter than {LIFE_MIN}", found.value);
            section.fault(key, found.offset, &why);
        }
        Some(found.value)
    };
    let all = life("life");
    let (agent, coordinator) = (life("agent_life"), life("coordinator_life"));
    let operator = life("operator_life");
    section.done();
    let default = Certificates::default();
    Certificates {
        agent: agent.or(all).unwrap_or(default.agent),
        coordinator: coordinator.or(all).unwrap_or(default.coordinator),
        operator: operator.unwrap_or(default.operator),
    }
}

fn raft(mut section: Section<'_, '_>) -> Timing {
    let default = Timing::default();
    let heartbeat = section.number("heartbeat_ms", default.heartbeat_ms);
    let shortest = section.number("election_min_ms", default.election_min_ms);
    let longest = section.number("election_max_ms", default.election_max_ms);
    let snapshot = section.number("snapshot_entries", default.snapshot_entries);
    let file = section.number("log_file_bytes", default.log_file_bytes);
    if heartbeat.value == 0 {
        section.fault("heartbeat_ms", heartbeat.offset, "must be more than 0");
    }
    if shortest.value < heartbeat.value.saturating_mul(3) {
        let why = "must be three times heartbeat_ms at least";
        section.fault("election_min_ms", shortest.offset, why);
    }
    if longest.value <= shortest.value {
        section.fault("election_max_ms", longest.offset, "must be more than election_min_ms");
    }
    if snapshot.value < 100 {
        section.fault("snapshot_entries", snapshot.offset, "must be 100 at least");
    }
    if !(64 << 10..=1 << 30).contains(&file.value) {
        let why = "must be between 65536 (64 KiB) and 1073741824 (1 GiB)";
        section.fault("log_file_bytes", file.offset, why);
    }
    section.done();
    Timing {
        heartbeat_ms: heartbeat.value,
        election_min_ms: shortest.value,
        election_max_ms: longest.value,
        snapshot_entries: snapshot.value,
        log_file_bytes: file.value,
    }
}

/// The commented file for a new node.
pub fn template(node: &Name, listen: &Listen, join: &[String], life: Span) -> String {
    let Listen { api, peer, http } = listen;
    let own = [
        ("name = ", format!("{:?}", node.as_str())),
        ("join = ", format!("{join:?}")),
        ("api = ", format!("{api:?}")),
        ("peer = ", format!("{peer:?}")),
        ("http = ", format!("{http:?}")),
        ("life = ", format!("\"{life}\"")),
    ];
    let lines = DEFAULT.lines().map(|line| {
        let key = own.iter().find(|(key, _)| line.starts_with(key));
        key.map_or_else(|| line.to_owned(), |(key, value)| format!("{key}{value}"))
    });
    lines.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests;
