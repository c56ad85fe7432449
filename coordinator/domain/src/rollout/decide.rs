//! What the rollouts do next: commands that carry what was seen. Asked again after every change, and as
//! time passes.

use millwright_model::{
    resource::{DependencyFailure, OnFailure},
    time::Timestamp,
};

use super::{Moment, back, dry_run, forward, gate, plan, seen::put_aside, stop};
use crate::{
    State,
    command::{AdvanceRollout, Body, Finish, Scope, Step},
    state::{MemberState, Rollout, RolloutPhase},
};

/// What the rollouts do next.
pub fn decide(state: &State, now: Timestamp) -> Vec<Body> {
    let newest = |id| state.newest.values().any(|newest| newest == id);
    state
        .rollouts
        .iter()
        .filter_map(|(id, rollout)| {
            let steps = match rollout.phase {
                RolloutPhase::Running => running(state, rollout, now),
                RolloutPhase::RollingBack => {
                    let mut steps = overdue(state, rollout, now);
                    if steps.is_empty() {
                        steps = back::steps(state, rollout, now);
                    }
                    steps
                }
                RolloutPhase::Planned => dry_run::planned(state, rollout, now),
                // Those that were deferred catch up.
                RolloutPhase::Completed
                    if plan::hold_of(state, &rollout.repository, rollout.commit).is_none()
                        && rollout.counts().iter().any(|count| count.deferred > 0)
                        && newest(id) =>
                {
                    let moment = Moment::of(state, rollout, now);
                    forward::returned(state, rollout, &moment)
                }
                RolloutPhase::Completed
                | RolloutPhase::Failed
                | RolloutPhase::Aborted
                | RolloutPhase::Superseded => Vec::new(),
            };
            let advance = AdvanceRollout {
                rollout: id.clone(),
                seen: rollout.revision,
                config: state.config_version,
                steps,
            };
            (!advance.steps.is_empty()).then_some(Body::AdvanceRollout(advance))
        })
        .collect()
}

fn running(state: &State, rollout: &Rollout, now: Timestamp) -> Vec<Step> {
    let late = overdue(state, rollout, now);
    if !late.is_empty() {
        return late;
    }
    let counts = rollout.counts();
    if let Some(cause) = stop::cause(state, rollout, counts, now) {
        return stopped(rollout, cause, counts.iter().any(|count| count.running > 0));
    }
    if let Some(step) = dependents(rollout) {
        return vec![step];
    }
    if rollout.paused.is_some()
        || plan::hold_of(state, &rollout.repository, rollout.commit).is_some()
    {
        return Vec::new();
    }
    if let Some(steps) = dry_run::before(state, rollout, now) {
        return steps;
    }
    let asked = gate::consent(state, rollout, gate::Point::Plan, now);
    let denied = |message| vec![Step::Finish { finish: Finish::Failed, message }];
    if let Some(steps) = asked.steps(denied) {
        return steps;
    }
    forward::steps(state, rollout, counts, now)
}

/// What is in flight for longer than a gateway may take; until a window opens nobody can hurry.
fn overdue(state: &State, rollout: &Rollout, now: Timestamp) -> Vec<Step> {
    let deadline = rollout.policy.per_gateway_deadline;
    let late = rollout.members.iter().filter(|(gateway, member)| {
        let busy =
            matches!(member.state, MemberState::Assigned { .. } | MemberState::Reverting { .. });
        busy && member.since.plus(deadline) <= now && put_aside(state, gateway).is_none()
    });
    late.map(|(gateway, _)| Step::Fail {
        gateway: gateway.clone(),
        message: format!("did not end within {deadline}"),
    })
    .collect()
}

pub(super) fn stopped(rollout: &Rollout, cause: String, in_flight: bool) -> Vec<Step> {
    let scope = match rollout.policy.on_failure {
        // What is in flight ends first; nothing new begins.
        OnFailure::Pause if in_flight => return Vec::new(),
        OnFailure::Pause => {
            return vec![Step::Finish { finish: Finish::Failed, message: cause }];
        }
        OnFailure::RollbackGateway => Scope::Failed,
        OnFailure::RollbackStage => match rollout.current() {
            Some(stage) => Scope::Stage(u32::try_from(stage).unwrap_or(u32::MAX)),
            None => Scope::All,
        },
        OnFailure::RollbackAll => Scope::All,
    };
    vec![Step::RollBack { scope, cause }]
}

/// Members that have the new files though something that they depend on has failed since.
fn dependents(rollout: &Rollout) -> Option<Step> {
    if rollout.policy.dependency_failure != DependencyFailure::RollbackDependents {
        return None;
    }
    let failed = |on: &millwright_model::id::GatewayName| {
        let member = rollout.members.get(on);
        member.is_some_and(|m| matches!(m.state, MemberState::Failed { .. }) && !m.forgiven)
    };
    let ahead = rollout.members.iter().find_map(|(gateway, member)| {
        let has =
            matches!(member.state, MemberState::Applied { .. } | MemberState::Assigned { .. });
        let on = member.depends_on.iter().find(|on| failed(on))?;
        has.then_some((gateway, on))
    });
    let (gateway, on) = ahead?;
    let cause = format!("gateway {on} failed, and {gateway} depends on it");
    Some(Step::RollBack { scope: Scope::Dependents, cause })
}
