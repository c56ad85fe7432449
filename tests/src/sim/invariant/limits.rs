//! No stage ever has more members at work than its limit, whoever started them.

use millwright_coordinator_domain::state::MemberState;

use super::Seen;

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    for begun in seen.begun() {
        let stage = begun.member.stage;
        let working = begun.rollout.members.values().filter(|member| {
            member.stage == stage
                && matches!(
                    member.state,
                    MemberState::Assigned { .. } | MemberState::Reverting { .. }
                )
        });
        let limit = begun.rollout.stages[stage as usize].max_concurrent as usize;
        let working = working.count();
        if working > limit {
            return Err(format!("{}: {working} at work in a stage of {limit}", begun.id));
        }
    }
    Ok(())
}
