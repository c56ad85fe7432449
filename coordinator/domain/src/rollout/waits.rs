//! What a member whose stage is open waits for before it may begin.

use std::sync::Arc;

use millwright_model::{
    id::GatewayName,
    resource::DependencyFailure,
    time::Timestamp,
    window::{Calendar, Evaluation},
};

use super::{
    asked,
    gate::{Consent, Point, consent},
    seen::{in_sync, is_connected, unwell},
    site::Sites,
};
use crate::{
    State,
    state::{GateRecord, MemberState, Rollout, RolloutMember},
};

/// A moment, and which windows of the fleet are open in it.
pub(crate) struct Moment<'s> {
    pub(super) now: Timestamp,
    calendar: Option<Calendar<'s>>,
}

impl<'s> Moment<'s> {
    /// For one rollout: its fleet's windows as they are now, not as they were when it was planned.
    pub(crate) fn of(state: &'s State, rollout: &Rollout, now: Timestamp) -> Self {
        let fleet = state.fleets.get(&rollout.fleet);
        let windows = fleet.map(|stored| &stored.resource.spec.windows[..]).unwrap_or_default();
        let calendar = (!windows.is_empty()).then(|| Calendar::at(windows, now));
        Self { now, calendar }
    }

    /// Why a gateway may not be changed now.
    fn closed(&self, state: &State, gateway: &GatewayName) -> Option<Evaluation> {
        let calendar = self.calendar.as_ref()?;
        let labels = &state.gateways.get(gateway)?.resource.metadata.labels;
        Some(calendar.evaluate(labels)).filter(|evaluation| !evaluation.automatic)
    }
}

/// What a member or a stage waits for; the order is the one in which people should read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The stage's turn has not come.
    Stage,
    /// A person paused the gateway.
    Paused(String),
    /// A person must agree to something.
    Asked(String),
    /// Something that it depends on.
    Dependency(GatewayName, String),
    /// Its agent.
    Offline,
    /// No window is open.
    Window(Evaluation),
    /// A gate: it is asked, or has put its answer off.
    Gate(Arc<GateRecord>),
    /// Another one of its site, with which it begins.
    Site(GatewayName),
    /// Others of its site fetch.
    Line,
}

/// What a member that could be next waits for; `None` when it may begin.
pub(crate) fn waits(
    state: &State,
    rollout: &Rollout,
    gateway: &GatewayName,
    member: &RolloutMember,
    moment: &Moment<'_>,
    sites: &Sites<'_>,
) -> Option<Waits> {
    if let Some(waits) = waits_alone(state, rollout, gateway, member, moment, &[]) {
        return Some(waits);
    }
    let with = sites.with(state, gateway);
    let held = with.iter().find(|other| {
        let member = rollout.members.get(**other);
        let waits = |member| waits_alone(state, rollout, other, member, moment, with).is_some();
        member.is_some_and(|member| waits(member))
    });
    if let Some(other) = held {
        return Some(Waits::Site((*other).clone()));
    }
    (!sites.has_room(state, gateway)).then_some(Waits::Line)
}

/// The same, whatever its site does; dependencies among `inside` do not count.
fn waits_alone(
    state: &State,
    rollout: &Rollout,
    gateway: &GatewayName,
    member: &RolloutMember,
    moment: &Moment<'_>,
    inside: &[&GatewayName],
) -> Option<Waits> {
    if rollout.progress_of(member.stage as usize).opened_at.is_none() {
        return Some(Waits::Stage);
    }
    if let Some(why) = state.paused(gateway) {
        return Some(Waits::Paused(why));
    }
    if let Some(question) = asked(state, gateway, member) {
        return Some(Waits::Asked(question.to_owned()));
    }
    let mut outside = member.depends_on.iter().filter(|on| !inside.contains(on));
    if let Some((on, why)) = outside.find_map(|on| Some((on, behind(state, rollout, on)?))) {
        return Some(Waits::Dependency(on.clone(), why));
    }
    if let Some(evaluation) = moment.closed(state, gateway) {
        return Some(Waits::Window(evaluation));
    }
    // Before its agent is looked at, but for one that must be asked: nobody is asked about a gateway
    // that is away.
    if let Consent::Waits(record) = consent(state, rollout, Point::Sync(gateway), moment.now) {
        return Some(Waits::Gate(record));
    }
    // Last: by policy one that is away is told all the same.
    (!is_connected(state, gateway)).then_some(Waits::Offline)
}

/// Why a dependency is not done.
fn behind(state: &State, rollout: &Rollout, on: &GatewayName) -> Option<String> {
    let goes_on = rollout.policy.dependency_failure == DependencyFailure::Continue;
    let Some(member) = rollout.members.get(on) else {
        return (!in_sync(state, on)).then(|| "is not in sync with its own fleet".to_owned());
    };
    match &member.state {
        MemberState::Applied { .. } => unwell(state, on, member),
        MemberState::Failed { .. } if goes_on => None,
        MemberState::Skipped { .. } if in_sync(state, on) => None,
        MemberState::Pending => Some("has not begun".to_owned()),
        MemberState::Assigned { .. } => Some("is running".to_owned()),
        MemberState::Failed { .. } => Some("failed".to_owned()),
        MemberState::Skipped { reason } => Some(format!("was left out ({reason})")),
        MemberState::Deferred => Some("is offline".to_owned()),
        MemberState::Reverting { .. } | MemberState::Reverted { .. } => {
            Some("is back at its previous files".to_owned())
        }
    }
}
