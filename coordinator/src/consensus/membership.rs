//! Who is in the group: the first node makes it, others come in as learners and become voters once
//! they have caught up. Nobody is removed automatically.

use std::{collections::BTreeMap, time::Duration};

use openraft::{ChangeMembers, Instant, async_runtime::watch::WatchReceiver};

use super::{
    Handle,
    types::{LogId, Node},
};

/// How long a learner may take to catch up.
const CATCH_UP: Duration = Duration::from_mins(1);

/// Why a member could not be added.
#[derive(Debug, thiserror::Error)]
pub enum MembershipFailed {
    /// Only the leader changes the membership.
    #[error("this node does not lead")]
    NotLeader,
    /// The library refused.
    #[error("cannot change the membership: {0}")]
    Refused(String),
}

/// One coordinator as the group sees it now.
#[derive(Debug, Clone)]
pub struct MemberView {
    /// Node id.
    pub id: u64,
    /// Addresses and name.
    pub node: Node,
    /// Whether it votes.
    pub voter: bool,
    /// Index up to which its log is known to match; leader's knowledge only.
    pub matched: Option<u64>,
    /// Milliseconds since it last answered the leader; leader's knowledge only.
    pub silent_ms: Option<u64>,
}

/// The group as this node sees it.
#[derive(Debug, Clone, Default)]
pub struct GroupView {
    /// The leader, if known.
    pub leader: Option<u64>,
    /// Raft term.
    pub term: u64,
    /// Last applied index at this node.
    pub applied: u64,
    /// Members by id.
    pub members: Vec<MemberView>,
}

impl Handle {
    /// Makes a new group of this node alone. Does nothing when there is one already.
    pub async fn found(&self, node: Node) -> Result<(), MembershipFailed> {
        let refused = |error: String| MembershipFailed::Refused(error);
        if self.raft.is_initialized().await.map_err(|e| refused(e.to_string()))? {
            return Ok(());
        }
        let members = BTreeMap::from([(self.id, node)]);
        self.raft.initialize(members).await.map_err(|e| refused(e.to_string()))
    }

    /// Takes a node in: learner first, voter once its log has caught up. Repeatable.
    pub async fn admit(&self, id: u64, node: Node) -> Result<(), MembershipFailed> {
        if !self.leads() {
            return Err(MembershipFailed::NotLeader);
        }
        let refused = |error: String| MembershipFailed::Refused(error);
        let known = self.group().members.into_iter().find(|member| member.id == id);
        match known {
            Some(member) if member.node == node && member.voter => return Ok(()),
            Some(member) if member.node != node => {
                let change = ChangeMembers::SetNodes(BTreeMap::from([(id, node)]));
                self.raft
                    .change_membership(change, true)
                    .await
                    .map_err(|e| refused(e.to_string()))?;
            }
            Some(_) => {}
            None => {
                let learner = self.raft.add_learner(id, node, true);
                match tokio::time::timeout(CATCH_UP, learner).await {
                    Ok(added) => drop(added.map_err(|e| refused(e.to_string()))?),
                    Err(_) => return Err(refused(format!("node {id} has not caught up in time"))),
                }
            }
        }
        let change = ChangeMembers::AddVoterIds([id].into());
        self.raft.change_membership(change, true).await.map_err(|e| refused(e.to_string()))?;
        Ok(())
    }

    /// The group as this node sees it.
    pub fn group(&self) -> GroupView {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched().clone();
        let replication = metrics.replication.unwrap_or_default();
        let heartbeat = metrics.heartbeat.unwrap_or_default();
        let members = super::state_machine::members(&metrics.membership_config)
            .into_iter()
            .map(|(id, node, voter)| MemberView {
                id,
                node,
                voter,
                matched: replication.get(&id).and_then(|m| m.as_ref().map(LogId::index)),
                silent_ms: heartbeat.get(&id).and_then(|at| {
                    at.as_ref()
                        .map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
                }),
            })
            .collect();
        GroupView {
            leader: metrics.current_leader,
            term: metrics.current_term,
            applied: metrics.last_applied.as_ref().map_or(0, LogId::index),
            members,
        }
    }
}
