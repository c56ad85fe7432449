//! A stage opens only when every stage before it is done by evidence of its own plan, has soaked, and a
//! person has approved it where that is asked for.

use millwright_coordinator_domain::state::{MemberState, Rollout};
use millwright_model::resource::OnExpire;

use super::Seen;

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    for (id, rollout) in seen.after.rollouts() {
        let known = seen.before.rollouts().get(id);
        if known.is_some_and(|known| known.revision == rollout.revision) {
            continue;
        }
        for at in 0..rollout.stages.len() {
            let was = known.and_then(|known| known.progress_of(at).opened_at);
            if was.is_none() && rollout.progress_of(at).opened_at.is_some() {
                opened(rollout, at, seen).map_err(|why| format!("{id}, stage {at}: {why}"))?;
            }
        }
    }
    Ok(())
}

fn opened(rollout: &Rollout, at: usize, seen: &Seen<'_>) -> Result<(), String> {
    for before in 0..at {
        let progress = rollout.progress_of(before);
        let Some(closed) = progress.closed_at else {
            return Err(format!("opened before stage {before} was done"));
        };
        let soaked = closed.plus(rollout.stages[before].soak) <= seen.now;
        if progress.opened_at.is_some() && progress.promoted.is_none() && !soaked {
            return Err(format!("opened before stage {before} had soaked"));
        }
        let here = rollout.members.values().filter(|member| member.stage as usize == before);
        let (mut done, mut all) = (0_u32, 0_u32);
        for member in here {
            match member.state {
                MemberState::Skipped { .. } => {}
                MemberState::Applied { .. } => {
                    done += 1;
                    all += 1;
                }
                MemberState::Pending
                | MemberState::Assigned { .. }
                | MemberState::Failed { .. }
                | MemberState::Deferred
                | MemberState::Reverting { .. }
                | MemberState::Reverted { .. } => all += 1,
            }
        }
        if done * 100 < all * rollout.stages[before].quorum {
            return Err(format!("opened with {done} of {all} applied in stage {before}"));
        }
    }
    let approval = &rollout.stages[at].approval;
    let agreed = rollout.progress_of(at).approved.is_some();
    if approval.required && !agreed && approval.on_expire != OnExpire::Allow {
        return Err("opened though nobody approved it".to_owned());
    }
    Ok(())
}
