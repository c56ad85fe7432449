//! The files that a spec maps: their paths, what they are, what is in them. Unlike a render, which
//! stops at the first mistake, this goes on and looks at everything.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millwright_model::{
    digest::GitId,
    glob::Patterns,
    path::{ManagedPath, needs_permission, never_touch},
    template::expand_bytes,
};

use super::{Report, Rule, collide::collisions, gateways::template_rule};
use crate::{
    json_edit::{Document, EditFault},
    normalize::{NormalizeFault, Programs, Rules},
    render::{FILES_MAX, FileKind, Source, SourceFile, mapped_path},
    resource_json::{RESOURCE_JSON, ResourceFault, ResourceJson, needs_uuid},
    signature::{Payload, Verdict, verify},
    spec::{RenderMapping, RenderSpec},
};

/// A file at its destination.
struct Placed {
    origin: String,
    id: GitId,
    size: u64,
    mapping: usize,
}

type Tree = BTreeMap<ManagedPath, Placed>;

/// Looks at the files of one spec after the other; at each file's content once.
pub(super) struct Files<'s> {
    source: &'s dyn Source,
    programs: Programs,
    /// Paths of the repository that were looked at.
    seen: BTreeSet<String>,
    /// Resources, by destination and origin of their directory, that were looked at.
    resources: BTreeSet<(ManagedPath, String)>,
    specs: BTreeSet<Vec<u8>>,
}

impl<'s> Files<'s> {
    pub(super) fn new(source: &'s dyn Source) -> Self {
        Self {
            source,
            programs: Programs::default(),
            seen: BTreeSet::new(),
            resources: BTreeSet::new(),
            specs: BTreeSet::new(),
        }
    }

    /// Counts.
    pub(super) fn finish(self, report: &mut Report) {
        report.files = self.seen.len();
    }

    /// One spec; `of` is the file of its profile.
    pub(super) fn lint(&mut self, spec: &RenderSpec, of: &str, report: &mut Report) {
        let key = serde_json::to_vec(spec).expect("a spec has text keys only");
        if !self.specs.insert(key) {
            return;
        }
        let mut tree = Tree::new();
        for at in 0..spec.mappings.len() {
            self.mapping(spec, at, of, &mut tree, report);
        }
        let places = tree.iter().map(|(path, placed)| (path, placed.origin.as_str()));
        collisions(places, report);
        limits(spec, of, &tree, report);
        for (path, placed) in &tree {
            if self.seen.insert(placed.origin.clone()) {
                self.json(path, placed, report);
            }
        }
        self.resource_jsons(&tree, report);
        self.rules(spec, of, &tree, report);
    }

    fn mapping(
        &mut self,
        spec: &RenderSpec,
        at: usize,
        of: &str,
        tree: &mut Tree,
        report: &mut Report,
    ) {
        let mapping = &spec.mappings[at];
        if let Some(rule) = never_touch(&mapping.destination) {
            let message =
                format!("{}: {} is never touched: {rule}", mapping.label, mapping.destination);
            report.add(Rule::NeverTouch, of, None, message);
            return;
        }
        let listed = match self.source.list(&mapping.source) {
            Ok(listed) => listed,
            Err(error) => return report.add(Rule::Source, &mapping.source, None, error),
        };
        let filter =
            [&mapping.include[..], &mapping.exclude, &spec.exclude_patterns].map(Patterns::compile);
        let [Ok(include), Ok(exclude), Ok(left_out)] = filter else { return };
        let mut count = 0;
        for file in listed.iter() {
            let dotted = file.relative.split('/').any(|segment| segment.starts_with('.'));
            let taken = mapping.include.is_empty() || include.is_match(&file.relative);
            if dotted || !taken || exclude.is_match(&file.relative) {
                continue;
            }
            let (origin, path) = mapped_path(mapping, &file.relative);
            let path = match path {
                Ok(path) if left_out.is_match(path.as_str()) => continue,
                Ok(path) => path,
                Err(error) => {
                    report.add(Rule::Name, &origin, None, error);
                    continue;
                }
            };
            count += 1;
            place(spec, at, file, (origin, path), tree, report);
        }
        source_rule(mapping, &listed, count, of, report);
    }

    fn read(&self, placed: &Placed, report: &mut Report) -> Option<Arc<[u8]>> {
        match self.source.read(placed.id) {
            Ok(content) => Some(content),
            Err(error) => {
                report.add(Rule::Source, &placed.origin, None, error);
                None
            }
        }
    }

    fn json(&self, path: &ManagedPath, placed: &Placed, report: &mut Report) {
        if !is_json(path) {
            return;
        }
        let Some(content) = self.read(placed, report) else { return };
        match std::str::from_utf8(&content).map(Document::parse) {
            Ok(Ok(_)) => {}
            Ok(Err(_)) if !looked_at(path, &content) => {}
            Ok(Err(fault)) => {
                let place = Some((fault.position.line, fault.position.column));
                report.add(Rule::Json, &placed.origin, place, fault.message);
            }
            Err(_) => report.add(Rule::Json, &placed.origin, None, "no UTF-8 text"),
        }
    }

    fn resource_jsons(&mut self, tree: &Tree, report: &mut Report) {
        let all = tree.iter().filter(|(path, _)| path.file_name() == RESOURCE_JSON);
        for (path, placed) in all {
            let Some(dir) = path.parent() else { continue };
            if !self.resources.insert((dir.clone(), placed.origin.clone())) {
                continue;
            }
            let Some(content) = self.read(placed, report) else { continue };
            let Ok(text) = std::str::from_utf8(&content) else { continue };
            let resource = match ResourceJson::parse(text) {
                Ok(resource) => resource,
                // Reported as JSON.
                Err(ResourceFault::Json(_)) => continue,
                Err(fault) => {
                    report.add(Rule::ResourceJson, &placed.origin, None, fault);
                    continue;
                }
            };
            if needs_uuid(path) && resource.uuid().is_none() {
                let message = "attributes.uuid is missing: the gateway does not load the resource";
                report.add(Rule::Uuid, &placed.origin, None, message);
            }
            self.payload(&resource, &dir, placed, tree, report);
        }
    }

    /// What a `resource.json` says about its files.
    fn payload(
        &self,
        resource: &ResourceJson<'_>,
        dir: &ManagedPath,
        placed: &Placed,
        tree: &Tree,
        report: &mut Report,
    ) {
        let beside: BTreeMap<&str, &Placed> = tree
            .range(dir.clone()..)
            .take_while(|(path, _)| path.as_str().starts_with(dir.as_str()))
            .filter(|(path, _)| path.parent().as_ref() == Some(dir))
            .filter(|(path, _)| path.file_name() != RESOURCE_JSON)
            .map(|(path, placed)| (path.file_name(), placed))
            .collect();
        let check = resource.check_files(beside.keys().copied());
        for name in &check.missing {
            let message = format!("it lists {name:?}, which is not there: it is not loaded");
            report.add(Rule::MissingFile, &placed.origin, None, message);
        }
        for name in &check.unlisted {
            let message = "resource.json does not list it: the gateway ignores it";
            report.add(Rule::UnlistedFile, &beside[name.as_str()].origin, None, message);
        }
        let payload = |name: &str| {
            let content = self.source.read(beside.get(name)?.id).ok()?;
            Some(Cow::Owned(content.to_vec()))
        };
        let stale = |payload: &Payload<'_>| verify(resource, payload) == Verdict::Stale;
        // One file from another mapping makes a good signature no bad one: rendering signs it anew.
        let own = self.beside(placed, &beside);
        let own = |name: &str| {
            let id = own.get(name).copied().or_else(|| Some(beside.get(name)?.id))?;
            Some(Cow::Owned(self.source.read(id).ok()?.to_vec()))
        };
        if stale(&payload) && stale(&own) {
            let message =
                "the signature fits neither form: the gateway stamps it again, or skips it";
            report.add(Rule::Signature, &placed.origin, None, message);
        }
    }

    /// What the repository has beside a file, if not all of it is beside it on the gateway.
    fn beside(&self, placed: &Placed, there: &BTreeMap<&str, &Placed>) -> BTreeMap<String, GitId> {
        let folder =
            |origin: &str| origin.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
        let own = folder(&placed.origin);
        if there.values().all(|other| folder(&other.origin) == own) {
            return BTreeMap::new();
        }
        let Ok(listed) = self.source.list(&own) else { return BTreeMap::new() };
        let right_in = listed.iter().filter(|file| !file.relative.contains('/'));
        right_in.map(|file| (file.relative.clone(), file.id)).collect()
    }

    fn rules(&mut self, spec: &RenderSpec, of: &str, tree: &Tree, report: &mut Report) {
        let rules = match Rules::compile(&spec.normalize, &mut self.programs) {
            Ok(rules) => rules,
            Err((rule, fault)) => {
                let message = format!("normalize[{rule}]: {fault}");
                return report.add(Rule::Normalize, of, None, message);
            }
        };
        for (path, placed) in tree {
            let template = spec.mappings[placed.mapping].template;
            if !template && !rules.concern(path.as_str()) {
                continue;
            }
            let Some(content) = self.read(placed, report) else { continue };
            let vars = spec.vars.as_ref().filter(|_| template);
            let expanded = match vars.map(|vars| expand_bytes(&content, vars)) {
                None => Cow::Borrowed(content.as_ref()),
                Some(Ok(expanded)) => expanded,
                Some(Err(error)) => {
                    let place = Some((error.position.line, error.position.column));
                    report.add(template_rule(&error), &placed.origin, place, error);
                    continue;
                }
            };
            match rules.apply(path.as_str(), &expanded) {
                Ok(_) => {}
                // Reported as JSON.
                Err((_, NormalizeFault::Edit(EditFault::Json(_)))) if looked_at(path, &content) => {
                }
                Err((rule, fault)) => {
                    let message = format!("normalize[{rule}]: {fault}");
                    report.add(Rule::Normalize, &placed.origin, None, message);
                }
            }
        }
    }
}

fn is_json(path: &ManagedPath) -> bool {
    std::path::Path::new(path.as_str()).extension().is_some_and(|extension| extension == "json")
}

/// Whether a file has to be JSON as it is. A templated one is JSON only after its templates.
fn looked_at(path: &ManagedPath, content: &[u8]) -> bool {
    is_json(path) && !content.windows(2).any(|pair| pair == b"{{")
}

fn source_rule(
    mapping: &RenderMapping,
    listed: &[SourceFile],
    count: usize,
    of: &str,
    report: &mut Report,
) {
    let (label, source) = (&mapping.label, &mapping.source);
    if count == 0 && mapping.required {
        let message = format!("{label}: source {source:?} has no file");
        report.add(Rule::Source, of, None, message);
    }
    let is_file = matches!(listed, [only] if only.relative.is_empty());
    let wants_file = mapping.kind.map(|kind| kind == millwright_model::resource::SourceKind::File);
    if wants_file.is_some_and(|wants| wants != is_file) && !listed.is_empty() {
        let found = if is_file { "a file" } else { "a directory" };
        let message = format!("{label}: source {source:?} is {found}");
        report.add(Rule::Source, of, None, message);
    }
}

fn place(
    spec: &RenderSpec,
    at: usize,
    file: &SourceFile,
    (origin, path): (String, ManagedPath),
    tree: &mut Tree,
    report: &mut Report,
) {
    let mapping = &spec.mappings[at];
    if path.as_str().split('/').any(|name| name.starts_with('-')) {
        let message = format!("{path}: no name of Ignition begins with a hyphen");
        report.add(Rule::Name, &origin, None, message);
    }
    let what = match file.kind {
        FileKind::Plain | FileKind::Executable => None,
        FileKind::Link => Some("a symbolic link cannot be mapped"),
        FileKind::Submodule => Some("a submodule cannot be mapped"),
        FileKind::LfsPointer => Some("a Git LFS pointer: its content is not in git"),
    };
    if let Some(what) = what {
        return report.add(Rule::Unmappable, &origin, None, what);
    }
    if let Some(rule) = never_touch(&path) {
        return report.add(
            Rule::NeverTouch,
            &origin,
            None,
            format!("{path} is never touched: {rule}"),
        );
    }
    if let Some(rule) = needs_permission(&path)
        && !spec.allow.iter().any(|allowed| path.starts_with_dir(allowed))
    {
        let message = format!("{path} is refused unless spec.allow lists it: {rule}");
        report.add(Rule::NotAllowed, &origin, None, message);
    }
    if let Some(max) = mapping.max_size.filter(|max| file.size > *max) {
        let message = format!("{} bytes, more than maxSize {max} of {}", file.size, mapping.label);
        report.add(Rule::Oversize, &origin, None, message);
    }
    let placed = Placed { origin, id: file.id, size: file.size, mapping: at };
    if let Some(before) = tree.insert(path.clone(), placed)
        && before.mapping != at
    {
        let message = format!(
            "{path}: {} overlays {} of {}",
            mapping.label, before.origin, spec.mappings[before.mapping].label
        );
        report.add(Rule::Overlap, &tree[&path].origin, None, message);
    }
}

fn limits(spec: &RenderSpec, of: &str, tree: &Tree, report: &mut Report) {
    let max = spec.limits.max_files.unwrap_or(FILES_MAX).min(FILES_MAX);
    if tree.len() > max as usize {
        let message = format!("{} files, more than limits.maxFiles {max}", tree.len());
        report.add(Rule::Oversize, of, None, message);
    }
    let bytes: u64 = tree.values().map(|placed| placed.size).sum();
    if let Some(max) = spec.limits.max_total_size.filter(|max| bytes > max.0) {
        let message = format!("{bytes} bytes in all, more than limits.maxTotalSize {max}");
        report.add(Rule::Oversize, of, None, message);
    }
}
