//! A profile read once for all gateways that have it: its templates are not parsed again, and what has
//! none is made once and shared by all specs.

use std::{borrow::Cow, sync::Arc};

use millwright_model::{
    id::Name,
    path::ManagedPath,
    resource::{DeploymentMode, Mapping, SourceKind, Strings, SyncProfile},
    template::{Text, Vars},
};

use super::{Inputs, RenderMapping, RenderSpec, SpecFault};
use crate::normalize::ParsedRule;

/// A profile with those that it includes.
#[derive(Debug)]
pub struct ParsedProfile<'p> {
    profile: &'p SyncProfile,
    mappings: Vec<ParsedMapping<'p>>,
    /// With the profile of each, and its place there.
    rules: Vec<(&'p Name, usize, ParsedRule<'p>)>,
    exclude_patterns: Arc<[String]>,
    allow: Arc<[ManagedPath]>,
    vars: Strings,
}

impl<'p> ParsedProfile<'p> {
    /// Reads a profile and those that it includes. What is wrong in a template is told by the gateway
    /// that needs it.
    pub fn new(profile: &'p SyncProfile, included: &[&'p SyncProfile]) -> Self {
        let all: Vec<&'p SyncProfile> = included.iter().copied().chain([profile]).collect();
        let mut mappings = Vec::new();
        let mut rules = Vec::new();
        let mut vars = Strings::new();
        for one in &all {
            let name = &one.metadata.name;
            let here = one.spec.mappings.iter().enumerate();
            mappings.extend(here.map(|(at, mapping)| ParsedMapping::new(name, at, mapping)));
            let here = one.spec.normalize.iter().enumerate();
            rules.extend(here.map(|(at, rule)| (name, at, ParsedRule::new(rule))));
            vars.extend(one.spec.vars.clone());
        }
        // The profile's own mode wins over an included one's.
        let mode = all.iter().rev().find_map(|one| {
            let mode = one.spec.deployment_mode.as_ref()?;
            Some(ParsedMapping::of_mode(&one.metadata.name, mode))
        });
        mappings.extend(mode);
        let exclude_patterns = all.iter().flat_map(|one| one.spec.exclude_patterns.iter().cloned());
        let allow = all.iter().flat_map(|one| one.spec.allow.iter().cloned());
        Self {
            profile,
            mappings,
            rules,
            exclude_patterns: exclude_patterns.collect(),
            allow: allow.collect(),
            vars,
        }
    }

    /// Values of all its profiles, the later ones stronger.
    pub(super) fn vars(&self) -> &Strings {
        &self.vars
    }

    pub(super) fn fill(&self, inputs: &Inputs<'_>) -> Result<RenderSpec, SpecFault> {
        let vars = inputs.vars();
        let labels = &inputs.gateway.metadata.labels;
        let meant = self.mappings.iter().filter(|mapping| mapping.is_for(labels));
        let mappings = meant.map(|mapping| mapping.fill(&vars)).collect::<Result<Vec<_>, _>>()?;
        let rules = self.rules.iter().map(|(name, at, rule)| {
            let profile = || Name::clone(name);
            rule.fill(&vars).map_err(|fault| SpecFault::Rule {
                profile: profile(),
                rule: *at,
                fault: Box::new(fault),
            })
        });
        let spec = &self.profile.spec;
        Ok(RenderSpec {
            repository: inputs.repository.clone(),
            commit: inputs.release.id(),
            profile: self.profile.metadata.name.clone(),
            exclude_patterns: Arc::clone(&self.exclude_patterns),
            allow: Arc::clone(&self.allow),
            normalize: rules.collect::<Result<_, _>>()?,
            signatures: spec.signatures,
            limits: spec.limits.clone(),
            max_delete: spec.max_delete.clone(),
            vars: mappings.iter().any(|mapping| mapping.template).then_some(vars),
            mappings,
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum What<'p> {
    Mapping(usize, &'p Mapping),
    Mode,
}

#[derive(Debug)]
struct ParsedMapping<'p> {
    profile: &'p Name,
    what: What<'p>,
    source: Text<'p>,
    /// Of a deployment mode its name.
    destination: Text<'p>,
    /// What it is for every gateway, unless that depends on the gateway.
    same: Option<Arc<RenderMapping>>,
}

impl<'p> ParsedMapping<'p> {
    fn new(profile: &'p Name, at: usize, mapping: &'p Mapping) -> Self {
        let what = What::Mapping(at, mapping);
        Self::read(profile, what, &mapping.source, &mapping.destination)
    }

    fn of_mode(profile: &'p Name, mode: &'p DeploymentMode) -> Self {
        Self::read(profile, What::Mode, &mode.source, &mode.name)
    }

    fn read(profile: &'p Name, what: What<'p>, source: &'p str, destination: &'p str) -> Self {
        let (source, destination) = (Text::read(source), Text::read(destination));
        let mut mapping = Self { profile, what, source, destination, same: None };
        if mapping.source.is_plain() && mapping.destination.is_plain() {
            mapping.same = mapping.fill(&Vars::default()).ok();
        }
        mapping
    }

    fn is_for(&self, labels: &Strings) -> bool {
        let when = match self.what {
            What::Mapping(_, mapping) => mapping.when.as_ref(),
            What::Mode => None,
        };
        when.is_none_or(|when| when.matches(labels))
    }

    /// Such as `mappings[0]`.
    fn place(&self) -> String {
        match self.what {
            What::Mapping(at, _) => format!("mappings[{at}]"),
            What::Mode => "deploymentMode".to_owned(),
        }
    }

    fn text(&self, field: &str, text: &Text<'p>, vars: &Vars) -> Result<Cow<'p, str>, SpecFault> {
        text.expand(vars).map_err(|error| {
            let field = format!("{}.{field}", self.place());
            SpecFault::Template { profile: self.profile.clone(), field, error }
        })
    }

    fn path(&self, field: &str, text: &str) -> Result<ManagedPath, SpecFault> {
        ManagedPath::parse(text.trim_end_matches('/')).map_err(|error| {
            let field = format!("{}.{field}", self.place());
            SpecFault::Path { profile: self.profile.clone(), field, error }
        })
    }

    /// A path in the repository, without `.` and final `/`.
    fn source(&self, vars: &Vars) -> Result<String, SpecFault> {
        let filled = self.text("source", &self.source, vars)?;
        let path = filled.trim_end_matches('/');
        let path = path.strip_prefix("./").unwrap_or(path);
        let path = if path == "." { "" } else { path };
        let plain = |segment: &str| !matches!(segment, "" | "." | ".." | ".git");
        if (filled.is_empty() || !path.is_empty()) && !path.split('/').all(plain) {
            return Err(SpecFault::Source {
                profile: self.profile.clone(),
                field: format!("{}.source", self.place()),
                source_path: filled.into_owned(),
            });
        }
        Ok(path.to_owned())
    }

    fn fill(&self, vars: &Vars) -> Result<Arc<RenderMapping>, SpecFault> {
        if let Some(same) = &self.same {
            return Ok(Arc::clone(same));
        }
        let label = format!("{} of {}", self.place(), self.profile);
        let What::Mapping(_, mapping) = self.what else {
            let name = self.text("name", &self.destination, vars)?;
            return Ok(Arc::new(RenderMapping {
                source: self.source(vars)?,
                destination: self.path("name", &format!("config/resources/{name}"))?,
                keep_name: false,
                kind: Some(SourceKind::Dir),
                include: Vec::new(),
                exclude: Vec::new(),
                required: true,
                template: false,
                max_size: None,
                label,
            }));
        };
        let destination = self.text("destination", &self.destination, vars)?;
        Ok(Arc::new(RenderMapping {
            source: self.source(vars)?,
            destination: self.path("destination", &destination)?,
            keep_name: destination.ends_with('/'),
            kind: mapping.kind,
            include: mapping.include.clone(),
            exclude: mapping.exclude.clone(),
            required: mapping.required,
            template: mapping.template,
            max_size: mapping.max_size.map(|size| size.0),
            label,
        }))
    }
}
