//! Beginning a rollout and assigning its members.

use std::sync::Arc;

use millwright_model::{
    generation::Generation,
    id::{GatewayName, RolloutId},
    resource::Kind,
};

use super::{Judged, Scene, invalid, not_found};
use crate::{
    State,
    command::{Accepted, AdvanceRollout, Rejection, StartRollout},
    state::{Desired, MemberState, ROLLOUTS_MAX, Rollout, RolloutMember, RolloutPhase},
};

fn stale(message: impl Into<String>) -> Rejection {
    Rejection::Stale { message: message.into() }
}

impl State {
    pub(super) fn start_rollout(&mut self, scene: &mut Scene<'_>, start: StartRollout) -> Judged {
        if start.seen != self.config_version {
            return Err(stale("resources or releases changed since the plan was made"));
        }
        if !self.fleets.contains_key(&start.fleet) {
            return Err(not_found(format!("fleet {} does not exist", start.fleet)));
        }
        if start.members.iter().any(|member| member.stage as usize >= start.stages.len()) {
            return Err(invalid("a member names a stage that the plan does not have"));
        }
        self.rollout_count += 1;
        let id: RolloutId = format!("{}-{}", start.fleet, self.rollout_count)
            .parse()
            .map_err(|_| invalid("the fleet's name is too long for a rollout"))?;
        if let Some(older) = self.newest.get(&start.fleet).cloned() {
            self.supersede(scene, &older, &id);
        }
        let members = start
            .members
            .into_iter()
            .map(|member| {
                let paused =
                    self.gateways.get(&member.gateway).is_some_and(|g| g.resource.spec.paused);
                let state = match paused {
                    true => MemberState::Skipped { reason: "paused".to_owned() },
                    false => MemberState::Pending,
                };
                let entry = RolloutMember {
                    stage: member.stage,
                    manifest: member.manifest,
                    render: member.render,
                    roots: member.roots,
                    question: member.question,
                    state,
                };
                (member.gateway, Arc::new(entry))
            })
            .collect();
        let rollout = Rollout {
            fleet: start.fleet.clone(),
            repository: start.repository,
            commit: start.commit,
            reference: start.reference,
            stages: start.stages,
            members,
            plan_hash: start.plan_hash,
            revision: 1,
            phase: RolloutPhase::Running,
            started_at: self.now,
            finished_at: None,
        };
        let message = format!(
            "started: commit {} to {} gateways",
            rollout.commit.short(),
            rollout.members.len()
        );
        Arc::make_mut(&mut self.rollouts).insert(id.clone(), Arc::new(rollout));
        Arc::make_mut(&mut self.newest).insert(start.fleet, id.clone());
        self.say(scene.index, Kind::Rollout, id.as_str(), "put", message);
        self.trim_rollouts();
        Ok(Accepted::Done)
    }

    fn supersede(&mut self, scene: &mut Scene<'_>, older: &RolloutId, newer: &RolloutId) {
        let now = self.now;
        let rollouts = Arc::make_mut(&mut self.rollouts);
        let Some(rollout) = rollouts.get_mut(older) else { return };
        if rollout.phase != RolloutPhase::Running {
            return;
        }
        let rollout = Arc::make_mut(rollout);
        rollout.phase = RolloutPhase::Superseded;
        rollout.finished_at = Some(now);
        rollout.revision += 1;
        let message = format!("superseded by {newer}");
        self.say(scene.index, Kind::Rollout, older.as_str(), "put", message);
    }

    fn trim_rollouts(&mut self) {
        while self.rollouts.len() > ROLLOUTS_MAX {
            let oldest = self
                .rollouts
                .iter()
                .filter(|(id, rollout)| {
                    rollout.phase != RolloutPhase::Running
                        && !self.newest.values().any(|newest| newest == *id)
                })
                .min_by_key(|(_, rollout)| rollout.started_at)
                .map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { return };
            Arc::make_mut(&mut self.rollouts).remove(&oldest);
        }
    }

    pub(super) fn advance_rollout(
        &mut self,
        scene: &mut Scene<'_>,
        advance: AdvanceRollout,
    ) -> Judged {
        let id = advance.rollout;
        let known = self.rollouts.get(&id).cloned();
        let mut rollout = known.ok_or_else(|| not_found(format!("no rollout {id}")))?;
        if rollout.revision != advance.seen || rollout.phase != RolloutPhase::Running {
            return Err(stale(format!("rollout {id} has moved on")));
        }
        let now = self.now;
        let changed = Arc::make_mut(&mut rollout);
        changed.revision += 1;
        for gateway in advance.assign {
            let Some(member) = changed.members.get_mut(&gateway) else { continue };
            if member.state != MemberState::Pending {
                continue;
            }
            Arc::make_mut(member).state = if self.gateways.contains_key(&gateway) {
                let generation = self.assign(&gateway, &id, &changed.reference, member);
                scene.touched.gateways.insert(gateway.clone());
                MemberState::Assigned { generation }
            } else {
                MemberState::Skipped { reason: "removed".to_owned() }
            };
            let message = format!("assigned commit {} by {id}", changed.commit.short());
            self.say(scene.index, Kind::Gateway, gateway.as_str(), "put", message);
        }
        if let Some(finish) = advance.finish {
            changed.phase = finish.into();
            changed.finished_at = Some(now);
        }
        let message = crate::view::rollout_line(changed);
        Arc::make_mut(&mut self.rollouts).insert(id.clone(), rollout);
        self.say(scene.index, Kind::Rollout, id.as_str(), "put", message);
        Ok(Accepted::Done)
    }

    fn assign(
        &mut self,
        gateway: &GatewayName,
        rollout: &RolloutId,
        reference: &str,
        member: &RolloutMember,
    ) -> Generation {
        let last = self.desired.get(gateway).map_or(Generation(0), |d| d.generation);
        // A gateway that was deleted and made again must not repeat a generation that its agent
        // has handled.
        let seen = self.status.get(gateway).and_then(|s| s.history.back()).map(|a| a.generation);
        let generation = last.max(seen.unwrap_or_default()).next();
        let desired = Desired {
            generation,
            reference: reference.to_owned(),
            manifest: member.manifest,
            render: member.render.clone(),
            roots: member.roots.clone(),
            rollout: rollout.clone(),
            attempt: 1,
            origin: crate::state::DesiredOrigin::Rollout,
            trigger: format!("rollout {rollout}"),
            full: false,
        };
        Arc::make_mut(&mut self.desired).insert(gateway.clone(), Arc::new(desired));
        generation
    }
}
