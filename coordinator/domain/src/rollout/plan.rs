//! What a fleet shall have, as a plan to be: frozen members, their stages and order, and a hash over all
//! of it. Manifests are rendered by the shell.

use std::{collections::BTreeMap, sync::Arc};

use millwright_model::{
    digest::{Digest, GitId},
    id::{GatewayName, Name},
    resource::{Fleet, RolloutPolicy, Trigger},
    template,
};

use super::{
    order::{PlanFault, arrange, stage_of, whole_sites},
    owner,
};
use crate::{
    State,
    command::PlanStage,
    render::{RenderSpec, parsed, spec_of},
    state::{Followed, Hold, Release},
};

/// A member of a wanted rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedMember {
    /// Whom.
    pub gateway: GatewayName,
    /// Index of its stage.
    pub stage: u32,
    /// Its place in the order.
    pub order: u32,
    /// What must be done before.
    pub depends_on: Vec<GatewayName>,
    /// How its files are made.
    pub render: Arc<RenderSpec>,
}

/// A rollout that should run but is not planned yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    /// Of which fleet.
    pub fleet: Name,
    /// From which repository.
    pub repository: Name,
    /// Which commit.
    pub commit: GitId,
    /// Its author.
    pub author: String,
    /// The ref as followed.
    pub reference: String,
    /// Whether a person begins it.
    pub manual: bool,
    /// Its rules.
    pub policy: RolloutPolicy,
    /// Its stages.
    pub stages: Vec<PlanStage>,
    /// Its members; empty stages keep their place.
    pub members: Vec<WantedMember>,
    /// Configuration version that this was derived from.
    pub seen: u64,
}

impl PlanRequest {
    /// Hash over everything that was wanted; equal wishes have equal hashes.
    pub fn hash(&self) -> Digest {
        let Self {
            fleet,
            repository,
            commit,
            author: _,
            reference: _,
            manual: _,
            policy,
            stages,
            members,
            seen: _,
        } = self;
        let mut text = format!("{fleet}\n{repository}\n{commit}\n");
        let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
        text.push_str(&json(serde_json::to_string(&(policy, stages))));
        for WantedMember { gateway, stage, order, depends_on, render } in members {
            let spec = json(serde_json::to_string(&(depends_on, render)));
            text.push_str(&format!("\n{gateway} {stage} {order} {spec}"));
        }
        Digest::of(text.as_bytes())
    }
}

/// A fleet that cannot be planned, or can again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub fleet: Name,
    /// Why not; `None` when what was said before holds no more.
    pub fault: Option<PlanFault>,
}

/// Rollouts whose plan differs from the newest one of their fleet, and fleets that cannot be planned.
pub fn wanted(state: &State) -> Vec<Result<PlanRequest, Refused>> {
    let is_new = |request: &PlanRequest| {
        let newest = state.newest.get(&request.fleet).and_then(|id| state.rollouts.get(id));
        newest.is_none_or(|rollout| !rollout.is(request.hash()))
    };
    let mut wishes = Vec::new();
    let owned = Owned::of(state);
    for (name, stored) in &state.fleets {
        let fleet = &stored.resource;
        let release = state.releases.get(&Followed::by(&fleet.spec));
        match wanted_of(state, fleet, release.map(Arc::as_ref), &owned) {
            Ok(Some(request)) if is_new(&request) => wishes.push(Ok(request)),
            Ok(_) if state.plan_faults.contains_key(name) => {
                wishes.push(Err(Refused { fleet: name.clone(), fault: None }));
            }
            Ok(_) => {}
            Err(fault) => wishes.push(Err(Refused { fleet: name.clone(), fault: Some(fault) })),
        }
    }
    wishes
}

/// What a fleet would be given now: of the release that it follows, or of another one. `None` while there
/// is nothing to plan.
pub fn plan_of(
    state: &State,
    name: &Name,
    other: Option<&Release>,
) -> Result<Option<PlanRequest>, PlanFault> {
    let Some(stored) = state.fleets.get(name) else { return Ok(None) };
    let followed = state.release(&Followed::by(&stored.resource.spec));
    wanted_of(state, &stored.resource, other.or(followed), &Owned::of(state))
}

/// Gateways by the fleet that they follow.
struct Owned<'s>(BTreeMap<&'s Name, Vec<&'s millwright_model::resource::Gateway>>);

impl<'s> Owned<'s> {
    fn of(state: &'s State) -> Self {
        let mut owned: BTreeMap<&Name, Vec<_>> = BTreeMap::new();
        for stored in state.gateways.values() {
            if let Some(fleet) = owner(state, &stored.resource) {
                owned.entry(fleet).or_default().push(&stored.resource);
            }
        }
        Self(owned)
    }
}

fn wanted_of(
    state: &State,
    fleet: &Fleet,
    release: Option<&Release>,
    owned: &Owned<'_>,
) -> Result<Option<PlanRequest>, PlanFault> {
    let (name, spec) = (&fleet.metadata.name, &fleet.spec);
    let Some(release) = release else { return Ok(None) };
    let Some(gateways) = owned.0.get(name) else { return Ok(None) };
    // Never resolved so far.
    if release.reference.is_empty() {
        return Ok(None);
    }
    not_held(state, &spec.repository, release)?;
    let mut stage_by_name = BTreeMap::new();
    for gateway in gateways {
        stage_by_name.insert(gateway.metadata.name.clone(), stage_of(&spec.stages, gateway)?);
    }
    if spec.site_consistency.is_some() {
        whole_sites(gateways, &stage_by_name)?;
    }
    let mut places = arrange(state, &spec.stages, &stage_by_name)?;
    let mut members = Vec::with_capacity(gateways.len());
    let mut profiles = BTreeMap::new();
    let texts = template::Release::new(&release.reference, release.commit);
    for gateway in gateways {
        let name = &gateway.metadata.name;
        let Some(profile) = state.profile_of(gateway) else { continue };
        let profile = profiles
            .entry(&profile.metadata.name)
            .or_insert_with(|| parsed(state, profile))
            .as_ref();
        let render = profile
            .map_err(ToString::to_string)
            .and_then(|profile| {
                spec_of(state, fleet, gateway, profile, &texts).map_err(|error| error.to_string())
            })
            .map_err(|why| PlanFault::Render { gateway: name.clone(), why })?;
        let place = places.remove(name).unwrap_or_default();
        let stage = stage_by_name.get(name).copied().unwrap_or_default();
        members.push(WantedMember {
            gateway: name.clone(),
            stage,
            order: place.order,
            depends_on: place.depends_on,
            render: Arc::new(render),
        });
    }
    Ok((!members.is_empty()).then(|| PlanRequest {
        fleet: name.clone(),
        repository: spec.repository.clone(),
        commit: release.commit,
        author: release.author.clone(),
        reference: release.reference.clone(),
        manual: spec.trigger == Trigger::Manual,
        policy: spec.policy(),
        stages: stages_of(fleet, &stage_by_name),
        members,
        seen: state.config_version,
    }))
}

/// The hold on a commit itself. What descends from it is found by who has the history.
pub(crate) fn hold_of<'s>(state: &'s State, repository: &Name, commit: GitId) -> Option<&'s Hold> {
    state.holds.values().find(|hold| {
        hold.lifted.is_none() && hold.repository == *repository && hold.commit == commit
    })
}

fn not_held(state: &State, repository: &Name, release: &Release) -> Result<(), PlanFault> {
    match hold_of(state, repository, release.commit) {
        None => Ok(()),
        Some(hold) => Err(PlanFault::Held {
            commit: hold.commit.short(),
            by: hold.by.clone(),
            reason: hold.reason.clone(),
        }),
    }
}

/// The stages with their limits as numbers: shares count the members of the plan.
fn stages_of(fleet: &Fleet, members: &BTreeMap<GatewayName, u32>) -> Vec<PlanStage> {
    let size = |at: usize| {
        let here = members.values().filter(|stage| **stage as usize == at).count();
        u32::try_from(here).unwrap_or(u32::MAX)
    };
    if fleet.spec.stages.is_empty() {
        return vec![PlanStage::named("all", 1)];
    }
    let stages = fleet.spec.stages.iter().enumerate();
    stages
        .map(|(at, stage)| PlanStage {
            name: stage.name.to_string(),
            max_concurrent: stage.max_concurrent.of(size(at)),
            soak: stage.soak,
            approval: stage.approval.clone(),
            quorum: stage.quorum,
            gates: stage.gates.clone(),
        })
        .collect()
}
