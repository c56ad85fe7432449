//! What became of a command. A refusal is a value: it is the same on every node.

use serde::{Deserialize, Serialize};

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It holds.
    Accepted(Accepted),
    /// It does not, and nothing changed.
    Rejected(Rejection),
}

/// What an accepted command gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accepted {
    /// Nothing to say.
    Done,
    /// Per resource: kind, name, and created, configured or unchanged.
    Applied(Vec<(String, String, String)>),
    /// The identity that a token bought.
    Identity(String),
}

impl Accepted {
    /// The identity that a token bought.
    pub fn identity(&self) -> Option<&str> {
        match self {
            Accepted::Identity(identity) => Some(identity),
            Accepted::Done | Accepted::Applied(_) => None,
        }
    }
}

/// Why a command does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// It breaks a rule.
    Invalid {
        /// Which.
        message: String,
    },
    /// It names something that is not there.
    NotFound {
        /// What.
        message: String,
    },
    /// What it was decided on has changed.
    Stale {
        /// What.
        message: String,
    },
    /// Who asks may not.
    Denied {
        /// Why.
        message: String,
    },
    /// A bound is reached.
    Limit {
        /// Which.
        message: String,
    },
    /// It comes from another life of the cluster.
    Epoch {
        /// Both.
        message: String,
    },
}

impl Rejection {
    /// Closed word.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::Invalid { .. } => "invalid",
            Rejection::NotFound { .. } => "not_found",
            Rejection::Stale { .. } => "stale",
            Rejection::Denied { .. } => "denied",
            Rejection::Limit { .. } => "limit",
            Rejection::Epoch { .. } => "epoch",
        }
    }

    /// For people.
    pub fn message(&self) -> &str {
        match self {
            Rejection::Invalid { message }
            | Rejection::NotFound { message }
            | Rejection::Stale { message }
            | Rejection::Denied { message }
            | Rejection::Limit { message }
            | Rejection::Epoch { message } => message,
        }
    }
}
