//! Why a rollout does not go on.

use millwright_model::{
    gate::GateVerdict,
    id::{GatewayName, RolloutId},
    time::Timestamp,
};

use super::{Blocker, SAME_MAX, gateway};
use crate::{
    State,
    rollout::{Consent, DryRuns, Moment, Point, Sites, consent, hold_of, sick, soaks_until},
    state::{GateKey, GateRecord, MemberState, Rollout, RolloutMember, RolloutPhase},
};

/// Every blocker, the ones that hold all of it first.
pub(super) fn blockers(
    state: &State,
    id: &RolloutId,
    rollout: &Rollout,
    now: Timestamp,
) -> Vec<Blocker> {
    let mut found: Vec<Blocker> = whole(state, id, rollout).into_iter().collect();
    match rollout.phase {
        RolloutPhase::Running if found.is_empty() => {}
        RolloutPhase::Completed | RolloutPhase::RollingBack => {
            found.extend(members(state, id, rollout, now));
            return found;
        }
        RolloutPhase::Running
        | RolloutPhase::Planned
        | RolloutPhase::Failed
        | RolloutPhase::Aborted
        | RolloutPhase::Superseded => return found,
    }
    let dry_runs = DryRuns::of(state, rollout, now).filter(|all| all.open() > 0);
    if let Some(dry_runs) = dry_runs {
        let message = format!("waits for what {} agents would change", dry_runs.open());
        let clear = format!("millctl rollout status {id}");
        found.push(
            Blocker::new("DryRun", id, message)
                .by("the agents")
                .since(rollout.started_at)
                .clear(clear),
        );
        return found;
    }
    found.extend(stage(state, id, rollout, now));
    found.extend(members(state, id, rollout, now));
    found
}

/// What holds all of a rollout.
pub(super) fn whole(state: &State, id: &RolloutId, rollout: &Rollout) -> Option<Blocker> {
    let stop = rollout.stop.as_ref();
    let cause = stop.map_or("it stopped", |stop| stop.cause.as_str());
    let since = stop.map_or(rollout.started_at, |stop| stop.at);
    let decide = format!("millctl rollout retry|resume|undo|abort {id} -m WHY");
    Some(match (rollout.phase, &rollout.paused) {
        (RolloutPhase::Planned, _) => {
            let message = "planned: a person begins it";
            let clear = format!("millctl rollout start {id} --plan-hash {}", rollout.plan_hash);
            Blocker::new("NotStarted", id, message)
                .by("an operator")
                .since(rollout.started_at)
                .clear(clear)
        }
        (RolloutPhase::Running, Some(paused)) => {
            let message = format!("paused by {}: {}", paused.by, paused.reason);
            let clear = format!("millctl rollout resume {id} -m WHY");
            Blocker::new("Paused", id, message).by(&paused.by).since(paused.at).clear(clear)
        }
        (RolloutPhase::Failed, _) if is_stuck(rollout) => {
            let message = format!("stopped on the way back: {cause}");
            let clear = format!("millctl rollout undo {id} -m WHY");
            Blocker::new("Stopped", id, message).by("an operator").since(since).clear(clear)
        }
        (RolloutPhase::Failed, _) if rollout.back => {
            let message = format!("rolled back: {cause}");
            let clear = "bring a commit that mends it, or millctl hold lift";
            Blocker::new("RolledBack", id, message).by("an operator").since(since).clear(clear)
        }
        (RolloutPhase::Failed, _) => {
            let message = format!("stopped: {cause}");
            Blocker::new("Stopped", id, message).by("an operator").since(since).clear(decide)
        }
        (RolloutPhase::RollingBack, _) => {
            let message = format!("goes back: {cause}");
            Blocker::new("RollingBack", id, message).by("the rollout").since(since)
        }
        (RolloutPhase::Aborted, _) => {
            Blocker::new("Aborted", id, cause).by("an operator").since(since)
        }
        (RolloutPhase::Superseded, _) => {
            let newer = state.newest.get(&rollout.fleet).map(ToString::to_string);
            let message = format!("a newer one took its place: {}", newer.unwrap_or_default());
            Blocker::new("Superseded", id, message).by("the rollout").since(since)
        }
        (RolloutPhase::Running, None) => {
            let hold = hold_of(state, &rollout.repository, rollout.commit)?;
            let message =
                format!("held: commit {} by {}: {}", hold.commit.short(), hold.by, hold.reason);
            let lift =
                format!("millctl hold lift {} {} -m WHY", hold.repository, hold.commit.short());
            Blocker::new("Held", id, message).by(&hold.by).since(hold.at).clear(lift)
        }
        (RolloutPhase::Completed, _) => return None,
    })
}

/// Whether somebody was to go back and was not told to.
fn is_stuck(rollout: &Rollout) -> bool {
    let told = |member: &RolloutMember| matches!(member.state, MemberState::Reverting { .. });
    rollout.members.values().any(|member| member.revert && !told(member))
}

/// What holds the stage whose turn it is.
pub(super) fn stage(
    state: &State,
    id: &RolloutId,
    rollout: &Rollout,
    now: Timestamp,
) -> Vec<Blocker> {
    let Some(at) = rollout.current() else { return Vec::new() };
    let (stage, progress) = (&rollout.stages[at], rollout.progress_of(at));
    let subject = format!("stage {}", stage.name);
    let mut found = Vec::new();
    found.extend(asked(id, consent(state, rollout, Point::Plan, now)));
    if progress.opened_at.is_some() {
        found.extend(asked(id, consent(state, rollout, Point::Close(at), now)));
        let count = rollout.counts()[at];
        if count.pending + count.running == 0 && !count.reaches(stage.quorum) {
            let message = format!(
                "{} of {} applied, the quorum is {} %: {} failed, {} are away",
                count.applied,
                count.wanted(),
                stage.quorum,
                count.failed,
                count.deferred
            );
            let clear = format!("millctl rollout retry|skip {id}");
            found.push(Blocker::new("Quorum", &subject, message).by("an operator").clear(clear));
        }
        return found;
    }
    if let Some(end) = soaks_until(rollout, at, now) {
        let message = format!("the stage before it soaks until {end}");
        let clear = format!("millctl rollout promote {id} -m WHY");
        found.push(
            Blocker::new("Soak", &subject, message).by("the clock").next(Some(end)).clear(clear),
        );
    }
    if let Some((gateway, why)) = sick(state, rollout, at) {
        let message = format!("gateway {gateway} of an earlier stage {why}");
        let clear = format!("millctl describe gateway {gateway}");
        found.push(Blocker::new("NotWell", &subject, message).by(gateway.as_str()).clear(clear));
    }
    if stage.approval.required && progress.approved.is_none() {
        let expires = progress.asked_at.map(|at| at.plus(stage.approval.expires));
        let message = match expires {
            Some(expires) => format!("nobody has approved it; the question ends {expires}"),
            None => "it needs an approval".to_owned(),
        };
        let clear = format!("millctl rollout approve {id} --stage {} -m WHY", stage.name);
        let mut blocker = Blocker::new("Approval", &subject, message)
            .by("an approver")
            .next(expires)
            .clear(clear);
        blocker.since = progress.asked_at;
        found.push(blocker);
    }
    found.extend(asked(id, consent(state, rollout, Point::Open(at), now)));
    found
}

fn asked(id: &RolloutId, consent: Consent) -> Option<Blocker> {
    match consent {
        Consent::Waits(record) => Some(gate(id.as_str(), &record)),
        // What has not been asked is asked at once, and what was denied has stopped it.
        Consent::Given | Consent::Ask(_) | Consent::Denied(_) => None,
    }
}

/// A gate that is asked, or has put its answer off.
pub(super) fn gate(subject: &str, record: &GateRecord) -> Blocker {
    let GateKey { gate, phase, subject: about, .. } = &record.key;
    let next = record.asks_again();
    let message = match record.answer.as_ref().map(|answer| &answer.verdict) {
        Some(GateVerdict::Deferred { reason, .. }) => {
            let until = next.map(|next| next.to_string()).unwrap_or_default();
            format!("gate {gate} defers {about} ({phase}) until {until}: {reason}")
        }
        _ => format!("gate {gate} is asked about {about} ({phase})"),
    };
    let owner = format!("gate {gate}");
    Blocker::new("Gate", subject, message).by(owner).since(record.first_asked).next(next)
}

/// What holds the members of the stage whose turn it is, and those that catch up.
fn members(state: &State, id: &RolloutId, rollout: &Rollout, now: Timestamp) -> Vec<Blocker> {
    let moment = Moment::of(state, rollout, now);
    let sites = Sites::of(state, rollout);
    let current = rollout.current();
    let concerns = |member: &RolloutMember| match member.state {
        MemberState::Deferred | MemberState::Reverting { .. } => true,
        MemberState::Pending | MemberState::Assigned { .. } | MemberState::Failed { .. } => {
            current == Some(member.stage as usize)
        }
        MemberState::Applied { .. }
        | MemberState::Skipped { .. }
        | MemberState::Reverted { .. } => false,
    };
    let mut waiting: Vec<(&GatewayName, &RolloutMember)> = rollout
        .members
        .iter()
        .map(|(gateway, member)| (gateway, member.as_ref()))
        .filter(|(_, member)| concerns(member))
        .collect();
    waiting.sort_by_key(|(_, member)| member.order);
    let total = waiting.len();
    let one = |(gateway, member)| {
        gateway::as_member(state, id, rollout, gateway, member, (&moment, &sites))
    };
    let mut found: Vec<Blocker> = waiting.into_iter().take(SAME_MAX).filter_map(one).collect();
    if total > SAME_MAX {
        let message = format!("and {} more", total - SAME_MAX);
        found.push(
            Blocker::new("More", id, message).clear(format!("millctl describe rollout {id}")),
        );
    }
    found
}
