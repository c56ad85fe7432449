//! Whether a person has to agree before a gateway gets what was rendered for it: when more would be
//! deleted than its profile lets pass unasked.

use std::sync::Arc;

use millwright_coordinator_domain::State;
use millwright_model::{id::GatewayName, manifest::Manifest};
use millwright_render::{render::excess, spec::RenderSpec};

use crate::{change, node::Shared};

/// The question; empty when there is none. A gateway that has nothing yet loses nothing; where it cannot
/// be told what a gateway has, a person is asked.
pub async fn of(
    shared: &Shared,
    state: &State,
    gateway: &GatewayName,
    spec: &Arc<RenderSpec>,
    shall: &Manifest,
) -> String {
    let had = match change::had(shared, state, gateway).await {
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
