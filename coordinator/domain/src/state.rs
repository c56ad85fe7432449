//! The replicated state. Cheap to clone: maps are shared until one of them changes.

mod audit;
mod dry_run;
mod followed;
mod gate;
mod gateway;
mod record;
mod ring;
mod rollout;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::OrdMap;
use millwright_model::{
    generation::Epoch,
    id::{GatewayName, Member, Name, RolloutId},
    resource::{Fleet, Gateway, Kind, Operator, Repository, Secret, SyncProfile},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

pub use self::ring::Ring;
pub use self::{
    audit::{AUDIT_MAX, Audit},
    dry_run::{DryRun, DryRunAnswer, DryRunDiff},
    followed::Followed,
    gate::{GateAsked, GateKey, GateOutcome, GateRecord},
    gateway::{
        Attempt, AttemptResult, BackupStatus, Confirmation, Connection, Desired, DesiredOrigin,
        GatewayStatus, InstructionAnswer, InstructionRecord, Pause,
    },
    record::{Cluster, Event, KeyRecord, Release, Standing, Stored, Token, TokenSpent},
    rollout::{
        Before, Good, Hold, MemberState, Rollout, RolloutMember, RolloutPhase, Said, StageProgress,
        Stop,
    },
};
use crate::command::{NodeRecord, Outcome};

/// Events kept for watchers.
pub const EVENTS_MAX: usize = 2048;
/// Finished rollouts kept.
pub const ROLLOUTS_MAX: usize = 50;
/// Instructions kept per gateway.
pub const INSTRUCTIONS_MAX: usize = 20;
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

type Map<K, V> = Arc<BTreeMap<K, V>>;
/// Maps of resources and of what grows with their number: a change copies a few nodes of the tree, not an
/// entry for every gateway, while a reader holds the state before.
pub type Large<K, V> = OrdMap<K, V>;

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
    pub(crate) keys: Large<String, KeyRecord>,
    pub(crate) repositories: Large<Name, Arc<Stored<Repository>>>,
    pub(crate) profiles: Large<Name, Arc<Stored<SyncProfile>>>,
    pub(crate) gateways: Large<GatewayName, Arc<Stored<Gateway>>>,
    pub(crate) fleets: Large<Name, Arc<Stored<Fleet>>>,
    pub(crate) operators: Large<Name, Arc<Stored<Operator>>>,
    /// Their values are sealed.
    #[serde(default)]
    pub(crate) secrets: Large<Name, Arc<Stored<Secret>>>,
    pub(crate) releases: Map<Followed, Arc<Release>>,
    pub(crate) rollouts: Map<RolloutId, Arc<Rollout>>,
    /// The newest rollout of each fleet.
    pub(crate) newest: Map<Name, RolloutId>,
    /// Why fleets cannot be planned.
    #[serde(default)]
    pub(crate) plan_faults: Map<Name, String>,
    /// Commits that no plan may bring to gateways, by repository and commit.
    #[serde(default)]
    pub(crate) holds: Map<String, Hold>,
    pub(crate) desired: Large<GatewayName, Arc<Desired>>,
    pub(crate) status: Large<GatewayName, Arc<GatewayStatus>>,
    pub(crate) events: Ring<Arc<Event>>,
    /// Log index and place of the newest event that is no longer kept.
    #[serde(default)]
    pub(crate) events_gone: (u64, u32),
    /// Who did what.
    #[serde(default)]
    pub(crate) audit: Arc<Audit>,
    /// Request ids with what became of them.
    pub(crate) requests: Ring<([u8; 16], Arc<Outcome>)>,
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
    pub fn repositories(&self) -> &Large<Name, Arc<Stored<Repository>>> {
        &self.repositories
    }

    /// Fleets by name.
    pub fn fleets(&self) -> &Large<Name, Arc<Stored<Fleet>>> {
        &self.fleets
    }

    /// Operators by name.
    pub fn operators(&self) -> &Large<Name, Arc<Stored<Operator>>> {
        &self.operators
    }

    /// Secrets by name, their values sealed.
    pub fn secrets(&self) -> &Large<Name, Arc<Stored<Secret>>> {
        &self.secrets
    }

    /// What a ref was resolved to.
    pub fn release(&self, followed: &Followed) -> Option<&Release> {
        self.releases.get(followed).map(Arc::as_ref)
    }

    /// What all followed refs were resolved to.
    pub fn releases(&self) -> &BTreeMap<Followed, Arc<Release>> {
        &self.releases
    }

    /// What the refs of one repository were resolved to.
    pub fn releases_of<'s>(
        &'s self,
        repository: &'s Name,
    ) -> impl Iterator<Item = (&'s Followed, &'s Release)> {
        let own = Followed::own(repository.clone());
        let here = self.releases.range(own..);
        here.take_while(move |(followed, _)| followed.repository == *repository)
            .map(|(followed, release)| (followed, release.as_ref()))
    }

    /// Why a fleet cannot be planned.
    pub fn plan_fault(&self, fleet: &Name) -> Option<&str> {
        self.plan_faults.get(fleet).map(String::as_str)
    }

    /// Rollouts by id.
    pub fn rollouts(&self) -> &BTreeMap<RolloutId, Arc<Rollout>> {
        &self.rollouts
    }

    /// What a gateway shall have.
    pub fn assignment(&self, gateway: &GatewayName) -> Option<&Arc<Desired>> {
        self.desired.get(gateway)
    }

    /// What the agents of a gateway say.
    pub fn gateway_status(&self, gateway: &GatewayName) -> Option<&GatewayStatus> {
        self.status.get(gateway).map(Arc::as_ref)
    }

    /// Names of all gateways.
    pub fn gateways_named(&self) -> impl Iterator<Item = &GatewayName> {
        self.gateways.keys()
    }

    /// A gateway.
    pub fn gateway(&self, name: &GatewayName) -> Option<&Gateway> {
        self.gateways.get(name).map(|stored| &stored.resource)
    }

    /// Labels of a gateway.
    pub fn labels_of(&self, gateway: &GatewayName) -> millwright_model::resource::Strings {
        let stored = self.gateways.get(gateway);
        stored.map(|stored| stored.resource.metadata.labels.clone()).unwrap_or_default()
    }
    /// Windows of a fleet.
    pub fn windows_of(&self, fleet: &Name) -> Option<&[millwright_model::window::Window]> {
        self.fleets.get(fleet).map(|stored| &stored.resource.spec.windows[..])
    }

    /// Number of gateways.
    pub fn gateways_len(&self) -> usize {
        self.gateways.len()
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
    pub fn events(&self) -> &Ring<Arc<Event>> {
        &self.events
    }

    /// Whether events are gone that came after a place: a log index, and how many of its events were
    /// seen, zero for all of them.
    pub fn has_gap_after(&self, index: u64, sub: u32) -> bool {
        let seen = (index, if sub == 0 { u32::MAX } else { sub });
        index > 0 && seen < self.events_gone
    }

    /// Who did what.
    pub fn audit(&self) -> &Audit {
        &self.audit
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
        let newest = self.events.newest().next().filter(|event| event.index == index);
        let event = Event {
            index,
            sub: newest.map_or(0, |event| event.sub) + 1,
            at: self.now,
            kind: kind.as_str().to_owned(),
            name: name.to_owned(),
            action: action.to_owned(),
            message,
        };
        if let Some(gone) = self.events.push(Arc::new(event), EVENTS_MAX) {
            self.events_gone = (gone.index, gone.sub);
        }
    }
}
