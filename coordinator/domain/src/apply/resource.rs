//! Creating, replacing and deleting resources: a set holds together or nothing of it is taken.

use std::sync::Arc;

use millwright_model::{
    id::{GatewayName, Member, Name},
    resource::{Fleet, Gateway, Kind, Resource, Role, Secret, SyncProfile},
    window::Window,
};

use super::{Judged, Scene, invalid, not_found};
use crate::{
    State,
    command::{Accepted, Rejection},
    state::{GATEWAYS_MAX, Large, Stored},
};

impl State {
    pub(super) fn put_resources(
        &mut self,
        scene: &mut Scene<'_>,
        resources: Vec<Resource>,
    ) -> Judged {
        let mut trial = self.clone();
        let mut results = Vec::with_capacity(resources.len());
        let mut named = Vec::with_capacity(resources.len());
        for resource in resources {
            let (kind, name) = (resource.kind(), resource.name().to_owned());
            named.push((kind, name.clone()));
            let action = trial.put_one(scene.index, resource);
            // An agent that came before its gateway was applied is announced now; other labels may mean
            // other windows.
            if kind == Kind::Gateway && action != "unchanged" {
                scene.touched.gateways.extend(name.parse::<GatewayName>().ok());
            }
            if kind == Kind::Fleet && self.windows_of_name(&name) != trial.windows_of_name(&name) {
                scene.touched.gateways.extend(trial.members_of_fleet(&name));
            }
            if kind == Kind::Secret && action == "configured" {
                scene.touched.gateways.extend(trial.users_of(&name));
            }
            if action != "unchanged" {
                trial.say(scene.index, kind, &name, "put", action.to_owned());
            }
            results.push((kind.as_str().to_owned(), name, action.to_owned()));
        }
        // Putting takes nothing away: what was not named here refers to what it referred to before.
        for (kind, name) in &named {
            trial.check_references_of(*kind, name)?;
        }
        trial.check_size()?;
        if results.iter().any(|(_, _, action)| action != "unchanged") {
            trial.forget_unfollowed();
            trial.config_version += 1;
        }
        *self = trial;
        Ok(Accepted::Applied(results))
    }

    fn put_one(&mut self, index: u64, resource: Resource) -> &'static str {
        match resource {
            Resource::Repository(r) => {
                put(&mut self.repositories, r.metadata.name.clone(), r, index)
            }
            Resource::SyncProfile(r) => put(&mut self.profiles, r.metadata.name.clone(), r, index),
            Resource::Gateway(r) => put(&mut self.gateways, r.metadata.name.clone(), r, index),
            Resource::Fleet(r) => put(&mut self.fleets, r.metadata.name.clone(), r, index),
            Resource::Operator(r) => put(&mut self.operators, r.metadata.name.clone(), r, index),
            Resource::Secret(r) => put(&mut self.secrets, r.metadata.name.clone(), r, index),
        }
    }

    fn check_references(&self) -> Result<(), Rejection> {
        for gateway in self.gateways.values().map(|stored| &stored.resource) {
            self.check_gateway(gateway)?;
        }
        for fleet in self.fleets.values().map(|stored| &stored.resource) {
            self.check_fleet(fleet)?;
        }
        for profile in self.profiles.values().map(|stored| &stored.resource) {
            self.check_profile(profile)?;
        }
        self.check_admins()
    }

    fn check_references_of(&self, kind: Kind, name: &str) -> Result<(), Rejection> {
        match kind {
            Kind::Gateway => match self.gateways.get(name) {
                Some(stored) => self.check_gateway(&stored.resource),
                None => Ok(()),
            },
            Kind::Fleet => match self.fleets.get(name) {
                Some(stored) => self.check_fleet(&stored.resource),
                None => Ok(()),
            },
            Kind::Operator => self.check_admins(),
            Kind::SyncProfile => match self.profiles.get(name) {
                Some(stored) => self.check_profile(&stored.resource),
                None => Ok(()),
            },
            Kind::Secret => match self.secrets.get(name) {
                Some(stored) => check_sealed(&stored.resource),
                None => Ok(()),
            },
            Kind::Repository | Kind::Rollout | Kind::JoinToken => Ok(()),
        }
    }

    fn check_size(&self) -> Result<(), Rejection> {
        if self.gateways.len() > GATEWAYS_MAX {
            return Err(Rejection::Limit { message: format!("more than {GATEWAYS_MAX} gateways") });
        }
        Ok(())
    }

    fn check_admins(&self) -> Result<(), Rejection> {
        let admins = self.operators.values().filter(|op| op.resource.spec.role == Role::Admin);
        if self.cluster.is_some() && admins.count() == 0 {
            return Err(invalid("at least one operator must keep the role admin"));
        }
        Ok(())
    }

    fn check_gateway(&self, gateway: &Gateway) -> Result<(), Rejection> {
        if let Some(on) = gateway.spec.depends_on.iter().find(|on| !self.gateways.contains_key(*on))
        {
            let name = &gateway.metadata.name;
            return Err(not_found(format!(
                "gateway {name} depends on gateway {on}, which does not exist"
            )));
        }
        if self.profiles.contains_key(&gateway.spec.profile) {
            return Ok(());
        }
        Err(not_found(format!(
            "gateway {} names the profile {}, which does not exist",
            gateway.metadata.name, gateway.spec.profile
        )))
    }

    fn windows_of_name(&self, fleet: &str) -> &[Window] {
        self.fleets.get(fleet).map(|stored| &stored.resource.spec.windows[..]).unwrap_or_default()
    }

    fn members_of_fleet(&self, fleet: &str) -> Vec<GatewayName> {
        let Some(fleet) = self.fleets.get(fleet).map(|stored| &stored.resource) else {
            return Vec::new();
        };
        let selects = |gateway: &&Gateway| fleet.spec.selector.matches(&gateway.metadata.labels);
        let gateways = self.gateways.values().map(|stored| &stored.resource);
        gateways.filter(selects).map(|gateway| gateway.metadata.name.clone()).collect()
    }

    /// Gateways whose agents have a secret.
    fn users_of(&self, secret: &str) -> Vec<GatewayName> {
        let gateways = self.gateways.values().map(|stored| &stored.resource);
        let uses = |gateway: &&Gateway| {
            let named = self.profile_of(gateway).and_then(secret_of);
            named.is_some_and(|named| named.as_str() == secret)
        };
        gateways.filter(uses).map(|gateway| gateway.metadata.name.clone()).collect()
    }

    /// The secret that an agent needs for its gateway's snapshots. A backup's agent stores none.
    pub fn secret_for(&self, gateway: &GatewayName, member: Member) -> Option<&Stored<Secret>> {
        if member == Member::Backup {
            return None;
        }
        let gateway = &self.gateways.get(gateway)?.resource;
        let name = self.profile_of(gateway).and_then(secret_of)?;
        self.secrets.get(name).map(Arc::as_ref)
    }

    fn check_profile(&self, profile: &SyncProfile) -> Result<(), Rejection> {
        if let Some(on) = profile.spec.depends_on.iter().find(|on| !self.profiles.contains_key(*on))
        {
            let name = &profile.metadata.name;
            return Err(not_found(format!(
                "profile {name} depends on profile {on}, which does not exist"
            )));
        }
        match secret_of(profile).filter(|secret| !self.secrets.contains_key(secret.as_str())) {
            None => Ok(()),
            Some(secret) => Err(not_found(format!(
                "profile {} names the secret {secret}, which does not exist",
                profile.metadata.name
            ))),
        }
    }

    fn check_fleet(&self, fleet: &Fleet) -> Result<(), Rejection> {
        if self.repositories.contains_key(&fleet.spec.repository) {
            return Ok(());
        }
        Err(not_found(format!(
            "fleet {} names the repository {}, which does not exist",
            fleet.metadata.name, fleet.spec.repository
        )))
    }

    pub(super) fn delete_resource(
        &mut self,
        scene: &mut Scene<'_>,
        kind: Kind,
        name: &str,
    ) -> Judged {
        let mut trial = self.clone();
        let removed = match kind {
            Kind::Repository => trial.repositories.remove(name).is_some(),
            Kind::SyncProfile => trial.profiles.remove(name).is_some(),
            Kind::Gateway => {
                trial.desired.remove(name);
                trial.status.remove(name);
                trial.gateways.remove(name).is_some()
            }
            Kind::Fleet => {
                Arc::make_mut(&mut trial.newest).remove(name);
                Arc::make_mut(&mut trial.plan_faults).remove(name);
                trial.fleets.remove(name).is_some()
            }
            Kind::Operator => trial.operators.remove(name).is_some(),
            Kind::Secret => trial.secrets.remove(name).is_some(),
            Kind::Rollout | Kind::JoinToken => {
                return Err(invalid(format!("a {kind} is not deleted by hand")));
            }
        };
        if !removed {
            return Err(not_found(format!("{kind} {name} does not exist")));
        }
        trial.check_references()?;
        trial.forget_unfollowed();
        trial.config_version += 1;
        trial.say(scene.index, kind, name, "delete", "deleted".to_owned());
        *self = trial;
        Ok(Accepted::Done)
    }

    /// The profile of a gateway.
    pub(crate) fn profile_of(&self, gateway: &Gateway) -> Option<&SyncProfile> {
        self.profiles.get(&gateway.spec.profile).map(|stored| &stored.resource)
    }
}

/// The secret that a profile names.
fn secret_of(profile: &SyncProfile) -> Option<&Name> {
    profile.spec.snapshots.remote.as_ref()?.secret_ref.as_ref()
}

/// The node that took it in seals; what is not sealed came another way.
fn check_sealed(secret: &Secret) -> Result<(), Rejection> {
    match secret.spec.data.iter().find(|(_, value)| value.to_sealed().is_none()) {
        None => Ok(()),
        Some((key, _)) => Err(invalid(format!(
            "secret {}: the value of {key} is not sealed",
            secret.metadata.name
        ))),
    }
}

fn put<N: Ord + Clone, T: Clone + PartialEq>(
    map: &mut Large<N, Arc<Stored<T>>>,
    name: N,
    resource: T,
    version: u64,
) -> &'static str {
    let action = match map.get(&name) {
        Some(stored) if stored.resource == resource => return "unchanged",
        Some(_) => "configured",
        None => "created",
    };
    map.insert(name, Arc::new(Stored { resource, version }));
    action
}
