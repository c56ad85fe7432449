//! Carrying decided steps into the state, as long as the rollout is as the driver saw it.

use std::sync::Arc;

use millwright_model::{
    assignment::Begun,
    generation::Generation,
    id::{GatewayName, RolloutId},
    resource::Kind,
    time::Timestamp,
};

use super::{Judged, Scene, not_found, stale};
use crate::{
    State,
    command::{Accepted, AdvanceRollout, Finish, Scope, Step},
    rollout::StageCount,
    state::{
        AttemptResult, Before, Desired, DesiredOrigin, Good, Hold, MemberState, Rollout,
        RolloutMember, RolloutPhase, StageProgress, Stop,
    },
};

/// What a gateway is told next, and by whom.
struct Told {
    rollout: RolloutId,
    trigger: String,
    origin: DesiredOrigin,
    begun: Begun,
}

impl State {
    pub(in crate::apply) fn advance_rollout(
        &mut self,
        scene: &mut Scene<'_>,
        advance: AdvanceRollout,
    ) -> Judged {
        let id = advance.rollout;
        let known = self.rollouts.get(&id).cloned();
        let mut rollout = known.ok_or_else(|| not_found(format!("no rollout {id}")))?;
        let ended = matches!(
            rollout.phase,
            RolloutPhase::Failed | RolloutPhase::Aborted | RolloutPhase::Superseded
        );
        // Windows and holds may be others by now, too.
        let seen = rollout.revision == advance.seen && self.config_version == advance.config;
        if !seen || ended {
            return Err(stale(format!("rollout {id} has moved on")));
        }
        let changed = Arc::make_mut(&mut rollout);
        changed.revision += 1;
        let mut moved = false;
        for step in advance.steps {
            // A stage says itself what became of it, and a gate is told of when it has answered.
            moved |= !matches!(
                step,
                Step::AskApproval { .. }
                    | Step::AskGate { .. }
                    | Step::DryRun { .. }
                    | Step::OpenStage { .. }
                    | Step::CloseStage { .. }
            );
            self.step(scene, &id, changed, step);
        }
        let message = moved.then(|| crate::view::rollout_line(changed));
        Arc::make_mut(&mut self.rollouts).insert(id.clone(), rollout);
        if let Some(message) = message {
            self.say(scene.index, Kind::Rollout, id.as_str(), "put", message);
        }
        Ok(Accepted::Done)
    }

    fn step(&mut self, scene: &mut Scene<'_>, id: &RolloutId, rollout: &mut Rollout, step: Step) {
        let now = self.now;
        match step {
            Step::AskApproval { stage } => {
                self.at_stage(scene, id, rollout, stage, "asks for an approval", |progress| {
                    progress.asked_at.get_or_insert(now);
                });
            }
            Step::AskGate { key } => self.ask_gate(rollout, key),
            Step::DryRun { gateway } => self.ask_dry_run(scene, id, rollout, &gateway),
            Step::OpenStage { stage } => {
                rollout.moved_at = now;
                self.at_stage(scene, id, rollout, stage, "begins", |progress| {
                    progress.opened_at.get_or_insert(now);
                });
            }
            Step::CloseStage { stage } => {
                rollout.moved_at = now;
                self.at_stage(scene, id, rollout, stage, "is done", |progress| {
                    progress.closed_at.get_or_insert(now);
                });
            }
            Step::Assign { gateway } => self.assign_member(scene, id, rollout, &gateway),
            Step::Defer { gateway } => {
                let pending = rollout.members.get(&gateway).map(|member| &member.state);
                if pending == Some(&MemberState::Pending) {
                    rollout.set(&gateway, MemberState::Deferred, now);
                    let message = format!("offline: deferred by {id}");
                    self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", message);
                }
            }
            Step::Fail { gateway, message } => fail_member(rollout, &gateway, message, now),
            Step::RollBack { scope, cause } => {
                self.begin_back(scene, id, rollout, scope, cause, &format!("rollout {id}"));
            }
            Step::Revert { gateway } => self.revert_member(scene, id, rollout, &gateway),
            Step::Finish { finish, message } => {
                rollout.phase = finish.into();
                rollout.finished_at = Some(now);
                if finish == Finish::Failed {
                    match &mut rollout.stop {
                        None => rollout.stop = Some(Stop { cause: message, at: now }),
                        // It could not go back as it was to.
                        Some(stop) if stop.cause != message => {
                            stop.cause.push_str(&format!("; {message}"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }

    fn at_stage(
        &mut self,
        scene: &mut Scene<'_>,
        id: &RolloutId,
        rollout: &mut Rollout,
        stage: u32,
        what: &str,
        change: impl FnOnce(&mut StageProgress),
    ) {
        let at = stage as usize;
        let (Some(progress), Some(stage)) = (rollout.progress.get_mut(at), rollout.stages.get(at))
        else {
            return;
        };
        change(progress);
        let message = match rollout.counts.get(at).map_or(0, StageCount::wanted) {
            0 => format!("stage {} has nobody to change", stage.name),
            _ => format!("stage {} {what}", stage.name),
        };
        self.say(scene.index, Kind::Rollout, id.as_str(), "put", message);
    }

    fn assign_member(
        &mut self,
        scene: &mut Scene<'_>,
        id: &RolloutId,
        rollout: &mut Rollout,
        gateway: &GatewayName,
    ) {
        let now = self.now;
        let Some(member) = rollout.members.get(gateway).cloned() else { return };
        if !matches!(member.state, MemberState::Pending | MemberState::Deferred) {
            return;
        }
        if !self.gateways.contains_key(gateway) {
            let reason = "removed".to_owned();
            rollout.set(gateway, MemberState::Skipped { reason }, now);
            return;
        }
        // A deadline counts from when something is in flight again.
        if rollout.counts().iter().all(|count| count.running == 0) {
            rollout.moved_at = now;
        }
        let before = self.before(gateway);
        let told = Told {
            rollout: id.clone(),
            trigger: format!("rollout {id}"),
            origin: DesiredOrigin::Rollout,
            begun: Begun::Rollout,
        };
        let files = Good {
            manifest: member.manifest,
            render: Arc::clone(&member.render),
            roots: member.roots.clone(),
            reference: rollout.reference.clone(),
        };
        let generation = self.tell(gateway, told, files);
        scene.touched.gateways.insert(gateway.clone());
        rollout.set(gateway, MemberState::Assigned { generation }, now);
        if let Some(member) = rollout.members.get_mut(gateway) {
            Arc::make_mut(member).before = before;
        }
        let message = format!("assigned commit {} by {id}", rollout.commit.short());
        self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", message);
    }

    /// What a gateway runs by its agent's own account: files that can be made again, else those of the
    /// snapshot that its agent takes before the change. Nothing when it never had anything.
    fn before(&self, gateway: &GatewayName) -> Option<Before> {
        let status = self.status.get(gateway)?;
        match &status.good {
            Some(good) => Some(Before::Files(Arc::clone(good))),
            None => status.applied.as_ref().map(|_| Before::Snapshot { id: String::new() }),
        }
    }

    /// A new generation for a gateway.
    fn tell(&mut self, gateway: &GatewayName, told: Told, files: Good) -> Generation {
        let last = self.desired.get(gateway).map_or(Generation(0), |d| d.generation);
        // A gateway that was deleted and made again must not repeat a generation that its agent
        // has handled.
        let seen = self.status.get(gateway).and_then(|s| s.history.back()).map(|a| a.generation);
        let generation = last.max(seen.unwrap_or_default()).next();
        let Good { manifest, render, roots, reference } = files;
        let Told { rollout, trigger, origin, begun } = told;
        let desired = Desired {
            generation,
            reference,
            manifest,
            render,
            roots,
            rollout,
            attempt: 1,
            origin,
            trigger,
            full: false,
            begun,
        };
        self.desired.insert(gateway.clone(), Arc::new(desired));
        generation
    }

    /// Turns a rollout round: marks who has to go back, and holds the commit.
    pub(super) fn begin_back(
        &mut self,
        scene: &mut Scene<'_>,
        id: &RolloutId,
        rollout: &mut Rollout,
        scope: Scope,
        cause: String,
        by: &str,
    ) {
        let now = self.now;
        let marked: Vec<GatewayName> = rollout
            .members
            .iter()
            .filter(|(_, member)| in_scope(rollout, member, scope))
            .filter(|(gateway, member)| self.has_new_files(gateway, member))
            .map(|(gateway, _)| gateway.clone())
            .collect();
        for gateway in &marked {
            if let Some(member) = rollout.members.get_mut(gateway) {
                Arc::make_mut(member).revert = true;
            }
        }
        rollout.phase = RolloutPhase::RollingBack;
        rollout.back = true;
        rollout.finished_at = None;
        rollout.paused = None;
        rollout.moved_at = now;
        rollout.stop = Some(Stop { cause: cause.clone(), at: now });
        let hold = Hold {
            repository: rollout.repository.clone(),
            commit: rollout.commit,
            by: by.to_owned(),
            reason: cause.clone(),
            at: now,
            lifted: None,
        };
        self.put_hold(hold);
        let message = format!("rolling {} gateways back: {cause}", marked.len());
        self.say(scene.index, Kind::Rollout, id.as_str(), "put", message);
    }

    /// Whether a member runs the rollout's files, or may by the time that its agent is heard, and had
    /// others before.
    fn has_new_files(&self, gateway: &GatewayName, member: &RolloutMember) -> bool {
        if member.before.is_none() {
            return false;
        }
        match &member.state {
            MemberState::Applied { .. } | MemberState::Assigned { .. } => true,
            MemberState::Failed { generation, .. } => {
                let history = self.status.get(gateway).map(|status| &status.history);
                let of = |a: &&crate::state::Attempt| a.generation == *generation;
                let last = history.and_then(|all| all.iter().rev().find(of));
                match last.map(|attempt| attempt.result) {
                    // Its agent has put the previous files back by itself, or never changed any.
                    Some(AttemptResult::Failed | AttemptResult::RolledBack) => false,
                    Some(AttemptResult::Inconsistent | AttemptResult::Applied) | None => true,
                }
            }
            MemberState::Pending
            | MemberState::Skipped { .. }
            | MemberState::Deferred
            | MemberState::Reverting { .. }
            | MemberState::Reverted { .. } => false,
        }
    }

    fn revert_member(
        &mut self,
        scene: &mut Scene<'_>,
        id: &RolloutId,
        rollout: &mut Rollout,
        gateway: &GatewayName,
    ) {
        let now = self.now;
        let Some(member) = rollout.members.get(gateway).cloned() else { return };
        let (Some(before), true) = (&member.before, member.revert) else { return };
        if !self.gateways.contains_key(gateway) {
            let reason = "removed".to_owned();
            rollout.set(gateway, MemberState::Skipped { reason }, now);
            return;
        }
        let cause = rollout.stop.as_ref().map(|stop| stop.cause.clone()).unwrap_or_default();
        let trigger = format!("rollback of rollout {id}: {cause}");
        let (origin, files) = match before {
            Before::Files(good) => (DesiredOrigin::Previous, Good::clone(good)),
            Before::Snapshot { id } => {
                let here = Good {
                    manifest: member.manifest,
                    render: Arc::clone(&member.render),
                    roots: member.roots.clone(),
                    reference: rollout.reference.clone(),
                };
                (DesiredOrigin::Snapshot { id: id.clone(), project: None }, here)
            }
        };
        let told = Told { rollout: id.clone(), trigger, origin, begun: Begun::Rollback };
        let generation = self.tell(gateway, told, files);
        scene.touched.gateways.insert(gateway.clone());
        rollout.set(gateway, MemberState::Reverting { generation }, now);
        let message = format!("gets its previous files back: {cause}");
        self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", message);
    }
}

fn in_scope(rollout: &Rollout, member: &RolloutMember, scope: Scope) -> bool {
    let failed = |member: &RolloutMember| matches!(member.state, MemberState::Failed { .. });
    match scope {
        Scope::All => true,
        Scope::Stage(stage) => member.stage == stage,
        Scope::Failed => failed(member),
        Scope::Dependents => member
            .depends_on
            .iter()
            .any(|on| rollout.members.get(on).is_some_and(|on| failed(on) && !on.forgiven)),
    }
}

fn fail_member(rollout: &mut Rollout, gateway: &GatewayName, message: String, now: Timestamp) {
    let Some(member) = rollout.members.get(gateway) else { return };
    let generation = match &member.state {
        MemberState::Assigned { generation } | MemberState::Reverting { generation } => *generation,
        MemberState::Pending | MemberState::Deferred => Generation(0),
        MemberState::Applied { .. }
        | MemberState::Failed { .. }
        | MemberState::Skipped { .. }
        | MemberState::Reverted { .. } => return,
    };
    rollout.set(gateway, MemberState::Failed { generation, message }, now);
    rollout.settled(gateway);
}
