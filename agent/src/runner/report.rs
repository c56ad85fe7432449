//! Telling what became of an assignment: kept on disk until a coordinator has it.

use std::time::Instant;

use millwright_agent_domain::job::Verdict;
use millwright_model::report::{Phase, Report};

use super::Runner;
use crate::{
    effect::{Work, window},
    faults,
    state::{Handled, REPORTS_MAX, ReportId},
};

/// Notices in one report.
const NOTICES_MAX: usize = 32;

impl Runner {
    pub(super) fn report(
        &mut self,
        work: &Work,
        verdict: &Verdict,
        began: Instant,
    ) -> anyhow::Result<()> {
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
        let written = !changes.is_empty() && !matches!(verdict, Verdict::Failed { .. });
        let overran = written.then(|| window::overran(&self.tools, &work.assignment)).flatten();
        let notices = work.plan.notices.iter().take(NOTICES_MAX).cloned();
        let report = Report {
            gateway: self.tools.gateway_name.clone(),
            member: self.tools.member,
            generation: work.assignment.generation,
            epoch: work.assignment.epoch,
            attempt: work.assignment.attempt,
            repair: work.assignment.repair,
            phase,
            trigger: work.assignment.trigger.clone(),
            commit: Some(work.assignment.commit),
            files_added: if done { count(added) } else { 0 },
            files_changed: if done { count(changes.write.len() - added) } else { 0 },
            files_deleted: if done { count(changes.remove.len()) } else { 0 },
            projects: work.plan.projects.iter().take(100).cloned().collect(),
            snapshot: work.plan.snapshot.clone(),
            notices: overran.into_iter().chain(notices).collect(),
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
            repair: report.repair,
        };
        let mut reports = self.reports.borrow().clone();
        reports.retain(|old| ReportId::of(old) != ReportId::of(&report));
        reports.push(report);
        let surplus = reports.len().saturating_sub(REPORTS_MAX);
        reports.drain(..surplus);
        self.tools.state.keep_reports(&reports)?;
        faults::point("report.kept");
        if handled > *self.handled.borrow() {
            self.tools.state.keep_handled(handled)?;
            self.handled.send_replace(handled);
        }
        self.reports.send_replace(reports);
        Ok(())
    }
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
