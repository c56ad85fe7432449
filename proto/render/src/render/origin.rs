//! Which file of the repository a path of the gateway comes from, and what rendering makes of it.

use std::sync::Arc;

use millwright_model::{glob::Patterns, path::ManagedPath, resource::SourceKind};

use super::{Engine, Layer, RenderError, Source};
use crate::{
    normalize::Rules,
    spec::{RenderMapping, RenderSpec},
};

/// Where a path comes from.
pub(crate) enum Origin {
    /// This file of the commit.
    File(Known),
    /// None so far; these paths of the repository would give it.
    New(Vec<Candidate>),
}

/// Where a new file could be.
pub(crate) struct Candidate {
    /// Path in the repository.
    pub(crate) origin: String,
    /// Which mapping would place it.
    pub(crate) mapping: Arc<RenderMapping>,
}

/// A file and its states.
pub(crate) struct Known {
    /// Path in the repository.
    pub(crate) origin: String,
    /// Other destinations of the same file.
    pub(crate) others: Vec<ManagedPath>,
    /// Files of the repository that it lies over.
    pub(crate) beneath: Vec<String>,
    /// In git.
    pub(crate) git: Arc<[u8]>,
    /// Whether it is a template.
    pub(crate) template: bool,
    /// With templates filled in.
    pub(crate) expanded: Vec<u8>,
    /// As the gateway should have it.
    pub(crate) rendered: Arc<[u8]>,
}

impl Engine {
    /// Where a path comes from.
    pub(crate) fn origin(
        &mut self,
        spec: &RenderSpec,
        source: &dyn Source,
        path: &ManagedPath,
    ) -> Result<Origin, RenderError> {
        let layer = self.layer(spec, source)?;
        let Some(placed) = layer.files.get(path) else {
            return Ok(Origin::New(candidates(spec, source, path)?));
        };
        let rendered = self.content(spec, source, path)?;
        let rendered = rendered.ok_or_else(|| {
            RenderError::Content(format!("{path} is in the layer, but not in the manifest"))
        })?;
        let git = self.kept.blob(source, placed.id)?;
        let template = spec.mappings[placed.mapping].template;
        let expanded = crate::unrender::expanded(&git, spec, template, &placed.origin)?;
        Ok(Origin::File(Known {
            origin: placed.origin.clone(),
            others: others(&layer, path, &placed.origin),
            beneath: beneath(&layer, path),
            expanded: expanded.into_owned(),
            template,
            rendered,
            git,
        }))
    }

    /// What the rules make of a content.
    pub(crate) fn apply_rules(
        &mut self,
        spec: &RenderSpec,
        path: &ManagedPath,
        content: &[u8],
    ) -> Result<Option<Vec<u8>>, RenderError> {
        let rules = Rules::compile(&spec.normalize, &mut self.programs)
            .map_err(|(rule, fault)| RenderError::Rule { rule, fault: Box::new(fault) })?;
        let fault = |(rule, fault)| {
            let fault = Box::new(fault);
            RenderError::Normalize { path: path.clone(), rule, fault }
        };
        rules.apply(path.as_str(), content).map_err(fault)
    }
}

fn others(layer: &Layer, path: &ManagedPath, origin: &str) -> Vec<ManagedPath> {
    let same = layer.files.iter().filter(|(p, placed)| placed.origin == origin && *p != path);
    same.map(|(path, _)| path.clone()).collect()
}

fn beneath(layer: &Layer, path: &ManagedPath) -> Vec<String> {
    let replaced = layer.overlaid.get(path).into_iter().flatten();
    replaced.map(|placed| placed.origin.clone()).collect()
}

/// Paths of the repository that would be placed at a path, by the mappings of directories.
fn candidates(
    spec: &RenderSpec,
    source: &dyn Source,
    path: &ManagedPath,
) -> Result<Vec<Candidate>, RenderError> {
    if Patterns::compile(&spec.exclude_patterns)?.is_match(path.as_str()) {
        return Ok(Vec::new());
    }
    let mut found: Vec<Candidate> = Vec::new();
    for mapping in &spec.mappings {
        let rest = path.as_str().strip_prefix(mapping.destination.as_str());
        let Some(relative) = rest.and_then(|rest| rest.strip_prefix('/')) else { continue };
        let dotted = relative.split('/').any(|segment| segment.starts_with('.'));
        let included =
            mapping.include.is_empty() || Patterns::compile(&mapping.include)?.is_match(relative);
        let excluded = Patterns::compile(&mapping.exclude)?.is_match(relative);
        // A source that is one file holds no other.
        if dotted || !included || excluded || is_file(mapping, source)? {
            continue;
        }
        let origin = super::layer::origin(mapping, relative);
        if !found.iter().any(|known| known.origin == origin) {
            found.push(Candidate { origin, mapping: Arc::clone(mapping) });
        }
    }
    Ok(found)
}

fn is_file(mapping: &RenderMapping, source: &dyn Source) -> Result<bool, RenderError> {
    let listed = source.list(&mapping.source)?;
    Ok(match &*listed {
        [] => mapping.kind == Some(SourceKind::File),
        [only] => only.relative.is_empty(),
        _ => false,
    })
}
