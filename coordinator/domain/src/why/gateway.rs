//! Why a gateway does not have what its fleet follows.

use millwright_model::{
    facts::{OpenSession, SessionKind},
    id::{GatewayName, RolloutId},
    time::Timestamp,
};

use super::{Blocker, rollout};
use crate::{
    State,
    rollout::{Moment, Sites, Waits, away_since, in_sync, owner, put_aside, waits},
    state::{AttemptResult, MemberState, Rollout, RolloutMember, RolloutPhase},
};

/// Every blocker, those that hold the most first.
pub(super) fn blockers(state: &State, name: &GatewayName, now: Timestamp) -> Vec<Blocker> {
    let Some(stored) = state.gateways.get(name) else {
        return vec![Blocker::new("Unknown", name, "there is no such gateway")];
    };
    let mut found = Vec::new();
    let Some(fleet) = owner(state, &stored.resource) else {
        let message = "no fleet selects it, so it follows no repository";
        return vec![Blocker::new("NoFleet", name, message).by("an operator")];
    };
    if let Some(fault) = state.plan_faults.get(fleet) {
        let message = format!("fleet {fleet} cannot be planned: {fault}");
        found.push(Blocker::new("CannotPlan", fleet, message).by("an operator"));
    }
    if let Some(why) = state.paused(name) {
        let clear = format!("millctl gateway resume {name} -m WHY");
        found.push(Blocker::new("Paused", name, why).by("an operator").clear(clear));
    }
    found.extend(offline(state, name));
    found.extend(aside(state, name));
    let newest = state.newest.get(fleet);
    let Some((id, rollout)) = newest.and_then(|id| Some((id, state.rollouts.get(id)?))) else {
        let message = format!("fleet {fleet} has no rollout yet: is its repository resolved?");
        found.push(Blocker::new("NoRollout", fleet, message).by("the repository"));
        return found;
    };
    let Some(member) = rollout.members.get(name) else {
        let message = format!("{id} was planned without it: it waits for the next one");
        found.push(Blocker::new("NotMember", name, message).by("the next commit"));
        return found;
    };
    if matches!(member.state, MemberState::Applied { .. }) && in_sync(state, name) {
        return found;
    }
    let waits_for_its_turn = matches!(member.state, MemberState::Pending | MemberState::Deferred);
    if waits_for_its_turn {
        found.extend(rollout::whole(state, id, rollout));
        if rollout.phase == RolloutPhase::Running {
            found.extend(before_its_stage(state, id, rollout, member, now));
        }
    }
    let moment = Moment::of(state, rollout, now);
    let sites = Sites::of(state, rollout);
    let own = as_member(state, id, rollout, name, member, (&moment, &sites));
    found.extend(own.filter(|own| found.iter().all(|known| known.code != own.code)));
    found
}

/// What an earlier stage, or its own that is not open, waits for.
fn before_its_stage(
    state: &State,
    id: &RolloutId,
    rollout: &Rollout,
    member: &RolloutMember,
    now: Timestamp,
) -> Vec<Blocker> {
    let Some(current) = rollout.current() else { return Vec::new() };
    let mut found = Vec::new();
    if (member.stage as usize) > current {
        let (stage, count) = (&rollout.stages[current], rollout.counts()[current]);
        let message = format!(
            "waits for stage {}: {}/{} applied, {} running",
            stage.name,
            count.applied,
            count.wanted(),
            count.running
        );
        let clear = format!("millctl why rollout {id}");
        let subject = format!("stage {}", stage.name);
        found.push(Blocker::new("Stage", subject, message).by("the rollout").clear(clear));
    }
    found.extend(rollout::stage(state, id, rollout, now));
    found
}

fn offline(state: &State, name: &GatewayName) -> Option<Blocker> {
    let since = away_since(state, name)?;
    let clear = "look at the agent's service and its log";
    Some(if since == Timestamp(0) {
        Blocker::new("Offline", name, "no agent has ever connected")
            .by("the site")
            .clear(format!("millctl token create agent {name}"))
    } else {
        let message = format!("offline since {since}");
        Blocker::new("Offline", name, message).by("the site").since(since).clear(clear)
    })
}

/// What one member waits for; `None` when it is next or done.
pub(super) fn as_member(
    state: &State,
    id: &RolloutId,
    rollout: &Rollout,
    name: &GatewayName,
    member: &RolloutMember,
    (moment, sites): (&Moment<'_>, &Sites<'_>),
) -> Option<Blocker> {
    match &member.state {
        MemberState::Assigned { .. } | MemberState::Reverting { .. } => {
            Some(at_work(state, name, member))
        }
        MemberState::Failed { message, .. } => {
            let clear = format!("millctl rollout retry {id} --gateway {name} -m WHY");
            Some(failed(state, name, message).since(member.since).clear(clear))
        }
        MemberState::Skipped { reason } => {
            let message = format!("left out of {id}: {reason}");
            Some(Blocker::new("Skipped", name, message).by("the next rollout").since(member.since))
        }
        MemberState::Applied { .. } | MemberState::Reverted { .. } => {
            let message = "has other files than the rollout gave it";
            (!in_sync(state, name))
                .then(|| Blocker::new("Changed", name, message).by("an operator"))
        }
        MemberState::Pending | MemberState::Deferred => {
            waiting(state, rollout, name, member, (moment, sites))
        }
    }
}

fn waiting(
    state: &State,
    rollout: &Rollout,
    name: &GatewayName,
    member: &RolloutMember,
    (moment, sites): (&Moment<'_>, &Sites<'_>),
) -> Option<Blocker> {
    let stage = rollout.stages.get(member.stage as usize)?;
    let Some(reason) = waits(state, rollout, name, member, moment, sites) else {
        let count = rollout.counts().get(member.stage as usize)?;
        let message = match count.running {
            0 => "waits for its turn: a gate is asked about others".to_owned(),
            running => format!(
                "waits for its turn: {running} of {} at a time are at work",
                stage.max_concurrent
            ),
        };
        let waits = count.running > 0 || rollout.asks;
        return waits.then(|| Blocker::new("Limit", name, message).by("the rollout"));
    };
    Some(match reason {
        // Said of the stage itself.
        Waits::Stage => return None,
        Waits::Paused(why) => {
            let clear = format!("millctl gateway resume {name} -m WHY");
            Blocker::new("Paused", name, why).by("an operator").clear(clear)
        }
        Waits::Asked(question) => {
            let clear = format!("millctl gateway confirm {name} -m WHY");
            Blocker::new("Question", name, question).by("an operator").clear(clear)
        }
        Waits::Dependency(on, why) => {
            let message = format!("depends on {on}, which {why}");
            let clear = format!("millctl why gateway {on}");
            Blocker::new("Dependency", name, message).by(on.as_str()).clear(clear)
        }
        Waits::Offline => return offline(state, name),
        Waits::Site(other) => {
            let message = format!("its site begins as a whole, and {other} cannot yet");
            let clear = format!("millctl why gateway {other}");
            Blocker::new("Site", name, message).by(other.as_str()).clear(clear)
        }
        Waits::Line => {
            let message = "others of its site fetch files (limits.maxConcurrentFetches)";
            Blocker::new("SiteLimit", name, message).by("the rollout")
        }
        Waits::Gate(record) => rollout::gate(name.as_str(), &record),
        Waits::Window(evaluation) => {
            let next = evaluation.next_change;
            Blocker::new("Window", name, evaluation.to_string()).by("the clock").next(next)
        }
    })
}

fn at_work(state: &State, name: &GatewayName, member: &RolloutMember) -> Blocker {
    let facts = state.status.get(name).map(|status| status.written_facts()).unwrap_or_default();
    let subject = name.as_str();
    if let Some(since) = away_since(state, name) {
        let message = "has its files to take, but its agent is away";
        return Blocker::new("Offline", subject, message).by("the site").since(since);
    }
    if let Some(blocker) = aside(state, name) {
        return blocker;
    }
    let open = facts.sessions.as_deref().unwrap_or_default();
    let designers: Vec<&OpenSession> =
        open.iter().filter(|one| one.kind == SessionKind::Designer).collect();
    let message = match (&designers[..], facts.state.as_str()) {
        ([], "" | "RUNNING") => "its agent is at work on it".to_owned(),
        ([], other) => format!("its agent is at work on it; the gateway is {other}"),
        ([first, ..], _) => {
            let more = match designers.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let OpenSession { user, project, since, .. } = first;
            format!(
                "its agent is at work on it; designer {user} in project {project:?} since {since}{more}"
            )
        }
    };
    Blocker::new("Running", subject, message).by("the agent").since(member.since)
}

/// What its agent has put aside, whoever began it.
fn aside(state: &State, name: &GatewayName) -> Option<Blocker> {
    let waiting = put_aside(state, name)?;
    let message = format!("has its files to take, and its agent waits: {}", waiting.message);
    let blocker = Blocker::new("Window", name, message).by("the clock");
    Some(blocker.since(waiting.since).next(waiting.until))
}

fn failed(state: &State, name: &GatewayName, message: &str) -> Blocker {
    let last = state.status.get(name).and_then(|status| status.history.back());
    let code = match last.map(|attempt| attempt.result) {
        Some(AttemptResult::RolledBack) => "RolledBack",
        Some(AttemptResult::Inconsistent) => "Inconsistent",
        Some(AttemptResult::Failed | AttemptResult::Applied) | None => "Failed",
    };
    Blocker::new(code, name, message).by("an operator")
}
