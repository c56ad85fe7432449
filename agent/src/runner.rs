//! Takes the newest assignment and drives its job: a journal record, then an effect, then one event,
//! then one step. An assignment that arrives meanwhile waits; only the newest counts. Instructions
//! and restorations of drift take their turn in between, so that nothing here runs twice at a time.

mod aside;
mod instructed;
mod recovery;
mod repair;
mod report;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use millwright_agent_domain::{
    job::{Action, Event, Job, Mode, State, Verdict},
    journal::Record,
    window::Closed,
};
use millwright_model::{
    assignment::Assignment,
    facts::Waiting,
    id::Member,
    instruction::{Answer, Instruction},
    policy::Policies,
    report::{FailureKind, Report, Step},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::aside::Aside;
use crate::{
    drift::Watcher,
    effect::{
        Tools, Work, commit, converge, fetch, finalize, lock, number, preflight, restore, scan,
        sessions, snapshot, stage, verify, window,
    },
    faults,
    fs::{self, Done},
    journal::Journal,
    state::{Handled, ReportId},
};

/// The runner of one agent.
#[derive(Debug)]
pub struct Runner {
    /// What effects work with.
    pub tools: Tools,
    /// The journal of the job in hand.
    pub journal: Journal,
    /// What the journal held when the process began.
    pub records: Vec<Record>,
    /// Newest assignment.
    pub assignment: watch::Receiver<Option<Assignment>>,
    /// Policies of the newest assignment, for whoever works beside the runner.
    pub policies: watch::Sender<Policies>,
    /// Instructions, in order.
    pub instructions: mpsc::Receiver<Instruction>,
    /// Answers to them.
    pub answers: mpsc::Sender<Answer>,
    /// Reports not acknowledged yet.
    pub reports: watch::Sender<Vec<Report>>,
    /// Acknowledged generations and attempts.
    pub acknowledged: mpsc::Receiver<ReportId>,
    /// What has been handled.
    pub handled: watch::Sender<Handled>,
    /// Foreign changes, and the way to say that the tree is ours again.
    pub drift: Watcher,
    /// Ids of instructions that were carried out, newest last, with their answers.
    pub done: VecDeque<(String, Option<Answer>)>,
    /// What windows hold back.
    pub aside: Option<Aside>,
    /// The same, for people.
    pub waiting: watch::Sender<Option<Waiting>>,
}

impl Runner {
    /// Runs until `stop`; a job in hand is finished first.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        self.recover().await?;
        // What comes to a backup comes from its master, whenever the pair sees fit.
        let writes = self.tools.member != Member::Backup;
        if writes {
            self.drift.watch(&self.tools).await;
        }
        loop {
            let look_at = self.look_at();
            tokio::select! {
                changed = self.assignment.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let newest = self.assignment.borrow_and_update().clone();
                    if let Some(assignment) = newest {
                        self.take(assignment).await?;
                    }
                }
                Some(report) = self.acknowledged.recv() => {
                    self.acknowledge(report)?;
                }
                Some(instruction) = self.instructions.recv() => self.instructed(instruction).await?,
                () = Self::due(look_at) => self.look_again().await?,
                () = self.drift.due(&self.tools), if writes => {
                    let event = self.drift.compare(&self.tools).await;
                    self.drifted(event).await?;
                }
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn take(&mut self, assignment: Assignment) -> anyhow::Result<()> {
        self.policies.send_if_modified(|known| {
            let changed = *known != assignment.policies;
            known.clone_from(&assignment.policies);
            changed
        });
        let wanted = order(&assignment);
        if self.is_aside(&assignment)? {
            return Ok(());
        }
        if wanted <= *self.handled.borrow() {
            tracing::debug!(generation = wanted.generation, "already handled");
            return Ok(());
        }
        self.drop_aside()?;
        self.tools.state.keep_in_hand(Some(&assignment))?;
        match self.tools.member {
            Member::Backup => self.observe(assignment).await,
            Member::Single | Member::Master => self.apply(assignment).await,
        }
    }

    /// Drives an assignment to its end and queues its report, or puts it aside.
    async fn apply(&mut self, assignment: Assignment) -> anyhow::Result<()> {
        let mode = Mode::Apply;
        let began = Instant::now();
        tracing::info!(
            generation = assignment.generation.0,
            commit = %assignment.commit.short(),
            trigger = assignment.trigger,
            ?mode,
            "applying"
        );
        let record = Record::Began {
            epoch: assignment.epoch,
            generation: assignment.generation,
            attempt: assignment.attempt,
            mode,
        };
        self.journal.append(&record)?;
        let mut work = Work::new(assignment, mode);
        work.known = self.assignment.borrow().as_ref().map(number);
        let windowed = self.windows_of(&mut work);
        let job = Job::begin(mode, work.assignment.policies.clone(), windowed);
        self.finish(&mut work, job, began).await
    }

    async fn finish(&mut self, work: &mut Work, job: Job, began: Instant) -> anyhow::Result<()> {
        let verdict = match self.drive(work, job).await? {
            Outcome::Ended(verdict) => verdict,
            Outcome::Closed(closed) => {
                self.forget_next().await;
                self.put_aside(work.assignment.clone(), closed);
                return Ok(());
            }
        };
        self.not_waiting();
        self.make_room(&verdict).await;
        self.report(work, &verdict, began)?;
        faults::point("report.queued");
        self.journal.append(&Record::Entered(State::Ended))?;
        self.tools.state.keep_in_hand(None)?;
        self.journal.clear()?;
        match verdict {
            Verdict::Failed { .. } | Verdict::RolledBack { .. } => self.forget_next().await,
            // Its files may lie there.
            Verdict::Inconsistent { .. } => {}
            Verdict::Applied { .. } | Verdict::DryRun { .. } => {}
        }
        self.settle(work, &verdict).await;
        Ok(())
    }

    /// A change that has left nothing behind: a person's files that it would have replaced are not ours.
    async fn forget_next(&self) {
        let forgotten =
            self.tools.on_disk(Step::Report, |tools, _| tools.state.forget_next_manifest());
        if forgotten.await.is_err() {
            tracing::warn!("the manifest of a change that was not made could not be removed");
        }
    }

    /// On a full disk what was staged goes: the gateway needs the room more than the next try does.
    async fn make_room(&self, verdict: &Verdict) {
        let Verdict::Failed { failures } = verdict else { return };
        if failures.iter().all(|failure| failure.kind != FailureKind::DiskFull) {
            return;
        }
        let cleared =
            self.tools.on_disk(Step::Report, |tools, _| fs::clear_dir(&tools.state.blobs()));
        if cleared.await.is_err() {
            tracing::warn!("what was staged could not be removed; the next try does it");
        }
    }

    /// What needs not be done before the report is on its way.
    async fn settle(&mut self, work: &mut Work, verdict: &Verdict) {
        let policy = work.assignment.policies.snapshots.clone();
        if !work.plan.snapshot.is_empty()
            && policy.remote.is_some()
            && !policy.remote.as_ref().is_some_and(|r| r.wait_for_upload)
            && let Err(error) = snapshot::upload(&self.tools, &policy, &work.plan.snapshot).await
        {
            tracing::warn!(%error, "the snapshot was not uploaded; the next one goes on");
        }
        let saved = self
            .tools
            .on_disk(Step::Finalize, |tools, local| {
                local.inventory.save(&tools.state.inventory_file())
            })
            .await;
        if finalize::retain(&self.tools, work).await.is_err() {
            tracing::warn!("old snapshots were not removed; the next change tries again");
        }
        if saved.is_err() {
            tracing::warn!("the inventory was not saved; it is made again after a restart");
        }
        if matches!(verdict, Verdict::Applied { .. }) {
            // What the watch keeps for long takes the place of what is not needed any more.
            work.plan.changes = Arc::default();
            self.drift.watch(&self.tools).await;
        }
    }

    async fn drive(&mut self, work: &mut Work, mut job: Job) -> anyhow::Result<Outcome> {
        loop {
            if job.mode == Mode::Apply {
                self.journal.append(&Record::Entered(job.state.clone()))?;
            }
            if let State::WaitingForWindow(closed) = job.state {
                return Ok(Outcome::Closed(closed));
            }
            let Some(action) = job.state.action() else {
                anyhow::bail!("a job ended without a verdict");
            };
            faults::point(action.step().as_str());
            if let Action::Report(verdict) = action {
                return Ok(Outcome::Ended(verdict));
            }
            work.is_written = job.state.is_past_commit_point();
            let mut event = carry_out(&self.tools, &action, work).await;
            faults::point("acted");
            // Under the lock it is asked there: what is locked must be let go.
            if job.state != State::Locking
                && let Err(replaced) = work.replaced(&self.tools)
            {
                event = replaced;
            }
            if (&action, &event) == (&Action::AskWindows, &Event::Done) {
                self.not_waiting();
            }
            (job, _) = job.step(event);
        }
    }

    /// A backup only watches the pair bring it what the master has.
    async fn observe(&mut self, assignment: Assignment) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut work = Work::new(assignment, Mode::Apply);
        let this = order(&work.assignment);
        let mut newest = self.assignment.clone();
        let newer = newest.wait_for(|newest| newest.as_ref().is_some_and(|n| order(n) > this));
        let verdict = tokio::select! {
            verdict = converge::run(&self.tools, &mut work) => verdict,
            // The pair has moved on: what was waited for will not come any more.
            Ok(_) = newer => return Ok(self.tools.state.keep_in_hand(None)?),
        };
        if let (Verdict::Applied { .. }, Some(manifest)) = (&verdict, &work.manifest) {
            let manifest = Arc::clone(manifest);
            let kept = self.tools.on_disk(Step::Converge, move |tools, local| {
                tools.state.keep_next_manifest(&manifest)?;
                tools.state.promote_manifest()?;
                local.applied = Some(manifest);
                Ok(())
            });
            if kept.await.is_err() {
                tracing::warn!("the manifest was not kept; the next one comes whole");
            }
        }
        self.report(&work, &verdict, began)?;
        self.tools.state.keep_in_hand(None)?;
        Ok(())
    }

    fn acknowledge(&mut self, acknowledged: ReportId) -> Done<()> {
        let mut reports = self.reports.borrow().clone();
        reports.retain(|report| ReportId::of(report) != acknowledged);
        self.tools.state.keep_reports(&reports)?;
        self.reports.send_if_modified(|kept| {
            *kept = reports;
            // Nothing new to send.
            false
        });
        Ok(())
    }
}

/// How far a job came.
enum Outcome {
    /// To its end.
    Ended(Verdict),
    /// To closed windows.
    Closed(Closed),
}

/// What an assignment is compared by with what has been handled.
fn order(assignment: &Assignment) -> Handled {
    Handled {
        epoch: assignment.epoch.0,
        generation: assignment.generation.0,
        attempt: assignment.attempt,
        repair: assignment.repair,
    }
}

async fn carry_out(tools: &Tools, action: &Action, work: &mut Work) -> Event {
    let began = Instant::now();
    let event = match action {
        Action::Preflight => preflight::run(tools, work).await,
        Action::Fetch => fetch::run(tools, work).await,
        Action::Stage => stage::run(tools, work).await,
        Action::AskWindows => window::run(tools, work).await,
        Action::AwaitSessions => sessions::run(tools, work).await,
        Action::Snapshot => snapshot::run(tools, work).await,
        Action::Lock => lock::run(tools, work).await,
        Action::Commit => commit::run(tools, work).await,
        Action::Scan => scan::run(tools, work).await,
        Action::Verify => verify::run(tools, work).await,
        Action::Finalize(verdict) => finalize::run(tools, work, verdict).await,
        Action::Restore { .. } => restore::run(tools, work).await,
        Action::Report(_) => Event::Done,
    };
    tracing::debug!(step = %action.step(), ms = began.elapsed().as_millis(), "step ended");
    event
}
