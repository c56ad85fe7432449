//! Takes the newest assignment and drives its job: every action is one effect, every effect one
//! event, every event one step. An assignment that arrives meanwhile waits; only the newest counts.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use millwright_agent_domain::job::{Action, Event, Job, Verdict};
use millwright_model::{
    assignment::Assignment,
    id::Member,
    report::{Phase, Report},
    time::Timestamp,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    effect::{Tools, Work, commit, fetch, preflight, scan, stage, verify},
    fs::Done,
    state::Handled,
};

/// The runner of one agent.
#[derive(Debug)]
pub struct Runner {
    /// What effects work with.
    pub tools: Tools,
    /// Which node of the gateway this is.
    pub member: Member,
    /// Newest assignment.
    pub assignment: watch::Receiver<Option<Assignment>>,
    /// Reports not acknowledged yet.
    pub reports: watch::Sender<Vec<Report>>,
    /// Acknowledged generations.
    pub acknowledged: mpsc::Receiver<u64>,
    /// What has been handled.
    pub handled: watch::Sender<Handled>,
}

impl Runner {
    /// Runs until `stop`; a job in hand is finished first.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        if let Some(unfinished) = self.tools.state.in_hand()? {
            tracing::info!(generation = unfinished.generation.0, "going on with what was in hand");
            self.handle(unfinished).await?;
        }
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
                Some(generation) = self.acknowledged.recv() => self.acknowledge(generation)?,
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn take(&mut self, assignment: Assignment) -> anyhow::Result<()> {
        let wanted = Handled { epoch: assignment.epoch.0, generation: assignment.generation.0 };
        if wanted <= *self.handled.borrow() {
            tracing::debug!(generation = wanted.generation, "already handled");
            return Ok(());
        }
        self.tools.state.keep_in_hand(Some(&assignment))?;
        self.handle(assignment).await
    }

    async fn handle(&mut self, assignment: Assignment) -> anyhow::Result<()> {
        let began = Instant::now();
        tracing::info!(
            generation = assignment.generation.0,
            commit = %assignment.commit.short(),
            "applying"
        );
        let state = &self.tools.state;
        let mut work = Work {
            ledger: state.ledger()?,
            inventory: state.inventory()?,
            assignment,
            manifest: None,
            changes: millwright_agent_domain::changes::Changes::default(),
            bytes_fetched: 0,
        };
        let verdict = self.drive(&mut work).await;
        self.remember(&work, &verdict)?;
        let report = self.report(&work, verdict, began);
        match &report.phase {
            Phase::Failed { failures } => {
                let why =
                    failures.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; ");
                tracing::warn!(generation = report.generation.0, why, "failed");
            }
            Phase::Applied { .. } | Phase::Running { .. } => tracing::info!(
                generation = report.generation.0,
                files = report.files_changed,
                deleted = report.files_deleted,
                bytes = report.bytes_fetched,
                ms = report.duration_ms,
                "applied"
            ),
        }
        let handled = Handled { epoch: report.epoch.0, generation: report.generation.0 };
        let mut reports = self.reports.borrow().clone();
        reports.retain(|old| old.generation != report.generation);
        reports.push(report);
        self.tools.state.keep_reports(&reports)?;
        self.tools.state.keep_handled(handled)?;
        self.tools.state.keep_in_hand(None)?;
        self.handled.send_replace(handled);
        self.reports.send_replace(reports);
        Ok(())
    }

    async fn drive(&self, work: &mut Work) -> Verdict {
        let (mut job, mut action) = Job::begin();
        loop {
            if let Action::Report(verdict) = action {
                return verdict;
            }
            let event = self.carry_out(&action, work).await;
            let (next, then) = job.step(event);
            job = next;
            match then {
                Some(then) => action = then,
                None => return Verdict::Failed { failures: Vec::new() },
            }
        }
    }

    async fn carry_out(&self, action: &Action, work: &mut Work) -> Event {
        let began = Instant::now();
        let event = match action {
            Action::Preflight => preflight::run(&self.tools, work).await,
            Action::Fetch => fetch::run(&self.tools, work).await,
            Action::Stage => stage::run(&self.tools, work).await,
            Action::Commit => commit::run(&self.tools, work).await,
            Action::Scan => scan::run(&self.tools, work).await,
            Action::Verify => verify::run(&self.tools, work).await,
            Action::Report(_) => Event::Done,
        };
        tracing::debug!(step = %action.step(), ms = began.elapsed().as_millis(), "step ended");
        event
    }

    fn remember(&self, work: &Work, verdict: &Verdict) -> Done<()> {
        let state = &self.tools.state;
        match (verdict, &work.manifest) {
            (Verdict::Applied { .. }, Some(manifest)) => {
                // The ledger first: a restart in between must know what is ours.
                let ledger = manifest.files().iter().map(|file| file.path.clone()).collect();
                if ledger != work.ledger || !work.changes.is_empty() {
                    state.keep_ledger(&ledger)?;
                }
                state.keep_manifest(manifest)?;
                if !work.changes.is_empty() {
                    crate::fs::clear_dir(&state.blobs())?;
                }
            }
            (Verdict::Applied { .. } | Verdict::Failed { .. }, _) => {}
        }
        if work.changes.is_empty() { Ok(()) } else { state.keep_inventory(&work.inventory) }
    }

    fn report(&self, work: &Work, verdict: Verdict, began: Instant) -> Report {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Report {
            gateway: work.assignment.gateway.clone(),
            member: self.member,
            generation: work.assignment.generation,
            epoch: work.assignment.epoch,
            phase: match verdict {
                Verdict::Applied { manifest } => Phase::Applied { manifest },
                Verdict::Failed { failures } => Phase::Failed { failures },
            },
            commit: Some(work.assignment.commit),
            files_changed: count(work.changes.write.len()),
            files_deleted: count(work.changes.remove.len()),
            bytes_fetched: work.bytes_fetched,
            duration_ms: ms(began.elapsed()),
            finished_at: Timestamp(ms(since)),
        }
    }

    fn acknowledge(&mut self, generation: u64) -> Done<()> {
        let mut reports = self.reports.borrow().clone();
        reports.retain(|report| report.generation.0 != generation);
        self.tools.state.keep_reports(&reports)?;
        self.reports.send_if_modified(|kept| {
            *kept = reports;
            // Nothing new to send.
            false
        });
        Ok(())
    }
}

/// Looks at the gateway from time to time; sends only what changed.
pub async fn watch_facts(
    tools: Arc<Tools>,
    facts: watch::Sender<millwright_model::report::GatewayFacts>,
    stop: CancellationToken,
) {
    loop {
        let seen = tools.gateway.facts().await;
        facts.send_if_modified(|known| {
            let changed = *known != seen;
            *known = seen;
            changed
        });
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_secs(30)) => {}
            () = stop.cancelled() => return,
        }
    }
}
