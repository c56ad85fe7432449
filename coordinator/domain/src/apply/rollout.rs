//! Beginning a rollout, and what becomes of the one before.

mod act;
mod dry_run;
mod gate;
mod steps;

use std::sync::Arc;

use millwright_model::{
    id::{Name, RolloutId},
    resource::Kind,
    time::Timestamp,
};

use super::{Judged, Scene, invalid, not_found};
use crate::{
    State,
    command::{Accepted, PlanMember, Rejection, StartRollout},
    state::{MemberState, ROLLOUTS_MAX, Rollout, RolloutMember, RolloutPhase, StageProgress},
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
        // A leader that does not know that it is none any more plans the same once more.
        let newest = self.newest.get(&start.fleet).and_then(|id| self.rollouts.get(id));
        if newest.is_some_and(|newest| newest.is(start.plan_hash)) {
            return Err(stale("this plan is the newest one already"));
        }
        self.rollout_count += 1;
        let id: RolloutId = format!("{}-{}", start.fleet, self.rollout_count)
            .parse()
            .map_err(|_| invalid("the fleet's name is too long for a rollout"))?;
        if let Some(older) = self.newest.get(&start.fleet).cloned() {
            self.supersede(scene, &older, &id);
        }
        let now = self.now;
        let members = start.members.into_iter().map(|member| self.member(member)).collect();
        let mut rollout = Rollout {
            fleet: start.fleet.clone(),
            repository: start.repository,
            commit: start.commit,
            author: start.author,
            reference: start.reference,
            progress: vec![StageProgress::default(); start.stages.len()],
            stages: start.stages,
            policy: start.policy,
            members,
            counts: Vec::new(),
            plan_hash: start.plan_hash,
            revision: 1,
            phase: if start.manual { RolloutPhase::Planned } else { RolloutPhase::Running },
            paused: None,
            stop: None,
            back: false,
            questions: Vec::new(),
            asks: false,
            failed_open: 0,
            moved_at: now,
            accepted_at: Timestamp(0),
            started_at: now,
            finished_at: None,
        };
        rollout.count_again();
        let verb = if start.manual { "planned" } else { "started" };
        let (commit, count) = (rollout.commit.short(), rollout.members.len());
        let message = format!("{verb}: commit {commit} to {count} gateways");
        Arc::make_mut(&mut self.rollouts).insert(id.clone(), Arc::new(rollout));
        Arc::make_mut(&mut self.plan_faults).remove(&start.fleet);
        Arc::make_mut(&mut self.newest).insert(start.fleet, id.clone());
        self.say(scene.index, Kind::Rollout, id.as_str(), "put", message);
        self.trim_rollouts();
        Ok(Accepted::Done)
    }

    fn member(
        &self,
        member: PlanMember,
    ) -> (millwright_model::id::GatewayName, Arc<RolloutMember>) {
        let PlanMember { gateway, manifest, render, stage, order, depends_on, roots, question } =
            member;
        let paused = self.gateways.get(&gateway).is_some_and(|g| g.resource.spec.paused);
        let state = match paused {
            true => MemberState::Skipped { reason: "paused".to_owned() },
            false => MemberState::Pending,
        };
        let entry = RolloutMember {
            stage,
            manifest,
            render,
            roots,
            question,
            order,
            depends_on,
            state,
            since: self.now,
            before: None,
            forgiven: false,
            dry_run: None,
            revert: false,
        };
        (gateway, Arc::new(entry))
    }

    /// Why a fleet cannot be planned; empty when it can.
    pub(super) fn plan_refused(
        &mut self,
        scene: &mut Scene<'_>,
        fleet: &Name,
        message: String,
    ) -> Judged {
        if !self.fleets.contains_key(fleet) {
            return Err(not_found(format!("fleet {fleet} does not exist")));
        }
        let faults = Arc::make_mut(&mut self.plan_faults);
        if message.is_empty() {
            faults.remove(fleet);
            return Ok(Accepted::Done);
        }
        if faults.insert(fleet.clone(), message.clone()).as_ref() == Some(&message) {
            return Ok(Accepted::Done);
        }
        let message = format!("cannot be planned: {message}");
        self.say(scene.index, Kind::Fleet, fleet.as_str(), "put", message);
        Ok(Accepted::Done)
    }

    fn supersede(&mut self, scene: &mut Scene<'_>, older: &RolloutId, newer: &RolloutId) {
        let now = self.now;
        let rollouts = Arc::make_mut(&mut self.rollouts);
        let Some(rollout) = rollouts.get_mut(older) else { return };
        match rollout.phase {
            RolloutPhase::Planned | RolloutPhase::Running | RolloutPhase::RollingBack => {}
            RolloutPhase::Completed
            | RolloutPhase::Failed
            | RolloutPhase::Aborted
            | RolloutPhase::Superseded => return,
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
            let is_kept = |id: &RolloutId| self.newest.values().any(|newest| newest == id);
            let oldest = self
                .rollouts
                .iter()
                .filter(|(id, _)| !is_kept(id))
                .min_by_key(|(_, rollout)| rollout.started_at)
                .map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { return };
            Arc::make_mut(&mut self.rollouts).remove(&oldest);
        }
    }
}
