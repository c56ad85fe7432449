//! What an answer, or the lack of one, means for the rollout. That something goes on without the
//! consent of a gate is said in the verdict itself, so that nobody can forget to count it.

use serde::{Deserialize, Serialize};

use super::{Decision, FailurePolicy, Gate, GateAnswer, OnExpire, RETRY_AFTER_MIN};
use crate::time::{Span, Timestamp};

/// When to ask again a gate that defers and does not say.
pub const RETRY_AFTER_DEFAULT: Span = Span(60_000);

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum GateVerdict {
    /// Go on.
    Allowed {
        /// What people shall see.
        warnings: Vec<String>,
        /// Why there was no consent, if a policy stands in for it.
        failed_open: Option<String>,
    },
    /// Do not go on.
    Denied {
        /// Never empty.
        reason: String,
    },
    /// Ask again.
    Deferred {
        /// Never empty.
        reason: String,
        /// How long to wait.
        retry_after: Span,
    },
}

/// The verdict on one question. The failure is the text for people.
#[must_use]
pub fn verdict(gate: &Gate, outcome: &Result<GateAnswer, String>) -> GateVerdict {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => {
            return match gate.failure_policy {
                FailurePolicy::Fail => GateVerdict::Denied { reason: failure.clone() },
                FailurePolicy::Ignore => GateVerdict::Allowed {
                    warnings: Vec::new(),
                    failed_open: Some(failure.clone()),
                },
            };
        }
    };
    match answer.decision {
        Decision::Allow => {
            GateVerdict::Allowed { warnings: answer.warnings.clone(), failed_open: None }
        }
        Decision::Deny => GateVerdict::Denied { reason: reason(gate, answer, "denied") },
        Decision::Defer => GateVerdict::Deferred {
            reason: reason(gate, answer, "deferred"),
            retry_after: answer.retry_after.unwrap_or(RETRY_AFTER_DEFAULT),
        },
    }
}

fn reason(gate: &Gate, answer: &GateAnswer, did: &str) -> String {
    match answer.reason.as_str() {
        "" => format!("gate {} {did} without a reason", gate.name),
        text => text.to_owned(),
    }
}

impl GateVerdict {
    /// The same at a moment: a deferral ends when the gate's time is over, counted from when it was
    /// first asked, and the last question is asked no later than that.
    #[must_use]
    pub fn at(self, gate: &Gate, first_asked: Timestamp, now: Timestamp) -> Self {
        let (reason, retry_after) = match self {
            GateVerdict::Deferred { reason, retry_after } => (reason, retry_after),
            GateVerdict::Allowed { .. } | GateVerdict::Denied { .. } => return self,
        };
        let expires = gate.expires_after();
        let left = Span(expires.0.saturating_sub(now.since(first_asked).0));
        if left > Span(0) {
            let retry_after = retry_after.min(left.max(RETRY_AFTER_MIN));
            return GateVerdict::Deferred { reason, retry_after };
        }
        let text = format!("gate {} has put its answer off for {expires}: {reason}", gate.name);
        match gate.on_expire {
            OnExpire::Deny => GateVerdict::Denied { reason: text },
            OnExpire::Allow => {
                GateVerdict::Allowed { warnings: Vec::new(), failed_open: Some(text) }
            }
        }
    }
}
