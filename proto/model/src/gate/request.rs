//! What a gate is told. Lists are bounded, with their full count beside: a fleet of thousands must
//! not become a request of megabytes. Nothing secret is in it: no variables, no credentials.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{API_VERSION, Phase};
use crate::{
    digest::{Digest, GitId},
    facts::SessionKind,
    id::{GatewayName, Name, RolloutId},
    resource::Strings,
    time::Timestamp,
};

/// Gateways that are listed.
pub const GATEWAYS_MAX: usize = 500;
/// Sessions that are listed.
pub const SESSIONS_MAX: usize = 200;
/// Changed paths that are listed.
pub const PATHS_MAX: usize = 200;
/// Longest commit message; more is cut.
pub const MESSAGE_CHARS_MAX: usize = 2_000;

/// The `kind` of the payload.
const KIND: &str = "GateRequest";

/// One question to a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateRequest {
    /// Which gate is asked.
    pub gate: Name,
    /// At which point.
    pub phase: Phase,
    /// About what.
    pub subject: Subject,
    /// 1 for the first question about it, one more each time it is asked anew, as after a
    /// deferral. The repetition of a request that failed is the same attempt.
    pub attempt: u32,
    /// Nothing will follow from the answer: the gate shall change nothing either.
    pub dry_run: bool,
    /// Whether an older commit is brought back.
    pub rollback: bool,
    /// Of which fleet.
    pub fleet: Name,
    /// Which rollout; absent before there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutId>,
    /// Hash of the plan: the same hash is the same bytes on the same gateways.
    pub plan_hash: Digest,
    /// From where.
    pub repository: AboutRepository,
    /// Which commit.
    pub commit: AboutCommit,
    /// What changes.
    pub diff: DiffSummary,
    /// The gateways that it is about.
    pub gateways: Bounded<AboutGateway>,
    /// Who is at work on them.
    pub open_sessions: Bounded<AboutSession>,
    /// What their agents said they would change, where the fleet asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_runs: Option<Bounded<AboutDryRun>>,
}

/// What one agent said it would change, by its own look at its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutDryRun {
    /// Where.
    pub gateway: GatewayName,
    /// Whether nothing would stop it.
    pub ok: bool,
    /// In words.
    pub message: String,
    /// Files that would be added.
    pub added: u32,
    /// Files that would change.
    pub changed: u32,
    /// Files that would be removed.
    pub removed: u32,
    /// Bytes that would be written.
    pub bytes: u64,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Subject {
    /// The whole plan.
    Plan,
    /// One stage.
    Stage {
        /// Which.
        name: Name,
    },
    /// One gateway.
    Gateway {
        /// Which.
        name: GatewayName,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Plan => f.write_str("plan"),
            Subject::Stage { name } => write!(f, "stage {name}"),
            Subject::Gateway { name } => write!(f, "gateway {name}"),
        }
    }
}

/// The beginning of a list, and how long it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounded<T> {
    /// All of them.
    pub total: u64,
    /// The first.
    pub items: Vec<T>,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { total: 0, items: Vec::new() }
    }
}

impl<T> Bounded<T> {
    /// Counts all, keeps so many.
    pub fn of(all: impl IntoIterator<Item = T>, max: usize) -> Self {
        let mut all = all.into_iter();
        let items: Vec<T> = all.by_ref().take(max).collect();
        let total = (items.len() + all.count()) as u64;
        Self { total, items }
    }
}

/// A repository for outsiders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutRepository {
    /// Its name.
    pub name: Name,
    /// Its address, without credentials.
    pub url: String,
    /// The ref as followed, such as `branch main`.
    pub reference: String,
}

/// A commit for outsiders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutCommit {
    /// Its id.
    pub id: GitId,
    /// Author's name.
    pub author: String,
    /// What it says of itself, cut to [`MESSAGE_CHARS_MAX`].
    pub message: String,
}

impl AboutCommit {
    /// With the message cut.
    pub fn new(id: GitId, author: String, message: &str) -> Self {
        Self { id, author, message: message.chars().take(MESSAGE_CHARS_MAX).collect() }
    }
}

/// How much changes, over all gateways of the question.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffSummary {
    /// Files that are new.
    pub added: u64,
    /// Files with other content.
    pub changed: u64,
    /// Files that go away.
    pub removed: u64,
    /// Paths of any of them below the data directory, each once.
    pub paths: Bounded<String>,
}

/// A gateway for outsiders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutGateway {
    /// Its name.
    pub name: GatewayName,
    /// Where it stands.
    pub site: Name,
    /// Its labels.
    pub labels: Strings,
    /// What it runs now, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<GitId>,
}

/// Somebody at work on a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutSession {
    /// Where.
    pub gateway: GatewayName,
    /// What kind.
    pub kind: SessionKind,
    /// Who.
    pub user: String,
    /// On which project; empty when none is open yet.
    pub project: String,
    /// Since when, in RFC 3339.
    pub since: String,
}

impl AboutSession {
    /// From a session as the agent saw it.
    pub fn new(
        gateway: GatewayName,
        kind: SessionKind,
        user: String,
        project: String,
        since: Timestamp,
    ) -> Self {
        Self { gateway, kind, user, project, since: since.to_string() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    request: &'a GateRequest,
}

impl GateRequest {
    /// The body of the request: the same bytes for equal questions.
    pub fn to_json(&self) -> Vec<u8> {
        let envelope = Envelope { api_version: API_VERSION, kind: KIND, request: self };
        serde_json::to_vec(&envelope).expect("string keys and plain values always serialise")
    }

    /// Tells one question from another, so that a gate can see that it has been asked this before:
    /// by a repetition, or by the leader before this one. The attempt is part of it: a gate that
    /// remembers its answers would otherwise repeat a deferral for ever.
    pub fn idempotency_key(&self) -> String {
        let rollout = self.rollout.as_ref().map(RolloutId::as_str).unwrap_or_default();
        let use_of_it = if self.dry_run { "dry-run" } else { "real" };
        // No part holds a line feed.
        let text = format!(
            "millwright-gate-1\n{}\n{rollout}\n{}\n{}\n{}\n{}\n{use_of_it}",
            self.gate, self.plan_hash, self.phase, self.subject, self.attempt
        );
        Digest::of(text.as_bytes()).to_string()
    }
}
