//! What was asked of gates in a rollout, and what came of it. A question is recorded before it is asked,
//! and its answer once: so a new leader neither asks what was answered nor asks under another key.

use millwright_model::{
    gate::{GateVerdict, Phase, Subject},
    id::Name,
    time::{Span, Timestamp},
};
use serde::{Deserialize, Serialize};

/// Tells one question of a rollout from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateKey {
    /// Which gate.
    pub gate: Name,
    /// At which point.
    pub phase: Phase,
    /// About what.
    pub subject: Subject,
    /// Whether it is about the way back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
}

/// A question to a gate, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateRecord {
    /// Which.
    #[serde(flatten)]
    pub key: GateKey,
    /// Counts the times that it was asked.
    pub attempt: u32,
    /// When it was asked first; deferrals end some time after.
    pub first_asked: Timestamp,
    /// When it was asked last.
    pub asked_at: Timestamp,
    /// What came of it; absent while it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<GateOutcome>,
    /// A person wants it asked anew, whatever was answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateOutcome {
    /// What follows from it.
    pub verdict: GateVerdict,
    /// When.
    pub at: Timestamp,
    /// The request and the answer, for those who look later.
    pub asked: GateAsked,
}

/// How a question was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateAsked {
    /// Under this key.
    pub idempotency_key: String,
    /// BLAKE3 of the body of the request; empty when none was made.
    pub request: String,
    /// Requests that were made.
    pub requests: u32,
    /// From the first one to the end.
    pub took: Span,
}

impl GateRecord {
    /// When a gate that put its answer off is asked again.
    pub fn asks_again(&self) -> Option<Timestamp> {
        match &self.answer.as_ref()?.verdict {
            GateVerdict::Deferred { retry_after, .. } => {
                Some(self.answer.as_ref()?.at.plus(*retry_after))
            }
            GateVerdict::Allowed { .. } | GateVerdict::Denied { .. } => None,
        }
    }
}
