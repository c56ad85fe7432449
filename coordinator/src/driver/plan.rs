//! Making a plan of a wish: the files of every member, and what a person is asked about them. A fleet that
//! cannot be planned says why where people look.

use std::{collections::BTreeMap, sync::Arc};

use millwright_coordinator_domain::{
    State,
    command::{Body, PlanMember, StartRollout},
    rollout::PlanRequest,
};
use millwright_model::id::Name;

use super::propose;
use crate::{content::descent::Descent, node::Shared, question, source};

/// Renders a wanted rollout and proposes it; `false` when it must be tried again.
pub(super) async fn start(shared: &Shared, state: &State, request: PlanRequest) -> bool {
    let fleet = request.fleet.clone();
    if let Some(why) = held(shared, state, &request).await {
        refuse(shared, state, &fleet, why).await;
        return true;
    }
    match members(shared, state, &request).await {
        Ok(members) => {
            let start = StartRollout::of(request, members);
            tracing::info!(%fleet, commit = %start.commit.short(), members = start.members.len(), "starting a rollout");
            propose(shared, Body::StartRollout(start)).await
        }
        Err(why) => {
            refuse(shared, state, &fleet, why).await;
            false
        }
    }
}

/// Records why a fleet cannot be planned, unless that is known.
pub(super) async fn refuse(shared: &Shared, state: &State, fleet: &Name, message: String) {
    if state.plan_fault(fleet).unwrap_or_default() == message {
        return;
    }
    if !message.is_empty() {
        tracing::warn!(%fleet, message, "cannot plan");
    }
    propose(shared, Body::PlanRefused { fleet: fleet.clone(), message }).await;
}

/// Why a commit must not go out: it descends from one that is held, and nothing in between takes that
/// back. A commit that does lifts the hold.
async fn held(shared: &Shared, state: &State, request: &PlanRequest) -> Option<String> {
    let open = state.holds().values().filter(|hold| {
        hold.lifted.is_none()
            && hold.repository == request.repository
            && hold.commit != request.commit
    });
    for hold in open {
        let descent =
            source::descent(shared, state, &request.repository, request.commit, hold.commit).await;
        let by = match descent {
            Ok(Descent::Unrelated) => continue,
            Ok(Descent::Mended(by)) => by,
            Ok(Descent::Bare) => {
                return Some(format!(
                    "commit {} descends from {}, which is held by {}: {}; lift the hold, or bring a commit \
                     that says \"This reverts commit {}\" or \"Fixes: {}\"",
                    request.commit.short(),
                    hold.commit.short(),
                    hold.by,
                    hold.reason,
                    hold.commit,
                    hold.commit.short(),
                ));
            }
            Err(status) => {
                let why = status.message();
                return Some(format!("whether it descends from a held commit is unknown: {why}"));
            }
        };
        let lift = Body::HoldCommit {
            repository: hold.repository.clone(),
            commit: hold.commit,
            lift: true,
        };
        super::propose_because(shared, lift, format!("commit {by} mends it")).await;
    }
    None
}

/// The members of a plan with their files. The error says whose cannot be made, and why.
pub async fn members(
    shared: &Shared,
    state: &State,
    request: &PlanRequest,
) -> Result<Vec<PlanMember>, String> {
    let mut rendered = BTreeMap::new();
    let mut members = Vec::with_capacity(request.members.len());
    for member in &request.members {
        let (gateway, spec) = (&member.gateway, &member.render);
        let key = spec.key().whole;
        let manifest = match rendered.get(&key) {
            Some(known) => Arc::clone(known),
            None => {
                let made = source::ensure(shared, state, spec).await;
                let made =
                    made.map_err(|status| format!("gateway {gateway}: {}", status.message()))?;
                rendered.insert(key, Arc::clone(&made));
                made
            }
        };
        let question = question::of(shared, state, gateway, spec, &manifest).await;
        members.push(PlanMember {
            question,
            gateway: gateway.clone(),
            manifest: manifest.digest(),
            render: Arc::clone(spec),
            stage: member.stage,
            order: member.order,
            depends_on: member.depends_on.clone(),
            roots: manifest.roots().to_vec(),
        });
    }
    Ok(members)
}
