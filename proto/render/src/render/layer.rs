//! What the mappings alone give: files of the commit at their destinations, before any rule. Shared
//! by all gateways with the same mappings; no content is read.

use std::{collections::BTreeMap, sync::Arc};

use millwright_model::{
    digest::{Digest, GitId},
    glob::Patterns,
    manifest::Dir,
    path::{ManagedPath, needs_permission, never_touch},
    resource::SourceKind,
};

use super::{FILES_MAX, FileKind, RenderError, Source, SourceFile, WARNINGS_MAX, Warning, node};
use crate::{
    resource_json::{RESOURCE_JSON, ResourceJson},
    spec::{RenderMapping, RenderSpec},
};

/// A file of the commit at its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) id: GitId,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) mode: u32,
    /// Index of the mapping that placed it.
    pub(super) mapping: usize,
    /// Path in the repository.
    pub(super) origin: String,
}

/// The files of all mappings.
#[derive(Debug)]
pub(super) struct Layer {
    /// Covers what it was built from.
    pub(super) key: Digest,
    pub(super) roots: Vec<ManagedPath>,
    pub(super) files: BTreeMap<ManagedPath, Placed>,
    pub(super) tree: Arc<Dir>,
    /// Files whose contents are templates.
    pub(super) templated: Vec<ManagedPath>,
    /// Directories whose files come from different directories of the repository: what their
    /// `resource.json` says may not fit any more.
    pub(super) mixed: Vec<ManagedPath>,
    /// What later mappings replaced.
    pub(super) overlaid: BTreeMap<ManagedPath, Vec<Placed>>,
    pub(super) warnings: Vec<Warning>,
}

impl Placed {
    /// The folder of the repository that it comes from.
    pub(super) fn folder(&self) -> &str {
        self.origin.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl Layer {
    /// What the repository has beside another file under the name of this path; what is placed here
    /// where it has nothing.
    pub(super) fn beside(&self, path: &ManagedPath, other: &Placed) -> Option<&Placed> {
        let placed = self.files.get(path)?;
        let same = |one: &&Placed| one.folder() == other.folder();
        let replaced = self.overlaid.get(path).into_iter().flatten().rev();
        std::iter::once(placed).chain(replaced).find(same).or(Some(placed))
    }

    pub(super) fn build(
        key: Digest,
        spec: &RenderSpec,
        source: &dyn Source,
    ) -> Result<Self, RenderError> {
        let excluded = Patterns::compile(&spec.exclude_patterns)?;
        let (files, left_out, overlaid) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let overlaps = Vec::new();
        let mut building = Building { spec, excluded, files, left_out, overlaid, overlaps };
        for at in 0..spec.mappings.len() {
            building.mapping(at, source)?;
        }
        building.check_left_out(source)?;
        let Building { files, overlaid, overlaps, .. } = building;
        let templated = |placed: &Placed| spec.mappings[placed.mapping].template;
        let nodes = files.iter().map(|(path, file)| (path.clone(), node(file))).collect();
        Ok(Self {
            key,
            roots: spec.mappings.iter().map(|mapping| mapping.destination.clone()).collect(),
            tree: Dir::collect(&nodes)?,
            templated: files
                .iter()
                .filter(|(_, placed)| templated(placed))
                .map(|(path, _)| path.clone())
                .collect(),
            mixed: mixed(&files),
            warnings: warnings(spec, overlaps),
            overlaid,
            files,
        })
    }
}

struct Building<'s> {
    spec: &'s RenderSpec,
    excluded: Patterns,
    files: BTreeMap<ManagedPath, Placed>,
    /// What patterns left out, with its path in the repository.
    left_out: BTreeMap<ManagedPath, String>,
    overlaid: BTreeMap<ManagedPath, Vec<Placed>>,
    /// Path, mapping before, mapping after.
    overlaps: Vec<(ManagedPath, usize, usize)>,
}

impl Building<'_> {
    fn mapping(&mut self, at: usize, source: &dyn Source) -> Result<(), RenderError> {
        let mapping = &self.spec.mappings[at];
        if let Some(rule) = never_touch(&mapping.destination) {
            return Err(RenderError::NeverTouch { path: mapping.destination.clone(), rule });
        }
        let included = Patterns::compile(&mapping.include)?;
        let left_out = Patterns::compile(&mapping.exclude)?;
        let listed = source.list(&mapping.source)?;
        check_kind(mapping, &listed)?;
        let mut count = 0;
        for file in listed.iter() {
            // Editors', forge's and git's own files are part of the repository, not of the gateway.
            if file.relative.split('/').any(|segment| segment.starts_with('.')) {
                continue;
            }
            let out = (!mapping.include.is_empty() && !included.is_match(&file.relative))
                || left_out.is_match(&file.relative);
            let path = match destination(mapping, &file.relative) {
                Ok(path) if out || self.excluded.is_match(path.as_str()) => {
                    self.left_out.insert(path, origin(mapping, &file.relative));
                    continue;
                }
                // What cannot be placed may be left out for that.
                Err(_) if out => continue,
                path => path?,
            };
            self.place(at, file, path)?;
            count += 1;
        }
        if count == 0 && mapping.required {
            let (label, source_path) = (mapping.label.clone(), mapping.source.clone());
            return Err(RenderError::Empty { mapping: label, source_path });
        }
        Ok(())
    }

    /// Refuses patterns that leave a part of a resource out.
    fn check_left_out(&self, source: &dyn Source) -> Result<(), RenderError> {
        let mut listed: Option<(ManagedPath, Vec<String>)> = None;
        for (path, file) in &self.left_out {
            let Some(dir) = path.parent().filter(|_| !self.files.contains_key(path)) else {
                continue;
            };
            let Ok(resource) = dir.join(RESOURCE_JSON) else { continue };
            let Some(placed) = self.files.get(&resource) else { continue };
            let (resource, files) = match listed.take().filter(|(known, _)| *known == resource) {
                Some(known) => known,
                None => (resource, listed_in(&source.read(placed.id)?)),
            };
            if files.iter().any(|name| name == path.file_name()) {
                return Err(RenderError::Needed { file: file.clone(), resource });
            }
            listed = Some((resource, files));
        }
        Ok(())
    }

    fn place(
        &mut self,
        at: usize,
        file: &SourceFile,
        path: ManagedPath,
    ) -> Result<(), RenderError> {
        let mapping = &self.spec.mappings[at];
        let origin = origin(mapping, &file.relative);
        let what = match file.kind {
            FileKind::Plain | FileKind::Executable => None,
            FileKind::Link => Some("a symbolic link"),
            FileKind::Submodule => Some("a submodule"),
            FileKind::LfsPointer => Some("a Git LFS pointer, whose content is not in git"),
        };
        if let Some(what) = what {
            return Err(RenderError::Unmappable { file: origin, what });
        }
        if let Some(max) = mapping.max_size.filter(|max| file.size > *max) {
            let (size, mapping) = (file.size, mapping.label.clone());
            return Err(RenderError::TooLarge { file: origin, size, max, mapping });
        }
        allowed(&path, &self.spec.allow)?;
        let mode = if file.kind == FileKind::Executable { 0o755 } else { 0o644 };
        let placed =
            Placed { id: file.id, digest: file.digest, size: file.size, mode, mapping: at, origin };
        if let Some(before) = self.files.insert(path.clone(), placed) {
            self.overlaps.push((path.clone(), before.mapping, at));
            self.overlaid.entry(path).or_default().push(before);
        }
        if self.files.len() > FILES_MAX as usize {
            return Err(RenderError::TooMany { found: self.files.len() as u64, max: FILES_MAX });
        }
        Ok(())
    }
}

/// The files that a `resource.json` lists; none when it cannot be read, which is said elsewhere.
fn listed_in(bytes: &[u8]) -> Vec<String> {
    let resource = std::str::from_utf8(bytes).ok().and_then(|text| ResourceJson::parse(text).ok());
    resource.iter().flat_map(ResourceJson::files).map(std::borrow::Cow::into_owned).collect()
}

/// Path in the repository of a file of a mapping.
pub(crate) fn origin(mapping: &RenderMapping, relative: &str) -> String {
    match (mapping.source.as_str(), relative) {
        (source, "") => source.to_owned(),
        ("", relative) => relative.to_owned(),
        (source, relative) => format!("{source}/{relative}"),
    }
}

/// Path in the repository and destination of a file of a mapping.
pub(crate) fn mapped_path(
    mapping: &RenderMapping,
    relative: &str,
) -> (String, Result<ManagedPath, RenderError>) {
    (origin(mapping, relative), destination(mapping, relative))
}

/// Destination of a file of a mapping.
fn destination(mapping: &RenderMapping, relative: &str) -> Result<ManagedPath, RenderError> {
    Ok(match relative {
        "" if mapping.keep_name => {
            mapping.destination.join(mapping.source.rsplit('/').next().unwrap_or_default())?
        }
        "" => mapping.destination.clone(),
        relative => mapping.destination.join(relative)?,
    })
}

fn check_kind(mapping: &RenderMapping, listed: &[SourceFile]) -> Result<(), RenderError> {
    let found = match listed {
        [] => return Ok(()),
        [only] if only.relative.is_empty() => SourceKind::File,
        _ => SourceKind::Dir,
    };
    match mapping.kind {
        Some(wanted) if wanted != found => Err(RenderError::Kind {
            mapping: mapping.label.clone(),
            source_path: mapping.source.clone(),
            found: found.as_str(),
            wanted,
        }),
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn allowed(path: &ManagedPath, allow: &[ManagedPath]) -> Result<(), RenderError> {
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

/// Directories with a `resource.json` whose files come from different directories of the repository.
fn mixed(files: &BTreeMap<ManagedPath, Placed>) -> Vec<ManagedPath> {
    let mut origins: BTreeMap<ManagedPath, (String, bool)> = BTreeMap::new();
    for (path, placed) in files {
        let Some(dir) = path.parent() else { continue };
        let from = placed.folder().to_owned();
        let entry = origins.entry(dir).or_insert_with(|| (from.clone(), false));
        entry.1 |= entry.0 != from;
    }
    let mixed = origins.into_iter().filter(|(dir, (_, mixed))| {
        *mixed && dir.join(RESOURCE_JSON).is_ok_and(|r| files.contains_key(&r))
    });
    mixed.map(|(dir, _)| dir).collect()
}

fn warnings(spec: &RenderSpec, overlaps: Vec<(ManagedPath, usize, usize)>) -> Vec<Warning> {
    let label = |at: usize| &spec.mappings[at].label;
    let more = overlaps.len().saturating_sub(WARNINGS_MAX);
    let mut all: Vec<Warning> = overlaps
        .into_iter()
        .take(WARNINGS_MAX)
        .map(|(path, before, after)| {
            Warning(format!("{path}: {} overlays {}", label(after), label(before)))
        })
        .collect();
    if more > 0 {
        all.push(Warning(format!("{more} more files are overlaid")));
    }
    all
}
