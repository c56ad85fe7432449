//! Whether a person has to agree before a gateway gets what was rendered for it: when more would be
//! deleted than its profile lets pass unasked. What a gateway has is made again from what its agent has
//! read back and from what it is told now, so a question needs no agent.

use std::sync::Arc;

use millwright_coordinator_domain::{
    State,
    render::{running, told},
};
use millwright_model::{id::GatewayName, manifest::Manifest};
use millwright_render::{render::excess, spec::RenderSpec};

use crate::{node::Shared, source};

/// The question; empty when there is none. A gateway that has nothing yet loses nothing; where it cannot
/// be told what a gateway has, a person is asked.
pub async fn of(
    shared: &Shared,
    state: &State,
    gateway: &GatewayName,
    spec: &RenderSpec,
    shall: &Manifest,
) -> String {
    let had = match had(shared, state, gateway).await {
        Ok(had) => had,
        Err(why) => {
            tracing::warn!(%gateway, why, "cannot tell what would be deleted");
            return format!("how many files would be deleted cannot be told: {why}");
        }
    };
    let excesses = had.iter().filter_map(|has| excess(&spec.max_delete, has, shall));
    let worst = excesses.max_by_key(|excess| excess.deleted);
    worst.map(|excess| excess.to_string()).unwrap_or_default()
}

/// What a gateway may have by the time that it gets something new.
async fn had(
    shared: &Shared,
    state: &State,
    gateway: &GatewayName,
) -> Result<Vec<Arc<Manifest>>, String> {
    let mut all = Vec::new();
    let running = running(state, gateway).map_err(|error| error.to_string())?;
    let told = told(state, gateway);
    let specs = running.iter().flat_map(|running| &running.candidates).chain(told);
    for spec in specs {
        let manifest = source::ensure(shared, state, spec).await.map_err(|status| {
            let (why, commit) = (status.message(), spec.commit.short());
            format!("its files of commit {commit} cannot be made again: {why}")
        })?;
        if !all.contains(&manifest) {
            all.push(manifest);
        }
    }
    Ok(all)
}
