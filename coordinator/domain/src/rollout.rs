//! What rollouts are wanted, and what a running one does next. Both are asked again after every
//! change and every leader change; they change nothing themselves, and their commands carry what
//! they saw.

mod back;
mod count;
mod decide;
mod dry_run;
mod forecast;
mod forward;
mod gate;
mod order;
mod plan;
mod seen;
mod site;
mod stop;
mod waits;

use millwright_model::id::{GatewayName, Name};

pub use self::{
    count::{StageCount, count},
    decide::decide,
    forecast::{Forecast, ForecastMember, forecast},
    gate::{OpenQuestion, gate_named, open_questions},
    order::PlanFault,
    plan::{PlanRequest, Refused, WantedMember, plan_of, wanted},
};
pub(crate) use self::{
    dry_run::{DryRuns, PATIENCE as DRY_RUN_PATIENCE},
    forward::{sick, soaks_until},
    gate::{Consent, Point, consent},
    plan::hold_of,
    seen::{away_since, in_sync, put_aside},
    site::Sites,
    waits::{Moment, Waits, waits},
};
use crate::{
    State,
    state::{MemberState, Rollout, RolloutMember},
};

/// The fleet that a gateway follows: the first by name that selects it, so that two fleets never
/// write one gateway in turn.
pub(crate) fn owner<'a>(
    state: &'a State,
    gateway: &millwright_model::resource::Gateway,
) -> Option<&'a Name> {
    let labels = &gateway.metadata.labels;
    let found = state.fleets.values().find(|stored| stored.resource.spec.selector.matches(labels));
    found.map(|stored| &stored.resource.metadata.name)
}

/// What a person is asked about a member, and has not agreed to.
pub fn asked<'m>(
    state: &State,
    gateway: &GatewayName,
    member: &'m RolloutMember,
) -> Option<&'m str> {
    let confirmed = state.status.get(gateway).and_then(|status| status.confirmed.as_ref());
    let agreed = confirmed.is_some_and(|confirmed| confirmed.manifest == member.manifest);
    let waits = matches!(member.state, MemberState::Pending | MemberState::Deferred);
    let open = waits && !member.question.is_empty() && !agreed;
    open.then_some(member.question.as_str())
}

/// The newest rollout of a gateway's fleet and its part in it.
pub fn newest_of<'s>(
    state: &'s State,
    gateway: &GatewayName,
) -> Option<(&'s Rollout, &'s RolloutMember)> {
    let stored = state.gateways.get(gateway)?;
    let id = state.newest.get(owner(state, &stored.resource)?)?;
    let rollout = state.rollouts.get(id)?;
    Some((rollout, rollout.members.get(gateway)?))
}
