//! What only the leader does: plan rollouts, advance them, notice dead nodes. It is derived from the
//! state again and again, takes no hint of what changed, and its commands carry what it saw: so a
//! leader change loses nothing and does nothing twice.

mod gate;
pub mod plan;
pub mod releases;

use std::time::Duration;

use millwright_coordinator_domain::{
    State,
    command::{Body, Outcome},
    rollout::{Refused, decide, wanted},
};

use crate::{edge, node::Shared};

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
    /// Gates that are being asked.
    questions: gate::Questions,
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
        memory.questions.begin(&shared, &state);
        round(&shared, &state, &mut memory).await;
    }
}

async fn round(shared: &Shared, state: &State, memory: &mut Memory) {
    for body in decide(state, edge::now()) {
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
    for wish in wanted(state) {
        complete &= match wish {
            Ok(request) => plan::start(shared, state, request).await,
            Err(Refused { fleet, fault }) => {
                let why = fault.map(|fault| fault.to_string()).unwrap_or_default();
                plan::refuse(shared, state, &fleet, why).await;
                true
            }
        };
    }
    memory.retry_at = (!complete).then(|| tokio::time::Instant::now() + 2 * TICK);
    if complete {
        memory.planned = state.config_version();
    }
}

async fn propose(shared: &Shared, body: Body) -> bool {
    propose_because(shared, body, String::new()).await
}

async fn propose_because(shared: &Shared, body: Body, reason: String) -> bool {
    let command =
        millwright_coordinator_domain::command::Command { reason, ..edge::command(shared, body) };
    match shared.consensus.propose(&command).await {
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
