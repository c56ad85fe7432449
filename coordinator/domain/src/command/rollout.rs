//! What commands say about rollouts: frozen plans, decided steps, and what people ask.

use std::sync::Arc;

use millwright_model::{
    digest::{Digest, GitId},
    gate::{Gate, GateAnswer},
    id::{GatewayName, Name, RolloutId},
    path::ManagedPath,
    resource::{Approval, RolloutPolicy},
    time::Span,
};
use serde::{Deserialize, Serialize};

use crate::{
    render::RenderSpec,
    rollout::PlanRequest,
    state::{GateAsked, GateKey},
};

/// A stage as frozen in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStage {
    /// Its name.
    pub name: String,
    /// How many at a time.
    pub max_concurrent: u32,
    /// How long it must have been done before the next one begins.
    #[serde(default)]
    pub soak: Span,
    /// Whether a person must agree before it begins.
    #[serde(default)]
    pub approval: Approval,
    /// How many of a hundred must have the new files.
    #[serde(default = "all")]
    pub quorum: u32,
    /// Services that are asked in it, besides those of the fleet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
}

fn all() -> u32 {
    100
}

impl PlanStage {
    /// One without rules of its own.
    pub fn named(name: &str, max_concurrent: u32) -> Self {
        Self {
            name: name.to_owned(),
            max_concurrent,
            soak: Span::default(),
            approval: Approval::default(),
            quorum: QUORUM,
            gates: Vec::new(),
        }
    }
}

/// See [`millwright_model::resource::Stage::quorum`].
const QUORUM: u32 = 80;

/// A member as frozen in a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanMember {
    /// Whom.
    pub gateway: GatewayName,
    /// What it shall have.
    pub manifest: Digest,
    /// How that is made.
    pub render: Arc<RenderSpec>,
    /// Index of its stage.
    pub stage: u32,
    /// Its place in the order.
    pub order: u32,
    /// What must have the new files first.
    pub depends_on: Vec<GatewayName>,
    /// Managed roots of the manifest.
    pub roots: Vec<ManagedPath>,
    /// Why a person must agree before it goes on; empty when nobody has to.
    pub question: String,
}

/// See [`super::Body::StartRollout`].
#[derive(Debug, Clone, PartialEq)]
pub struct StartRollout {
    /// Of which fleet.
    pub fleet: Name,
    /// From which repository.
    pub repository: Name,
    /// Which commit.
    pub commit: GitId,
    /// Its author.
    pub author: String,
    /// The ref as followed.
    pub reference: String,
    /// Whether a person begins it.
    pub manual: bool,
    /// Frozen rules.
    pub policy: RolloutPolicy,
    /// Frozen stages.
    pub stages: Vec<PlanStage>,
    /// Frozen members.
    pub members: Vec<PlanMember>,
    /// Hash over all of it.
    pub plan_hash: Digest,
    /// Configuration version that the planner saw.
    pub seen: u64,
}

impl StartRollout {
    /// A wish with its members' files.
    pub fn of(request: PlanRequest, members: Vec<PlanMember>) -> Self {
        let plan_hash = request.hash();
        let PlanRequest {
            fleet,
            repository,
            commit,
            author,
            reference,
            manual,
            policy,
            stages,
            members: _,
            seen,
        } = request;
        Self {
            fleet,
            repository,
            commit,
            author,
            reference,
            manual,
            policy,
            stages,
            members,
            plan_hash,
            seen,
        }
    }
}

/// See [`super::Body::AdvanceRollout`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdvanceRollout {
    /// Which.
    pub rollout: RolloutId,
    /// Its revision as the driver saw it.
    pub seen: u64,
    /// Version of resources, releases and holds as the driver saw it.
    pub config: u64,
    /// In this order.
    pub steps: Vec<Step>,
}

/// One step of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A person is asked to approve a stage.
    AskApproval {
        /// Which.
        stage: u32,
    },
    /// A gate is about to be asked.
    AskGate {
        /// What.
        key: GateKey,
    },
    /// An agent is asked what it would change.
    DryRun {
        /// Whose.
        gateway: GatewayName,
    },
    /// Members of a stage may begin.
    OpenStage {
        /// Which.
        stage: u32,
    },
    /// A stage is done.
    CloseStage {
        /// Which.
        stage: u32,
    },
    /// A member gets its files.
    Assign {
        /// Whom.
        gateway: GatewayName,
    },
    /// A member is away: the rollout goes on without it.
    Defer {
        /// Whom.
        gateway: GatewayName,
    },
    /// A member has taken too long, or was away for too long.
    Fail {
        /// Whom.
        gateway: GatewayName,
        /// Why.
        message: String,
    },
    /// It goes back.
    RollBack {
        /// Who.
        scope: Scope,
        /// Why.
        cause: String,
    },
    /// A member gets its previous files.
    Revert {
        /// Whom.
        gateway: GatewayName,
    },
    /// It ends.
    Finish {
        /// How.
        finish: Finish,
        /// Why; empty when it is done.
        message: String,
    },
}

/// See [`super::Body::GateAnswered`].
#[derive(Debug, Clone, PartialEq)]
pub struct GateAnswered {
    /// In which rollout.
    pub rollout: RolloutId,
    /// To which question.
    pub key: GateKey,
    /// Which asking of it.
    pub attempt: u32,
    /// The answer, or why there is none.
    pub outcome: Result<GateAnswer, String>,
    /// How it was asked.
    pub asked: GateAsked,
}

/// Which members go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that have the new files.
    All,
    /// Those of a stage.
    Stage(u32),
    /// Those that failed.
    Failed,
    /// Those that depend on one that failed.
    Dependents,
}

/// What a person asks of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutAction {
    /// Begins a planned one.
    Start {
        /// Only if the plan is this one.
        plan_hash: Option<Digest>,
    },
    /// Nothing new begins.
    Pause,
    /// On again, after a pause or a failure that is accepted.
    Resume,
    /// A stage may begin.
    Approve {
        /// Which; empty is the one that is asked about.
        stage: String,
    },
    /// A stage must not begin: it stops.
    Deny {
        /// Which; empty is the one that is asked about.
        stage: String,
    },
    /// The soak is over.
    Promote,
    /// What failed, once more.
    Retry {
        /// Only this one.
        gateway: Option<GatewayName>,
    },
    /// Without this one.
    Skip {
        /// Which.
        gateway: GatewayName,
    },
    /// Nothing new begins, for good.
    Abort,
    /// All go back to what they had before.
    Undo,
}

/// How a rollout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finish {
    /// Every stage is done.
    Completed,
    /// Stopped, and nothing is in flight.
    Failed,
}

impl RolloutAction {
    /// From the word that people and the log use, with what it may take; the error says what is wrong.
    pub fn parse(
        action: &str,
        stage: &str,
        gateway: &str,
        plan_hash: Option<Digest>,
    ) -> Result<Self, String> {
        let named = || gateway.parse::<GatewayName>().map_err(|error| error.to_string());
        let stage = stage.to_owned();
        Ok(match action {
            "start" => RolloutAction::Start { plan_hash },
            "pause" => RolloutAction::Pause,
            "resume" => RolloutAction::Resume,
            "approve" => RolloutAction::Approve { stage },
            "deny" => RolloutAction::Deny { stage },
            "promote" => RolloutAction::Promote,
            "retry" if gateway.is_empty() => RolloutAction::Retry { gateway: None },
            "retry" => RolloutAction::Retry { gateway: Some(named()?) },
            "skip" => RolloutAction::Skip { gateway: named()? },
            "abort" => RolloutAction::Abort,
            "undo" => RolloutAction::Undo,
            other => return Err(format!("unknown action {other:?}")),
        })
    }
}
