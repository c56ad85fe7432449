//! From the given gateways to the specs that decide their files, with every reference and template
//! on the way.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::{
    digest::GitId,
    id::{Member, Name},
    resource::{Fleet, Gateway, Repository, Resource, Strings, SyncProfile},
    template::{Release, TemplateError},
};

use super::{Located, Report, Rule, files::Files, named};
use crate::{
    normalize::RuleFault,
    render::Source,
    spec::{Inputs, ParsedProfile, SpecFault, included, render_spec},
};

type ByName<'l, T> = BTreeMap<&'l str, (&'l str, &'l T)>;

/// All resources that matter here, each with its file.
pub(super) struct Gateways<'l> {
    all: ByName<'l, Gateway>,
    profiles: ByName<'l, SyncProfile>,
    fleets: ByName<'l, Fleet>,
    repositories: ByName<'l, Repository>,
    /// Some resource could not be read, and may be the one that is missed.
    unreadable: bool,
}

impl<'l> Gateways<'l> {
    pub(super) fn new(located: &'l [Located], unreadable: bool) -> Self {
        Self {
            all: named(located, |resource| match resource {
                Resource::Gateway(r) => Some((r.metadata.name.as_str(), r)),
                _ => None,
            }),
            profiles: named(located, |resource| match resource {
                Resource::SyncProfile(r) => Some((r.metadata.name.as_str(), r)),
                _ => None,
            }),
            fleets: named(located, |resource| match resource {
                Resource::Fleet(r) => Some((r.metadata.name.as_str(), r)),
                _ => None,
            }),
            repositories: named(located, |resource| match resource {
                Resource::Repository(r) => Some((r.metadata.name.as_str(), r)),
                _ => None,
            }),
            unreadable,
        }
    }

    pub(super) fn lint(&self, source: &dyn Source, report: &mut Report) {
        if !self.unreadable {
            self.references(report);
        }
        let mut files = Files::new(source);
        let no_vars = Strings::new();
        let repository: Name = "lint".parse().expect("it is a name");
        for (file, gateway) in self.all.values() {
            let Some((of, profile)) = self.profiles.get(gateway.spec.profile.as_str()) else {
                continue;
            };
            report.gateways += 1;
            let find = |name: &Name| self.profiles.get(name.as_str()).map(|(_, p)| *p);
            // A missing one is reported with the references.
            let Ok(others) = included(profile, find) else { continue };
            let inputs = Inputs {
                gateway,
                profile: &ParsedProfile::new(profile, &others),
                fleet_vars: self.fleet_of(gateway).map_or(&no_vars, |fleet| &fleet.spec.vars),
                repository: &repository,
                release: &Release::new("branch lint", GitId::default()),
                member: Member::Single,
            };
            match render_spec(&inputs) {
                Ok(spec) => files.lint(&spec, of, report),
                Err(fault) => self.spec_fault(&fault, gateway, file, report),
            }
        }
        files.finish(report);
    }

    fn fleet_of(&self, gateway: &Gateway) -> Option<&'l Fleet> {
        let selects = |fleet: &&Fleet| fleet.spec.selector.matches(&gateway.metadata.labels);
        self.fleets.values().map(|(_, fleet)| *fleet).find(selects)
    }

    fn references(&self, report: &mut Report) {
        let missing = |what: &str, name: &str, known: Vec<&str>| {
            let near = millwright_model::template::nearest(name, known.into_iter());
            let hint = near.map(|near| format!(", did you mean {near}?")).unwrap_or_default();
            format!("there is no {what} {name}{hint}")
        };
        let mut used = BTreeSet::new();
        for (file, gateway) in self.all.values() {
            let name = gateway.spec.profile.as_str();
            used.insert(name);
            if !self.profiles.contains_key(name) {
                let known = self.profiles.keys().copied().collect();
                let message = missing("SyncProfile", name, known);
                let message = format!("Gateway {}: {message}", gateway.metadata.name);
                report.add(Rule::Reference, file, None, message);
            }
        }
        for (file, profile) in self.profiles.values() {
            for name in &profile.spec.include_from {
                used.insert(name.as_str());
                if !self.profiles.contains_key(name.as_str()) {
                    let known = self.profiles.keys().copied().collect();
                    let message = missing("SyncProfile", name.as_str(), known);
                    let message = format!("SyncProfile {}: {message}", profile.metadata.name);
                    report.add(Rule::Reference, file, None, message);
                }
            }
        }
        for (file, fleet) in self.fleets.values() {
            let name = fleet.spec.repository.as_str();
            if !self.repositories.contains_key(name) {
                let known = self.repositories.keys().copied().collect();
                let message = missing("Repository", name, known);
                let message = format!("Fleet {}: {message}", fleet.metadata.name);
                report.add(Rule::Reference, file, None, message);
            }
        }
        for (name, (file, _)) in &self.profiles {
            if !used.contains(name) {
                let message = format!("SyncProfile {name}: no gateway uses it; it is not checked");
                report.add(Rule::Unused, file, None, message);
            }
        }
    }

    fn spec_fault(&self, fault: &SpecFault, gateway: &Gateway, file: &str, report: &mut Report) {
        let of = |name: &Name| self.profiles.get(name.as_str()).map_or(file, |(file, _)| *file);
        let (rule, profile) = match fault {
            SpecFault::Template { profile, error, .. } => (template_rule(error), profile),
            SpecFault::Path { profile, .. } => (Rule::Name, profile),
            SpecFault::Source { profile, .. } => (Rule::Source, profile),
            SpecFault::Rule { profile, fault, .. } => match fault.as_ref() {
                RuleFault::Template { error, .. } => (template_rule(error), profile),
                _ => (Rule::Normalize, profile),
            },
            SpecFault::Include { profile, .. } => (Rule::Reference, profile),
        };
        let message = format!("for gateway {}: {fault}", gateway.metadata.name);
        report.add(rule, of(profile), None, message);
    }
}

/// Unknown keys are the most frequent mistake, and the gateway's as often as the template's.
pub(super) fn template_rule(error: &TemplateError) -> Rule {
    match error.message.starts_with("unknown key") {
        true => Rule::UnknownVar,
        false => Rule::Template,
    }
}
