//! The records of one gateway: what it shall have, what became of it, what its agents see.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use millwright_model::{
    assignment::{Begun, Origin},
    digest::{Digest, GitId},
    facts::{GatewayFacts, OpenSession},
    generation::Generation,
    id::{Member, RolloutId},
    instruction::InstructionKind,
    path::ManagedPath,
    report::Failure,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::Good;
use crate::render::RenderSpec;

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
    pub render: Arc<RenderSpec>,
    /// Managed roots.
    pub roots: Vec<ManagedPath>,
    /// Which rollout said so; of a person's own wish, the one before.
    pub rollout: RolloutId,
    /// Which try; the first is 1.
    pub attempt: u32,
    /// Where the files come from.
    pub origin: DesiredOrigin,
    /// Who or what asked for it.
    pub trigger: String,
    /// Read every file again.
    pub full: bool,
    /// Who began it.
    #[serde(default, skip_serializing_if = "is_by_rollout")]
    pub begun: Begun,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_by_rollout(begun: &Begun) -> bool {
    *begun == Begun::Rollout
}

/// Where the files of a gateway come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DesiredOrigin {
    /// The rollout's commit.
    Rollout,
    /// Another commit, by a person's wish.
    Commit,
    /// What the gateway had before a rollout that goes back.
    Previous,
    /// A snapshot of the agent, by a person's wish.
    Snapshot {
        /// Which.
        id: String,
        /// Only this project.
        project: Option<String>,
    },
}

impl DesiredOrigin {
    /// As an agent is told.
    pub fn origin(&self) -> Origin {
        match self {
            DesiredOrigin::Rollout | DesiredOrigin::Commit | DesiredOrigin::Previous => {
                Origin::Manifest
            }
            DesiredOrigin::Snapshot { id, project } => {
                Origin::Snapshot { id: id.clone(), project: project.clone() }
            }
        }
    }
}

/// A finished attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Of which assignment.
    pub generation: Generation,
    /// Which try of it.
    pub attempt: u32,
    /// 0 for the try itself; else which time the agent put drifted files back after it.
    #[serde(default)]
    pub repair: u32,
    /// How it ended.
    pub result: AttemptResult,
    /// Who or what asked for it.
    pub trigger: String,
    /// Which commit.
    pub commit: Option<GitId>,
    /// The ref as followed then.
    pub reference: String,
    /// Digest read back; absent when it was not applied.
    pub manifest: Option<Digest>,
    /// Why it was not applied.
    pub failures: Vec<Failure>,
    /// What people should know all the same.
    pub notices: Vec<Failure>,
    /// Sessions that were open at the commit.
    pub sessions: Vec<OpenSession>,
    /// Files of somebody else that a rollback left as they were.
    pub kept: Vec<String>,
    /// When, by the log.
    pub at: Timestamp,
    /// Projects touched.
    pub projects: Vec<String>,
    /// Snapshot taken before; empty when none was.
    pub snapshot: String,
    /// Files that were not there before.
    pub files_added: u32,
    /// Files replaced.
    pub files_changed: u32,
    /// Files deleted.
    pub files_deleted: u32,
    /// Bytes fetched.
    pub bytes_fetched: u64,
    /// Milliseconds.
    pub duration_ms: u64,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttemptResult {
    /// Read back and equal.
    Applied,
    /// Nothing was changed, or an edit of somebody else was kept.
    Failed,
    /// The previous files are back.
    RolledBack,
    /// The previous files are not all back.
    Inconsistent,
}

/// A backup's side of an assignment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Of which assignment.
    pub generation: Generation,
    /// Whether it has the files.
    pub in_sync: bool,
    /// Why not.
    pub message: String,
    /// Which try comes next. They come in twos: a first budget, and a second one after a resync.
    pub attempt: u32,
    /// When it was said.
    pub at: Timestamp,
}

impl BackupStatus {
    /// Whether a try is a first budget, after which a resync is asked for.
    pub fn is_first_budget(attempt: u32) -> bool {
        !attempt.is_multiple_of(2)
    }

    /// Begins anew with a first budget, as somebody has asked for.
    pub(crate) fn look_again(&mut self) {
        self.attempt = (self.attempt + 1) | 1;
        self.in_sync = false;
        self.message.clear();
    }
}

/// A pause by a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// What a person agreed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// These files, and no others.
    pub manifest: Digest,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// An instruction and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstructionRecord {
    /// Tells it from others.
    pub id: String,
    /// Which node of the gateway.
    pub member: Member,
    /// What.
    pub kind: InstructionKind,
    /// A snapshot's id, where one is meant.
    pub subject: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was given.
    pub at: Timestamp,
    /// When it is void.
    pub expires_at: Timestamp,
    /// What became of it.
    pub answer: Option<InstructionAnswer>,
}

/// What became of an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstructionAnswer {
    /// Whether it was done.
    pub ok: bool,
    /// For people.
    pub message: String,
    /// JSON text; empty for none.
    pub detail: String,
    /// When.
    pub at: Timestamp,
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
    /// What each agent sees, by member.
    pub facts: BTreeMap<String, GatewayFacts>,
    /// Last good attempt; comes only from a read-back.
    pub applied: Option<Attempt>,
    /// The files of that attempt, when a coordinator can make them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Arc<Good>>,
    /// All attempts, oldest first.
    pub history: VecDeque<Attempt>,
    /// The backup's side, on a pair.
    pub backup: Option<BackupStatus>,
    /// Paused by a person.
    pub paused: Option<Pause>,
    /// The newest thing that a person agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmation>,
    /// Instructions, oldest first.
    pub instructions: VecDeque<InstructionRecord>,
}

impl GatewayStatus {
    /// The node that is written: the one that connects as the only node, else the master.
    pub fn written_member(&self) -> Member {
        let single = self.connections.contains_key(Member::Single.as_str());
        let pair = self.connections.contains_key(Member::Master.as_str());
        if pair && !single { Member::Master } else { Member::Single }
    }

    /// What is seen of the node that is written.
    pub fn written_facts(&self) -> GatewayFacts {
        let of = |member: Member| self.facts.get(member.as_str());
        of(Member::Single).or_else(|| of(Member::Master)).cloned().unwrap_or_default()
    }
}
