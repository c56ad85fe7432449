//! The replicated log of this node and the way to propose to it and read from it.
//!
//! ```text
//!  propose ──▶ leader here? ──yes──▶ Raft ──▶ log store (fsync) ──▶ quorum ──▶ state machine ──▶ watch
//!                   └──no──▶ Forward to the leader over mTLS
//! ```
//! The Raft library's types stop here. Commands carry a request id, so a proposal whose fate is
//! unknown after a leader change is simply proposed again.

pub mod codec;
pub mod forward;
pub mod log_store;
pub mod membership;
pub mod network;
pub mod snapshot;
pub mod state_machine;
#[cfg(test)]
mod suite;
pub mod types;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::Stream;
use millwright_coordinator_domain::command::{Command, Outcome};
use millwright_proto::peer;
use openraft::{
    Instant as _, ReadPolicy,
    async_runtime::watch::WatchReceiver,
    errors::{ClientWriteError, LinearizableReadError, RaftError},
};
use prost::Message;
use tokio::sync::watch;

use self::{
    forward::Forwarder,
    log_store::LogStore,
    network::NetworkFactory,
    snapshot::SnapshotDir,
    state_machine::{Machine, Published, TouchedListener},
    types::{Proposal, Raft},
};
use crate::{convert, peers::Peers};

/// How long a write or a linearizable read may look for a leader. An election takes about one
/// second; longer than this means that the quorum is gone.
const LEADER_SEARCH: Duration = Duration::from_secs(8);
/// Pause between two looks for a leader.
const LEADER_PAUSE: Duration = Duration::from_millis(40);
/// Largest encoded command.
pub const COMMAND_BYTES_MAX: usize = 8 << 20;

/// Timing and limits of the log; `_ms` is milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats of the leader.
    pub heartbeat_ms: u64,
    /// Shortest time that a follower waits once the leader's lease is over.
    pub election_min_ms: u64,
    /// Longest such time, and the leader's lease.
    pub election_max_ms: u64,
    /// Entries between two snapshots.
    pub snapshot_entries: u64,
    /// Largest file of the log. A purge frees whole files, so this bounds what stays.
    pub log_file_bytes: u64,
}

impl Default for Timing {
    /// A follower waits for the longer time-out, which is the leader's lease, and then for a random one
    /// of its own: 0.9 to 1.2 s, about ten heartbeats, which is etcd's ratio. Measured from SIGKILL of
    /// the leader to the next committed write: 1.0 to 1.3 s.
    fn default() -> Self {
        Self {
            heartbeat_ms: 100,
            election_min_ms: 300,
            election_max_ms: 600,
            snapshot_entries: 10_000,
            log_file_bytes: 16 << 20,
        }
    }
}

/// Why a command has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum ProposeFailed {
    /// No leader was found in time.
    #[error("no leader: a majority of the coordinators cannot be reached")]
    NoLeader,
    /// The encoded command is too large.
    #[error("the command has {0} bytes, more than the limit of {COMMAND_BYTES_MAX}")]
    TooLarge(usize),
    /// This node's log has stopped; the process must end.
    #[error("the replicated log of this node has stopped: {0}")]
    Stopped(String),
}

/// An outcome and the index at which it was decided.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Log index.
    pub index: u64,
    /// What the state said.
    pub outcome: Arc<Outcome>,
}

/// One node's part in the replicated log. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    id: u64,
    raft: Raft,
    log: LogStore,
    published: watch::Receiver<Published>,
    peers: Peers,
    forwarder: Forwarder,
    /// When the leader was last heard; never on a leader.
    heard: Arc<Mutex<Option<Instant>>>,
    /// Silence after which the other nodes count as out of reach.
    patience: Duration,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Handle {
    /// Opens the stores below `dir` and starts the node. It takes part as soon as it is a member.
    ///
    /// # Errors
    /// When a store cannot be read or is damaged.
    pub async fn start(
        id: u64,
        dir: &Path,
        timing: Timing,
        peers: Peers,
        listener: TouchedListener,
    ) -> io::Result<Self> {
        let config = openraft::Config {
            cluster_name: "millwright".to_owned(),
            heartbeat_interval: timing.heartbeat_ms,
            election_timeout_min: timing.election_min_ms,
            election_timeout_max: timing.election_max_ms,
            max_payload_entries: 512,
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(timing.snapshot_entries),
            max_in_snapshot_log_to_keep: timing.snapshot_entries / 4,
            enable_pre_vote: Some(true),
            install_snapshot_timeout: 120_000,
            ..openraft::Config::default()
        };
        let config = Arc::new(config.validate().map_err(io::Error::other)?);
        let log = LogStore::open(&dir.join("log"), timing.log_file_bytes)?;
        let snapshots = SnapshotDir::open(&dir.join("snapshot"))?;
        let (publish, published) = watch::channel(Published::default());
        let machine = Machine::open(snapshots, publish, listener)?;
        let network = NetworkFactory::new(peers.clone());
        let raft =
            Raft::new(id, config, network, log.clone(), machine).await.map_err(io::Error::other)?;
        let patience = Duration::from_millis(timing.election_max_ms.saturating_mul(2));
        let forwarder = Forwarder::new(peers.clone());
        Ok(Self { id, raft, log, published, peers, forwarder, heard: Arc::default(), patience })
    }

    /// This node's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The Raft node, for the peer service of this process.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// The state as this node has applied it, which may lag behind the leader.
    pub fn state(&self) -> Published {
        self.published.borrow().clone()
    }

    /// Follows the state.
    pub fn watch(&self) -> watch::Receiver<Published> {
        self.published.clone()
    }

    /// Bytes of the log on disk.
    pub fn log_disk_bytes(&self) -> u64 {
        self.log.disk_bytes()
    }

    /// Whether this node thinks that it leads. Never a reason to answer a read: see
    /// [`Handle::linearized`].
    pub fn leads(&self) -> bool {
        self.raft.is_leader()
    }

    /// Proposes a command and waits for its outcome, at the leader wherever it is.
    pub async fn propose(&self, command: &Command) -> Result<Decided, ProposeFailed> {
        let bytes: Bytes = convert::command_to_wire(command).encode_to_vec().into();
        self.propose_encoded(bytes).await
    }

    /// As [`Handle::propose`], for bytes that a follower passed on.
    pub async fn propose_encoded(&self, bytes: Bytes) -> Result<Decided, ProposeFailed> {
        if bytes.len() > COMMAND_BYTES_MAX {
            return Err(ProposeFailed::TooLarge(bytes.len()));
        }
        let deadline = Instant::now() + LEADER_SEARCH;
        loop {
            let tried = match self.leader() {
                Some((leader, _)) if leader == self.id => self.propose_here(bytes.clone()).await?,
                Some((_, address)) => {
                    self.forwarder.send(&address, bytes.clone(), LEADER_SEARCH).await
                }
                None => None,
            };
            if let Some(decided) = tried {
                return Ok(decided);
            }
            if Instant::now() >= deadline {
                return Err(ProposeFailed::NoLeader);
            }
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    /// Proposes at this node only; `None` when it does not lead.
    pub async fn propose_here(&self, bytes: Bytes) -> Result<Option<Decided>, ProposeFailed> {
        match self.raft.client_write(Proposal(bytes)).await {
            Ok(response) => {
                let applied = response.data;
                Ok(applied.outcome.map(|outcome| Decided { index: applied.index, outcome }))
            }
            Err(RaftError::APIError(
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
            )) => Ok(None),
            Err(RaftError::APIError(error)) => Err(ProposeFailed::Stopped(error.to_string())),
            Err(RaftError::Fatal(error)) => Err(ProposeFailed::Stopped(error.to_string())),
        }
    }

    /// The leader as this node knows it, with its peer address.
    pub fn leader(&self) -> Option<(u64, String)> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader?;
        let node = metrics.membership_config.get_node(&leader)?;
        Some((leader, node.peer_address.clone()))
    }

    /// Notes that the leader has just spoken to this node.
    pub fn heard_leader(&self) {
        *self.heard.lock().expect("nothing panics while holding it") = Some(Instant::now());
    }

    /// Whether this node is in touch with the group: as its leader with a majority, otherwise with
    /// the leader. Knowing a leader is not enough: a node that wakes up alone still knows the last.
    pub fn in_touch(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched().clone();
        match metrics.current_leader {
            None => false,
            Some(leader) if leader == self.id => {
                let alone = metrics.membership_config.voter_ids().all(|id| id == self.id);
                let acked = metrics.last_quorum_acked.map(|at| at.into_inner().elapsed());
                alone || acked.is_some_and(|silence| silence < self.patience)
            }
            Some(_) => {
                let heard = *self.heard.lock().expect("nothing panics while holding it");
                heard.is_some_and(|at| at.elapsed() < self.patience)
            }
        }
    }

    /// Yields whenever the leader that this node knows may have changed; ends with the node's log.
    pub fn leader_changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        futures::stream::unfold(self.raft.server_metrics(), |mut metrics| async move {
            metrics.changed().await.ok().map(|()| ((), metrics))
        })
    }

    /// The state at a moment after this call began: every write acknowledged before is in it.
    pub async fn linearized(&self) -> Result<Published, ProposeFailed> {
        let deadline = Instant::now() + LEADER_SEARCH;
        loop {
            let index = match self.leader() {
                Some((leader, _)) if leader == self.id => self.read_index_here().await?,
                Some((_, address)) => self.read_index_there(&address).await,
                None => None,
            };
            if let Some(index) = index {
                return self.applied_to(index, deadline).await;
            }
            if Instant::now() >= deadline {
                return Err(ProposeFailed::NoLeader);
            }
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    /// The index that a read must wait for, confirmed by a quorum; `None` when this node does not
    /// lead.
    pub async fn read_index_here(&self) -> Result<Option<u64>, ProposeFailed> {
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(Some(linearizer.read_log_id().index())),
            Err(RaftError::APIError(
                LinearizableReadError::ForwardToLeader(_)
                | LinearizableReadError::QuorumNotEnough(_),
            )) => Ok(None),
            Err(RaftError::Fatal(error)) => Err(ProposeFailed::Stopped(error.to_string())),
        }
    }

    async fn read_index_there(&self, address: &str) -> Option<u64> {
        let mut request = tonic::Request::new(peer::ReadIndexRequest {});
        request.set_timeout(Duration::from_secs(2));
        let answer = self.peers.client(address).read_index(request).await.ok()?.into_inner();
        answer.read.map(|id| id.index)
    }

    async fn applied_to(&self, index: u64, deadline: Instant) -> Result<Published, ProposeFailed> {
        let mut watch = self.watch();
        let wait = watch.wait_for(|published| published.index >= index);
        match tokio::time::timeout_at(deadline.into(), wait).await {
            Ok(Ok(published)) => Ok(published.clone()),
            Ok(Err(_)) => Err(ProposeFailed::Stopped("the state machine has ended".to_owned())),
            Err(_) => Err(ProposeFailed::NoLeader),
        }
    }

    /// Hands leadership over when this node leads, then stops.
    pub async fn stop(&self) {
        if self.leads()
            && let Some(heir) = self.heir()
        {
            tracing::info!(heir, "handing over leadership");
            if self.raft.trigger().transfer_leader(heir).await.is_ok() {
                let own = self.id;
                let handed_over = self
                    .raft
                    .wait(Some(Duration::from_secs(3)))
                    .metrics(|m| m.current_leader.is_some_and(|l| l != own), "another node leads")
                    .await;
                if let Err(error) = handed_over {
                    tracing::warn!(%error, "no other node took over in time");
                }
            }
        }
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "the replicated log did not stop cleanly");
        }
    }

    /// The voter whose log is the longest.
    fn heir(&self) -> Option<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched().clone();
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        metrics
            .replication?
            .into_iter()
            .filter(|(id, _)| *id != self.id && voters.contains(id))
            .max_by_key(|(_, matched)| matched.as_ref().map(types::LogId::index))
            .map(|(id, _)| id)
    }
}
