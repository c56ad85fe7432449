//! The way back: later stages first, and in a stage what depends on others before them. Soak and approval
//! are not waited for, limits are kept. A gateway that is away gets its previous files when it returns,
//! and nobody waits for it.

use millwright_model::{id::GatewayName, time::Timestamp};

use super::{
    gate::{Consent, Point, consent},
    seen::is_offline,
};
use crate::{
    State,
    command::{Finish, Step},
    state::{MemberState, Rollout, RolloutMember},
};

/// Whether the others need not wait for this member any more.
fn is_settled(
    state: &State,
    rollout: &Rollout,
    gateway: &GatewayName,
    member: &RolloutMember,
    now: Timestamp,
) -> bool {
    match member.state {
        MemberState::Reverting { .. } => {
            is_offline(state, gateway, rollout.policy.offline.after, now)
        }
        MemberState::Applied { .. } | MemberState::Assigned { .. } => !member.revert,
        // One that is still to be reverted is marked and not failed for good.
        MemberState::Failed { .. } => !member.revert,
        MemberState::Pending
        | MemberState::Skipped { .. }
        | MemberState::Deferred
        | MemberState::Reverted { .. } => true,
    }
}

/// The next steps of a rollout that goes back.
pub(super) fn steps(state: &State, rollout: &Rollout, now: Timestamp) -> Vec<Step> {
    let open: Vec<(&GatewayName, &RolloutMember)> = rollout
        .members
        .iter()
        .map(|(gateway, member)| (gateway, member.as_ref()))
        .filter(|(gateway, member)| !is_settled(state, rollout, gateway, member, now))
        .collect();
    let Some(stage) = open.iter().map(|(_, member)| member.stage).max() else {
        let message = rollout.stop.as_ref().map(|stop| stop.cause.clone()).unwrap_or_default();
        return vec![Step::Finish { finish: Finish::Failed, message }];
    };
    let (running, mut waiting): (Vec<_>, Vec<_>) = open
        .into_iter()
        .filter(|(_, member)| member.stage == stage)
        .partition(|(_, member)| matches!(member.state, MemberState::Reverting { .. }));
    let limit = rollout.stages.get(stage as usize).map_or(1, |stage| stage.max_concurrent);
    let room = (limit as usize).saturating_sub(running.len());
    waiting.sort_by_key(|(_, member)| std::cmp::Reverse(member.order));
    let unsettled: Vec<&RolloutMember> =
        running.iter().chain(&waiting).map(|(_, member)| *member).collect();
    let is_needed =
        |gateway: &GatewayName| unsettled.iter().any(|member| member.depends_on.contains(gateway));
    let next = waiting.iter().filter(|(gateway, _)| !is_needed(gateway)).take(room);
    let mut steps = Vec::new();
    for (gateway, _) in next {
        match consent(state, rollout, Point::Back(gateway), now) {
            Consent::Given => steps.push(Step::Revert { gateway: (*gateway).clone() }),
            Consent::Ask(keys) => steps.extend(keys.into_iter().map(|key| Step::AskGate { key })),
            Consent::Waits(_) => {}
            Consent::Denied(why) => {
                let message = format!("the way back stops: {why}");
                return vec![Step::Finish { finish: Finish::Failed, message }];
            }
        }
    }
    steps
}
