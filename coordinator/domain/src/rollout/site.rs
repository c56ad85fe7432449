//! Gateways of one site: how many fetch at a time, and how long they may run different commits. Nothing is
//! looked at for fleets that ask for neither.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::{
    id::{GatewayName, Name},
    time::Timestamp,
};

use crate::{
    State,
    state::{MemberState, Rollout, RolloutMember},
};

/// The sites of a rollout as they stand.
#[derive(Debug, Default)]
pub(crate) struct Sites<'s> {
    /// Most gateways of one that fetch at a time.
    limit: Option<u32>,
    /// Gateways that were told and have not ended, by site.
    busy: BTreeMap<&'s Name, u32>,
    /// Sites that keep together; none when nobody asks for it.
    together: Option<Together<'s>>,
}

#[derive(Debug, Default)]
struct Together<'s> {
    /// Some of them have the new files, or are at it.
    begun: BTreeSet<&'s Name>,
    /// Those who wait, by site.
    waiting: BTreeMap<&'s Name, Vec<&'s GatewayName>>,
}

fn site<'s>(state: &'s State, gateway: &GatewayName) -> Option<&'s Name> {
    state.gateways.get(gateway).map(|stored| &stored.resource.spec.site)
}

impl<'s> Sites<'s> {
    pub(crate) fn of(state: &'s State, rollout: &'s Rollout) -> Self {
        let policy = &rollout.policy;
        let limit = policy.limits.max_concurrent_fetches;
        let mut sites = Self { limit, ..Self::default() };
        sites.together = policy.site_consistency.map(|_| Together::default());
        if limit.is_none() && sites.together.is_none() {
            return sites;
        }
        for (gateway, member) in &rollout.members {
            let Some(site) = site(state, gateway) else { continue };
            let is_busy = matches!(
                member.state,
                MemberState::Assigned { .. } | MemberState::Reverting { .. }
            );
            *sites.busy.entry(site).or_default() += u32::from(is_busy);
            let Some(together) = &mut sites.together else { continue };
            if is_busy || matches!(member.state, MemberState::Applied { .. }) {
                together.begun.insert(site);
            }
            if matches!(member.state, MemberState::Pending | MemberState::Deferred) {
                together.waiting.entry(site).or_default().push(gateway);
            }
        }
        sites
    }

    /// Whether a site that keeps together has begun; such a one is finished before others.
    pub(crate) fn has_begun(&self, state: &State, gateway: &GatewayName) -> bool {
        let together = self.together.as_ref();
        together.is_some_and(|all| site(state, gateway).is_some_and(|one| all.begun.contains(one)))
    }

    /// Others of a site that must be able to begin as well before the first of it does.
    pub(crate) fn with(&self, state: &State, gateway: &GatewayName) -> &[&'s GatewayName] {
        let (Some(together), Some(site)) = (&self.together, site(state, gateway)) else {
            return &[];
        };
        match together.begun.contains(site) {
            true => &[],
            false => together.waiting.get(site).map(Vec::as_slice).unwrap_or_default(),
        }
    }

    /// Whether the line of a gateway's site bears another one.
    pub(crate) fn has_room(&self, state: &State, gateway: &GatewayName) -> bool {
        let busy = site(state, gateway).and_then(|site| self.busy.get(site)).copied();
        self.limit.is_none_or(|limit| busy.unwrap_or(0) < limit)
    }

    /// A gateway begins.
    pub(crate) fn take(&mut self, state: &'s State, gateway: &GatewayName) {
        let Some(site) = site(state, gateway) else { return };
        *self.busy.entry(site).or_default() += 1;
        if let Some(together) = &mut self.together {
            together.begun.insert(site);
        }
    }
}

/// A site that has run two commits for longer than it may, in words.
pub(super) fn torn(state: &State, rollout: &Rollout, now: Timestamp) -> Option<String> {
    let skew = rollout.policy.site_consistency?.max_skew;
    let mut first: BTreeMap<&Name, Timestamp> = BTreeMap::new();
    let applied = |member: &RolloutMember| matches!(member.state, MemberState::Applied { .. });
    for (gateway, member) in rollout.members.iter().filter(|(_, member)| applied(member)) {
        let Some(site) = site(state, gateway) else { continue };
        let since = first.entry(site).or_insert(member.since);
        *since = member.since.min(*since);
    }
    rollout.members.iter().find_map(|(gateway, member)| {
        let behind = match member.state {
            MemberState::Pending | MemberState::Assigned { .. } | MemberState::Deferred => true,
            MemberState::Failed { .. } => !member.forgiven,
            MemberState::Applied { .. }
            | MemberState::Skipped { .. }
            | MemberState::Reverting { .. }
            | MemberState::Reverted { .. } => false,
        };
        let site = site(state, gateway)?;
        // What a person has accepted counts anew from there.
        let since = (*first.get(site)?).max(rollout.accepted_at);
        let late = behind && since.plus(skew) <= now;
        late.then(|| {
            format!("site {site} has run two commits for {skew}: {gateway} has not the new files")
        })
    })
}
