//! The replicated state. Cheap to clone: maps are shared until one of them changes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use millwright_model::{
    digest::{Digest, GitId},
    generation::{Epoch, Generation},
    id::{ClusterId, GatewayName, Member, Name, RequestId, RolloutId},
    path::ManagedPath,
    report::{Failure, GatewayFacts},
    resource::{Fleet, Gateway, Kind, Operator, Repository, SyncProfile},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    command::{Finish, NodeRecord, Outcome, PlanStage, TokenRole},
    render::RenderSpec,
};

/// Events kept for watchers.
pub const EVENTS_MAX: usize = 2048;
/// Finished rollouts kept.
pub const ROLLOUTS_MAX: usize = 50;
/// Applies kept per gateway.
pub const HISTORY_MAX: usize = 10;
/// Request ids remembered: several minutes of retries under full load.
pub const REQUESTS_MAX: usize = 2048;
/// Gateways in one cluster.
pub const GATEWAYS_MAX: usize = 10_000;

/// What a batch of entries touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Gateways whose desired state may have changed.
    pub gateways: BTreeSet<GatewayName>,
    /// Agents that lost their right to be connected.
    pub revoked: BTreeSet<(GatewayName, Member)>,
    everything: bool,
}

impl Touched {
    /// After a snapshot was installed nobody knows what changed.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether everything may have changed.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Adds another batch's.
    pub fn merge(&mut self, other: Touched) {
        self.gateways.extend(other.gateways);
        self.revoked.extend(other.revoked);
        self.everything |= other.everything;
    }
}

/// A resource and when it last changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored<T> {
    /// The resource.
    pub resource: T,
    /// Log index of its last change.
    pub version: u64,
}

/// What the cluster is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// CA certificate.
    pub ca_pem: String,
    /// CA key, sealed.
    pub sealed_ca_key: Vec<u8>,
}

/// A join token; its secret is known to nobody but its holder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the secret.
    pub secret_digest: [u8; 32],
    /// What it admits.
    pub role: TokenRole,
    /// Whom.
    pub name: String,
    /// Agents: which node.
    pub member: Member,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What became of it.
    pub spent: TokenSpent,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenSpent {
    /// Nothing yet.
    Open,
    /// It bought an identity.
    Used,
    /// It was made void.
    Revoked,
}

/// The key behind an identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// SHA-256 of the public key.
    pub digest: [u8; 32],
    /// Whether it may connect.
    pub standing: Standing,
}

/// Whether a key may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Yes.
    Admitted,
    /// No, but its name may enrol again.
    Evicted,
    /// No, and its name may not enrol.
    Banned,
}

/// A ref resolved to a commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// The ref as followed.
    pub reference: String,
    /// Its commit.
    pub commit: GitId,
    /// Author.
    pub author: String,
    /// First line of the message.
    pub subject: String,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// When we saw it.
    pub resolved_at: Timestamp,
    /// Why the newest look failed; empty when it did not.
    pub error: String,
}

/// What one gateway shall have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Version counter.
    pub generation: Generation,
    /// The ref as followed.
    pub reference: String,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// How it is made.
    pub render: RenderSpec,
    /// Managed roots.
    pub roots: Vec<ManagedPath>,
    /// Which rollout said so.
    pub rollout: RolloutId,
}

/// A finished attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Of which assignment.
    pub generation: Generation,
    /// Which commit.
    pub commit: Option<GitId>,
    /// Digest read back; absent when it failed.
    pub manifest: Option<Digest>,
    /// Why it failed.
    pub failures: Vec<Failure>,
    /// When, by the log.
    pub at: Timestamp,
    /// Files added or replaced.
    pub files_changed: u32,
    /// Files deleted.
    pub files_deleted: u32,
    /// Bytes fetched.
    pub bytes_fetched: u64,
    /// Milliseconds.
    pub duration_ms: u64,
}

/// Whether and where an agent is connected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Connected now.
    pub connected: bool,
    /// At which node.
    pub node: u64,
    /// Since when.
    pub since: Timestamp,
    /// Program version.
    pub agent_version: String,
    /// Where from.
    pub address: String,
    /// Process of the agent.
    pub instance: String,
}

/// What a gateway's agents report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// By member.
    pub connections: BTreeMap<String, Connection>,
    /// What the agent sees.
    pub facts: GatewayFacts,
    /// Last good attempt; comes only from a read-back.
    pub applied: Option<Attempt>,
    /// All attempts, oldest first.
    pub history: VecDeque<Attempt>,
}

/// Where a member of a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberState {
    /// Not yet.
    Pending,
    /// In flight.
    Assigned {
        /// Under this generation.
        generation: Generation,
    },
    /// Done, with evidence of this generation.
    Applied {
        /// Which.
        generation: Generation,
    },
    /// Not done.
    Failed {
        /// Under this generation.
        generation: Generation,
        /// Why.
        message: String,
    },
    /// Left out.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// A member of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutMember {
    /// Stage index.
    pub stage: u32,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// How it is made.
    pub render: RenderSpec,
    /// Managed roots.
    pub roots: Vec<ManagedPath>,
    /// Where it stands.
    pub state: MemberState,
}

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutPhase {
    /// Going on.
    Running,
    /// Every member applied or skipped.
    Completed,
    /// A member failed.
    Failed,
    /// A newer one took its place.
    Superseded,
}

impl From<Finish> for RolloutPhase {
    fn from(finish: Finish) -> Self {
        match finish {
            Finish::Completed => RolloutPhase::Completed,
            Finish::Failed => RolloutPhase::Failed,
        }
    }
}

/// One execution of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Of which fleet.
    pub fleet: Name,
    /// From which repository.
    pub repository: Name,
    /// Which commit.
    pub commit: GitId,
    /// The ref as followed.
    pub reference: String,
    /// Frozen stages.
    pub stages: Vec<PlanStage>,
    /// Members by gateway; each entry shared.
    pub members: BTreeMap<GatewayName, Arc<RolloutMember>>,
    /// Hash of the plan.
    pub plan_hash: Digest,
    /// Counts its changes.
    pub revision: u64,
    /// Where it stands.
    pub phase: RolloutPhase,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// One transition, for watchers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Log index.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// Kind of what changed.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `put` or `delete`.
    pub action: String,
    /// One line for people.
    pub message: String,
}

type Map<K, V> = Arc<BTreeMap<K, V>>;

/// Everything that the cluster agrees on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) epoch: Epoch,
    pub(crate) now: Timestamp,
    pub(crate) config_version: u64,
    pub(crate) rollout_count: u64,
    pub(crate) nodes: Map<u64, NodeRecord>,
    pub(crate) tokens: Map<String, Token>,
    /// By identity without the cluster, such as `agent/gw1/single`.
    pub(crate) keys: Map<String, KeyRecord>,
    pub(crate) repositories: Map<Name, Arc<Stored<Repository>>>,
    pub(crate) profiles: Map<Name, Arc<Stored<SyncProfile>>>,
    pub(crate) gateways: Map<GatewayName, Arc<Stored<Gateway>>>,
    pub(crate) fleets: Map<Name, Arc<Stored<Fleet>>>,
    pub(crate) operators: Map<Name, Arc<Stored<Operator>>>,
    pub(crate) releases: Map<Name, Arc<Release>>,
    pub(crate) rollouts: Map<RolloutId, Arc<Rollout>>,
    /// The newest rollout of each fleet.
    pub(crate) newest: Map<Name, RolloutId>,
    pub(crate) desired: Map<GatewayName, Arc<Desired>>,
    pub(crate) status: Map<GatewayName, Arc<GatewayStatus>>,
    pub(crate) events: Arc<VecDeque<Arc<Event>>>,
    pub(crate) requests: Arc<VecDeque<(String, Arc<Outcome>)>>,
}

/// How keys and requests are spelled in maps.
pub(crate) fn request_key(id: RequestId) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key of an agent.
pub(crate) fn agent_key(gateway: &GatewayName, member: Member) -> String {
    format!("agent/{gateway}/{member}")
}

impl State {
    /// Life of the cluster.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether [`Body::Bootstrap`](crate::command::Body::Bootstrap) was applied.
    pub fn is_founded(&self) -> bool {
        self.cluster.is_some()
    }

    /// Id of the cluster; empty before it is founded.
    pub fn cluster_id(&self) -> &str {
        self.cluster.as_ref().map_or("", |cluster| cluster.id.as_str())
    }

    /// CA certificate.
    pub fn ca_pem(&self) -> &str {
        self.cluster.as_ref().map_or("", |cluster| &cluster.ca_pem)
    }

    /// CA key, sealed.
    pub fn sealed_ca_key(&self) -> &[u8] {
        self.cluster.as_ref().map_or(&[], |cluster| &cluster.sealed_ca_key)
    }

    /// Counts changes of resources and releases: rollouts need planning only when it moves.
    pub fn config_version(&self) -> u64 {
        self.config_version
    }

    /// Logged time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Where agents and operators reach the coordinators.
    pub fn api_addresses(&self) -> Vec<String> {
        self.nodes.values().map(|node| node.api_address.clone()).collect()
    }

    /// Coordinators by id.
    pub fn nodes(&self) -> &BTreeMap<u64, NodeRecord> {
        &self.nodes
    }

    /// Join tokens by public id.
    pub fn tokens(&self) -> &BTreeMap<String, Token> {
        &self.tokens
    }

    /// Repositories by name.
    pub fn repositories(&self) -> &BTreeMap<Name, Arc<Stored<Repository>>> {
        &self.repositories
    }

    /// Operators by name.
    pub fn operators(&self) -> &BTreeMap<Name, Arc<Stored<Operator>>> {
        &self.operators
    }

    /// What a ref was resolved to.
    pub fn release(&self, repository: &Name) -> Option<&Release> {
        self.releases.get(repository).map(Arc::as_ref)
    }

    /// What a gateway shall have.
    pub fn assignment(&self, gateway: &GatewayName) -> Option<&Arc<Desired>> {
        self.desired.get(gateway)
    }

    /// Number of agents connected to a node.
    pub fn agents_at(&self, node: u64) -> u32 {
        let here = |status: &GatewayStatus| {
            status.connections.values().filter(|c| c.connected && c.node == node).count()
        };
        u32::try_from(self.status.values().map(|status| here(status)).sum::<usize>()).unwrap_or(0)
    }

    /// Nodes that hold agents.
    pub fn holders(&self) -> BTreeSet<u64> {
        let connections = self.status.values().flat_map(|status| status.connections.values());
        connections.filter(|c| c.connected).map(|c| c.node).collect()
    }

    /// Newest events, oldest first.
    pub fn events(&self) -> &VecDeque<Arc<Event>> {
        &self.events
    }

    /// Whether this key stands for this identity (a URI) and may connect.
    pub fn key_allowed(&self, identity: &str, key: &[u8; 32]) -> bool {
        let path = identity.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
        path.and_then(|(_, path)| self.keys.get(path))
            .is_some_and(|record| record.digest == *key && record.standing == Standing::Admitted)
    }

    pub(crate) fn say(
        &mut self,
        index: u64,
        kind: Kind,
        name: &str,
        action: &str,
        message: String,
    ) {
        let event = Event {
            index,
            at: self.now,
            kind: kind.as_str().to_owned(),
            name: name.to_owned(),
            action: action.to_owned(),
            message,
        };
        let events = Arc::make_mut(&mut self.events);
        events.push_back(Arc::new(event));
        while events.len() > EVENTS_MAX {
            events.pop_front();
        }
    }
}
