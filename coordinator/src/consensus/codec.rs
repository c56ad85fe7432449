//! Between the Raft library's types and our protobuf. What is stored and sent is ours, so a new
//! version of the library never changes bytes on disk.

use std::collections::{BTreeMap, BTreeSet};

use millwright_proto::log;
use openraft::EntryPayload;

use super::types::{
    Entry, LogId, Membership, Node, Proposal, SnapshotMeta, StoredMembership, Vote,
};

/// Stored or received bytes that are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRecord {
    /// Not protobuf, or not of this message.
    #[error("cannot decode the record")]
    Protobuf(#[from] prost::DecodeError),
    /// A field that every record has is missing.
    #[error("the record has no {0}")]
    Missing(&'static str),
    /// The membership contradicts itself.
    #[error("the membership in the record is not valid: {0}")]
    Membership(String),
}

impl From<InvalidRecord> for std::io::Error {
    fn from(error: InvalidRecord) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, error)
    }
}

type LeaderId = openraft::type_config::alias::LeaderIdOf<super::types::TypeConfig>;

fn leader(id: log::LeaderId) -> LeaderId {
    let log::LeaderId { term, node } = id;
    LeaderId { term, node_id: node }
}

/// Log id to wire.
pub fn log_id_out(id: &LogId) -> log::LogId {
    let lead = id.committed_leader_id();
    log::LogId {
        leader: Some(log::LeaderId { term: lead.term, node: lead.node_id }),
        index: id.index(),
    }
}

/// Log id from wire.
pub fn log_id_in(id: log::LogId) -> Result<LogId, InvalidRecord> {
    let log::LogId { leader: lead, index } = id;
    Ok(LogId::new(leader(lead.ok_or(InvalidRecord::Missing("leader"))?), index))
}

/// Optional log id from wire.
pub fn log_id_opt(id: Option<log::LogId>) -> Result<Option<LogId>, InvalidRecord> {
    id.map(log_id_in).transpose()
}

/// Vote to wire.
pub fn vote_out(vote: &Vote) -> log::Vote {
    log::Vote {
        leader: Some(log::LeaderId { term: vote.leader_id.term, node: vote.leader_id.node_id }),
        committed: vote.committed,
    }
}

/// Vote from wire.
pub fn vote_in(vote: Option<log::Vote>) -> Result<Vote, InvalidRecord> {
    let log::Vote { leader: lead, committed } = vote.ok_or(InvalidRecord::Missing("vote"))?;
    let leader_id = leader(lead.ok_or(InvalidRecord::Missing("leader"))?);
    Ok(Vote { leader_id, committed })
}

/// Membership to wire.
pub fn membership_out(membership: &Membership) -> log::Membership {
    log::Membership {
        configs: membership
            .get_joint_config()
            .iter()
            .map(|ids| log::NodeSet { ids: ids.iter().copied().collect() })
            .collect(),
        nodes: membership
            .nodes()
            .map(|(id, node)| log::NodeInfo {
                id: *id,
                name: node.name.clone(),
                api_address: node.api_address.clone(),
                peer_address: node.peer_address.clone(),
            })
            .collect(),
    }
}

/// Membership from wire.
pub fn membership_in(membership: log::Membership) -> Result<Membership, InvalidRecord> {
    let log::Membership { configs, nodes } = membership;
    let configs: Vec<BTreeSet<u64>> =
        configs.into_iter().map(|set| set.ids.into_iter().collect()).collect();
    let nodes: BTreeMap<u64, Node> = nodes.into_iter().map(node_in).collect();
    Membership::new(configs, nodes).map_err(|error| InvalidRecord::Membership(error.to_string()))
}

/// Node from wire.
pub fn node_in(info: log::NodeInfo) -> (u64, Node) {
    let log::NodeInfo { id, name, api_address, peer_address } = info;
    (id, Node { name, api_address, peer_address })
}

fn stored_out(stored: &StoredMembership) -> log::StoredMembership {
    log::StoredMembership {
        log_id: stored.log_id().as_ref().map(log_id_out),
        membership: Some(membership_out(stored.membership())),
    }
}

fn stored_in(stored: log::StoredMembership) -> Result<StoredMembership, InvalidRecord> {
    let log::StoredMembership { log_id, membership } = stored;
    let membership = membership_in(membership.ok_or(InvalidRecord::Missing("membership"))?)?;
    Ok(StoredMembership::new(log_id_opt(log_id)?, membership))
}

/// Snapshot meta to wire; the rest of the message is filled in by the snapshot file.
pub fn meta_out(meta: &SnapshotMeta) -> log::SnapshotMeta {
    log::SnapshotMeta {
        last_applied: meta.last_log_id.as_ref().map(log_id_out),
        membership: Some(stored_out(&meta.last_membership)),
        ..log::SnapshotMeta::default()
    }
}

/// Snapshot meta from wire.
pub fn meta_in(meta: &log::SnapshotMeta) -> Result<SnapshotMeta, InvalidRecord> {
    Ok(SnapshotMeta {
        last_log_id: log_id_opt(meta.last_applied)?,
        last_membership: stored_in(
            meta.membership.clone().ok_or(InvalidRecord::Missing("membership"))?,
        )?,
    })
}

/// Entry to wire.
pub fn entry_out(entry: &Entry) -> log::Entry {
    let payload = match &entry.payload {
        EntryPayload::Blank => log::entry::Payload::Blank(true),
        EntryPayload::Normal(proposal) => log::entry::Payload::Command(proposal.0.clone()),
        EntryPayload::Membership(m) => log::entry::Payload::Membership(membership_out(m)),
    };
    log::Entry { log_id: Some(log_id_out(&entry.log_id)), payload: Some(payload) }
}

/// Entry from wire.
pub fn entry_in(entry: log::Entry) -> Result<Entry, InvalidRecord> {
    let log::Entry { log_id, payload } = entry;
    let payload = match payload.ok_or(InvalidRecord::Missing("payload"))? {
        log::entry::Payload::Blank(_) => EntryPayload::Blank,
        log::entry::Payload::Command(bytes) => EntryPayload::Normal(Proposal(bytes)),
        log::entry::Payload::Membership(m) => EntryPayload::Membership(membership_in(m)?),
    };
    let log_id = log_id_in(log_id.ok_or(InvalidRecord::Missing("log id"))?)?;
    Ok(Entry { log_id, payload })
}
