//! What a rollout of a fleet would do, without doing anything: of the commit that it follows, or of another
//! one.

use millwright_coordinator_domain::{
    State,
    access::Deed,
    command::StartRollout,
    rollout::{PlanRequest, forecast, plan_of},
    state::{Followed, Release},
    view,
};
use millwright_model::{id::Name, time::Span};
use millwright_proto::{control as wire, hint::with_hint};
use serde_json::{Value, json};
use tonic::{Code, Request, Response, Status};

use super::{ControlApi, Reply, invalid, side::typed};
use crate::{change, driver::plan, edge, node::Shared};

/// How far a forecast looks when nobody says.
const DEADLINE: Span = Span(7 * 86_400_000);
/// The furthest: nobody plans windows for longer.
const DEADLINE_MAX: Span = Span(92 * 86_400_000);

/// Answers `plan_fleet`.
pub(super) async fn plan(
    api: &ControlApi,
    request: Request<wire::PlanFleetRequest>,
) -> Reply<wire::PlanFleetResponse> {
    api.allowed(&request, Deed::Read)?;
    let wire::PlanFleetRequest { fleet, reference, simulate, deadline_ms, stale } =
        request.into_inner();
    let fleet: Name = fleet.parse().map_err(invalid)?;
    let (index, state) = api.read(stale).await?;
    let (request, subject) = wish(&api.shared, &state, &fleet, &reference).await?;
    let (start, changes) = planned(&api.shared, &state, request).await?;
    let now = edge::now();
    let forecast = match simulate {
        false => None,
        true => {
            let deadline = match Span(deadline_ms) {
                Span(0) => DEADLINE,
                asked => asked.min(DEADLINE_MAX),
            };
            let (state, start) = (state.clone(), start.clone());
            // Thousands of gateways take a while.
            let played =
                tokio::task::spawn_blocking(move || forecast(&state, start, now, deadline));
            let played = played.await.map_err(|_| Status::internal("the forecast has stopped"))?;
            Some(played.map_err(Status::failed_precondition)?)
        }
    };
    let shown = view::plan_json(&state, &start, &subject, &changes, forecast.as_ref(), now);
    let json = serde_json::to_vec(&shown).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(wire::PlanFleetResponse { json, index }))
}

/// What is planned, and what the commit says of itself.
async fn wish(
    shared: &Shared,
    state: &State,
    fleet: &Name,
    reference: &str,
) -> Result<(PlanRequest, String), Status> {
    let stored = state.fleets().get(fleet).ok_or_else(|| {
        with_hint(
            Code::NotFound,
            format!("fleet {fleet} does not exist"),
            "list them: millctl get fleets",
        )
    })?;
    let followed = Followed::by(&stored.resource.spec);
    let known = state.release(&followed);
    let other = match reference {
        "" => None,
        typed_by_hand => {
            let (resolved, _) = typed(shared, state, &followed.repository, typed_by_hand).await?;
            Some(Release {
                reference: resolved.reference,
                commit: resolved.commit,
                author: resolved.author,
                subject: resolved.subject,
                committed_at: resolved.committed_at,
                resolved_at: edge::now(),
                error: String::new(),
            })
        }
    };
    let subject = other.as_ref().or(known).map(|release| release.subject.clone());
    let wish = plan_of(state, fleet, other.as_ref());
    let wish =
        wish.map_err(|fault| Status::failed_precondition(format!("cannot be planned: {fault}")))?;
    let wish = wish.ok_or_else(|| {
        with_hint(
            Code::FailedPrecondition,
            format!("there is nothing to plan for fleet {fleet}"),
            "it needs a resolved repository and a gateway that it selects: millctl get repositories,gateways",
        )
    })?;
    Ok((wish, subject.unwrap_or_default()))
}

/// Every member's files, and what they change.
async fn planned(
    shared: &Shared,
    state: &State,
    request: PlanRequest,
) -> Result<(StartRollout, Vec<Value>), Status> {
    let members = plan::members(shared, state, &request).await;
    let members = members.map_err(Status::failed_precondition)?;
    let mut changes = Vec::with_capacity(members.len());
    for member in &members {
        let shall = crate::source::ensure(shared, state, &member.render).await?;
        // Where it cannot be told what a gateway has, its question says so.
        let had = change::had(shared, state, &member.gateway).await.ok();
        changes.push(match had {
            None => Value::Null,
            Some(had) => {
                let change = change::Change::between(had.first().map(AsRef::as_ref), &shall);
                json!({
                    "added": change.added, "changed": change.changed, "removed": change.removed,
                    "bytes": change.bytes, "projects": change.projects,
                })
            }
        });
    }
    Ok((StartRollout::of(request, members), changes))
}
