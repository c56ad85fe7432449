//! `render(tree, spec) -> Manifest`: which files of a commit go where. Pure and deterministic, so
//! every node computes the same digest. Contents are not touched here.

use std::{collections::BTreeMap, sync::Arc};

use millwright_model::{
    digest::{Digest, GitId},
    glob::Patterns,
    id::Name,
    manifest::{FileEntry, InvalidManifest, Manifest},
    path::{InvalidPath, ManagedPath, needs_permission, never_touch},
    resource::{Gateway, SyncProfile},
    template::{TemplateError, Vars, expand},
};
use serde::{Deserialize, Serialize};

/// Files in one manifest.
const FILES_MAX: usize = 100_000;

/// A mapping with its variables filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderMapping {
    /// Path in the repository.
    pub source: String,
    /// Path below the data directory.
    pub destination: ManagedPath,
    /// Patterns, relative to the source.
    pub exclude: Vec<String>,
    /// Whether an empty source is an error.
    pub required: bool,
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
}

/// One file of a commit below some source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Path relative to the source; empty when the source is the file itself.
    pub relative: String,
    /// BLAKE3 of its content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Whether git marks it executable.
    pub executable: bool,
}

/// A commit's files; given by the shell.
pub trait TreeSource {
    /// Files below a path, sorted; empty when there is nothing.
    fn list(&self, source: &str) -> Result<Arc<[TreeFile]>, RenderError>;
}

/// Why a gateway's files cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A template in a source or destination.
    #[error("mapping {mapping}: {error}")]
    Template {
        /// 1-based.
        mapping: usize,
        /// What.
        error: TemplateError,
    },
    /// A path breaks a rule.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// A path that is never touched.
    #[error("{path} is never touched: {rule}")]
    NeverTouch {
        /// Which.
        path: ManagedPath,
        /// Why.
        rule: &'static str,
    },
    /// A path that a person must allow.
    #[error("{path} is refused unless spec.allow of the profile lists it: {rule}")]
    NotAllowed {
        /// Which.
        path: ManagedPath,
        /// Why.
        rule: &'static str,
    },
    /// A required source has no file.
    #[error("source {0:?} has no file at this commit")]
    Empty(String),
    /// The files contradict each other.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    /// A pattern cannot be read.
    #[error(transparent)]
    Pattern(#[from] millwright_model::glob::InvalidPattern),
    /// Too many files.
    #[error("more than {FILES_MAX} files")]
    TooMany,
    /// The content itself cannot be had or is refused.
    #[error("{0}")]
    Content(String),
}

/// Fills a profile's templates for one gateway.
pub fn render_spec(
    gateway: &Gateway,
    profile: &SyncProfile,
    repository: &Name,
    commit: GitId,
) -> Result<RenderSpec, RenderError> {
    let mut merged = profile.spec.vars.clone();
    merged.extend(gateway.spec.vars.clone());
    let name = gateway.metadata.name.as_str();
    let vars = Vars::new(name, gateway.spec.site.as_str(), &gateway.metadata.labels, &merged);
    let mut mappings = Vec::with_capacity(profile.spec.mappings.len());
    for (at, mapping) in profile.spec.mappings.iter().enumerate() {
        let fill = |text: &str| {
            expand(text, &vars).map(std::borrow::Cow::into_owned).map_err(|error| RenderError::Template { mapping: at + 1, error })
        };
        let source = fill(&mapping.source)?.trim_end_matches('/').to_owned();
        mappings.push(RenderMapping {
            source: if source == "." { String::new() } else { source },
            destination: ManagedPath::parse(fill(&mapping.destination)?.trim_end_matches('/'))?,
            exclude: mapping.exclude.clone(),
            required: mapping.required,
        });
    }
    Ok(RenderSpec {
        repository: repository.clone(),
        commit,
        profile: profile.metadata.name.clone(),
        mappings,
        exclude_patterns: profile.spec.exclude_patterns.clone(),
        allow: profile.spec.allow.clone(),
    })
}

/// The files that a gateway shall have.
pub fn render(tree: &dyn TreeSource, spec: &RenderSpec) -> Result<Manifest, RenderError> {
    let excluded = Patterns::compile(&spec.exclude_patterns)?;
    let mut files: BTreeMap<ManagedPath, FileEntry> = BTreeMap::new();
    let mut roots = Vec::new();
    for mapping in &spec.mappings {
        if let Some(rule) = never_touch(&mapping.destination) {
            return Err(RenderError::NeverTouch { path: mapping.destination.clone(), rule });
        }
        let left_out = Patterns::compile(&mapping.exclude)?;
        let listed = tree.list(&mapping.source)?;
        let mut count = 0;
        for file in listed.iter() {
            // Editors', forge's and git's own files are part of the repository, not of the gateway.
            if file.relative.split('/').any(|segment| segment.starts_with('.'))
                || left_out.is_match(&file.relative)
            {
                continue;
            }
            let path = match file.relative.as_str() {
                "" => mapping.destination.clone(),
                relative => mapping.destination.join(relative)?,
            };
            if excluded.is_match(path.as_str()) {
                continue;
            }
            check(&path, &spec.allow)?;
            count += 1;
            let mode = if file.executable { 0o755 } else { 0o644 };
            let entry =
                FileEntry { path: path.clone(), digest: file.digest, size: file.size, mode };
            files.insert(path, entry);
        }
        if count == 0 && mapping.required {
            return Err(RenderError::Empty(mapping.source.clone()));
        }
        if files.len() > FILES_MAX {
            return Err(RenderError::TooMany);
        }
        roots.push(mapping.destination.clone());
    }
    Ok(Manifest::new(roots, files.into_values().collect())?)
}

fn check(path: &ManagedPath, allow: &[ManagedPath]) -> Result<(), RenderError> {
    if let Some(rule) = never_touch(path) {
        return Err(RenderError::NeverTouch { path: path.clone(), rule });
    }
    match needs_permission(path) {
        Some(rule) if !allow.iter().any(|allowed| path.starts_with_dir(allowed)) => {
            Err(RenderError::NotAllowed { path: path.clone(), rule })
        }
        Some(_) | None => Ok(()),
    }
}
