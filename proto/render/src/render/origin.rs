//! Which file of the repository a path of the gateway comes from, and what rendering makes of it.

use std::sync::Arc;

use millwright_model::{glob::Patterns, path::ManagedPath};

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
    New(Vec<String>),
}

/// A file and its states.
pub(crate) struct Known {
    /// Path in the repository.
    pub(crate) origin: String,
    /// Other destinations of the same file.
    pub(crate) others: Vec<ManagedPath>,
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
            return Ok(Origin::New(candidates(spec, path)?));
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

/// Paths of the repository that would be placed at a path, by the mappings of directories.
fn candidates(spec: &RenderSpec, path: &ManagedPath) -> Result<Vec<String>, RenderError> {
    if Patterns::compile(&spec.exclude_patterns)?.is_match(path.as_str()) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for mapping in &spec.mappings {
        let Some(relative) = below(mapping, path) else { continue };
        let dotted = relative.split('/').any(|segment| segment.starts_with('.'));
        let included =
            mapping.include.is_empty() || Patterns::compile(&mapping.include)?.is_match(relative);
        let excluded = Patterns::compile(&mapping.exclude)?.is_match(relative);
        if !dotted && included && !excluded {
            let origin = super::layer::origin(mapping, relative);
            if !found.contains(&origin) {
                found.push(origin);
            }
        }
    }
    Ok(found)
}

fn below<'p>(mapping: &RenderMapping, path: &'p ManagedPath) -> Option<&'p str> {
    let rest = path.as_str().strip_prefix(mapping.destination.as_str())?;
    rest.strip_prefix('/').filter(|_| !mapping.keep_name)
}
