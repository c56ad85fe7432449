//! What agents did: the only source of *applied*, and the only evidence that moves a rollout. A
//! report counts for the generation that it names and for no other.

use std::sync::Arc;

use millwright_model::{
    report::{Phase, Report},
    resource::Kind,
};

use super::{Judged, Scene};
use crate::{
    State,
    command::Accepted,
    state::{Attempt, HISTORY_MAX, MemberState},
};

impl State {
    pub(super) fn record_reports(&mut self, scene: &mut Scene<'_>, reports: Vec<Report>) -> Judged {
        for report in reports {
            self.record_report(scene, report);
        }
        Ok(Accepted::Done)
    }

    fn record_report(&mut self, scene: &mut Scene<'_>, report: Report) {
        let known = self.gateways.contains_key(&report.gateway) && report.epoch == self.epoch;
        let (manifest, failures) = match report.phase {
            Phase::Running { .. } => return,
            Phase::Applied { manifest } => (Some(manifest), Vec::new()),
            Phase::Failed { failures } => (None, failures),
        };
        if !known {
            return;
        }
        let attempt = Attempt {
            generation: report.generation,
            commit: report.commit,
            manifest,
            failures,
            at: self.now,
            files_changed: report.files_changed,
            files_deleted: report.files_deleted,
            bytes_fetched: report.bytes_fetched,
            duration_ms: report.duration_ms,
        };
        let status = Arc::make_mut(&mut self.status).entry(report.gateway.clone()).or_default();
        // The agent sends until it is acknowledged: the same report may come twice.
        if status.history.iter().any(|past| past.generation == attempt.generation) {
            return;
        }
        let status = Arc::make_mut(status);
        status.history.push_back(attempt.clone());
        while status.history.len() > HISTORY_MAX {
            status.history.pop_front();
        }
        if attempt.manifest.is_some() {
            status.applied = Some(attempt.clone());
        }
        let message = match attempt.failures.first() {
            None => {
                format!("applied in {} ms, {} files", attempt.duration_ms, attempt.files_changed)
            }
            Some(failure) => format!("failed in {}: {}", failure.step, failure.message),
        };
        self.say(scene.index, Kind::Gateway, report.gateway.as_str(), "put", message.clone());
        self.settle(scene, &report.gateway, &attempt, message);
    }

    fn settle(
        &mut self,
        scene: &mut Scene<'_>,
        gateway: &millwright_model::id::GatewayName,
        attempt: &Attempt,
        message: String,
    ) {
        let Some(desired) = self.desired.get(gateway) else { return };
        let id = desired.rollout.clone();
        let rollouts = Arc::make_mut(&mut self.rollouts);
        let Some(rollout) = rollouts.get_mut(&id) else { return };
        let generation = attempt.generation;
        let evidence = rollout
            .members
            .get(gateway)
            .is_some_and(|member| member.state == MemberState::Assigned { generation });
        if !evidence {
            return;
        }
        let rollout = Arc::make_mut(rollout);
        rollout.revision += 1;
        if let Some(member) = rollout.members.get_mut(gateway) {
            let member = Arc::make_mut(member);
            member.state = if attempt.manifest == Some(member.manifest) {
                MemberState::Applied { generation }
            } else {
                MemberState::Failed { generation, message }
            };
        }
        let line = crate::view::rollout_line(rollout);
        self.say(scene.index, Kind::Rollout, id.as_str(), "put", line);
    }
}
