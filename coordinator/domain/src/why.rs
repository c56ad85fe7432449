//! Why something does not go on: every blocker, in the order that matters, each with what clears it. A
//! function of the state and a moment, so that every node and every client says the same.

mod gateway;
mod rollout;

use millwright_model::{
    id::{GatewayName, RolloutId},
    time::Timestamp,
};
use serde::Serialize;

use crate::State;

/// Blockers of one kind that are listed; more are counted.
const SAME_MAX: usize = 20;

/// Something that has to change first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocker {
    /// A closed word.
    pub code: &'static str,
    /// What it is about.
    pub subject: String,
    /// For people.
    pub message: String,
    /// Who can change it: a person's name, or what it is.
    pub owner: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it may be another answer by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// The command that clears it; empty when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub clear: String,
}

impl Blocker {
    fn new(code: &'static str, subject: impl ToString, message: impl Into<String>) -> Self {
        Self {
            code,
            subject: subject.to_string(),
            message: message.into(),
            owner: String::new(),
            since: None,
            next: None,
            clear: String::new(),
        }
    }

    fn by(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    fn next(mut self, next: Option<Timestamp>) -> Self {
        self.next = next;
        self
    }

    fn clear(mut self, command: impl Into<String>) -> Self {
        self.clear = command.into();
        self
    }
}

/// Why a rollout does not go on; empty when nothing holds it.
pub fn rollout(state: &State, id: &RolloutId, now: Timestamp) -> Vec<Blocker> {
    state.rollouts.get(id).map(|one| rollout::blockers(state, id, one, now)).unwrap_or_default()
}

/// Why a gateway does not have what its fleet follows; empty when it has.
pub fn gateway(state: &State, name: &GatewayName, now: Timestamp) -> Vec<Blocker> {
    gateway::blockers(state, name, now)
}
