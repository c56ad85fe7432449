//! What must hold after every command, one file each. Each looks at the state before and after, and says
//! what is wrong.

mod applied;
mod audit;
mod dependencies;
mod dry_runs;
mod gates;
mod generations;
mod holds;
mod limits;
mod sites;
mod stages;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use millwright_coordinator_domain::{
    State,
    command::Body,
    state::{MemberState, Rollout, RolloutMember, RolloutPhase},
};
use millwright_model::{
    digest::Digest,
    generation::Generation,
    id::{GatewayName, RolloutId},
    report::{Phase, Report},
    time::Timestamp,
};

/// What is remembered from one command to the next.
#[derive(Debug, Default)]
pub struct Watch {
    /// What every generation of every gateway was to bring.
    promised: BTreeMap<(GatewayName, Generation), Digest>,
    /// What every gateway really had when an attempt ended.
    truth: BTreeMap<(GatewayName, Generation, u32), Option<Digest>>,
    rollouts: BTreeSet<RolloutId>,
}

/// One command and what it changed.
struct Seen<'a> {
    before: &'a State,
    after: &'a State,
    now: Timestamp,
}

/// A member that was told to go forward by this command.
struct Begun<'a> {
    id: &'a RolloutId,
    rollout: &'a Rollout,
    gateway: &'a GatewayName,
    member: &'a RolloutMember,
}

impl Seen<'_> {
    /// Members that this command assigned.
    fn begun(&self) -> Vec<Begun<'_>> {
        let mut begun = Vec::new();
        for (id, rollout) in self.after.rollouts() {
            let known = self.before.rollouts().get(id);
            if known.is_some_and(|known| known.revision == rollout.revision) {
                continue;
            }
            for (gateway, member) in &rollout.members {
                let was = known.and_then(|known| known.members.get(gateway)).map(|m| &m.state);
                let waited = matches!(was, Some(MemberState::Pending | MemberState::Deferred));
                if waited && matches!(member.state, MemberState::Assigned { .. }) {
                    begun.push(Begun { id, rollout, gateway, member });
                }
            }
        }
        begun
    }
}

impl Watch {
    /// How many rollouts there were.
    pub fn rollouts(&self) -> u64 {
        self.rollouts.len() as u64
    }

    /// An attempt has really ended.
    pub fn ended(&mut self, report: &Report, files: Option<Digest>) {
        let key = (report.gateway.clone(), report.generation, report.attempt);
        if matches!(report.phase, Phase::Applied { .. }) {
            self.truth.insert(key, files);
        }
    }

    /// Looks at everything.
    pub fn look(
        &mut self,
        before: &State,
        after: &State,
        body: &Body,
        now: Timestamp,
    ) -> Result<(), String> {
        let seen = Seen { before, after, now };
        self.rollouts.extend(after.rollouts().keys().cloned());
        limits::check(&seen)
            .and_then(|()| dependencies::check(&seen))
            .and_then(|()| stages::check(&seen))
            .and_then(|()| dry_runs::check(&seen))
            .and_then(|()| windows::check(&seen))
            .and_then(|()| holds::check(&seen))
            .and_then(|()| gates::check(&seen))
            .and_then(|()| sites::check(&seen))
            .and_then(|()| generations::check(&seen, &mut self.promised))
            .and_then(|()| applied::check(&seen, &self.truth))
            .and_then(|()| audit::check(&seen))
            .map_err(|why| format!("{why}\nafter {body:?}"))
    }
}

/// When all is calm, nothing is under way any more.
pub fn every_rollout_ends(state: &State) -> Result<(), String> {
    for (id, rollout) in state.rollouts() {
        let open = match rollout.phase {
            RolloutPhase::Running | RolloutPhase::RollingBack => true,
            RolloutPhase::Planned
            | RolloutPhase::Completed
            | RolloutPhase::Failed
            | RolloutPhase::Aborted
            | RolloutPhase::Superseded => false,
        };
        if open {
            let states: Vec<String> = rollout
                .members
                .iter()
                .map(|(gateway, member)| format!("{gateway}: {:?}", member.state))
                .collect();
            return Err(format!("{id} never ends ({:?}): {}", rollout.phase, states.join(", ")));
        }
    }
    Ok(())
}
