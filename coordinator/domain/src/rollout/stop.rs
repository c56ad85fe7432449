//! When nothing new may begin: too many sites have failed, or nothing has gone forward for too long.

use std::collections::BTreeSet;

use millwright_model::{id::GatewayName, time::Timestamp};

use super::{count::StageCount, seen::put_aside, site};
use crate::{
    State,
    state::{MemberState, Rollout, RolloutMember},
};

/// The site of a member. One whose gateway is gone stands for itself.
fn site<'s>(state: &'s State, gateway: &'s GatewayName) -> &'s str {
    state.gateways.get(gateway).map_or(gateway.as_str(), |g| g.resource.spec.site.as_str())
}

fn counts_as_failed(member: &RolloutMember) -> bool {
    matches!(member.state, MemberState::Failed { .. }) && !member.forgiven
}

/// Why a rollout stops, in words; `None` while it may go on.
pub(super) fn cause(
    state: &State,
    rollout: &Rollout,
    counts: &[StageCount],
    now: Timestamp,
) -> Option<String> {
    if counts.iter().any(|count| count.failed > 0) {
        let members = || rollout.members.iter();
        let failed: BTreeSet<&str> = members()
            .filter(|(_, member)| counts_as_failed(member))
            .map(|(gateway, _)| site(state, gateway))
            .collect();
        let ended: BTreeSet<&str> = members()
            .filter(|(_, m)| matches!(m.state, MemberState::Applied { .. }) || counts_as_failed(m))
            .map(|(gateway, _)| site(state, gateway))
            .collect();
        if let Some(cause) = too_many(rollout, failed.len(), ended.len()) {
            return Some(cause);
        }
    }
    if let Some(cause) = site::torn(state, rollout, now) {
        return Some(cause);
    }
    let deadline = rollout.policy.progress_deadline;
    let stalled = counts.iter().any(|count| count.running > 0)
        && rollout.moved_at.plus(deadline) <= now
        && is_at_work(state, rollout);
    stalled.then(|| format!("no gateway has succeeded for {deadline}"))
}

/// Whether anything in flight does not just wait for a window.
fn is_at_work(state: &State, rollout: &Rollout) -> bool {
    let in_flight = |member: &RolloutMember| {
        matches!(member.state, MemberState::Assigned { .. } | MemberState::Reverting { .. })
    };
    let members = rollout.members.iter();
    members
        .filter(|(_, member)| in_flight(member))
        .any(|(gateway, _)| put_aside(state, gateway).is_none())
}

fn too_many(rollout: &Rollout, failed: usize, ended: usize) -> Option<String> {
    if failed == 0 {
        return None;
    }
    let rule = &rollout.policy.stop_when;
    let sites =
        |count: usize| if count == 1 { "1 site".to_owned() } else { format!("{count} sites") };
    if failed >= rule.failed as usize {
        return Some(format!("{} failed, the limit is {}", sites(failed), rule.failed));
    }
    let percent = rule.failed_percent? as usize;
    let enough = ended >= rule.min_sample as usize;
    (enough && failed * 100 >= percent * ended)
        .then(|| format!("{failed} of {} failed, the limit is {percent} %", sites(ended)))
}
