//! From the state to the spec that decides a gateway's files. The rules themselves are in
//! `millwright-render`, which `millctl` uses too.

use std::sync::Arc;

use millwright_model::{
    digest::{Digest, GitId},
    id::{GatewayName, Member},
    resource::{Fleet, Gateway, SyncProfile},
    template,
};
pub use millwright_render::spec::ParsedProfile;
use millwright_render::spec::{Inputs, included, render_spec};
pub use millwright_render::{
    render::{RenderError, Rendered, Warning},
    spec::{RenderMapping, RenderSpec},
};

use crate::{
    State,
    rollout::owner,
    state::agent_key,
    state::{AttemptResult, DesiredOrigin, Followed},
};

/// Why nobody can say which files a gateway would get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSpec {
    /// There is no such gateway.
    #[error("gateway {0} does not exist")]
    Unknown(GatewayName),
    /// No fleet selects it.
    #[error("no fleet selects gateway {0}, so it follows no repository")]
    NoFleet(GatewayName),
    /// Its profile is gone.
    #[error("the profile of gateway {0} does not exist")]
    NoProfile(GatewayName),
    /// The repository has never been read.
    #[error("the ref that gateway {0} follows has not been resolved yet")]
    NoRelease(GatewayName),
    /// Its files are those of a snapshot.
    #[error("gateway {0} has the files of snapshot {1}, which only its agent has")]
    Snapshot(GatewayName, String),
    /// The profile cannot be filled.
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// What a gateway would be given now.
#[derive(Debug, Clone, PartialEq)]
pub struct Prospect {
    /// The spec, by the resources as they are now.
    pub spec: Arc<RenderSpec>,
    /// The ref as followed.
    pub reference: String,
}

/// What a gateway has by its agent's own account.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// How its files may have been made, the likeliest first: only the newest spec is kept, so that
    /// the digest decides.
    pub candidates: Vec<Arc<RenderSpec>>,
    /// What was read back.
    pub manifest: Option<Digest>,
    /// The ref as followed then.
    pub reference: String,
}

/// What a gateway would be given now: of its fleet's release, or of another commit of the same
/// repository.
pub fn prospect(
    state: &State,
    gateway: &GatewayName,
    other: Option<(GitId, &str)>,
) -> Result<Prospect, NoSpec> {
    let named = || gateway.clone();
    let stored = state.gateways.get(gateway).ok_or_else(|| NoSpec::Unknown(named()))?;
    let stored = &stored.resource;
    let fleet = owner(state, stored).and_then(|name| state.fleets.get(name));
    let fleet = &fleet.ok_or_else(|| NoSpec::NoFleet(named()))?.resource;
    let profile = state.profile_of(stored).ok_or_else(|| NoSpec::NoProfile(named()))?;
    let profile = parsed(state, profile)?;
    let known = state.release(&Followed::by(&fleet.spec));
    let known = known.filter(|release| !release.reference.is_empty());
    let followed = known.map(|release| (release.commit, release.reference.as_str()));
    let (commit, reference) = other.or(followed).ok_or_else(|| NoSpec::NoRelease(named()))?;
    let spec = spec_of(state, fleet, stored, &profile, &template::Release::new(reference, commit))?;
    Ok(Prospect { spec: Arc::new(spec), reference: reference.to_owned() })
}

/// The repository that a gateway follows.
pub fn repository_of<'s>(
    state: &'s State,
    gateway: &GatewayName,
) -> Result<&'s millwright_model::id::Name, NoSpec> {
    let stored = state.gateways.get(gateway).ok_or_else(|| NoSpec::Unknown(gateway.clone()))?;
    let fleet = owner(state, &stored.resource).and_then(|name| state.fleets.get(name));
    let fleet = fleet.ok_or_else(|| NoSpec::NoFleet(gateway.clone()))?;
    Ok(&fleet.resource.spec.repository)
}

/// What a gateway has: `None` while nothing was ever applied to it.
pub fn running(state: &State, gateway: &GatewayName) -> Result<Option<Running>, NoSpec> {
    if !state.gateways.contains_key(gateway) {
        return Err(NoSpec::Unknown(gateway.clone()));
    }
    let applied = state.status.get(gateway).and_then(|status| status.applied.as_ref());
    let (Some(applied), Some(desired)) = (applied, state.desired.get(gateway)) else {
        return Ok(None);
    };
    let same = desired.generation == applied.generation;
    let mut commit = applied.commit.unwrap_or(desired.render.commit);
    if let (true, DesiredOrigin::Snapshot { id, .. }) = (same, &desired.origin) {
        // Mostly a snapshot has what an earlier commit gave: then that tells its files.
        let history = state.status.get(gateway).map(|status| &status.history);
        let earlier = history.and_then(|history| {
            history.iter().rev().find(|one| {
                one.generation != applied.generation && one.manifest == applied.manifest
            })
        });
        commit = earlier
            .and_then(|earlier| earlier.commit)
            .ok_or_else(|| NoSpec::Snapshot(gateway.clone(), id.clone()))?;
    }
    let mut candidates = vec![match commit == desired.render.commit {
        true => Arc::clone(&desired.render),
        false => Arc::new(RenderSpec { commit, ..RenderSpec::clone(&desired.render) }),
    }];
    let reference = match applied.reference.as_str() {
        "" => &desired.reference,
        then => then,
    };
    if !same && let Ok(now) = prospect(state, gateway, Some((commit, reference))) {
        candidates.push(now.spec);
    }
    Ok(Some(Running { candidates, manifest: applied.manifest, reference: reference.to_owned() }))
}

/// What a gateway is told and may yet have: `None` once it has said that it stays with what it had.
pub fn told<'s>(state: &'s State, gateway: &GatewayName) -> Option<&'s Arc<RenderSpec>> {
    let desired = state.desired.get(gateway)?;
    let last = state.status.get(gateway).and_then(|status| status.history.back());
    let refused = last.is_some_and(|last| {
        (last.generation, last.attempt) >= (desired.generation, desired.attempt)
            && matches!(last.result, AttemptResult::Failed | AttemptResult::RolledBack)
    });
    (!refused).then_some(&desired.render)
}

/// A profile with those that it includes, read once for all gateways that have it.
pub fn parsed<'s>(
    state: &'s State,
    profile: &'s SyncProfile,
) -> Result<ParsedProfile<'s>, RenderError> {
    let find = |name: &_| state.profiles.get(name).map(|stored| &stored.resource);
    Ok(ParsedProfile::new(profile, &included(profile, find)?))
}

/// The spec of a gateway that follows a fleet at a release.
pub fn spec_of(
    state: &State,
    fleet: &Fleet,
    gateway: &Gateway,
    profile: &ParsedProfile<'_>,
    release: &template::Release,
) -> Result<RenderSpec, RenderError> {
    let inputs = Inputs {
        gateway,
        profile,
        fleet_vars: &fleet.spec.vars,
        repository: &fleet.spec.repository,
        release,
        member: written(state, &gateway.metadata.name),
    };
    Ok(render_spec(&inputs)?)
}

/// The node whose files are written. One set of files for both nodes of a pair: the backup takes the
/// master's.
fn written(state: &State, gateway: &GatewayName) -> Member {
    let has = |member| state.keys.contains_key(&agent_key(gateway, member));
    match has(Member::Master) || has(Member::Backup) {
        true => Member::Master,
        false => Member::Single,
    }
}
