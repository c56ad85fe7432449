//! Takes the newest assignment and drives its job: a journal record, then an effect, then one event,
//! then one step. An assignment that arrives meanwhile waits; only the newest counts. Instructions
//! and restorations of drift take their turn in between, so that nothing here runs twice at a time.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use millwright_agent_domain::{
    job::{Action, Event, Job, Mode, State, Verdict},
    journal::{Record, Recovery, recover},
};
use millwright_model::{
    assignment::Assignment,
    id::Member,
    instruction::{Answer, Instruction},
    policy::{Drift as DriftPolicy, Policies},
    report::{Phase, Report},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    drift::{DriftEvent, Watcher},
    effect::{
        Tools, Work, commit, converge, fetch, finalize, lock, preflight, restore, scan, sessions,
        snapshot, stage, verify,
    },
    faults,
    fs::Done,
    instruct,
    journal::Journal,
    plan::Plan,
    state::Handled,
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
    pub acknowledged: mpsc::Receiver<(u64, u32)>,
    /// What has been handled.
    pub handled: watch::Sender<Handled>,
    /// Foreign changes, and the way to say that the tree is ours again.
    pub drift: Watcher,
    /// Ids of instructions that were carried out, newest last.
    pub done: VecDeque<String>,
}

/// Instructions remembered, so that one that is sent again is not carried out again.
const DONE_MAX: usize = 64;

impl Runner {
    /// Runs until `stop`; a job in hand is finished first.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        self.recover().await?;
        self.drift.watch(&self.tools).await;
        loop {
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
                Some((generation, attempt)) = self.acknowledged.recv() => {
                    self.acknowledge(generation, attempt)?;
                }
                Some(instruction) = self.instructions.recv() => self.instructed(instruction).await?,
                event = self.drift.next(&self.tools) => self.drifted(event).await?,
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
        let wanted = Handled {
            epoch: assignment.epoch.0,
            generation: assignment.generation.0,
            attempt: assignment.attempt,
        };
        if wanted <= *self.handled.borrow() {
            tracing::debug!(generation = wanted.generation, "already handled");
            return Ok(());
        }
        self.tools.state.keep_in_hand(Some(&assignment))?;
        match self.tools.member {
            Member::Backup => self.observe(assignment).await,
            Member::Single | Member::Master => self.apply(assignment, Mode::Apply).await.map(drop),
        }
    }

    /// Goes on with what was in hand when the process ended.
    async fn recover(&mut self) -> anyhow::Result<()> {
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
                self.apply(assignment, Mode::Apply).await.map(drop)
            }
            Recovery::Continue(state) => {
                self.journal.append(&Record::Recovered)?;
                let mut work = self.recovered_work(assignment)?;
                let job =
                    Job { mode: Mode::Apply, policies: work.assignment.policies.clone(), state };
                self.finish(&mut work, job, Instant::now()).await.map(drop)
            }
            Recovery::UndoThenAgain { cause } => {
                self.journal.append(&Record::Recovered)?;
                // The files come back without a scan: none has run over the half of them.
                match restore::files(&self.tools).await {
                    Ok(kept) => {
                        tracing::warn!(kept = kept.len(), "undid a commit that was cut short");
                        self.apply(assignment, Mode::Apply).await.map(drop)
                    }
                    Err(_) => {
                        let mut work = self.recovered_work(assignment)?;
                        let state = State::Restoring { cause };
                        let policies = work.assignment.policies.clone();
                        let job = Job { mode: Mode::Apply, policies, state };
                        self.finish(&mut work, job, Instant::now()).await.map(drop)
                    }
                }
            }
        }
    }

    fn recovered_work(&self, assignment: Assignment) -> anyhow::Result<Work> {
        let attempt = assignment.attempt;
        let mut work = Work::new(assignment, attempt, Mode::Apply);
        if let Ok(plan) = Plan::load(&self.tools.state.plan_file()) {
            work.plan = plan;
        }
        work.manifest = self.tools.state.next_manifest()?.map(Arc::new);
        Ok(work)
    }

    /// Drives an assignment to its end and queues its report.
    async fn apply(&mut self, assignment: Assignment, mode: Mode) -> anyhow::Result<Work> {
        let began = Instant::now();
        tracing::info!(
            generation = assignment.generation.0,
            commit = %assignment.commit.short(),
            trigger = assignment.trigger,
            ?mode,
            "applying"
        );
        let attempt = assignment.attempt;
        let record = Record::Began {
            epoch: assignment.epoch,
            generation: assignment.generation,
            attempt,
            mode,
        };
        if mode == Mode::Apply {
            self.journal.append(&record)?;
        }
        let job = Job::begin(mode, assignment.policies.clone());
        let mut work = Work::new(assignment, attempt, mode);
        self.finish(&mut work, job, began).await?;
        Ok(work)
    }

    async fn finish(
        &mut self,
        work: &mut Work,
        job: Job,
        began: Instant,
    ) -> anyhow::Result<Verdict> {
        let writes = job.mode == Mode::Apply;
        let verdict = self.drive(work, job).await?;
        if !writes {
            return Ok(verdict);
        }
        self.report(work, &verdict, began)?;
        faults::point("report.queued");
        self.journal.append(&Record::Entered(State::Ended))?;
        self.tools.state.keep_in_hand(None)?;
        self.journal.clear()?;
        self.settle(work, &verdict).await;
        Ok(verdict)
    }

    /// What needs not be done before the report is on its way.
    async fn settle(&mut self, work: &Work, verdict: &Verdict) {
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
            .on_disk(millwright_model::report::Step::Finalize, |tools, local| {
                local.inventory.save(&tools.state.inventory_file())
            })
            .await;
        if saved.is_err() {
            tracing::warn!("the inventory was not saved; it is made again after a restart");
        }
        if matches!(verdict, Verdict::Applied { .. }) {
            self.drift.watch(&self.tools).await;
        }
    }

    async fn drive(&mut self, work: &mut Work, mut job: Job) -> anyhow::Result<Verdict> {
        loop {
            let Some(action) = job.state.action() else {
                anyhow::bail!("a job ended without a verdict");
            };
            if job.mode == Mode::Apply {
                self.journal.append(&Record::Entered(job.state.clone()))?;
            }
            faults::point(action.step().as_str());
            if let Action::Report(verdict) = action {
                return Ok(verdict);
            }
            let event = carry_out(&self.tools, &action, work).await;
            faults::point("acted");
            (job, _) = job.step(event);
        }
    }

    fn report(&mut self, work: &Work, verdict: &Verdict, began: Instant) -> anyhow::Result<()> {
        let phase = match verdict.clone() {
            Verdict::Applied { manifest } | Verdict::DryRun { manifest } => {
                Phase::Applied { manifest }
            }
            Verdict::Failed { failures } => Phase::Failed { failures },
            Verdict::RolledBack { failures, kept } => Phase::RolledBack { failures, kept },
            Verdict::Inconsistent { failures } => Phase::Inconsistent { failures },
        };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let changes = &work.plan.changes;
        let added = changes.added();
        let done = matches!(verdict, Verdict::Applied { .. });
        let report = Report {
            gateway: self.tools.gateway_name.clone(),
            member: self.tools.member,
            generation: work.assignment.generation,
            epoch: work.assignment.epoch,
            attempt: work.attempt,
            phase,
            trigger: work.assignment.trigger.clone(),
            commit: Some(work.assignment.commit),
            files_added: if done { count(added) } else { 0 },
            files_changed: if done { count(changes.write.len() - added) } else { 0 },
            files_deleted: if done { count(changes.remove.len()) } else { 0 },
            projects: work.plan.projects.iter().take(100).cloned().collect(),
            snapshot: work.plan.snapshot.clone(),
            notices: work.plan.notices.iter().take(32).cloned().collect(),
            sessions: work.plan.sessions.iter().take(100).cloned().collect(),
            bytes_fetched: work.plan.bytes_fetched,
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            finished_at: self.tools.now(),
        };
        tell(&report);
        let handled = Handled {
            epoch: report.epoch.0,
            generation: report.generation.0,
            attempt: report.attempt,
        };
        let mut reports = self.reports.borrow().clone();
        reports.retain(|old| (old.generation, old.attempt) != (report.generation, report.attempt));
        reports.push(report);
        self.tools.state.keep_reports(&reports)?;
        faults::point("report.kept");
        if handled > *self.handled.borrow() {
            self.tools.state.keep_handled(handled)?;
            self.handled.send_replace(handled);
        }
        self.reports.send_replace(reports);
        Ok(())
    }

    /// A backup only watches the pair bring it what the master has.
    async fn observe(&mut self, assignment: Assignment) -> anyhow::Result<()> {
        let began = Instant::now();
        let attempt = assignment.attempt;
        let mut work = Work::new(assignment, attempt, Mode::Apply);
        let verdict = converge::run(&self.tools, &mut work).await;
        if let (Verdict::Applied { .. }, Some(manifest)) = (&verdict, &work.manifest) {
            let manifest = Arc::clone(manifest);
            let kept = self.tools.on_disk(
                millwright_model::report::Step::Converge,
                move |tools, local| {
                    tools.state.keep_next_manifest(&manifest)?;
                    tools.state.promote_manifest()?;
                    local.applied = Some(manifest);
                    Ok(())
                },
            );
            if kept.await.is_err() {
                tracing::warn!("the manifest was not kept; the next one comes whole");
            }
        }
        self.report(&work, &verdict, began)?;
        self.tools.state.keep_in_hand(None)?;
        Ok(())
    }

    async fn instructed(&mut self, instruction: Instruction) -> anyhow::Result<()> {
        if self.done.contains(&instruction.id) {
            return Ok(());
        }
        tracing::info!(kind = %instruction.kind, reason = instruction.reason, "instructed");
        self.done.push_back(instruction.id.clone());
        if self.done.len() > DONE_MAX {
            self.done.pop_front();
        }
        let answer = match (&instruction.kind, instruction.assignment.clone()) {
            (millwright_model::instruction::InstructionKind::DryRun, Some(assignment)) => {
                let began = Instant::now();
                let job = Job::begin(Mode::DryRun, assignment.policies.clone());
                let mut work = Work::new(assignment, 1, Mode::DryRun);
                let verdict = self.finish(&mut work, job, began).await?;
                instruct::dry_run(&work, &verdict)
            }
            (millwright_model::instruction::InstructionKind::DriftCheck, _) => {
                self.drift.check(&self.tools).await
            }
            _ => instruct::carry_out(&self.tools, &instruction).await,
        };
        let answer = Answer {
            id: instruction.id,
            gateway: self.tools.gateway_name.clone(),
            member: self.tools.member,
            ok: answer.ok,
            message: answer.message,
            detail: answer.detail,
        };
        // The connection ends only with the process.
        let _gone = self.answers.send(answer).await;
        Ok(())
    }

    /// Somebody changed managed files: told by the watcher itself; put back here if the policy says.
    async fn drifted(&mut self, event: DriftEvent) -> anyhow::Result<()> {
        let DriftEvent::Differs { count } = event else { return Ok(()) };
        let policies = self.policies.borrow().clone();
        if policies.drift != DriftPolicy::Restore || self.tools.member == Member::Backup {
            return Ok(());
        }
        let Some(mut assignment) = self.assignment.borrow().clone() else { return Ok(()) };
        let handled = *self.handled.borrow();
        if handled.generation != assignment.generation.0 {
            return Ok(());
        }
        assignment.attempt = handled.attempt + 1;
        assignment.trigger = format!("drift of {count} files");
        tracing::info!(count, "putting drifted files back");
        self.tools.state.keep_in_hand(Some(&assignment))?;
        self.apply(assignment, Mode::Apply).await.map(drop)
    }

    fn acknowledge(&mut self, generation: u64, attempt: u32) -> Done<()> {
        let mut reports = self.reports.borrow().clone();
        reports.retain(|report| (report.generation.0, report.attempt) != (generation, attempt));
        self.tools.state.keep_reports(&reports)?;
        self.reports.send_if_modified(|kept| {
            *kept = reports;
            // Nothing new to send.
            false
        });
        Ok(())
    }
}

async fn carry_out(tools: &Tools, action: &Action, work: &mut Work) -> Event {
    let began = Instant::now();
    let event = match action {
        Action::Preflight => preflight::run(tools, work).await,
        Action::Fetch => fetch::run(tools, work).await,
        Action::Stage => stage::run(tools, work).await,
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

fn tell(report: &Report) {
    let why = |failures: &[millwright_model::report::Failure]| {
        failures.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; ")
    };
    let generation = report.generation.0;
    match &report.phase {
        Phase::Failed { failures } => tracing::warn!(generation, why = why(failures), "failed"),
        Phase::RolledBack { failures, .. } => {
            tracing::warn!(generation, why = why(failures), "rolled back");
        }
        Phase::Inconsistent { failures } => {
            tracing::error!(generation, why = why(failures), "the previous files are not all back");
        }
        Phase::Applied { .. } | Phase::Running { .. } => tracing::info!(
            generation,
            added = report.files_added,
            changed = report.files_changed,
            deleted = report.files_deleted,
            bytes = report.bytes_fetched,
            ms = report.duration_ms,
            "applied"
        ),
    }
}
