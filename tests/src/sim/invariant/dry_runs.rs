//! No stage of a fleet that asks for dry runs opens before every agent that is there has said that nothing
//! would stop it, or has had its time. Who has come since the leader looked is not asked.

use millwright_coordinator_domain::state::MemberState;
use millwright_model::time::Span;

use super::Seen;

/// What an agent has to answer.
const PATIENCE: Span = Span(600_000);
/// How old the state may be that a leader decides on: eight of the simulation's rounds.
const OLD: Span = Span(320_000);

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    for (id, rollout) in seen.after.rollouts() {
        let opened = |state: &millwright_coordinator_domain::State| {
            let rollout = state.rollouts().get(id);
            rollout.is_some_and(|rollout| {
                (0..rollout.stages.len()).any(|at| rollout.progress_of(at).opened_at.is_some())
            })
        };
        if !rollout.policy.dry_run || opened(seen.before) || !opened(seen.after) {
            continue;
        }
        let Some(before) = seen.before.rollouts().get(id) else { continue };
        for (gateway, member) in &before.members {
            let status = seen.before.gateway_status(gateway);
            let there = status.is_some_and(|status| {
                let mut all = status.connections.values();
                all.any(|one| one.connected && one.since.plus(OLD) <= seen.now)
            });
            let heard = member.dry_run.as_ref().is_some_and(|dry_run| {
                let answer = dry_run.answer.as_ref();
                let fine = answer.is_some_and(|answer| answer.ok);
                !dry_run.void && (fine || dry_run.asked_at.plus(PATIENCE) <= seen.now)
            });
            if member.state == MemberState::Pending && there && !heard {
                return Err(format!("{id} opens a stage before its dry run on {gateway}"));
            }
        }
    }
    Ok(())
}
