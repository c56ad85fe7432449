//! Going on after a restart: what was in hand is continued, undone or begun again, by the journal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millwright_agent_domain::{
    job::{Job, Mode, State},
    journal::{Record, Recovery, recover},
};
use millwright_model::{assignment::Assignment, id::Member};

use super::Runner;
use crate::{
    effect::{Work, number, restore},
    plan::Plan,
};

/// How long a coordinator is waited for that may know of something newer.
const NEWS_WAIT: Duration = Duration::from_secs(30);

impl Runner {
    /// Goes on with what was in hand when the process ended.
    pub(super) async fn recover(&mut self) -> anyhow::Result<()> {
        let recovery = recover(&std::mem::take(&mut self.records));
        let in_hand = self.tools.state.in_hand()?;
        // Until a coordinator says otherwise.
        if let Some(last) = in_hand.clone().or(self.tools.state.applied()?) {
            self.policies.send_replace(last.policies);
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
                self.begin_again(assignment).await
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
                        self.begin_again(assignment).await
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

    /// Begins with what was in hand, unless something else has taken its place while the agent was away: what
    /// is old by now may be known to do harm.
    async fn begin_again(&mut self, assignment: Assignment) -> anyhow::Result<()> {
        let mut newest = self.assignment.clone();
        let told = newest.wait_for(Option::is_some);
        let newer = match tokio::time::timeout(NEWS_WAIT, told).await {
            Ok(Ok(newest)) => newest.as_ref().map(number),
            // Nobody can be asked; what is missing here will have to be fetched from somebody.
            Ok(Err(_)) | Err(_) => None,
        };
        if newer <= Some(number(&assignment)) {
            return self.apply(assignment).await;
        }
        tracing::info!(generation = assignment.generation.0, "replaced while the agent was away");
        self.forget_next().await;
        self.tools.state.keep_in_hand(None)?;
        Ok(self.journal.clear()?)
    }

    fn recovered_work(&self, assignment: Assignment) -> anyhow::Result<Work> {
        let mut work = Work::new(assignment, Mode::Apply);
        work.recovered = true;
        if let Ok(plan) = Plan::load(&self.tools.state.plan_file()) {
            work.plan = plan;
        }
        work.manifest = self.tools.state.next_manifest()?.map(Arc::new);
        work.unread = self.tools.state.unread()?;
        Ok(work)
    }
}
