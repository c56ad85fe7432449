//! The records of a rollout: its frozen plan and how far it has come.

use std::sync::Arc;

use millwright_model::{
    digest::{Digest, GitId},
    generation::Generation,
    id::{GatewayName, Name},
    path::ManagedPath,
    resource::RolloutPolicy,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{DryRun, GateKey, GateRecord, Large};
use crate::{
    command::{Finish, PlanStage},
    render::RenderSpec,
    rollout::{StageCount, count},
};

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
    /// Its agent was away when its turn came; it catches up.
    Deferred,
    /// On its way back to what it had before.
    Reverting {
        /// Under this generation.
        generation: Generation,
    },
    /// Back at what it had before, with evidence.
    Reverted {
        /// Of this generation.
        generation: Generation,
    },
}

/// What a gateway ran before a rollout changed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Before {
    /// Files that a coordinator can make again.
    Files(Arc<Good>),
    /// Files that only its agent has: the snapshot taken before the change.
    Snapshot {
        /// Which; empty until the agent has said so.
        id: String,
    },
}

/// Files that were read back, and how they are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Good {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// How it is made.
    pub render: Arc<RenderSpec>,
    /// Managed roots.
    pub roots: Vec<ManagedPath>,
    /// The ref as followed.
    pub reference: String,
}

/// A member of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutMember {
    /// Stage index.
    pub stage: u32,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// How it is made.
    pub render: Arc<RenderSpec>,
    /// Managed roots.
    pub roots: Vec<ManagedPath>,
    /// Why a person must agree before it goes on; empty when nobody has to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// Its place in the order of its stage.
    #[serde(default)]
    pub order: u32,
    /// What must have the new files first, or be in sync when it is no member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<GatewayName>,
    /// Where it stands.
    pub state: MemberState,
    /// Since when.
    #[serde(default)]
    pub since: Timestamp,
    /// What it ran before; absent until it is assigned, and for one that had nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// A person goes on although it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgiven: bool,
    /// What its agent said it would change, where the fleet asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<DryRun>,
    /// It is to have its previous files again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revert: bool,
}

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutPhase {
    /// A person begins it.
    Planned,
    /// Going on.
    Running,
    /// On the way back.
    RollingBack,
    /// Every stage is done. Members that were deferred still catch up.
    Completed,
    /// Stopped: nothing new begins until a person or another plan goes on.
    Failed,
    /// Ended by a person.
    Aborted,
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

/// What a person said about a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// How far a stage has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StageProgress {
    /// When a person was first asked to approve it.
    pub asked_at: Option<Timestamp>,
    /// Who agreed.
    pub approved: Option<Said>,
    /// When its first member could begin.
    pub opened_at: Option<Timestamp>,
    /// When it was done; its soak counts from here.
    pub closed_at: Option<Timestamp>,
    /// Who cut the soak short.
    pub promoted: Option<Said>,
}

/// Why a rollout stopped or went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// In words.
    pub cause: String,
    /// When.
    pub at: Timestamp,
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
    /// Its author.
    #[serde(default)]
    pub author: String,
    /// The ref as followed.
    pub reference: String,
    /// Frozen stages.
    pub stages: Vec<PlanStage>,
    /// How far each has come; one for each stage.
    #[serde(default)]
    pub progress: Vec<StageProgress>,
    /// Frozen rules.
    #[serde(default)]
    pub policy: RolloutPolicy,
    /// Members by gateway; each entry shared.
    pub members: Large<GatewayName, Arc<RolloutMember>>,
    /// Members by where they stand, one for each stage: kept, so that nobody counts a fleet for every
    /// report.
    #[serde(default)]
    pub(crate) counts: Vec<StageCount>,
    /// Hash of the plan.
    pub plan_hash: Digest,
    /// Counts its changes.
    pub revision: u64,
    /// Where it stands.
    pub phase: RolloutPhase,
    /// Paused by a person.
    #[serde(default)]
    pub paused: Option<Said>,
    /// Why it stopped, if it did.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Whether it was turned round.
    #[serde(default)]
    pub back: bool,
    /// What was asked of gates, sorted by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) questions: Vec<Arc<GateRecord>>,
    /// Whether one of them has no answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) asks: bool,
    /// Times that a policy stood in for a gate's consent.
    #[serde(default)]
    pub failed_open: u32,
    /// When something went forward last: its deadline counts from here.
    #[serde(default)]
    pub moved_at: Timestamp,
    /// When a person last accepted how it stands and let it go on.
    #[serde(default)]
    pub accepted_at: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Rollout {
    /// How far a stage has come.
    pub fn progress_of(&self, stage: usize) -> StageProgress {
        self.progress.get(stage).cloned().unwrap_or_default()
    }

    /// Whether this plan is on its way or was carried out. One that was rolled back is none any more: when
    /// nobody holds its commit, it may be planned again.
    pub(crate) fn is(&self, plan_hash: Digest) -> bool {
        self.plan_hash == plan_hash && !(self.back && self.phase == RolloutPhase::Failed)
    }

    /// Counters of every stage.
    pub fn counts(&self) -> &[StageCount] {
        &self.counts
    }

    /// Counts from the members.
    pub(crate) fn count_again(&mut self) {
        self.counts = count(self);
    }

    /// A member stands elsewhere from now on.
    pub(crate) fn set(&mut self, gateway: &GatewayName, state: MemberState, now: Timestamp) {
        let Some(member) = self.members.get_mut(gateway) else { return };
        if let Some(count) = self.counts.get_mut(member.stage as usize) {
            *count.of(&member.state) -= 1;
            *count.of(&state) += 1;
        }
        let member = Arc::make_mut(member);
        member.state = state;
        member.since = now;
    }

    /// What was asked of gates.
    pub fn questions(&self) -> &[Arc<GateRecord>] {
        &self.questions
    }

    /// What was asked under a key.
    pub(crate) fn question(&self, key: &GateKey) -> Option<&Arc<GateRecord>> {
        let at = self.questions.binary_search_by(|record| record.key.cmp(key)).ok()?;
        self.questions.get(at)
    }

    /// A question stands so from now on.
    pub(crate) fn record(&mut self, record: GateRecord) {
        match self.questions.binary_search_by(|known| known.key.cmp(&record.key)) {
            Ok(at) => self.questions[at] = Arc::new(record),
            Err(at) => self.questions.insert(at, Arc::new(record)),
        }
        self.asks = self.questions.iter().any(|record| record.answer.is_none());
    }

    /// Whatever becomes of this member, nobody turns it back any more.
    pub(crate) fn settled(&mut self, gateway: &GatewayName) {
        if let Some(member) = self.members.get_mut(gateway).filter(|member| member.revert) {
            Arc::make_mut(member).revert = false;
        }
    }

    /// The first stage that is not done; `None` after the last one.
    pub fn current(&self) -> Option<usize> {
        (0..self.stages.len()).find(|at| self.progress_of(*at).closed_at.is_none())
    }
}

/// A commit that no plan may bring to gateways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// In which repository.
    pub repository: Name,
    /// Which; what descends from it is held too unless it takes it back.
    pub commit: GitId,
    /// Who: a person, or a rollout that was rolled back.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// Who lifted it.
    pub lifted: Option<Said>,
}
