//! The records that the state is made of.

use millwright_model::{
    digest::GitId,
    id::{ClusterId, Member},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::command::TokenRole;

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

/// One transition, for watchers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Log index.
    pub index: u64,
    /// Its place among the events of that log index, from 1.
    #[serde(default)]
    pub sub: u32,
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
