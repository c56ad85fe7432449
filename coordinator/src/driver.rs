//! What only the leader does: plan rollouts, advance them, notice dead nodes. It is derived from the
//! state again and again, takes no hint of what changed, and its commands carry what it saw: so a
//! leader change loses nothing and does nothing twice.

pub mod releases;

use std::{collections::BTreeMap, time::Duration};

use millwright_coordinator_domain::{
    State,
    command::{Body, Outcome, PlanMember, StartRollout},
    rollout::{PlanRequest, decide, wanted},
};

use crate::{edge, node::Shared, question};

/// So that passing time is noticed without an event.
const TICK: Duration = Duration::from_secs(1);
/// A node that has not answered the leader for this long has lost its agents.
const NODE_SILENCE_MS: u64 = 15_000;

/// What the driver remembers between rounds; all of it can be forgotten.
#[derive(Debug, Default)]
struct Memory {
    /// Configuration version that needs no further planning.
    planned: u64,
    /// Failed plans are tried again, but not in a tight loop.
    retry_at: Option<tokio::time::Instant>,
}

/// Runs until the node stops.
pub async fn run(shared: Shared) {
    let mut watch = shared.consensus.watch();
    let mut memory = Memory::default();
    loop {
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TICK) => {}
            () = shared.stop.cancelled() => return,
        }
        if !shared.consensus.leads() {
            memory = Memory::default();
            continue;
        }
        let state = watch.borrow_and_update().state.clone();
        round(&shared, &state, &mut memory).await;
    }
}

async fn round(shared: &Shared, state: &State, memory: &mut Memory) {
    for body in decide(state) {
        propose(shared, body).await;
    }
    for node in dead_nodes(shared, state) {
        tracing::warn!(node, "a coordinator is silent: its agents count as lost");
        propose(shared, Body::NodeLost { node }).await;
    }
    let due = memory.retry_at.is_none_or(|at| at <= tokio::time::Instant::now());
    if state.config_version() == memory.planned || !due {
        return;
    }
    let mut complete = true;
    for request in wanted(state) {
        complete &= plan(shared, state, request).await;
    }
    memory.retry_at = (!complete).then(|| tokio::time::Instant::now() + 2 * TICK);
    if complete {
        memory.planned = state.config_version();
    }
}

/// Renders a wanted rollout and proposes it; `false` when it must be tried again.
async fn plan(shared: &Shared, state: &State, request: PlanRequest) -> bool {
    let plan_hash = request.hash();
    let mut rendered = BTreeMap::new();
    let mut members = Vec::with_capacity(request.members.len());
    for member in request.members {
        let spec = match member.render {
            Ok(spec) => spec,
            Err(error) => {
                tracing::warn!(fleet = %request.fleet, gateway = %member.gateway, %error, "cannot plan");
                return false;
            }
        };
        let key = serde_json::to_string(&spec).unwrap_or_default();
        let manifest = match rendered.get(&key) {
            Some(known) => std::sync::Arc::clone(known),
            None => match crate::source::ensure(shared, state, &spec).await {
                Ok(manifest) => {
                    rendered.insert(key, std::sync::Arc::clone(&manifest));
                    manifest
                }
                Err(status) => {
                    let message = status.message();
                    tracing::warn!(fleet = %request.fleet, gateway = %member.gateway, message, "cannot render");
                    return false;
                }
            },
        };
        let question = question::of(shared, state, &member.gateway, &spec, &manifest).await;
        members.push(PlanMember {
            question,
            gateway: member.gateway,
            manifest: manifest.digest(),
            render: spec,
            stage: member.stage,
            roots: manifest.roots().to_vec(),
        });
    }
    let start = StartRollout {
        fleet: request.fleet,
        repository: request.repository,
        commit: request.commit,
        reference: request.reference,
        stages: request.stages,
        members,
        plan_hash,
        seen: request.seen,
    };
    tracing::info!(fleet = %start.fleet, commit = %start.commit.short(), members = start.members.len(), "starting a rollout");
    propose(shared, Body::StartRollout(start)).await
}

async fn propose(shared: &Shared, body: Body) -> bool {
    match shared.consensus.propose(&edge::command(shared, body)).await {
        Ok(decided) => match decided.outcome.as_ref() {
            Outcome::Accepted(_) => true,
            Outcome::Rejected(rejection) => {
                // Something changed meanwhile: the next round sees it.
                tracing::debug!(reason = rejection.message(), "a decision came too late");
                false
            }
        },
        Err(error) => {
            tracing::warn!(%error, "cannot propose");
            false
        }
    }
}

fn dead_nodes(shared: &Shared, state: &State) -> Vec<u64> {
    let group = shared.consensus.group();
    let silent = |id: u64| {
        id != shared.node_id
            && group
                .members
                .iter()
                .find(|member| member.id == id)
                .is_none_or(|member| member.silent_ms.is_some_and(|ms| ms > NODE_SILENCE_MS))
    };
    state.holders().into_iter().filter(|id| silent(*id)).collect()
}
