//! From the state to the spec that decides a gateway's files. The rules themselves are in
//! `millwright-render`, which `millctl` uses too.

use millwright_model::{
    id::Member,
    resource::{Fleet, Gateway, SyncProfile},
};
use millwright_render::spec::{Inputs, included, render_spec};
pub use millwright_render::{
    render::{RenderError, Rendered, Warning},
    spec::{RenderMapping, RenderSpec},
};

use crate::{State, state::Release};

/// The spec of a gateway that follows a fleet at a release.
pub fn spec_of(
    state: &State,
    fleet: &Fleet,
    gateway: &Gateway,
    profile: &SyncProfile,
    release: &Release,
) -> Result<RenderSpec, RenderError> {
    let inputs = Inputs {
        gateway,
        profile,
        fleet_vars: &fleet.spec.vars,
        repository: &fleet.spec.repository,
        commit: release.commit,
        reference: &release.reference,
        // One set of files for both nodes of a pair.
        member: Member::Single,
    };
    let find = |name: &_| state.profiles.get(name).map(|stored| &stored.resource);
    let others = included(profile, find)?;
    Ok(render_spec(&inputs, &others)?)
}
