//! A profile filled for one gateway: everything that decides its files, and nothing else. Equal specs
//! give equal manifests, on every node.

use millwright_model::{
    digest::{Digest, GitId},
    id::{Member, Name},
    path::{InvalidPath, ManagedPath},
    resource::{Gateway, Limits, Mapping, MaxDelete, Signatures, SourceKind, Strings, SyncProfile},
    template::{TemplateError, Vars, expand},
};
use serde::{Deserialize, Serialize};

use crate::normalize::{Rule, RuleFault, fill};

/// A mapping with its variables filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderMapping {
    /// Path in the repository; empty for its root.
    pub source: String,
    /// Path below the data directory.
    pub destination: ManagedPath,
    /// A file keeps its name below the destination.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_name: bool,
    /// What the source must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SourceKind>,
    /// Patterns, relative to the source; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns, relative to the source.
    pub exclude: Vec<String>,
    /// Whether an empty source is an error.
    pub required: bool,
    /// Whether contents are templates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
    /// Largest file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// What people call it, such as `mappings[2] of area`.
    #[serde(default)]
    pub label: String,
}

/// Everything that decides a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderSpec {
    /// Which repository.
    pub repository: Name,
    /// Which commit.
    pub commit: GitId,
    /// Which profile it came from.
    pub profile: Name,
    /// In order.
    pub mappings: Vec<RenderMapping>,
    /// Patterns of destinations to leave out.
    pub exclude_patterns: Vec<String>,
    /// Paths that a person has allowed.
    pub allow: Vec<ManagedPath>,
    /// Changes of JSON files, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub normalize: Vec<Rule>,
    /// For signatures that are invalid in git.
    #[serde(default)]
    pub signatures: Signatures,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// Deletions that need no confirmation.
    #[serde(default)]
    pub max_delete: MaxDelete,
    /// Values for contents; absent when no mapping templates its contents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vars: Option<Vars>,
}

impl RenderSpec {
    /// Covers everything that decides a manifest.
    pub fn key(&self) -> SpecKey {
        let without_commit = self.key_without_commit();
        SpecKey { whole: at_commit(without_commit, self.commit), without_commit }
    }

    fn key_without_commit(&self) -> Digest {
        let Self {
            repository,
            commit: _,
            profile,
            mappings,
            exclude_patterns,
            allow,
            normalize,
            signatures,
            limits,
            max_delete,
            vars,
        } = self;
        let all = (
            (repository, profile, mappings, exclude_patterns, allow),
            (normalize, signatures, limits, max_delete, vars),
        );
        Digest::of(&serde_json::to_vec(&all).expect("a spec has text keys only"))
    }
}

/// What a spec is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecKey {
    /// Covers everything.
    pub whole: Digest,
    /// Covers everything but the commit itself.
    pub without_commit: Digest,
}

/// A digest of something, at a commit.
pub(crate) fn at_commit(what: Digest, commit: GitId) -> Digest {
    let mut bytes = what.0.to_vec();
    bytes.extend_from_slice(&commit.0);
    Digest::of(&bytes)
}

/// Why a profile cannot be filled for a gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecFault {
    /// A template in a source, destination or mode.
    #[error("profile {profile}, {field}: {error}")]
    Template {
        /// Whose.
        profile: Name,
        /// Such as `mappings[0].source`.
        field: String,
        /// What.
        error: TemplateError,
    },
    /// A destination breaks a rule.
    #[error("profile {profile}, {field}: {error}")]
    Path {
        /// Whose.
        profile: Name,
        /// Such as `mappings[0].destination`.
        field: String,
        /// What.
        error: InvalidPath,
    },
    /// A source leaves the repository.
    #[error("profile {profile}, {field}: {source_path:?} is no path below the repository's root")]
    Source {
        /// Whose.
        profile: Name,
        /// Such as `mappings[0].source`.
        field: String,
        /// As filled.
        source_path: String,
    },
    /// A rule.
    #[error("profile {profile}, normalize[{rule}]: {fault}")]
    Rule {
        /// Whose.
        profile: Name,
        /// 0-based.
        rule: usize,
        /// What.
        fault: Box<RuleFault>,
    },
    /// An included profile does not exist.
    #[error("profile {profile}, includeFrom: there is no profile {missing}")]
    Include {
        /// Whose.
        profile: Name,
        /// Which.
        missing: Name,
    },
}

/// What a spec is made of.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// For which gateway.
    pub gateway: &'a Gateway,
    /// Its profile.
    pub profile: &'a SyncProfile,
    /// Vars of the fleet.
    pub fleet_vars: &'a Strings,
    /// Which repository.
    pub repository: &'a Name,
    /// Which commit.
    pub commit: GitId,
    /// The ref as followed, such as `branch main`.
    pub reference: &'a str,
    /// Which node of a pair.
    pub member: Member,
}

impl Inputs<'_> {
    /// The values that templates may name: those of the fleet, then of included profiles, of the
    /// profile, of the gateway, the later ones stronger.
    pub fn vars(&self, included: &[&SyncProfile]) -> Vars {
        let mut merged = self.fleet_vars.clone();
        for profile in included.iter().copied().chain([self.profile]) {
            merged.extend(profile.spec.vars.clone());
        }
        merged.extend(self.gateway.spec.vars.clone());
        let (metadata, spec) = (&self.gateway.metadata, &self.gateway.spec);
        Vars::new(metadata.name.as_str(), spec.site.as_str(), &metadata.labels, merged)
            .release(self.reference, self.commit)
            .member(self.member)
    }
}

/// The profiles that a profile includes, in order.
pub fn included<'p>(
    profile: &SyncProfile,
    find: impl Fn(&Name) -> Option<&'p SyncProfile>,
) -> Result<Vec<&'p SyncProfile>, SpecFault> {
    let one = |name: &Name| {
        let missing =
            || SpecFault::Include { profile: profile.metadata.name.clone(), missing: name.clone() };
        find(name).ok_or_else(missing)
    };
    profile.spec.include_from.iter().map(one).collect()
}

/// Fills a profile and those that it includes for one gateway.
pub fn render_spec(
    inputs: &Inputs<'_>,
    included: &[&SyncProfile],
) -> Result<RenderSpec, SpecFault> {
    let vars = inputs.vars(included);
    let labels = &inputs.gateway.metadata.labels;
    let mut spec = RenderSpec {
        repository: inputs.repository.clone(),
        commit: inputs.commit,
        profile: inputs.profile.metadata.name.clone(),
        mappings: Vec::new(),
        exclude_patterns: Vec::new(),
        allow: Vec::new(),
        normalize: Vec::new(),
        signatures: inputs.profile.spec.signatures,
        limits: inputs.profile.spec.limits.clone(),
        max_delete: inputs.profile.spec.max_delete.clone(),
        vars: None,
    };
    let all: Vec<&SyncProfile> = included.iter().copied().chain([inputs.profile]).collect();
    for profile in &all {
        let name = &profile.metadata.name;
        for (at, mapping) in profile.spec.mappings.iter().enumerate() {
            if mapping.when.as_ref().is_none_or(|when| when.matches(labels)) {
                let filler = Filler { profile: name, mapping: Some(at), vars: &vars };
                spec.mappings.push(filler.mapping(mapping)?);
            }
        }
        spec.exclude_patterns.extend(profile.spec.exclude_patterns.iter().cloned());
        spec.allow.extend(profile.spec.allow.iter().cloned());
        for (at, rule) in profile.spec.normalize.iter().enumerate() {
            let fault =
                |fault| SpecFault::Rule { profile: name.clone(), rule: at, fault: Box::new(fault) };
            spec.normalize.push(fill(rule, &vars).map_err(fault)?);
        }
    }
    // The profile's own mode wins over an included one's.
    if let Some((profile, mode)) =
        all.iter().rev().find_map(|p| Some((p, p.spec.deployment_mode.as_ref()?)))
    {
        let name = &profile.metadata.name;
        let filler = Filler { profile: name, mapping: None, vars: &vars };
        let destination = format!("config/resources/{}", filler.text("name", &mode.name)?);
        spec.mappings.push(RenderMapping {
            source: filler.source(&mode.source)?,
            destination: filler.path("name", &destination)?,
            keep_name: false,
            kind: Some(SourceKind::Dir),
            include: Vec::new(),
            exclude: Vec::new(),
            required: true,
            template: false,
            max_size: None,
            label: format!("deploymentMode of {name}"),
        });
    }
    spec.vars = spec.mappings.iter().any(|mapping| mapping.template).then_some(vars);
    Ok(spec)
}

struct Filler<'a> {
    profile: &'a Name,
    /// Which mapping; the deployment mode when absent.
    mapping: Option<usize>,
    vars: &'a Vars,
}

impl Filler<'_> {
    /// Such as `mappings[0]`.
    fn place(&self) -> String {
        self.mapping.map_or_else(|| "deploymentMode".to_owned(), |at| format!("mappings[{at}]"))
    }

    fn text(&self, field: &str, text: &str) -> Result<String, SpecFault> {
        expand(text, self.vars).map(std::borrow::Cow::into_owned).map_err(|error| {
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
    fn source(&self, text: &str) -> Result<String, SpecFault> {
        let filled = self.text("source", text)?;
        let path = filled.trim_end_matches('/');
        let path = path.strip_prefix("./").unwrap_or(path);
        let path = if path == "." { "" } else { path };
        let plain = |segment: &str| !matches!(segment, "" | "." | ".." | ".git");
        if (filled.is_empty() || !path.is_empty()) && !path.split('/').all(plain) {
            return Err(SpecFault::Source {
                profile: self.profile.clone(),
                field: format!("{}.source", self.place()),
                source_path: filled,
            });
        }
        Ok(path.to_owned())
    }

    fn mapping(&self, mapping: &Mapping) -> Result<RenderMapping, SpecFault> {
        let destination = self.text("destination", &mapping.destination)?;
        Ok(RenderMapping {
            source: self.source(&mapping.source)?,
            destination: self.path("destination", &destination)?,
            keep_name: destination.ends_with('/'),
            kind: mapping.kind,
            include: mapping.include.clone(),
            exclude: mapping.exclude.clone(),
            required: mapping.required,
            template: mapping.template,
            max_size: mapping.max_size.map(|size| size.0),
            label: format!("{} of {}", self.place(), self.profile),
        })
    }
}
