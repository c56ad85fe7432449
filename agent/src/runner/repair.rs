//! Putting drift back, where the policy says so.

use std::time::Duration;

use millwright_model::{
    assignment::{Assignment, Begun},
    id::Member,
    policy::Drift as DriftPolicy,
};

use super::{Runner, order};
use crate::{drift::DriftEvent, state::Handled};

/// Until drift that could not be put back is looked at again.
const REPAIR_PAUSE: Duration = Duration::from_mins(10);

impl Runner {
    /// Somebody changed managed files: told by the watcher itself; put back here if the policy says.
    pub(super) async fn drifted(&mut self, event: DriftEvent) -> anyhow::Result<()> {
        let DriftEvent::Differs { count } = event else { return Ok(()) };
        let policies = self.policies.borrow().clone();
        // What is put aside looks at the whole tree when it is begun again.
        let busy = self.tools.member == Member::Backup || self.aside.is_some();
        if policies.drift != DriftPolicy::Restore || busy {
            return Ok(());
        }
        let Some(assignment) = self.repair(count)? else { return Ok(()) };
        tracing::info!(count, "putting drifted files back");
        self.tools.state.keep_in_hand(Some(&assignment))?;
        let this = order(&assignment);
        self.apply(assignment).await?;
        let done = self.tools.state.applied()?.is_some_and(|applied| order(&applied) == this);
        if !done && self.aside.is_none() {
            self.drift.insist(REPAIR_PAUSE);
        }
        Ok(())
    }

    /// The files that are here as far as this agent has made them, once more: never those of an assignment
    /// that failed or went back. Nothing when something else is about to be written.
    fn repair(&self, count: u32) -> anyhow::Result<Option<Assignment>> {
        let Some(mut assignment) = self.tools.state.applied()? else { return Ok(None) };
        let here = self.tools.lock_local().applied.as_ref().map(|applied| applied.digest());
        let handled = *self.handled.borrow();
        let newest = self.assignment.borrow().clone();
        // What is wanted and was not tried yet will put them back anyway.
        let untried = newest.as_ref().is_some_and(|newest| order(newest) > handled);
        if untried || here != Some(assignment.manifest) {
            return Ok(None);
        }
        if let Some(newest) = newest {
            (assignment.policies, assignment.windows) = (newest.policies, newest.windows);
        }
        let last = order(&assignment);
        let told = Handled { repair: last.repair, ..handled } == last;
        assignment.repair = 1 + if told { handled.repair.max(last.repair) } else { last.repair };
        // Whoever began what drifted: this is nobody's but ours.
        assignment.begun = Begun::Rollout;
        assignment.trigger = format!("drift of {count} files");
        Ok(Some(assignment))
    }
}
