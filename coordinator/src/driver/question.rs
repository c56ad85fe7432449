//! Whether a person has to agree before a gateway gets what was rendered for it: when more would be
//! deleted than its profile lets pass unasked. What a gateway has is made again from what its agent has
//! read back and from what it is told now, so a question needs no agent.

use std::sync::Arc;

use millwright_coordinator_domain::{
    State,
    render::{running, told},
};
use millwright_model::{id::GatewayName, manifest::Manifest};
use millwright_render::{
    render::{Excess, excess},
    spec::RenderSpec,
};

use crate::{node::Shared, source};

/// The question; empty when there is none. What cannot be known is not asked about: a gateway that has
/// nothing yet, or the files of a snapshot, which only its agent has.
pub(super) async fn of(
    shared: &Shared,
    state: &State,
    gateway: &GatewayName,
    spec: &RenderSpec,
    shall: &Manifest,
) -> String {
    let mut worst: Option<Excess> = None;
    for has in had(shared, state, gateway).await {
        let found = excess(&spec.max_delete, &has, shall);
        if found.map(|one| one.deleted) > worst.map(|one| one.deleted) {
            worst = found;
        }
    }
    worst.map(|excess| excess.to_string()).unwrap_or_default()
}

/// What a gateway may have by the time that it gets something new.
async fn had(shared: &Shared, state: &State, gateway: &GatewayName) -> Vec<Arc<Manifest>> {
    let mut all = Vec::new();
    let running = running(state, gateway).ok().flatten();
    let told = told(state, gateway);
    let specs = running.iter().flat_map(|running| &running.candidates).chain(told);
    for spec in specs {
        match source::ensure(shared, state, spec).await {
            Ok(manifest) if all.contains(&manifest) => {}
            Ok(manifest) => all.push(manifest),
            Err(status) => {
                let why = status.message();
                tracing::warn!(%gateway, commit = %spec.commit.short(), why, "cannot tell what would be deleted");
            }
        }
    }
    all
}
