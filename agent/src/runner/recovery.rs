//! Going on after a restart: what was in hand is continued, undone or begun again, by the journal.

use std::{sync::Arc, time::Instant};

use millwright_agent_domain::{
    job::{Job, Mode, State},
    journal::{Record, Recovery, recover},
};
use millwright_model::{assignment::Assignment, id::Member};

use super::Runner;
use crate::{
    effect::{Work, restore},
    plan::Plan,
};

impl Runner {
    /// Goes on with what was in hand when the process ended.
    pub(super) async fn recover(&mut self) -> anyhow::Result<()> {
        let recovery = recover(&std::mem::take(&mut self.records));
        let in_hand = self.tools.state.in_hand()?;
        if let Some(assignment) = &in_hand {
            self.policies.send_replace(assignment.policies.clone());
        }
        let Some(assignment) = in_hand else { return Ok(self.journal.clear()?) };
        if self.tools.member == Member::Backup {
            return self.observe(assignment).await;
        }
        tracing::info!(generation = assignment.generation.0, ?recovery, "going on after a restart");
        match recovery {
            Recovery::Nothing => Ok(self.tools.state.keep_in_hand(None)?),
            Recovery::Again => {
                self.journal.append(&Record::Recovered)?;
                self.apply(assignment).await
            }
            Recovery::Continue(state) => {
                self.journal.append(&Record::Recovered)?;
                let mut work = self.recovered_work(assignment)?;
                // Past the point at which windows are asked.
                let policies = work.assignment.policies.clone();
                let job = Job { state, ..Job::begin(Mode::Apply, policies, false) };
                self.finish(&mut work, job, Instant::now()).await
            }
            Recovery::UndoThenAgain { cause } => {
                self.journal.append(&Record::Recovered)?;
                // The files come back without a scan: none has run over the half of them.
                match restore::files(&self.tools).await {
                    Ok(kept) => {
                        tracing::warn!(kept = kept.len(), "undid a commit that was cut short");
                        self.apply(assignment).await
                    }
                    Err(_) => {
                        let mut work = self.recovered_work(assignment)?;
                        let state = State::Restoring { cause };
                        let policies = work.assignment.policies.clone();
                        let job = Job { state, ..Job::begin(Mode::Apply, policies, false) };
                        self.finish(&mut work, job, Instant::now()).await
                    }
                }
            }
        }
    }

    fn recovered_work(&self, assignment: Assignment) -> anyhow::Result<Work> {
        let mut work = Work::new(assignment, Mode::Apply);
        work.recovered = true;
        if let Ok(plan) = Plan::load(&self.tools.state.plan_file()) {
            work.plan = plan;
        }
        work.manifest = self.tools.state.next_manifest()?.map(Arc::new);
        Ok(work)
    }
}
