//! No gateway begins before what it depends on has the same plan's files.

use millwright_coordinator_domain::state::MemberState;
use millwright_model::resource::DependencyFailure;

use super::Seen;

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    for begun in seen.begun() {
        for on in &begun.member.depends_on {
            let Some(member) = begun.rollout.members.get(on) else { continue };
            let goes_on = begun.rollout.policy.dependency_failure == DependencyFailure::Continue;
            let done = match member.state {
                MemberState::Applied { .. } | MemberState::Skipped { .. } => true,
                MemberState::Failed { .. } => goes_on,
                MemberState::Pending
                | MemberState::Assigned { .. }
                | MemberState::Deferred
                | MemberState::Reverting { .. }
                | MemberState::Reverted { .. } => false,
            };
            if !done {
                let state = &member.state;
                return Err(format!("{} began before {on}, which is {state:?}", begun.gateway));
            }
        }
    }
    Ok(())
}
