//! What goes into the log and what comes out. Time, ids and randomness travel in the command; a
//! refusal is a value.

use std::sync::Arc;

use millwright_model::{
    digest::{Digest, GitId},
    facts::GatewayFacts,
    generation::Epoch,
    id::{ClusterId, GatewayName, Member, Name, RequestId, RolloutId},
    instruction::{Answer, InstructionKind},
    path::ManagedPath,
    report::Report,
    resource::{Kind, Resource},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

mod outcome;
mod refusal;
mod rollout;

pub use self::{
    outcome::{Accepted, Outcome, Rejection},
    refusal::{NoteRefusal, subject_of},
    rollout::{
        AdvanceRollout, Finish, GateAnswered, PlanMember, PlanStage, RolloutAction, Scope,
        StartRollout, Step,
    },
};
use crate::{render::RenderSpec, state::Followed};

/// Where in the log a command stands.
#[derive(Debug, Clone, Copy)]
pub struct LogContext {
    /// Index of its entry.
    pub index: u64,
}

/// One entry's content.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The same one is applied once.
    pub request_id: RequestId,
    /// The proposer's clock.
    pub at: Timestamp,
    /// The life of the cluster that the proposer saw.
    pub epoch: Epoch,
    /// Identity of who asked.
    pub actor: String,
    /// Where the request came from; empty for what a coordinator decides by itself.
    pub from: String,
    /// Why, in a person's words.
    pub reason: String,
    /// What.
    pub body: Body,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Makes the cluster.
    Bootstrap(Bootstrap),
    /// Creates or replaces resources, all or none.
    PutResources {
        /// In the order of the file.
        resources: Vec<Resource>,
    },
    /// Deletes one resource.
    DeleteResource {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Registers a join token.
    CreateToken(CreateToken),
    /// Spends a join token.
    UseToken(UseToken),
    /// Makes a token void.
    RevokeToken {
        /// Public id.
        id: String,
    },
    /// Evicts or bans an agent.
    RevokeAgent {
        /// Its gateway.
        gateway: GatewayName,
        /// Which node.
        member: Member,
        /// May it enrol again?
        ban: bool,
    },
    /// A ref now means this commit.
    ResolveRelease(ResolveRelease),
    /// A ref could not be resolved.
    ReleaseFailed {
        /// Which ref.
        followed: Followed,
        /// Why.
        message: String,
    },
    /// Begins a rollout.
    StartRollout(StartRollout),
    /// A fleet cannot be planned, or can again.
    PlanRefused {
        /// Which.
        fleet: Name,
        /// Why; empty when it can be.
        message: String,
    },
    /// What a rollout does next.
    AdvanceRollout(AdvanceRollout),
    /// What a gate answered.
    GateAnswered(GateAnswered),
    /// What a person asks of a rollout.
    ActOnRollout {
        /// Which.
        rollout: RolloutId,
        /// What.
        action: RolloutAction,
    },
    /// Holds a commit, or lifts its hold.
    HoldCommit {
        /// In which repository.
        repository: Name,
        /// Which.
        commit: GitId,
        /// Whether it is lifted.
        lift: bool,
    },
    /// What agents did.
    RecordReports {
        /// In the order received.
        reports: Vec<Report>,
    },
    /// Which agents a node holds.
    RecordPresence {
        /// Which node.
        node: u64,
        /// Everything it said before is void.
        full: bool,
        /// Now connected there.
        connected: Vec<AgentRef>,
        /// Gone from there for longer than the grace period.
        lost: Vec<(GatewayName, Member)>,
    },
    /// What a person asks of one gateway's desired state.
    ActOnGateway {
        /// Which.
        gateway: GatewayName,
        /// What.
        action: GatewayAction,
    },
    /// What a person asks an agent to do once.
    Instruct(Instruct),
    /// What agents did of it.
    RecordAnswers {
        /// In the order received.
        answers: Vec<Answer>,
    },
    /// A node is gone, and the agents it held with it.
    NodeLost {
        /// Which.
        node: u64,
    },
    /// Somebody asked for what he may not do, or what cannot be done: nothing changes but the audit.
    NoteRefusal(NoteRefusal),
    /// A coordinator has the audit in its file up to an entry.
    AuditExported {
        /// Which.
        up_to: u64,
    },
    /// Registers a coordinator.
    PutNode {
        /// Id in the Raft group.
        id: u64,
        /// Its record.
        node: NodeRecord,
    },
}

/// See [`Body::Bootstrap`].
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    /// Id of the cluster.
    pub cluster_id: ClusterId,
    /// CA certificate.
    pub ca_pem: String,
    /// CA key, sealed with the cluster key.
    pub sealed_ca_key: Vec<u8>,
    /// Id of the first node.
    pub node_id: u64,
    /// The first node.
    pub node: NodeRecord,
    /// The first administrator.
    pub operator: Name,
    /// SHA-256 of its public key.
    pub operator_key: [u8; 32],
}

/// A coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name.
    pub name: Name,
    /// `host:port` for agents and operators.
    pub api_address: String,
    /// `host:port` for coordinators.
    pub peer_address: String,
    /// Program version.
    pub version: String,
    /// SHA-256 of its public key.
    pub key_digest: [u8; 32],
}

/// What a join token admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenRole {
    /// An agent.
    Agent,
    /// A coordinator.
    Coordinator,
    /// An operator.
    Operator,
}

impl TokenRole {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenRole::Agent => "agent",
            TokenRole::Coordinator => "coordinator",
            TokenRole::Operator => "operator",
        }
    }

    /// From the word.
    pub fn parse(word: &str) -> Option<Self> {
        [TokenRole::Agent, TokenRole::Coordinator, TokenRole::Operator]
            .into_iter()
            .find(|role| role.as_str() == word)
    }
}

/// See [`Body::CreateToken`].
#[derive(Debug, Clone, PartialEq)]
pub struct CreateToken {
    /// Public id.
    pub id: String,
    /// SHA-256 of its secret.
    pub secret_digest: [u8; 32],
    /// What it admits.
    pub role: TokenRole,
    /// Whom: gateway, node or operator name.
    pub name: String,
    /// Agents: which node of the gateway.
    pub member: Member,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// See [`Body::UseToken`].
#[derive(Debug, Clone, PartialEq)]
pub struct UseToken {
    /// Public id.
    pub id: String,
    /// SHA-256 of its secret.
    pub secret_digest: [u8; 32],
    /// Who asks.
    pub name: String,
    /// Agents: which node of the gateway.
    pub member: Member,
    /// SHA-256 of the newcomer's public key.
    pub key_digest: [u8; 32],
}

/// See [`Body::ResolveRelease`].
#[derive(Debug, Clone, PartialEq)]
pub struct ResolveRelease {
    /// Which ref.
    pub followed: Followed,
    /// The ref as followed.
    pub reference: String,
    /// What it means now.
    pub commit: GitId,
    /// Author of the commit.
    pub author: String,
    /// First line of its message.
    pub subject: String,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// What a person asks of one gateway's desired state.
#[derive(Debug, Clone, PartialEq)]
pub enum GatewayAction {
    /// Once more, the same.
    Retry,
    /// Once more, with every file read again.
    Sync,
    /// Back to a snapshot of the agent.
    RollbackToSnapshot {
        /// Which; empty is the one taken before the last change.
        id: String,
        /// Only this project.
        project: Option<String>,
    },
    /// Back to another commit.
    RollbackToCommit {
        /// What was rendered.
        manifest: Digest,
        /// How.
        render: Arc<RenderSpec>,
        /// Managed roots of the manifest.
        roots: Vec<ManagedPath>,
    },
    /// Nothing new until it is resumed.
    Pause,
    /// On again.
    Resume,
    /// A person agrees to what the newest rollout asks about.
    Confirm {
        /// To which files.
        manifest: Digest,
    },
}

/// See [`Body::Instruct`].
#[derive(Debug, Clone, PartialEq)]
pub struct Instruct {
    /// Tells it from others.
    pub id: String,
    /// Whom.
    pub gateway: GatewayName,
    /// Which node of it.
    pub member: Member,
    /// What.
    pub kind: InstructionKind,
    /// A snapshot's id, where one is meant.
    pub subject: String,
    /// When it is void if nobody has carried it out.
    pub expires_at: Timestamp,
}

/// An agent as a node sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRef {
    /// Its gateway.
    pub gateway: GatewayName,
    /// Which node of it.
    pub member: Member,
    /// Program version.
    pub version: String,
    /// Where it calls from.
    pub address: String,
    /// What it sees of its gateway.
    pub facts: GatewayFacts,
    /// Random per process.
    pub instance: String,
}
