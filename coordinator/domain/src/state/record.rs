//! The records that the state is made of.

use std::{collections::BTreeMap, sync::Arc};

use millwright_model::{
    digest::{Digest, GitId},
    generation::Generation,
    id::{ClusterId, GatewayName, Member, Name},
    path::ManagedPath,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    command::{Finish, PlanStage, TokenRole},
    render::RenderSpec,
};

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
    /// Why a person must agree before it goes on; empty when nobody has to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub question: String,
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
