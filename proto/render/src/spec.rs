//! A profile filled for one gateway: everything that decides its files, and nothing else. Equal specs
//! give equal manifests, on every node.

mod key;
mod parsed;

use std::sync::Arc;

use millwright_model::{
    digest::GitId,
    id::{Member, Name},
    path::{InvalidPath, ManagedPath},
    resource::{Gateway, Limits, MaxDelete, Signatures, SourceKind, Strings, SyncProfile},
    template::{Release, TemplateError, Vars},
};
use serde::{Deserialize, Serialize};

pub(crate) use self::key::at_commit;
pub use self::{key::SpecKey, parsed::ParsedProfile};
use crate::normalize::{Rule, RuleFault};

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
    /// In order; each shared by the gateways for which it is the same.
    pub mappings: Vec<Arc<RenderMapping>>,
    /// Patterns of destinations to leave out.
    pub exclude_patterns: Arc<[String]>,
    /// Paths that a person has allowed.
    pub allow: Arc<[ManagedPath]>,
    /// Changes of JSON files, in order; shared as the mappings are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub normalize: Vec<Arc<Rule>>,
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
    /// Its profile, with those that it includes.
    pub profile: &'a ParsedProfile<'a>,
    /// Vars of the fleet.
    pub fleet_vars: &'a Strings,
    /// Which repository.
    pub repository: &'a Name,
    /// Which commit, by which ref.
    pub release: &'a Release,
    /// Which node of a pair.
    pub member: Member,
}

impl Inputs<'_> {
    /// The values that templates may name: those of the fleet, then of included profiles, of the
    /// profile, of the gateway, the later ones stronger.
    pub fn vars(&self) -> Vars {
        let (metadata, spec) = (&self.gateway.metadata, &self.gateway.spec);
        let all = [self.profile.vars(), &spec.vars];
        let mut merged = self.fleet_vars.clone();
        merged.extend(all.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        Vars::new(metadata.name.shared(), spec.site.shared(), &metadata.labels, merged)
            .release(self.release)
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

/// Fills a profile for one gateway.
pub fn render_spec(inputs: &Inputs<'_>) -> Result<RenderSpec, SpecFault> {
    inputs.profile.fill(inputs)
}
