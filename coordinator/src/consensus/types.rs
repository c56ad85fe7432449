//! The Raft library's type configuration. Its types stop at this folder: everything else sees
//! `consensus::Handle`, `Command` and `Outcome`.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use millwright_coordinator_domain::command::Outcome;

/// An encoded `log::Command`, exactly as it was proposed: no node encodes it again.
#[derive(Clone, PartialEq, Eq)]
pub struct Proposal(pub Bytes);

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposal({} bytes)", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What applying one entry gave; `None` for entries of the library itself.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The entry's index.
    pub index: u64,
    /// The result of the command.
    pub outcome: Option<Arc<Outcome>>,
}

/// A coordinator as the others reach it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Name given at `init` or `join`.
    pub name: String,
    /// `host:port` for agents and operators.
    pub api_address: String,
    /// `host:port` for coordinators.
    pub peer_address: String,
}

openraft::declare_raft_types!(
    /// The types of our Raft group.
    pub TypeConfig:
        D = Proposal,
        R = Applied,
        NodeId = u64,
        Node = Node,
);

/// Log id of our configuration.
pub type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
/// Vote of our configuration.
pub type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
/// Entry of our configuration.
pub type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
/// Membership of our configuration.
pub type Membership = openraft::Membership<u64, Node>;
/// Membership with the log id that set it.
pub type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
/// Snapshot meta of our configuration.
pub type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
/// A snapshot: its meta and the bytes of the whole file.
pub type Snapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, Bytes>;
/// The Raft node.
pub type Raft = openraft::Raft<TypeConfig, super::state_machine::Machine>;
