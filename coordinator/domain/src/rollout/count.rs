//! Counters of stages.

use serde::{Deserialize, Serialize};

use crate::state::{MemberState, Rollout};

/// Counters of one stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCount {
    /// All members.
    pub total: u32,
    /// Not assigned yet.
    pub pending: u32,
    /// In flight, forward or back.
    pub running: u32,
    /// Applied under their own generation.
    pub applied: u32,
    /// Failed.
    pub failed: u32,
    /// Left out.
    pub skipped: u32,
    /// Away when their turn came.
    pub deferred: u32,
    /// Back at what they had before.
    pub reverted: u32,
}

impl StageCount {
    /// The counter of those that stand so.
    pub(crate) fn of(&mut self, state: &MemberState) -> &mut u32 {
        match state {
            MemberState::Pending => &mut self.pending,
            MemberState::Assigned { .. } | MemberState::Reverting { .. } => &mut self.running,
            MemberState::Applied { .. } => &mut self.applied,
            MemberState::Failed { .. } => &mut self.failed,
            MemberState::Skipped { .. } => &mut self.skipped,
            MemberState::Deferred => &mut self.deferred,
            MemberState::Reverted { .. } => &mut self.reverted,
        }
    }

    /// Members that the stage is about.
    pub fn wanted(&self) -> u32 {
        self.total - self.skipped
    }

    /// Whether so many of a hundred have the new files.
    pub fn reaches(&self, percent: u32) -> bool {
        u64::from(self.applied) * 100 >= u64::from(self.wanted()) * u64::from(percent)
    }
}

/// Counters of every stage, from the members.
pub fn count(rollout: &Rollout) -> Vec<StageCount> {
    let mut counts = vec![StageCount::default(); rollout.stages.len()];
    for member in rollout.members.values() {
        let Some(count) = counts.get_mut(member.stage as usize) else { continue };
        count.total += 1;
        *count.of(&member.state) += 1;
    }
    counts
}
