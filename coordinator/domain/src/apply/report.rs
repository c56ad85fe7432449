//! What agents did: the only source of *applied*, and the only evidence that moves a rollout. A
//! report counts for the generation that it names and for no other. A backup's report says only
//! whether it has taken over what its master applied.

use std::{collections::BTreeSet, sync::Arc};

use millwright_model::{
    digest::Digest,
    id::{GatewayName, Member, RolloutId},
    instruction::InstructionKind,
    report::{Failure, Phase, Report},
    resource::{HISTORY_LIMIT, Kind},
    time::Span,
};

use super::{Judged, Scene};
use crate::{
    State,
    command::Accepted,
    state::{
        Attempt, AttemptResult, BackupStatus, Before, DesiredOrigin, Good, InstructionRecord,
        MemberState, Rollout, RolloutMember,
    },
};

/// How long the master may take to carry a resync out.
const RESYNC_LIFE: Span = Span(600_000);

impl State {
    pub(super) fn record_reports(&mut self, scene: &mut Scene<'_>, reports: Vec<Report>) -> Judged {
        let mut moved = BTreeSet::new();
        for report in reports {
            if self.gateways.contains_key(&report.gateway) && report.epoch == self.epoch {
                match report.member {
                    Member::Single | Member::Master => {
                        moved.extend(self.record_report(scene, report));
                    }
                    Member::Backup => self.record_backup(scene, report),
                }
            }
        }
        // One line for all of them: a thousand gateways that report at once are not a thousand lines.
        for id in moved {
            let Some(rollout) = self.rollouts.get(&id) else { continue };
            let line = crate::view::rollout_line(rollout);
            self.say(scene.index, Kind::Rollout, id.as_str(), "put", line);
        }
        Ok(Accepted::Done)
    }

    /// The rollout that it has moved.
    fn record_report(&mut self, scene: &mut Scene<'_>, report: Report) -> Option<RolloutId> {
        let gateway = report.gateway.clone();
        let attempt = self.attempt_of(report)?;
        let keep = self.history_limit(&gateway);
        let good = self.good(&gateway, &attempt);
        let status = self.status.entry(gateway.clone()).or_default();
        // The agent sends until it is acknowledged: the same report may come twice.
        let number = |one: &Attempt| (one.generation, one.attempt, one.repair);
        let same = |past: &Attempt| number(past) == number(&attempt);
        if status.history.iter().any(same) {
            return None;
        }
        let status = Arc::make_mut(status);
        status.history.push_back(attempt.clone());
        while status.history.len() > keep {
            status.history.pop_front();
        }
        if attempt.manifest.is_some() {
            status.applied = Some(attempt.clone());
            // What was put back after a newer assignment failed is made as it was.
            let same = |known: &Arc<Good>| attempt.manifest == Some(known.manifest);
            status.good = good.or_else(|| status.good.take().filter(same));
            // The backup may begin to look.
            scene.touched.gateways.insert(gateway.clone());
        }
        let message = line(&attempt);
        self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", message.clone());
        self.settle(&gateway, &attempt, message)
    }

    /// `None` for progress, which is no history.
    fn attempt_of(&self, report: Report) -> Option<Attempt> {
        let mut kept_files = Vec::new();
        let (result, manifest, failures) = match report.phase {
            Phase::Running { .. } => return None,
            Phase::Applied { manifest } => (AttemptResult::Applied, Some(manifest), Vec::new()),
            Phase::Failed { failures } => (AttemptResult::Failed, None, failures),
            Phase::RolledBack { failures, kept } => {
                kept_files = kept;
                (AttemptResult::RolledBack, None, failures)
            }
            Phase::Inconsistent { failures } => (AttemptResult::Inconsistent, None, failures),
        };
        let desired = self.desired.get(&report.gateway);
        let reference = desired.filter(|d| d.generation == report.generation);
        Some(Attempt {
            generation: report.generation,
            attempt: report.attempt,
            repair: report.repair,
            result,
            trigger: report.trigger,
            commit: report.commit,
            reference: reference.map(|d| d.reference.clone()).unwrap_or_default(),
            manifest,
            failures,
            notices: report.notices,
            sessions: report.sessions,
            kept: kept_files,
            at: self.now,
            projects: report.projects,
            snapshot: report.snapshot,
            files_added: report.files_added,
            files_changed: report.files_changed,
            files_deleted: report.files_deleted,
            bytes_fetched: report.bytes_fetched,
            duration_ms: report.duration_ms,
        })
    }

    /// How the files of an attempt are made: known for those that a coordinator has made itself.
    fn good(&self, gateway: &GatewayName, attempt: &Attempt) -> Option<Arc<Good>> {
        let desired = self.desired.get(gateway)?;
        let ours = desired.generation == attempt.generation
            && attempt.manifest == Some(desired.manifest)
            && !matches!(desired.origin, DesiredOrigin::Snapshot { .. });
        ours.then(|| {
            Arc::new(Good {
                manifest: desired.manifest,
                render: Arc::clone(&desired.render),
                roots: desired.roots.clone(),
                reference: desired.reference.clone(),
            })
        })
    }

    fn history_limit(&self, gateway: &GatewayName) -> usize {
        let profile = self.gateways.get(gateway).map(|g| &g.resource.spec.profile);
        let profile = profile.and_then(|name| self.profiles.get(name));
        let limit = profile.map_or(HISTORY_LIMIT, |stored| stored.resource.spec.history_limit);
        limit.clamp(1, 100) as usize
    }

    fn settle(
        &mut self,
        gateway: &GatewayName,
        attempt: &Attempt,
        message: String,
    ) -> Option<RolloutId> {
        let desired = self.desired.get(gateway)?;
        // A try that another one has replaced moves nothing.
        if attempt.attempt != desired.attempt || attempt.generation != desired.generation {
            return None;
        }
        let (id, now) = (desired.rollout.clone(), self.now);
        let rollouts = Arc::make_mut(&mut self.rollouts);
        let rollout = rollouts.get_mut(&id)?;
        let member = rollout.members.get(gateway)?;
        // Evidence is of the member's own generation, whatever the phase: a gateway that was away says
        // what became of it when the rollout has long ended.
        let next = moved(member, attempt, message)?;
        let rollout = Arc::make_mut(rollout);
        rollout.revision += 1;
        if matches!(next, MemberState::Applied { .. } | MemberState::Reverted { .. }) {
            rollout.moved_at = now;
        }
        rollout.set(gateway, next, now);
        keep_snapshot(rollout, gateway, attempt);
        Some(id)
    }

    fn record_backup(&mut self, scene: &mut Scene<'_>, report: Report) {
        let gateway = report.gateway;
        let (now, index) = (self.now, scene.index);
        let (in_sync, failures): (bool, Vec<Failure>) = match report.phase {
            Phase::Running { .. } => return,
            Phase::Applied { manifest } => (self.is_masters(&gateway, manifest), Vec::new()),
            Phase::Failed { failures }
            | Phase::RolledBack { failures, .. }
            | Phase::Inconsistent { failures } => (false, failures),
        };
        // The pair has moved on: what became of an older assignment says nothing any more.
        if self.desired.get(&gateway).is_none_or(|d| d.generation != report.generation) {
            return;
        }
        let status = self.status.entry(gateway.clone()).or_default();
        let known = status.backup.as_ref().filter(|b| b.generation == report.generation);
        if known.is_some_and(|known| known.attempt > report.attempt || known.in_sync) {
            return;
        }
        let message = failures.first().map(|f| f.message.clone()).unwrap_or_default();
        // One resync is asked for after the first budget; then it is said and left.
        let resync = !in_sync && BackupStatus::is_first_budget(report.attempt);
        let status = Arc::make_mut(status);
        status.backup = Some(BackupStatus {
            generation: report.generation,
            in_sync,
            message: message.clone(),
            attempt: if resync { report.attempt + 1 } else { report.attempt },
            at: now,
        });
        if resync {
            let id = format!("resync-{}-{index}", report.generation);
            push(
                &mut status.instructions,
                InstructionRecord {
                    id,
                    member: Member::Master,
                    kind: InstructionKind::Resync,
                    subject: String::new(),
                    by: "coordinator".to_owned(),
                    reason: "the backup has not taken the files over".to_owned(),
                    at: now,
                    expires_at: now.plus(RESYNC_LIFE),
                    answer: None,
                },
            );
            scene.touched.gateways.insert(gateway.clone());
        }
        let message = match (in_sync, resync) {
            (true, _) => "the backup has taken the files over".to_owned(),
            (false, true) => format!("{message}; asking for a resync"),
            (false, false) => format!("applied, backup not in sync: {message}"),
        };
        self.say(index, Kind::Gateway, gateway.as_str(), "put", message);
    }

    fn is_masters(&self, gateway: &GatewayName, manifest: Digest) -> bool {
        let applied = self.status.get(gateway).and_then(|status| status.applied.as_ref());
        applied.is_some_and(|attempt| attempt.manifest == Some(manifest))
    }
}

/// Where a member stands after an attempt of its generation; `None` when it is no news of it.
fn moved(member: &RolloutMember, attempt: &Attempt, message: String) -> Option<MemberState> {
    let generation = attempt.generation;
    match &member.state {
        MemberState::Assigned { generation: at } if *at == generation => {
            Some(match attempt.manifest == Some(member.manifest) {
                true => MemberState::Applied { generation },
                false => MemberState::Failed { generation, message },
            })
        }
        MemberState::Reverting { generation: at } if *at == generation => {
            let is_back = match &member.before {
                Some(Before::Files(good)) => attempt.manifest == Some(good.manifest),
                Some(Before::Snapshot { .. }) => attempt.manifest.is_some(),
                None => false,
            };
            Some(match is_back {
                true => MemberState::Reverted { generation },
                false => {
                    let message = format!("rolling back: {message}");
                    MemberState::Failed { generation, message }
                }
            })
        }
        // It was given up as too late, and comes in the end.
        MemberState::Failed { generation: at, .. }
            if *at == generation && attempt.manifest == Some(member.manifest) =>
        {
            Some(MemberState::Applied { generation })
        }
        MemberState::Pending
        | MemberState::Assigned { .. }
        | MemberState::Applied { .. }
        | MemberState::Failed { .. }
        | MemberState::Skipped { .. }
        | MemberState::Deferred
        | MemberState::Reverting { .. }
        | MemberState::Reverted { .. } => None,
    }
}

/// The agent has said which snapshot it took before the change: the way back leads there.
fn keep_snapshot(rollout: &mut Rollout, gateway: &GatewayName, attempt: &Attempt) {
    let Some(member) = rollout.members.get_mut(gateway) else { return };
    match &member.state {
        MemberState::Reverted { .. } | MemberState::Failed { .. } if member.revert => {
            Arc::make_mut(member).revert = false;
        }
        MemberState::Applied { .. } | MemberState::Failed { .. } => {
            let open = matches!(&member.before, Some(Before::Snapshot { id }) if id.is_empty());
            if open && !attempt.snapshot.is_empty() {
                let id = attempt.snapshot.clone();
                Arc::make_mut(member).before = Some(Before::Snapshot { id });
            }
        }
        MemberState::Pending
        | MemberState::Assigned { .. }
        | MemberState::Skipped { .. }
        | MemberState::Deferred
        | MemberState::Reverting { .. }
        | MemberState::Reverted { .. } => {}
    }
}

/// Adds an instruction; the oldest go when there are too many.
pub(super) fn push(
    instructions: &mut std::collections::VecDeque<InstructionRecord>,
    record: InstructionRecord,
) {
    instructions.push_back(record);
    while instructions.len() > crate::state::INSTRUCTIONS_MAX {
        instructions.pop_front();
    }
}

/// One line about an attempt.
fn line(attempt: &Attempt) -> String {
    let first = attempt.failures.first();
    let why = first.map_or_else(String::new, |f| format!(" in {}: {}", f.step, f.message));
    match attempt.result {
        AttemptResult::Applied => format!(
            "applied in {} ms: {} added, {} changed, {} removed",
            attempt.duration_ms, attempt.files_added, attempt.files_changed, attempt.files_deleted
        ),
        AttemptResult::Failed => format!("failed{why}"),
        AttemptResult::RolledBack => format!("rolled back after a failure{why}"),
        AttemptResult::Inconsistent => format!("inconsistent, a person must look{why}"),
    }
}
