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
    state::{Attempt, AttemptResult, Before, DesiredOrigin, Followed},
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
    /// How its files were made, or, where that is not kept, may have been made, the likeliest first:
    /// then the digest decides.
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
    let mut commit = applied.commit.unwrap_or(desired.render.commit);
    let mut reference = match applied.reference.as_str() {
        "" => &desired.reference,
        then => then,
    };
    let same = desired.generation == applied.generation;
    if let (true, DesiredOrigin::Snapshot { id, .. }) = (same, &desired.origin) {
        // Mostly a snapshot has what an earlier commit gave: then that tells its files.
        let earlier = attempts(state, gateway)
            .find(|one| one.generation != applied.generation && one.manifest == applied.manifest);
        let earlier = earlier.and_then(|one| Some((one.commit?, one.reference.as_str())));
        let none = || NoSpec::Snapshot(gateway.clone(), id.clone());
        (commit, reference) = earlier.ok_or_else(none)?;
    }
    let gave = |(digest, _): &(Digest, _)| applied.manifest == Some(*digest);
    let made = kept(state, gateway).filter(gave).map(|(_, spec)| spec);
    let made = made.min_by_key(|spec| spec.commit != commit);
    let candidates = match made {
        Some(made) => vec![Arc::clone(made)],
        None => {
            let now = prospect(state, gateway, Some((commit, reference)));
            let own = (commit == desired.render.commit).then(|| Arc::clone(&desired.render));
            // Right only where no rule, mapping or var names the commit: the digest tells.
            let other = || Arc::new(RenderSpec { commit, ..RenderSpec::clone(&desired.render) });
            let last = own.unwrap_or_else(other);
            now.map(|now| now.spec).into_iter().chain([last]).collect()
        }
    };
    Ok(Some(Running { candidates, manifest: applied.manifest, reference: reference.to_owned() }))
}

/// Finished attempts of a gateway, the newest first.
fn attempts<'s>(state: &'s State, gateway: &GatewayName) -> impl Iterator<Item = &'s Attempt> {
    let status = state.status.get(gateway).into_iter();
    status.flat_map(|status| status.history.iter().rev().chain(&status.applied))
}

/// Specs made for a gateway that are still kept, with what they give.
fn kept<'s>(
    state: &'s State,
    gateway: &GatewayName,
) -> impl Iterator<Item = (Digest, &'s Arc<RenderSpec>)> {
    let good = state.status.get(gateway).and_then(|status| status.good.as_deref());
    let good = good.map(|good| (good.manifest, &good.render));
    let desired = state.desired.get(gateway).map(|one| (one.manifest, &one.render));
    let members = state.rollouts.values().rev().filter_map(|rollout| rollout.members.get(gateway));
    let planned = members.flat_map(|member| {
        let before = match &member.before {
            Some(Before::Files(good)) => Some((good.manifest, &good.render)),
            Some(Before::Snapshot { .. }) | None => None,
        };
        std::iter::once((member.manifest, &member.render)).chain(before)
    });
    good.into_iter().chain(desired).chain(planned)
}

/// How a commit is made that a person names for one gateway: as it was when the gateway had it, or by
/// the resources as they are now. Never by another commit's spec: its values are filled in already.
pub fn of_commit(
    state: &State,
    gateway: &GatewayName,
    commit: GitId,
) -> Result<Arc<RenderSpec>, NoSpec> {
    let had: Vec<Digest> = attempts(state, gateway).filter_map(|one| one.manifest).collect();
    let of_it =
        |(digest, spec): &(Digest, &Arc<RenderSpec>)| spec.commit == commit && had.contains(digest);
    if let Some((_, made)) = kept(state, gateway).find(of_it) {
        return Ok(Arc::clone(made));
    }
    let of = || attempts(state, gateway).filter(|attempt| attempt.commit == Some(commit));
    // A rollback names the commit itself; the rollout before it says what was followed.
    let followed = of().find(|attempt| !attempt.reference.starts_with("commit "));
    let own = format!("commit {}", commit.short());
    let reference = followed.or_else(|| of().next()).map_or(&own, |attempt| &attempt.reference);
    Ok(prospect(state, gateway, Some((commit, reference)))?.spec)
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
