//! What people ask of one gateway: retry, sync, rollback, pause, resume, confirm, and instructions to its
//! agents with their answers.

use std::{collections::BTreeSet, sync::Arc};

use millwright_model::{
    assignment::Begun,
    digest::Digest,
    id::{GatewayName, Member, RolloutId},
    instruction::{Answer, InstructionKind},
    resource::Kind,
};

use super::{Judged, Scene, invalid, not_found, report::push};
use crate::{
    State,
    command::{Accepted, GatewayAction, Instruct, Rejection},
    rollout::{asked, newest_of},
    state::{
        Confirmation, DesiredOrigin, InstructionAnswer, InstructionRecord, MemberState, Pause,
        RolloutPhase,
    },
};

impl State {
    pub(super) fn act_on_gateway(
        &mut self,
        scene: &mut Scene<'_>,
        gateway: &GatewayName,
        action: GatewayAction,
    ) -> Judged {
        if !self.gateways.contains_key(gateway) {
            return Err(not_found(format!("gateway {gateway} does not exist")));
        }
        let who = short(scene.actor);
        let why = match scene.reason {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let message = match action {
            GatewayAction::Pause => self.pause(scene, gateway)?,
            GatewayAction::Resume => self.resume(gateway)?,
            GatewayAction::Confirm { manifest } => self.confirm(scene, gateway, manifest)?,
            GatewayAction::Retry => self.again(gateway, false, format!("retry by {who}{why}"))?,
            GatewayAction::Sync => self.again(gateway, true, format!("sync by {who}{why}"))?,
            GatewayAction::RollbackToSnapshot { id, project } => {
                let id = self.snapshot_to(gateway, id)?;
                let trigger = format!("rollback to snapshot {id} by {who}{why}");
                let origin = DesiredOrigin::Snapshot { id, project };
                self.wish(gateway, origin, trigger, |_| ())?
            }
            GatewayAction::RollbackToCommit { manifest, render, roots } => {
                let trigger = format!("rollback to {} by {who}{why}", render.commit.short());
                self.wish(gateway, DesiredOrigin::Commit, trigger, |desired| {
                    desired.manifest = manifest;
                    desired.reference = format!("commit {}", render.commit);
                    desired.render = render;
                    desired.roots = roots;
                })?
            }
        };
        scene.touched.gateways.insert(gateway.clone());
        self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", message);
        Ok(Accepted::Done)
    }

    fn pause(&mut self, scene: &Scene<'_>, gateway: &GatewayName) -> Result<String, Rejection> {
        let pause = Pause {
            by: short(scene.actor).to_owned(),
            reason: scene.reason.to_owned(),
            since: self.now,
        };
        let message = format!("paused by {}: {}", pause.by, pause.reason);
        let status = self.status.entry(gateway.clone()).or_default();
        Arc::make_mut(status).paused = Some(pause);
        Ok(message)
    }

    fn resume(&mut self, gateway: &GatewayName) -> Result<String, Rejection> {
        let status = self.status.entry(gateway.clone()).or_default();
        if status.paused.is_none() {
            return Err(invalid(format!("gateway {gateway} is not paused by command")));
        }
        Arc::make_mut(status).paused = None;
        // A rollout that passed it by may want it now.
        self.config_version += 1;
        Ok("resumed".to_owned())
    }

    /// Lets the newest rollout go on with what it asks about. What was agreed to is these files alone:
    /// another plan asks again.
    fn confirm(
        &mut self,
        scene: &Scene<'_>,
        gateway: &GatewayName,
        manifest: Digest,
    ) -> Result<String, Rejection> {
        let open = newest_of(self, gateway)
            .and_then(|(_, member)| Some((member.manifest, asked(self, gateway, member)?)));
        let Some((wanted, question)) = open else {
            return Err(invalid(format!("nothing is asked about gateway {gateway}")));
        };
        if wanted != manifest {
            let message = format!("gateway {gateway} shall have other files than were confirmed");
            return Err(Rejection::Stale { message });
        }
        let by = short(scene.actor).to_owned();
        let why = if scene.reason.is_empty() { "" } else { ": " };
        let message = format!("{by} agreed that {question}{why}{}", scene.reason);
        let confirmed =
            Confirmation { manifest, by, reason: scene.reason.to_owned(), at: self.now };
        let status = self.status.entry(gateway.clone()).or_default();
        Arc::make_mut(status).confirmed = Some(confirmed);
        Ok(message)
    }

    /// The same once more, as another try of the same generation.
    fn again(
        &mut self,
        gateway: &GatewayName,
        full: bool,
        trigger: String,
    ) -> Result<String, Rejection> {
        let desired = &mut self.desired;
        let Some(desired) = desired.get_mut(gateway) else {
            return Err(invalid(format!(
                "gateway {gateway} has no assignment yet: it waits for a rollout"
            )));
        };
        let desired = Arc::make_mut(desired);
        desired.attempt += 1;
        desired.full = full;
        desired.trigger.clone_from(&trigger);
        // What goes back does so at once, whoever asks for it once more.
        if desired.begun == Begun::Rollout {
            desired.begun = Begun::Person;
        }
        let (id, generation) = (desired.rollout.clone(), desired.generation);
        let status = self.status.entry(gateway.clone()).or_default();
        // The backup looks again too, under a number that its agent has not had.
        if let Some(backup) = Arc::make_mut(status).backup.as_mut() {
            backup.look_again();
        }
        self.member_again(&id, gateway, generation);
        Ok(trigger)
    }

    /// A failed member that is tried again is in flight again.
    fn member_again(
        &mut self,
        id: &millwright_model::id::RolloutId,
        gateway: &GatewayName,
        generation: millwright_model::generation::Generation,
    ) {
        let now = self.now;
        let is_newest = self.newest.values().any(|newest| newest == id);
        let Some(rollout) = Arc::make_mut(&mut self.rollouts).get_mut(id) else { return };
        let failed = rollout.members.get(gateway).is_some_and(|member| {
            matches!(&member.state, MemberState::Failed { generation: at, .. } if *at == generation)
        });
        if !failed {
            return;
        }
        let rollout = Arc::make_mut(rollout);
        rollout.revision += 1;
        rollout.moved_at = now;
        // On the way back it is the way back that is tried again.
        let next = match rollout.back {
            true => MemberState::Reverting { generation },
            false => MemberState::Assigned { generation },
        };
        rollout.set(gateway, next, now);
        // One that a newer one has followed stays as it ended.
        if rollout.phase == RolloutPhase::Failed && !rollout.back && is_newest {
            rollout.phase = RolloutPhase::Running;
            rollout.finished_at = None;
            rollout.stop = None;
        }
    }

    /// Another content by a person's wish, under a new generation.
    fn wish(
        &mut self,
        gateway: &GatewayName,
        origin: DesiredOrigin,
        trigger: String,
        change: impl FnOnce(&mut crate::state::Desired),
    ) -> Result<String, Rejection> {
        let desired = &mut self.desired;
        let Some(desired) = desired.get_mut(gateway) else {
            return Err(invalid(format!("gateway {gateway} has no assignment to roll back")));
        };
        let desired = Arc::make_mut(desired);
        change(desired);
        desired.generation = desired.generation.next();
        desired.attempt = 1;
        desired.origin = origin;
        desired.full = false;
        desired.begun = Begun::Person;
        desired.trigger.clone_from(&trigger);
        Ok(trigger)
    }

    /// The snapshot that is meant; without an id, the one that was taken before the last change.
    fn snapshot_to(&self, gateway: &GatewayName, id: String) -> Result<String, Rejection> {
        let status = self.status.get(gateway);
        if id.is_empty() {
            let history = status.map(|status| &status.history);
            let last = history.and_then(|all| {
                all.iter().rev().find(|a| a.manifest.is_some() && !a.snapshot.is_empty())
            });
            return last.map(|attempt| attempt.snapshot.clone()).ok_or_else(|| {
                invalid(format!(
                    "no change of gateway {gateway} has a snapshot: name one with --to"
                ))
            });
        }
        Ok(id)
    }

    pub(super) fn instruct(&mut self, scene: &mut Scene<'_>, instruct: Instruct) -> Judged {
        let Instruct { id, gateway, member, kind, subject, expires_at } = instruct;
        if !self.gateways.contains_key(&gateway) {
            return Err(not_found(format!("gateway {gateway} does not exist")));
        }
        let record = InstructionRecord {
            id,
            member,
            kind,
            subject,
            by: short(scene.actor).to_owned(),
            reason: scene.reason.to_owned(),
            at: self.now,
            expires_at,
            answer: None,
        };
        self.hand(scene, &gateway, record);
        Ok(Accepted::Done)
    }

    /// Gives an agent an instruction.
    pub(super) fn hand(
        &mut self,
        scene: &mut Scene<'_>,
        gateway: &GatewayName,
        record: InstructionRecord,
    ) {
        let message = format!("{} asked for by {}", record.kind, record.by);
        let status = self.status.entry(gateway.clone()).or_default();
        push(&mut Arc::make_mut(status).instructions, record);
        scene.touched.gateways.insert(gateway.clone());
        self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", message);
    }

    pub(super) fn record_answers(&mut self, scene: &mut Scene<'_>, answers: Vec<Answer>) -> Judged {
        let mut moved = BTreeSet::new();
        for answer in answers {
            moved.extend(self.record_answer(scene, answer));
        }
        for id in moved {
            let Some(rollout) = self.rollouts.get(&id) else { continue };
            let line = crate::view::rollout_line(rollout);
            self.say(scene.index, Kind::Rollout, id.as_str(), "put", line);
        }
        Ok(Accepted::Done)
    }

    /// The rollout that waits for it.
    fn record_answer(&mut self, scene: &mut Scene<'_>, answer: Answer) -> Option<RolloutId> {
        let now = self.now;
        let Answer { id, gateway, member, ok, message, detail } = answer;
        let status = self.status.get_mut(&gateway)?;
        let open = |one: &&mut InstructionRecord| {
            one.id == id && one.member == member && one.answer.is_none()
        };
        let status = Arc::make_mut(status);
        let record = status.instructions.iter_mut().find(open)?;
        let said = format!("{}: {message}", record.kind);
        let answer = InstructionAnswer { ok, message, detail, at: now };
        record.answer = Some(answer.clone());
        let of_rollout = record.kind == InstructionKind::DryRun && !record.subject.is_empty();
        let subject = record.subject.clone();
        self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", said);
        of_rollout.then(|| self.dry_run_answered(&gateway, &subject, &id, &answer)).flatten()
    }

    /// Whether nothing new may be given to a gateway now, and why.
    pub fn paused(&self, gateway: &GatewayName) -> Option<String> {
        let stored = self.gateways.get(gateway)?;
        if stored.resource.spec.paused {
            return Some("spec.paused is true".to_owned());
        }
        let pause = self.status.get(gateway)?.paused.as_ref()?;
        Some(format!("paused by {} since {}: {}", pause.by, pause.since, pause.reason))
    }

    /// Which agents of a gateway have ever connected.
    pub fn members_of(&self, gateway: &GatewayName) -> Vec<Member> {
        let known = self.status.get(gateway).map(|status| &status.connections);
        known.map(|all| all.keys().filter_map(|m| m.parse().ok()).collect()).unwrap_or_default()
    }
}

/// The last part of an identity: the operator's name.
fn short(actor: &str) -> &str {
    actor.rsplit('/').next().unwrap_or(actor)
}
