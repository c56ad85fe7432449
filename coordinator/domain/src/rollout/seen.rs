//! What the state tells of a gateway, as far as rollouts ask. What is not known is never good news.

use std::sync::Arc;

use millwright_model::{
    facts::Waiting,
    generation::Generation,
    id::{GatewayName, Member},
    time::{Span, Timestamp},
};

use crate::{
    State,
    state::{Connection, Desired, GatewayStatus, Large, MemberState, RolloutMember},
};

/// The connection of the node that is written.
fn written(status: &GatewayStatus) -> Option<&Connection> {
    let of = |member: Member| status.connections.get(member.as_str());
    of(Member::Single).or_else(|| of(Member::Master))
}

/// Whether the agent that writes is connected.
pub(super) fn is_connected(state: &State, gateway: &GatewayName) -> bool {
    state.status.get(gateway).is_some_and(|status| is_there(status))
}

fn is_there(status: &GatewayStatus) -> bool {
    written(status).is_some_and(|connection| connection.connected)
}

/// Since when the agent that writes is away: the beginning of time for one that never came, `None` for
/// one that is connected.
pub(crate) fn away_since(state: &State, gateway: &GatewayName) -> Option<Timestamp> {
    since(state.status.get(gateway).map(AsRef::as_ref))
}

fn since(status: Option<&GatewayStatus>) -> Option<Timestamp> {
    match status.and_then(written) {
        None => Some(Timestamp(0)),
        Some(connection) if connection.connected => None,
        Some(connection) => Some(connection.since),
    }
}

/// Whether the agent has been away for as long as makes it offline.
pub(super) fn is_offline(
    state: &State,
    gateway: &GatewayName,
    after: Span,
    now: Timestamp,
) -> bool {
    for_long(state.status.get(gateway), after, now)
}

fn for_long(status: Option<&Arc<GatewayStatus>>, after: Span, now: Timestamp) -> bool {
    since(status.map(AsRef::as_ref)).is_some_and(|since| since.plus(after) <= now)
}

/// Those of whom [`is_offline`] would say so.
pub(super) fn offline<'s>(
    state: &'s State,
    gateways: impl Iterator<Item = &'s GatewayName>,
    after: Span,
    now: Timestamp,
) -> impl Iterator<Item = &'s GatewayName> {
    let seen = beside(gateways.map(|gateway| (gateway, ())), &state.status);
    let away = seen.filter(move |(_, (), status)| for_long(*status, after, now));
    away.map(|(gateway, (), _)| gateway)
}

/// Whether a gateway has what it shall have, whoever said so.
pub(crate) fn in_sync(state: &State, gateway: &GatewayName) -> bool {
    let applied = state.status.get(gateway).and_then(|status| status.applied.as_ref());
    let (Some(desired), Some(applied)) = (state.desired.get(gateway), applied) else {
        return false;
    };
    applied.generation == desired.generation
}

/// What a gateway's agent has put aside until a window opens, of what it was told last. Of one that is away
/// nobody knows.
pub(crate) fn put_aside<'s>(state: &'s State, gateway: &GatewayName) -> Option<&'s Waiting> {
    let generation = state.desired.get(gateway)?.generation;
    let facts = &state.status.get(gateway)?.facts;
    let of = |member: Member| facts.get(member.as_str());
    let waiting = of(Member::Single).or_else(|| of(Member::Master))?.waiting.as_ref()?;
    (waiting.generation == generation && is_connected(state, gateway)).then_some(waiting)
}

/// Whether the gateway is at work on what it was told last.
pub(super) fn is_busy(state: &State, gateway: &GatewayName) -> bool {
    busy(state.desired.get(gateway), state.status.get(gateway))
}

fn busy(desired: Option<&Arc<Desired>>, status: Option<&Arc<GatewayStatus>>) -> bool {
    let (Some(desired), Some(status)) = (desired, status) else { return false };
    let ended = status.history.back().is_some_and(|last| {
        (last.generation, last.attempt) >= (desired.generation, desired.attempt)
    });
    !ended && is_there(status)
}

/// Members with whether each is at work on what it was told last, as [`is_busy`] says of one.
pub(super) fn with_busy<'s>(
    state: &'s State,
    members: impl Iterator<Item = (&'s GatewayName, &'s RolloutMember)>,
) -> impl Iterator<Item = (&'s RolloutMember, bool)> {
    let told = beside(members, &state.desired);
    let told = told.map(|(gateway, member, desired)| (gateway, (member, desired)));
    let seen = beside(told, &state.status);
    seen.map(|(_, (member, desired), status)| (member, busy(desired, status)))
}

/// What a map has of each of these names, all in their order: one walk along both, where looking every
/// name up takes ten times as long.
fn beside<'s, T, V>(
    names: impl Iterator<Item = (&'s GatewayName, T)>,
    map: &'s Large<GatewayName, V>,
) -> impl Iterator<Item = (&'s GatewayName, T, Option<&'s V>)> {
    let mut entries = map.iter().peekable();
    names.map(move |(name, value)| {
        while entries.next_if(|(known, _)| *known < name).is_some() {}
        let found = entries.peek().filter(|(known, _)| *known == name);
        (name, value, found.map(|(_, entry)| *entry))
    })
}

/// Why a member that was applied is no evidence any more: `None` while it is. The evidence must be of the
/// member's own generation, and the gateway must not have told of trouble since.
pub(super) fn unwell(
    state: &State,
    gateway: &GatewayName,
    member: &RolloutMember,
) -> Option<String> {
    let MemberState::Applied { generation } = member.state else { return None };
    let status = state.status.get(gateway)?;
    let applied = status.applied.as_ref().map_or(Generation(0), |applied| applied.generation);
    if applied != generation {
        return Some("has other files by now".to_owned());
    }
    if !is_connected(state, gateway) {
        return None;
    }
    match status.written_facts().state.as_str() {
        "" | "RUNNING" => None,
        other => Some(format!("is {other}")),
    }
}
