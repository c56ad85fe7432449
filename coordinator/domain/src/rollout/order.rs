//! Which gateway comes before which: dependencies first, then the order that the stage asks for. What
//! cannot be ordered is refused with its reason.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::{
    id::{GatewayName, Name},
    resource::{Gateway, Stage},
};

use crate::State;

/// Why a fleet cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// A circle.
    #[error("the dependencies go round in a circle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// A stage that comes too early.
    #[error(
        "gateway {gateway} of stage {stage} depends on {on}, which comes later, in stage {later}"
    )]
    Later {
        /// Which.
        gateway: GatewayName,
        /// Its stage.
        stage: String,
        /// On which.
        on: GatewayName,
        /// Its stage.
        later: String,
    },
    /// Nobody would ever reach it.
    #[error("gateway {0} belongs to the fleet, but no stage selects it")]
    NoStage(GatewayName),
    /// Nobody could say when.
    #[error("gateway {gateway} is selected by two stages, {one} and {two}")]
    TwoStages {
        /// Which.
        gateway: GatewayName,
        /// The first.
        one: Name,
        /// The other.
        two: Name,
    },
    /// A site that is to keep together.
    #[error(
        "site {site} is to keep together (siteConsistency), but {one} and {two} belong to different stages"
    )]
    TornSite {
        /// Which.
        site: Name,
        /// One of it.
        one: GatewayName,
        /// Another one.
        two: GatewayName,
    },
    /// A commit that nobody may have.
    #[error("commit {commit} is held by {by}: {reason}")]
    Held {
        /// Which.
        commit: String,
        /// Who held it.
        by: String,
        /// Why.
        reason: String,
    },
    /// Files that cannot be made.
    #[error("gateway {gateway}: {why}")]
    Render {
        /// Whose.
        gateway: GatewayName,
        /// What.
        why: String,
    },
}

/// Where a member comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// In its stage.
    pub(super) order: u32,
    /// What must be done before.
    pub(super) depends_on: Vec<GatewayName>,
}

/// The stage of a gateway: the one that selects it, or the one for all others.
pub(super) fn stage_of(stages: &[Stage], gateway: &Gateway) -> Result<u32, PlanFault> {
    if stages.is_empty() {
        return Ok(0);
    }
    let (name, labels) = (&gateway.metadata.name, &gateway.metadata.labels);
    let find = |rest: bool| {
        let all = stages.iter().enumerate();
        all.filter(move |(_, stage)| stage.select.is_empty() == rest)
            .filter(|(_, stage)| stage.select.matches(labels))
            .collect::<Vec<_>>()
    };
    let mut found = find(false);
    if found.is_empty() {
        found = find(true);
    }
    match found[..] {
        [] => Err(PlanFault::NoStage(name.clone())),
        [(at, _)] => Ok(u32::try_from(at).unwrap_or(u32::MAX)),
        [(_, one), (_, two), ..] => Err(PlanFault::TwoStages {
            gateway: name.clone(),
            one: one.name.clone(),
            two: two.name.clone(),
        }),
    }
}

/// Whether every site is in one stage.
pub(super) fn whole_sites(
    gateways: &[&Gateway],
    stages: &BTreeMap<GatewayName, u32>,
) -> Result<(), PlanFault> {
    let mut first: BTreeMap<&Name, &GatewayName> = BTreeMap::new();
    for gateway in gateways {
        let (name, site) = (&gateway.metadata.name, &gateway.spec.site);
        let one = *first.entry(site).or_insert(name);
        if stages.get(one) != stages.get(name) {
            return Err(PlanFault::TornSite {
                site: site.clone(),
                one: one.clone(),
                two: name.clone(),
            });
        }
    }
    Ok(())
}

/// Gateways by site and profile, for dependencies between profiles.
struct Sites<'s>(BTreeMap<(&'s Name, &'s Name), Vec<&'s GatewayName>>);

impl<'s> Sites<'s> {
    fn of(state: &'s State) -> Self {
        let mut sites: BTreeMap<_, Vec<_>> = BTreeMap::new();
        // Without a profile that depends on another one nobody asks.
        if state.profiles.values().any(|p| !p.resource.spec.depends_on.is_empty()) {
            for gateway in state.gateways.values().map(|stored| &stored.resource) {
                let key = (&gateway.spec.site, &gateway.spec.profile);
                sites.entry(key).or_default().push(&gateway.metadata.name);
            }
        }
        Self(sites)
    }

    /// What a gateway names itself, and the gateways of its own site whose profiles its profile names:
    /// an area waits for the hub of its own plant, not for those of all plants.
    fn before(&self, state: &'s State, name: &GatewayName) -> Vec<&'s GatewayName> {
        let Some(stored) = state.gateways.get(name) else { return Vec::new() };
        let spec = &stored.resource.spec;
        let profile = state.profiles.get(&spec.profile).map(|stored| &stored.resource.spec);
        let profiles = profile.map(|profile| &profile.depends_on[..]).unwrap_or_default();
        let by_profile = profiles.iter().filter_map(|named| self.0.get(&(&spec.site, named)));
        let named: BTreeSet<&GatewayName> =
            by_profile.flatten().copied().chain(&spec.depends_on).collect();
        named.into_iter().filter(|other| *other != name).collect()
    }
}

/// The places of all members; by name among equals.
pub(super) fn arrange(
    state: &State,
    stages: &[Stage],
    members: &BTreeMap<GatewayName, u32>,
) -> Result<BTreeMap<GatewayName, Place>, PlanFault> {
    let sites = Sites::of(state);
    let mut places: BTreeMap<GatewayName, Place> = BTreeMap::new();
    for (name, stage) in members {
        let before = sites.before(state, name);
        for on in &before {
            if let Some(later) = members.get(*on).filter(|later| *later > stage) {
                let named = |at: u32| {
                    stages.get(at as usize).map(|stage| stage.name.to_string()).unwrap_or_default()
                };
                return Err(PlanFault::Later {
                    gateway: name.clone(),
                    stage: named(*stage),
                    on: (*on).clone(),
                    later: named(*later),
                });
            }
        }
        let depends_on = before.into_iter().cloned().collect();
        places.insert(name.clone(), Place { order: 0, depends_on });
    }
    no_circle(state, &sites, &places)?;
    let ordered = sorted(state, stages, members, &places);
    for (at, name) in ordered.into_iter().enumerate() {
        if let Some(place) = places.get_mut(&name) {
            place.order = u32::try_from(at).unwrap_or(u32::MAX);
        }
    }
    Ok(places)
}

/// Walks everything that members depend on, also outside of the rollout.
fn no_circle(
    state: &State,
    sites: &Sites<'_>,
    places: &BTreeMap<GatewayName, Place>,
) -> Result<(), PlanFault> {
    let mut done: BTreeSet<GatewayName> = BTreeSet::new();
    for start in places.iter().filter(|(_, place)| !place.depends_on.is_empty()).map(|(n, _)| n) {
        // The way from the start to here, with what is still to be looked at on each step.
        let first = sites.before(state, start);
        let mut way: Vec<(GatewayName, Vec<&GatewayName>)> = vec![(start.clone(), first)];
        while let Some((here, open)) = way.last_mut() {
            let Some(next) = open.pop() else {
                done.insert(here.clone());
                way.pop();
                continue;
            };
            if done.contains(next) {
                continue;
            }
            if let Some(at) = way.iter().position(|(name, _)| name == next) {
                let round = way[at..].iter().map(|(name, _)| name.to_string());
                return Err(PlanFault::Cycle(round.chain([next.to_string()]).collect()));
            }
            way.push((next.clone(), sites.before(state, next)));
        }
    }
    Ok(())
}

/// Sorts a value of a label: numbers by their size, then texts, then those without one.
fn rank(value: Option<&String>) -> (u8, u64, String) {
    match value {
        Some(text) => match text.parse::<u64>() {
            Ok(number) => (0, number, String::new()),
            Err(_) => (1, 0, text.clone()),
        },
        None => (2, 0, String::new()),
    }
}

/// All members, dependencies first; without a circle every one gets its turn.
fn sorted(
    state: &State,
    stages: &[Stage],
    members: &BTreeMap<GatewayName, u32>,
    places: &BTreeMap<GatewayName, Place>,
) -> Vec<GatewayName> {
    let key = |name: &GatewayName| {
        let stage = members.get(name).copied().unwrap_or_default();
        let by = stages.get(stage as usize).and_then(|stage| stage.order_by.as_ref());
        let labels = state.gateways.get(name).map(|stored| &stored.resource.metadata.labels);
        let value = by.and_then(|by| labels.and_then(|labels| labels.get(by)));
        (stage, by.map(|_| rank(value)), name.clone())
    };
    let mut open: BTreeMap<&GatewayName, usize> = BTreeMap::new();
    let mut behind: BTreeMap<&GatewayName, Vec<&GatewayName>> = BTreeMap::new();
    let mut ready = BTreeSet::new();
    for (name, place) in places {
        let inside: Vec<&GatewayName> =
            place.depends_on.iter().filter(|on| members.contains_key(*on)).collect();
        if inside.is_empty() {
            ready.insert(key(name));
        } else {
            open.insert(name, inside.len());
        }
        for on in inside {
            behind.entry(on).or_default().push(name);
        }
    }
    let mut sorted = Vec::with_capacity(places.len());
    while let Some((_, _, name)) = ready.pop_first() {
        for next in behind.get(&name).into_iter().flatten() {
            if let Some(left) = open.get_mut(*next) {
                *left -= 1;
                if *left == 0 {
                    ready.insert(key(next));
                }
            }
        }
        sorted.push(name);
    }
    sorted
}
