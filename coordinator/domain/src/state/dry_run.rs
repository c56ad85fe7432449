//! What an agent said it would change, before a rollout changes anything.

use millwright_model::{id::RolloutId, time::Timestamp};
use serde::{Deserialize, Serialize};

/// A dry run of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// Counts the times that it was asked for.
    pub attempt: u32,
    /// When it was asked for last.
    pub asked_at: Timestamp,
    /// What the agent said; absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<DryRunAnswer>,
    /// A person wants it anew, whatever came of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
}

impl DryRun {
    /// The instruction of one attempt; an agent carries each out once.
    pub fn instruction(rollout: &RolloutId, attempt: u32) -> String {
        format!("{rollout}-{attempt}")
    }
}

/// What an agent said of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRunAnswer {
    /// Whether nothing would stop it.
    pub ok: bool,
    /// For people.
    pub message: String,
    /// Absent when it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<DryRunDiff>,
}

/// Files that would change, by the agent's own look at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRunDiff {
    /// Added.
    pub added: u32,
    /// Changed.
    pub changed: u32,
    /// Removed.
    pub removed: u32,
    /// Bytes that would be written.
    pub bytes: u64,
}
