//! What rollouts are wanted, and what a running one does next. Both are asked again after every
//! change and every leader change; they change nothing themselves, and their commands carry what
//! they saw.

use millwright_model::{
    digest::{Digest, GitId},
    id::{GatewayName, Name},
    resource::Stage,
};

use crate::{
    State,
    command::{AdvanceRollout, Body, Finish, PlanStage},
    render::{RenderError, RenderSpec, spec_of},
    state::{MemberState, Rollout, RolloutMember, RolloutPhase},
};

/// A member of a wanted rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedMember {
    /// Whom.
    pub gateway: GatewayName,
    /// Index of its stage.
    pub stage: u32,
    /// How its files are made, or why they cannot be.
    pub render: Result<RenderSpec, RenderError>,
}

/// A rollout that should run but is not planned yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    /// Of which fleet.
    pub fleet: Name,
    /// From which repository.
    pub repository: Name,
    /// Which commit.
    pub commit: GitId,
    /// The ref as followed.
    pub reference: String,
    /// Its stages.
    pub stages: Vec<PlanStage>,
    /// Its members; empty stages keep their place.
    pub members: Vec<WantedMember>,
    /// Configuration version that this was derived from.
    pub seen: u64,
}

impl PlanRequest {
    /// Hash over everything that was wanted; equal wishes have equal hashes.
    pub fn hash(&self) -> Digest {
        let mut text = format!("{}\n{}\n{}\n", self.fleet, self.repository, self.commit);
        for stage in &self.stages {
            text.push_str(&format!("stage {} {}\n", stage.name, stage.max_concurrent));
        }
        for member in &self.members {
            let spec = match &member.render {
                Ok(spec) => serde_json::to_string(spec).unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            text.push_str(&format!("member {} {} {spec}\n", member.gateway, member.stage));
        }
        Digest::of(text.as_bytes())
    }
}

/// Rollouts whose plan differs from the newest one of their fleet.
pub fn wanted(state: &State) -> Vec<PlanRequest> {
    state
        .fleets
        .keys()
        .filter_map(|fleet| wanted_of(state, fleet))
        .filter(|request| {
            let newest = state.newest.get(&request.fleet).and_then(|id| state.rollouts.get(id));
            newest.is_none_or(|rollout| rollout.plan_hash != request.hash())
        })
        .collect()
}

fn wanted_of(state: &State, name: &Name) -> Option<PlanRequest> {
    let fleet = &state.fleets.get(name)?.resource;
    let release = state.releases.get(&fleet.spec.repository)?;
    // Never resolved so far.
    if release.reference.is_empty() {
        return None;
    }
    let stages = stages_of(&fleet.spec.stages);
    let mut members = Vec::new();
    for stored in state.gateways.values() {
        let gateway = &stored.resource;
        let labels = &gateway.metadata.labels;
        if owner(state, gateway).is_none_or(|owner| owner != name) {
            continue;
        }
        let stage = match fleet.spec.stages.is_empty() {
            true => Some(0),
            false => fleet.spec.stages.iter().position(|stage| stage.select.matches(labels)),
        };
        // A gateway that no stage selects is shown as unassigned; it never goes unstaged.
        let Some(stage) = stage.and_then(|stage| u32::try_from(stage).ok()) else { continue };
        let Some(profile) = state.profile_of(gateway) else { continue };
        let render = spec_of(state, fleet, gateway, profile, release);
        members.push(WantedMember { gateway: gateway.metadata.name.clone(), stage, render });
    }
    (!members.is_empty()).then(|| PlanRequest {
        fleet: name.clone(),
        repository: fleet.spec.repository.clone(),
        commit: release.commit,
        reference: release.reference.clone(),
        stages,
        members,
        seen: state.config_version,
    })
}

/// The fleet that a gateway follows: the first by name that selects it, so that two fleets never
/// write one gateway in turn.
pub(crate) fn owner<'a>(
    state: &'a State,
    gateway: &millwright_model::resource::Gateway,
) -> Option<&'a Name> {
    let selects = |fleet: &&std::sync::Arc<
        crate::state::Stored<millwright_model::resource::Fleet>,
    >| { fleet.resource.spec.selector.matches(&gateway.metadata.labels) };
    state.fleets.values().find(selects).map(|fleet| &fleet.resource.metadata.name)
}

fn stages_of(stages: &[Stage]) -> Vec<PlanStage> {
    if stages.is_empty() {
        return vec![PlanStage { name: "all".to_owned(), max_concurrent: 1 }];
    }
    stages
        .iter()
        .map(|stage| PlanStage {
            name: stage.name.to_string(),
            max_concurrent: stage.max_concurrent.max(1),
        })
        .collect()
}

/// What the running rollouts do next.
pub fn decide(state: &State) -> Vec<Body> {
    state
        .rollouts
        .iter()
        .filter(|(_, rollout)| rollout.phase == RolloutPhase::Running)
        .filter_map(|(id, rollout)| {
            let (assign, finish) = next(state, rollout);
            if assign.is_empty() && finish.is_none() {
                return None;
            }
            let advance =
                AdvanceRollout { rollout: id.clone(), seen: rollout.revision, assign, finish };
            Some(Body::AdvanceRollout(advance))
        })
        .collect()
}

/// What a person is asked about a member, and has not agreed to.
pub fn asked<'m>(
    state: &State,
    gateway: &GatewayName,
    member: &'m RolloutMember,
) -> Option<&'m str> {
    let confirmed = state.status.get(gateway).and_then(|status| status.confirmed.as_ref());
    let agreed = confirmed.is_some_and(|confirmed| confirmed.manifest == member.manifest);
    let open = member.state == MemberState::Pending && !member.question.is_empty() && !agreed;
    open.then_some(member.question.as_str())
}

/// The newest rollout of a gateway's fleet and its part in it.
pub fn newest_of<'s>(
    state: &'s State,
    gateway: &GatewayName,
) -> Option<(&'s Rollout, &'s RolloutMember)> {
    let stored = state.gateways.get(gateway)?;
    let id = state.newest.get(owner(state, &stored.resource)?)?;
    let rollout = state.rollouts.get(id)?;
    Some((rollout, rollout.members.get(gateway)?))
}

/// Counters of one stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageCount {
    /// All members.
    pub total: u32,
    /// Not assigned yet.
    pub pending: u32,
    /// In flight.
    pub running: u32,
    /// Applied under their own generation.
    pub applied: u32,
    /// Failed.
    pub failed: u32,
    /// Left out.
    pub skipped: u32,
}

/// Counters of every stage.
pub fn count(rollout: &Rollout) -> Vec<StageCount> {
    let mut counts = vec![StageCount::default(); rollout.stages.len()];
    for member in rollout.members.values() {
        let Some(count) = counts.get_mut(member.stage as usize) else { continue };
        count.total += 1;
        match &member.state {
            MemberState::Pending => count.pending += 1,
            MemberState::Assigned { .. } => count.running += 1,
            MemberState::Applied { .. } => count.applied += 1,
            MemberState::Failed { .. } => count.failed += 1,
            MemberState::Skipped { .. } => count.skipped += 1,
        }
    }
    counts
}

fn next(state: &State, rollout: &Rollout) -> (Vec<GatewayName>, Option<Finish>) {
    let counts = count(rollout);
    if counts.iter().any(|count| count.failed > 0) {
        // What is in flight ends first; nothing new begins.
        let in_flight = counts.iter().any(|count| count.running > 0);
        return (Vec::new(), (!in_flight).then_some(Finish::Failed));
    }
    // A stage opens when everything before it is applied or left out.
    let open = counts.iter().position(|count| count.applied + count.skipped < count.total);
    let Some(open) = open else { return (Vec::new(), Some(Finish::Completed)) };
    let room = rollout.stages[open].max_concurrent.saturating_sub(counts[open].running);
    let assign = rollout
        .members
        .iter()
        .filter(|(_, member)| member.stage as usize == open && member.state == MemberState::Pending)
        // A paused one waits; the stage stays open for it.
        .filter(|(gateway, _)| state.paused(gateway).is_none())
        // So does one about which a person is asked.
        .filter(|(gateway, member)| asked(state, gateway, member).is_none())
        .take(room as usize)
        .map(|(gateway, _)| gateway.clone())
        .collect();
    (assign, None)
}
