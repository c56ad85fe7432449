//! The way forward: stages open one after the other, and members in their order, as far as limits,
//! dependencies and people let them.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::{
    id::GatewayName,
    resource::{DependencyFailure, OfflinePolicy, OnExpire, OnFailure},
    time::Timestamp,
};

use super::{
    count::StageCount,
    decide::stopped,
    gate::{Point, consent},
    seen::{self, is_busy, unwell, with_busy},
    site::Sites,
    waits::{Moment, Waits, waits},
};
use crate::{
    State,
    command::{Finish, Scope, Step},
    state::{MemberState, Rollout, RolloutMember},
};

/// The next steps of a running rollout that nobody stopped.
pub(super) fn steps(
    state: &State,
    rollout: &Rollout,
    counts: &[StageCount],
    now: Timestamp,
) -> Vec<Step> {
    let moment = Moment::of(state, rollout, now);
    let mut steps = offline(state, rollout, now);
    steps.extend(returned(state, rollout, &moment));
    let Some(at) = rollout.current() else {
        steps.push(Step::Finish { finish: Finish::Completed, message: String::new() });
        return steps;
    };
    let (stage, count) = (u32::try_from(at).unwrap_or(u32::MAX), counts[at]);
    let progress = rollout.progress_of(at);
    if count.wanted() == 0 {
        // Nobody is asked about a stage that nobody is in.
        steps.push(Step::CloseStage { stage });
    } else if progress.opened_at.is_none() {
        steps.extend(open(state, rollout, at, now));
    } else {
        let doomed = doomed(rollout, at);
        let open = count.pending + count.deferred;
        if count.running == 0 && count.reaches(rollout.stages[at].quorum) && left(rollout, at) == 0
        {
            steps.extend(close(state, rollout, at, now));
        } else if count.running == 0 && doomed == open && !steps_forward(&steps) {
            let name = &rollout.stages[at].name;
            let (applied, wanted) = (count.applied, count.wanted());
            let message = format!(
                "stage {name} ends with {applied} of {wanted} applied: {} failed, and {doomed} depend on them",
                count.failed
            );
            steps.push(Step::Finish { finish: Finish::Failed, message });
        } else {
            let next = assign(state, rollout, at, &steps, &moment);
            steps.extend(next);
        }
    }
    steps
}

fn is_assigned(step: &Step, rollout: &Rollout, at: usize) -> bool {
    let Step::Assign { gateway } = step else { return false };
    rollout.members.get(gateway).is_some_and(|member| member.stage as usize == at)
}

fn steps_forward(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Assign { .. } | Step::Fail { .. }))
}

/// Members of a stage that wait for one that failed, or for one that does.
fn doomed(rollout: &Rollout, at: usize) -> u32 {
    if rollout.counts().iter().all(|count| count.failed == 0) {
        return 0;
    }
    let open = here(rollout, at).filter(|(_, member)| is_open(member));
    u32::try_from(open.filter(|(name, _)| is_doomed(rollout, name)).count()).unwrap_or(u32::MAX)
}

/// Members of a stage that wait and may have their turn without anybody's help.
fn left(rollout: &Rollout, at: usize) -> usize {
    let pending = here(rollout, at).filter(|(_, member)| member.state == MemberState::Pending);
    pending.filter(|(name, _)| !is_doomed(rollout, name)).count()
}

fn here(rollout: &Rollout, at: usize) -> impl Iterator<Item = (&GatewayName, &RolloutMember)> {
    let all = rollout.members.iter().map(|(gateway, member)| (gateway, member.as_ref()));
    all.filter(move |(_, member)| member.stage as usize == at)
}

fn is_open(member: &RolloutMember) -> bool {
    matches!(member.state, MemberState::Pending | MemberState::Deferred)
}

/// Whether something that a member depends on has failed, at whatever distance.
fn is_doomed(rollout: &Rollout, gateway: &GatewayName) -> bool {
    if rollout.policy.dependency_failure == DependencyFailure::Continue {
        return false;
    }
    let (mut way, mut seen) = (vec![gateway], BTreeSet::new());
    while let Some(name) = way.pop() {
        let Some(member) = rollout.members.get(name) else { continue };
        for on in &member.depends_on {
            match rollout.members.get(on) {
                Some(other) if matches!(other.state, MemberState::Failed { .. }) => return true,
                // Each once: there may be many ways to it.
                Some(other) if is_open(other) && seen.insert(on) => way.push(on),
                Some(_) | None => {}
            }
        }
    }
    false
}

/// Until when the stages before this one soak; `None` when that is over.
pub(crate) fn soaks_until(rollout: &Rollout, at: usize, now: Timestamp) -> Option<Timestamp> {
    let ends = (0..at).filter_map(|before| {
        let progress = rollout.progress_of(before);
        // A stage without members has nothing to soak.
        progress.opened_at?;
        let end = progress.closed_at?.plus(rollout.stages[before].soak);
        progress.promoted.is_none().then_some(end)
    });
    ends.max().filter(|end| *end > now)
}

/// A member of an earlier stage that is not well any more, and why.
pub(crate) fn sick<'r>(
    state: &State,
    rollout: &'r Rollout,
    at: usize,
) -> Option<(&'r GatewayName, String)> {
    let mut earlier = rollout.members.iter().filter(|(_, member)| (member.stage as usize) < at);
    earlier.find_map(|(gateway, member)| Some((gateway, unwell(state, gateway, member)?)))
}

fn open(state: &State, rollout: &Rollout, at: usize, now: Timestamp) -> Vec<Step> {
    let stage = u32::try_from(at).unwrap_or(u32::MAX);
    if soaks_until(rollout, at, now).is_some() || sick(state, rollout, at).is_some() {
        return Vec::new();
    }
    let (approval, progress) = (&rollout.stages[at].approval, rollout.progress_of(at));
    if approval.required && progress.approved.is_none() {
        let Some(asked_at) = progress.asked_at else {
            return vec![Step::AskApproval { stage }];
        };
        if asked_at.plus(approval.expires) > now {
            return Vec::new();
        }
        let name = &rollout.stages[at].name;
        let message = format!("nobody approved stage {name} within {}", approval.expires);
        match approval.on_expire {
            OnExpire::Deny => return vec![Step::Finish { finish: Finish::Failed, message }],
            OnExpire::Allow => {}
            OnExpire::Rollback => {
                return vec![Step::RollBack { scope: Scope::All, cause: message }];
            }
        }
    }
    // Last, so that what a gate says is of this moment.
    let denied = |message| vec![Step::Finish { finish: Finish::Failed, message }];
    let asked = consent(state, rollout, Point::Open(at), now).steps(denied);
    asked.unwrap_or_else(|| vec![Step::OpenStage { stage }])
}

/// The end of a stage that has what it wants. A gate that says no has found harm: it is a failure.
fn close(state: &State, rollout: &Rollout, at: usize, now: Timestamp) -> Vec<Step> {
    let stage = u32::try_from(at).unwrap_or(u32::MAX);
    let denied = |cause| match rollout.policy.on_failure {
        // None of its gateways has failed by itself.
        OnFailure::RollbackGateway => vec![Step::RollBack { scope: Scope::Stage(stage), cause }],
        OnFailure::Pause | OnFailure::RollbackStage | OnFailure::RollbackAll => {
            stopped(rollout, cause, false)
        }
    };
    let asked = consent(state, rollout, Point::Close(at), now).steps(denied);
    asked.unwrap_or_else(|| vec![Step::CloseStage { stage }])
}

/// How much of a stage's limit is left.
struct Room {
    /// By this rollout's own members.
    own: u32,
    /// By all of the stage who are at work, also on what an earlier rollout told them.
    all: u32,
}

impl Room {
    fn of(state: &State, rollout: &Rollout, at: usize) -> Self {
        let limit = rollout.stages[at].max_concurrent;
        let own = limit.saturating_sub(rollout.counts()[at].running);
        if own == 0 {
            // Nobody need look who else is at work.
            return Self { own, all: 0 };
        }
        let all = with_busy(state, here(rollout, at)).filter(|(member, is_busy)| {
            let ours = matches!(
                member.state,
                MemberState::Assigned { .. } | MemberState::Reverting { .. }
            );
            ours || *is_busy
        });
        let all = u32::try_from(all.count()).unwrap_or(u32::MAX);
        Self { own, all: limit.saturating_sub(all) }
    }

    /// Takes a place, if there is one. Who is at work already is told something newer instead, so that a
    /// fix never waits for what it mends.
    fn take(&mut self, is_busy: bool) -> bool {
        let fits = self.own > 0 && (is_busy || self.all > 0);
        if fits {
            self.own -= 1;
            self.all = self.all.saturating_sub(u32::from(!is_busy));
        }
        fits
    }
}

/// Members of a stage that may begin now, in their order.
fn assign(
    state: &State,
    rollout: &Rollout,
    at: usize,
    back: &[Step],
    moment: &Moment<'_>,
) -> Vec<Step> {
    let mut room = Room::of(state, rollout, at);
    // Those that are back take their part of the limit.
    for _ in back.iter().filter(|step| is_assigned(step, rollout, at)) {
        room.own = room.own.saturating_sub(1);
        room.all = room.all.saturating_sub(1);
    }
    if room.own == 0 {
        return Vec::new();
    }
    let mut sites = Sites::of(state, rollout);
    for step in back {
        if let Step::Assign { gateway } = step {
            sites.take(state, gateway);
        }
    }
    let mut next: Vec<(&GatewayName, &RolloutMember)> =
        here(rollout, at).filter(|(_, member)| member.state == MemberState::Pending).collect();
    next.sort_by_cached_key(|(gateway, member)| (!sites.has_begun(state, gateway), member.order));
    let mut steps = Vec::new();
    for (gateway, member) in next {
        if room.own == 0 {
            break;
        }
        let may = match waits(state, rollout, gateway, member, moment, &sites) {
            None => true,
            // It hears of it when it comes; until then it counts as in flight.
            Some(Waits::Offline) => rollout.policy.offline.policy == OfflinePolicy::Wait,
            // Its place is kept for it, so that no more are asked about than can begin.
            Some(Waits::Gate(record)) if record.answer.is_none() => {
                room.take(is_busy(state, gateway));
                sites.take(state, gateway);
                false
            }
            Some(
                Waits::Stage
                | Waits::Paused(_)
                | Waits::Asked(_)
                | Waits::Dependency(..)
                | Waits::Gate(_)
                | Waits::Site(_)
                | Waits::Line
                | Waits::Window(_),
            ) => false,
        };
        // One that is told though it is away has not been asked about its line.
        let fits = may && sites.has_room(state, gateway);
        if fits && room.take(is_busy(state, gateway)) {
            sites.take(state, gateway);
            steps.extend(begin(state, rollout, gateway, moment));
        }
    }
    steps
}

/// A member whose turn it is: its gates are asked before it is told. It keeps its place meanwhile.
fn begin(
    state: &State,
    rollout: &Rollout,
    gateway: &GatewayName,
    moment: &Moment<'_>,
) -> Vec<Step> {
    let denied = |message| vec![Step::Fail { gateway: gateway.clone(), message }];
    let asked = consent(state, rollout, Point::Sync(gateway), moment.now).steps(denied);
    asked.unwrap_or_else(|| vec![Step::Assign { gateway: gateway.clone() }])
}

/// Members of the open stage whose agents have been away for too long.
fn offline(state: &State, rollout: &Rollout, now: Timestamp) -> Vec<Step> {
    let Some(at) = rollout.current() else { return Vec::new() };
    let policy = &rollout.policy.offline;
    if policy.policy == OfflinePolicy::Wait || rollout.progress_of(at).opened_at.is_none() {
        return Vec::new();
    }
    let pending = here(rollout, at).filter(|(_, member)| member.state == MemberState::Pending);
    let pending = pending.map(|(gateway, _)| gateway);
    let away: BTreeSet<&GatewayName> = seen::offline(state, pending, policy.after, now).collect();
    let mut all = away.clone();
    if policy.policy == OfflinePolicy::Defer {
        // A site that keeps together and has not begun comes back as a whole.
        let sites = Sites::of(state, rollout);
        all.extend(away.iter().flat_map(|gateway| sites.with(state, gateway)).copied().filter(
            |other| {
                let member = rollout.members.get(*other);
                member.is_some_and(|member| member.state == MemberState::Pending)
            },
        ));
    }
    let step = |gateway: &GatewayName| match policy.policy {
        OfflinePolicy::Defer | OfflinePolicy::Wait => Step::Defer { gateway: gateway.clone() },
        OfflinePolicy::Fail => Step::Fail {
            gateway: gateway.clone(),
            message: format!("its agent was away for {}", policy.after),
        },
    };
    all.into_iter().map(step).collect()
}

/// Deferred members whose agents are back: under the limit of their own stage.
pub(super) fn returned(state: &State, rollout: &Rollout, moment: &Moment<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    if rollout.counts().iter().all(|count| count.deferred == 0) {
        return steps;
    }
    let deferred = rollout.members.iter();
    let deferred = deferred.filter(|(_, member)| member.state == MemberState::Deferred);
    let mut sites = Sites::of(state, rollout);
    let mut rooms: BTreeMap<u32, Room> = BTreeMap::new();
    for (gateway, member) in deferred {
        if waits(state, rollout, gateway, member, moment, &sites).is_some() {
            continue;
        }
        let room = rooms
            .entry(member.stage)
            .or_insert_with(|| Room::of(state, rollout, member.stage as usize));
        if room.take(is_busy(state, gateway)) {
            sites.take(state, gateway);
            steps.extend(begin(state, rollout, gateway, moment));
        }
    }
    steps
}
