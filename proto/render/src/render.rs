//! `render(commit, spec) -> Manifest`: which files of a commit go where, with which bytes. The same
//! on every node; contents are read through [`Source`] and only where a rule needs them.
//!
//! ```text
//!  spec ──mappings──▶ Layer (shared by all gateways with the same mappings)
//!         rules, templates, stamps ──▶ changed files ──▶ Dir::apply ──▶ Manifest
//! ```
//!
//! The [`Engine`] keeps what gateways and commits share: layers, compiled rules, made files. It may be
//! dropped at any time and made anew.

mod again;
mod layer;
mod made;
mod origin;
mod stamp;

use std::{collections::BTreeMap, sync::Arc};

use millwright_model::{
    digest::{Digest, GitId},
    manifest::{Change, FileNode, InvalidManifest, Manifest},
    path::{InvalidPath, ManagedPath},
    resource::{MaxDelete, SourceKind},
};

pub use self::made::{Files, Made};
use self::{
    layer::{Layer, Placed},
    made::Making,
    stamp::Stamped,
};
pub(crate) use self::{
    layer::{allowed, mapped_path},
    origin::{Candidate, Origin},
};
use crate::{
    normalize::{NormalizeFault, Programs, RuleFault},
    resource_json::ResourceFault,
    signature::{Form, Verdict},
    spec::{RenderSpec, at_commit},
};

/// Files in one manifest.
pub const FILES_MAX: u32 = 100_000;
/// Warnings kept; more are counted.
const WARNINGS_MAX: usize = 100;

/// What git says a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A plain file.
    Plain,
    /// An executable file.
    Executable,
    /// A symbolic link.
    Link,
    /// A submodule.
    Submodule,
    /// A pointer to content that Git LFS keeps elsewhere.
    LfsPointer,
}

/// One file of a commit below some source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the source; empty when the source is the file itself.
    pub relative: String,
    /// Its object in git.
    pub id: GitId,
    /// What it is.
    pub kind: FileKind,
    /// BLAKE3 of its content; of nothing for a link or submodule.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// A commit's files; given by the shell.
pub trait Source {
    /// Files below a path, sorted by path; empty when there is nothing.
    fn list(&self, source: &str) -> Result<Arc<[SourceFile]>, RenderError>;
    /// The content of a blob.
    fn read(&self, id: GitId) -> Result<Arc<[u8]>, RenderError>;
    /// When the newest commit was authored that changed this path of the repository, in seconds
    /// since 1970. Decided by the history alone, so that every node says the same.
    fn changed_at(&self, path: &str) -> Result<i64, RenderError>;
}

/// Something that a person should look at; the result stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub String);

/// Why a gateway's files cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A profile cannot be filled.
    #[error(transparent)]
    Spec(#[from] Box<crate::spec::SpecFault>),
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
    #[error("{mapping}: source {source_path:?} has no file at this commit")]
    Empty {
        /// Which mapping.
        mapping: String,
        /// Its source.
        source_path: String,
    },
    /// The source is something else than the mapping says.
    #[error("{mapping}: source {source_path:?} is {found}, not {}", wanted.as_str())]
    Kind {
        /// Which mapping.
        mapping: String,
        /// Its source.
        source_path: String,
        /// What it is.
        found: &'static str,
        /// What the mapping says.
        wanted: SourceKind,
    },
    /// A file of a kind that cannot be mapped.
    #[error("{file} is {what}: refused; exclude it, or put its content into git")]
    Unmappable {
        /// Path in the repository.
        file: String,
        /// What it is.
        what: &'static str,
    },
    /// A pattern leaves out a file that its resource needs: the gateway drops a resource whose
    /// `resource.json` lists a file that is not there.
    #[error(
        "{file} is left out by a pattern, but {resource} lists it and would not be loaded without \
         it: let the file pass, or leave the whole resource out"
    )]
    Needed {
        /// Path in the repository.
        file: String,
        /// Path on the gateway.
        resource: ManagedPath,
    },
    /// A file is too large.
    #[error("{file} has {size} bytes, more than maxSize {max} of {mapping}")]
    TooLarge {
        /// Path in the repository.
        file: String,
        /// Its size.
        size: u64,
        /// The bound.
        max: u64,
        /// Whose.
        mapping: String,
    },
    /// The files contradict each other.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    /// A pattern cannot be read.
    #[error(transparent)]
    Pattern(#[from] millwright_model::glob::InvalidPattern),
    /// A rule cannot be compiled.
    #[error("normalize[{rule}]: {fault}")]
    Rule {
        /// 0-based, among all rules of the spec.
        rule: usize,
        /// What.
        fault: Box<RuleFault>,
    },
    /// A file cannot be changed.
    #[error("{path}: normalize[{rule}]: {fault}")]
    Normalize {
        /// Which.
        path: ManagedPath,
        /// 0-based, among all rules of the spec.
        rule: usize,
        /// What.
        fault: Box<NormalizeFault>,
    },
    /// A file cannot be expanded.
    #[error("{file}: {error}")]
    Template {
        /// Path in the repository.
        file: String,
        /// What.
        error: Box<millwright_model::template::TemplateError>,
    },
    /// A `resource.json` cannot be stamped.
    #[error("{path}: {fault}")]
    Resource {
        /// Which.
        path: ManagedPath,
        /// What.
        fault: Box<ResourceFault>,
    },
    /// More files than the profile's limit.
    #[error("{found} files, more than limits.maxFiles {max}")]
    TooMany {
        /// How many.
        found: u64,
        /// The bound.
        max: u32,
    },
    /// More bytes than the profile's limit.
    #[error("{found} bytes in all, more than limits.maxTotalSize {max}")]
    TooMuch {
        /// How many.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// The content itself cannot be had.
    #[error("{0}")]
    Content(String),
}

impl From<crate::spec::SpecFault> for RenderError {
    fn from(fault: crate::spec::SpecFault) -> Self {
        Box::new(fault).into()
    }
}

/// A gateway's files.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Which files.
    pub manifest: Manifest,
    /// The files that are not the bytes of git.
    pub made: Arc<Files>,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
}

/// Layers kept: a few mappings of a few commits.
const LAYERS_MAX: usize = 16;
/// Made files kept by what they were made of.
const MADE_MAX: usize = 65_536;

/// What renders share.
#[derive(Debug, Default)]
pub struct Engine {
    again: again::Again,
    layers: Vec<Arc<Layer>>,
    programs: Programs,
    kept: made::Kept,
    verdicts: BTreeMap<Digest, Verdict>,
    /// By layer and mapping.
    forms: BTreeMap<(Digest, usize), Form>,
}

fn key_of(what: &impl serde::Serialize) -> Digest {
    Digest::of(&serde_json::to_vec(what).expect("a spec has text keys only"))
}

impl Engine {
    /// The files that a gateway shall have.
    pub fn render(
        &mut self,
        spec: &RenderSpec,
        source: &dyn Source,
    ) -> Result<Rendered, RenderError> {
        let layer = self.layer(spec, source)?;
        let key = spec.key().without_commit;
        if let Some(rendered) = self.again(spec, key, source, &layer)? {
            return Ok(rendered);
        }
        let mut making = Making::new(spec, source, &layer, self)?;
        let files = making.files()?;
        let Stamped { made, changed, warnings, leans } = making.stamped(files)?;
        let patterns = making.patterns_key;
        let changes: Vec<Change> =
            made.iter().map(|(path, made)| (path.clone(), Some(made.node))).collect();
        let manifest = Manifest::from_tree(layer.roots.clone(), layer.tree.apply(&changes)?);
        check_limits(spec, &manifest)?;
        let made = Arc::new(made);
        let last = again::Last {
            mappings: mappings_key(spec),
            layer: layer.key,
            patterns,
            made: Arc::clone(&made),
            changed: changed.into(),
            leans,
            warnings: warnings.clone().into(),
            manifest: manifest.clone(),
        };
        self.again.keep(key, last);
        let warnings = layer.warnings.iter().cloned().chain(warnings).collect();
        Ok(Rendered { manifest, made, warnings })
    }

    /// The exact content at a path of a rendered manifest: `None` when the manifest has no such file.
    pub fn content(
        &mut self,
        spec: &RenderSpec,
        source: &dyn Source,
        path: &ManagedPath,
    ) -> Result<Option<Arc<[u8]>>, RenderError> {
        let rendered = self.render(spec, source)?;
        let Some(entry) = rendered.manifest.get(path) else { return Ok(None) };
        if let Some(made) = rendered.made.get(path) {
            debug_assert_eq!(made.node.digest, entry.digest);
            return Ok(Some(Arc::clone(&made.content)));
        }
        let layer = self.layer(spec, source)?;
        layer.files.get(path).map(|placed| source.read(placed.id)).transpose()
    }

    fn layer(&mut self, spec: &RenderSpec, source: &dyn Source) -> Result<Arc<Layer>, RenderError> {
        let key = at_commit(mappings_key(spec), spec.commit);
        if let Some(known) = known_layer(&mut self.layers, key) {
            return Ok(Arc::clone(known));
        }
        let layer = Arc::new(Layer::build(key, spec, source)?);
        if self.layers.len() >= LAYERS_MAX {
            self.layers.remove(0);
        }
        self.layers.push(Arc::clone(&layer));
        Ok(layer)
    }
}

/// A layer that is kept. The one that was used last stands last.
fn known_layer(layers: &mut [Arc<Layer>], key: Digest) -> Option<&Arc<Layer>> {
    let at = layers.iter().rposition(|layer| layer.key == key)?;
    layers[at..].rotate_left(1);
    layers.last()
}

/// Covers what decides a layer, but for the commit.
fn mappings_key(spec: &RenderSpec) -> Digest {
    let RenderSpec { repository, mappings, exclude_patterns, allow, .. } = spec;
    key_of(&(repository, mappings, exclude_patterns, allow))
}

fn check_limits(spec: &RenderSpec, manifest: &Manifest) -> Result<(), RenderError> {
    let max = spec.limits.max_files.unwrap_or(FILES_MAX).min(FILES_MAX);
    let found = manifest.count();
    if found > u64::from(max) {
        return Err(RenderError::TooMany { found, max });
    }
    match spec.limits.max_total_size {
        Some(max) if manifest.total_bytes() > max.0 => {
            Err(RenderError::TooMuch { found: manifest.total_bytes(), max: max.0 })
        }
        Some(_) | None => Ok(()),
    }
}

/// Deletions that a person must confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// Files that would go.
    pub deleted: u64,
    /// Files that are there.
    pub of: u64,
}

impl std::fmt::Display for Excess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = self.deleted * 100 / self.of.max(1);
        write!(f, "{} of {} files ({percent} %) would be deleted", self.deleted, self.of)
    }
}

/// Whether going from one manifest to another deletes more than a profile lets pass unasked: more
/// than both its bounds.
pub fn excess(policy: &MaxDelete, has: &Manifest, shall: &Manifest) -> Option<Excess> {
    let differences = shall.tree().diff(has.tree());
    let deleted = differences.iter().filter(|(_, new, _)| new.is_none()).count() as u64;
    let of = has.count();
    let many = deleted > u64::from(policy.files);
    (many && deleted * 100 > of * u64::from(policy.percent)).then_some(Excess { deleted, of })
}

fn node(file: &Placed) -> FileNode {
    FileNode { digest: file.digest, size: file.size, mode: file.mode }
}

#[cfg(test)]
pub(crate) mod tests;
