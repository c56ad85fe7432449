//! What one agent is told, from the state.

use millwright_model::{assignment::Assignment, id::GatewayName};

use crate::State;

/// The assignment of a gateway; `None` while it has none.
pub fn assignment_of(state: &State, gateway: &GatewayName) -> Option<Assignment> {
    let desired = state.desired.get(gateway)?;
    Some(Assignment {
        gateway: gateway.clone(),
        generation: desired.generation,
        epoch: state.epoch,
        repository: desired.render.repository.clone(),
        commit: desired.render.commit,
        reference: desired.reference.clone(),
        manifest: desired.manifest,
        rollout: desired.rollout.clone(),
        roots: desired.roots.clone(),
        sync_profile: desired.render.profile.clone(),
    })
}
