//! The files that are not the bytes of git: contents with templates filled in and rules applied.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use millwright_model::{
    digest::{Digest, GitId},
    manifest::FileNode,
    path::ManagedPath,
    template::expand_bytes,
};

use super::{Engine, Layer, MADE_MAX, Placed, RenderError, Source, key_of};
use crate::{normalize::Rules, spec::RenderSpec};

/// Lists of concerned files kept.
const CONCERNED_MAX: usize = 64;
/// Bytes of blobs and of made files kept, each.
const BYTES_MAX: usize = 32 << 20;

/// A file that was made.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    /// What the manifest says about it.
    pub node: FileNode,
    /// Its bytes.
    pub content: Arc<[u8]>,
}

impl Made {
    pub(super) fn of(content: Vec<u8>, mode: u32) -> Arc<Self> {
        let node = FileNode { digest: Digest::of(&content), size: content.len() as u64, mode };
        Arc::new(Self { node, content: content.into() })
    }
}

/// Files that were made, by path.
pub type Files = BTreeMap<ManagedPath, Arc<Made>>;

/// What an engine keeps of contents. Dropped as a whole when it grows too large: it can be made
/// again, and a fleet's working set is small.
#[derive(Debug, Default)]
pub(super) struct Kept {
    made: BTreeMap<Digest, Option<Arc<Made>>>,
    made_bytes: usize,
    blobs: BTreeMap<GitId, Arc<[u8]>>,
    blob_bytes: usize,
    concerned: BTreeMap<Digest, Arc<[ManagedPath]>>,
}

impl Kept {
    /// What is known: a made file, or that git's is right.
    pub(super) fn made(&self, key: &Digest) -> Option<&Option<Arc<Made>>> {
        self.made.get(key)
    }

    pub(super) fn keep(&mut self, key: Digest, made: Option<Arc<Made>>) {
        let bytes = made.as_ref().map_or(0, |made| made.content.len());
        if self.made.len() >= MADE_MAX || self.made_bytes + bytes > BYTES_MAX {
            self.made.clear();
            self.made_bytes = 0;
        }
        self.made_bytes += bytes;
        self.made.insert(key, made);
    }

    pub(super) fn blob(
        &mut self,
        source: &dyn Source,
        id: GitId,
    ) -> Result<Arc<[u8]>, RenderError> {
        if let Some(blob) = self.blobs.get(&id) {
            return Ok(Arc::clone(blob));
        }
        let blob = source.read(id)?;
        if self.blob_bytes + blob.len() > BYTES_MAX {
            self.blobs.clear();
            self.blob_bytes = 0;
        }
        self.blob_bytes += blob.len();
        self.blobs.insert(id, Arc::clone(&blob));
        Ok(blob)
    }
}

/// Makes the files of one gateway.
pub(super) struct Making<'a> {
    pub(super) spec: &'a RenderSpec,
    pub(super) source: &'a dyn Source,
    pub(super) layer: &'a Layer,
    pub(super) engine: &'a mut Engine,
    rules: Rules,
    rules_key: Digest,
    vars_key: Digest,
    /// Which files the rules mean.
    pub(super) patterns_key: Digest,
}

impl<'a> Making<'a> {
    pub(super) fn new(
        spec: &'a RenderSpec,
        source: &'a dyn Source,
        layer: &'a Layer,
        engine: &'a mut Engine,
    ) -> Result<Self, RenderError> {
        let rules = Rules::compile(&spec.normalize, &mut engine.programs)
            .map_err(|(rule, fault)| RenderError::Rule { rule, fault: Box::new(fault) })?;
        let (rules_key, vars_key) = (key_of(&spec.normalize), key_of(&spec.vars));
        let patterns: Vec<&str> = spec.normalize.iter().map(|rule| &*rule.files).collect();
        let patterns_key = key_of(&patterns);
        Ok(Self { spec, source, layer, engine, rules, rules_key, vars_key, patterns_key })
    }

    /// Paths of files that a rule means or that are templates.
    pub(super) fn concerned(&mut self) -> Arc<[ManagedPath]> {
        let key = key_of(&(self.layer.key, self.patterns_key));
        if let Some(found) = self.engine.kept.concerned.get(&key) {
            return Arc::clone(found);
        }
        let templated = |path: &ManagedPath| self.layer.templated.binary_search(path).is_ok();
        let all = self.layer.files.keys();
        let found: Arc<[ManagedPath]> =
            all.filter(|p| self.rules.concern(p.as_str()) || templated(p)).cloned().collect();
        if self.engine.kept.concerned.len() >= CONCERNED_MAX {
            self.engine.kept.concerned.clear();
        }
        self.engine.kept.concerned.insert(key, Arc::clone(&found));
        found
    }

    /// The files that differ from git.
    pub(super) fn files(&mut self) -> Result<Files, RenderError> {
        let mut files = Files::new();
        for path in self.concerned().iter() {
            let placed = &self.layer.files[path];
            if let Some(made) = self.one(path, placed)? {
                files.insert(path.clone(), made);
            }
        }
        Ok(files)
    }

    fn one(
        &mut self,
        path: &ManagedPath,
        placed: &Placed,
    ) -> Result<Option<Arc<Made>>, RenderError> {
        let template = self.spec.mappings[placed.mapping].template;
        let vars_key = template.then_some(self.vars_key);
        let key = key_of(&(path, placed.id, placed.mode, self.rules_key, vars_key));
        if let Some(known) = self.engine.kept.made(&key) {
            return Ok(known.clone());
        }
        let content = self.engine.kept.blob(self.source, placed.id)?;
        let mut now: Cow<'_, [u8]> = Cow::Borrowed(&content);
        if let (true, Some(vars)) = (template, &self.spec.vars) {
            let fault = |error| {
                let error = Box::new(error);
                RenderError::Template { file: placed.origin.clone(), error }
            };
            now = expand_bytes(&content, vars).map_err(fault)?;
        }
        if self.rules.concern(path.as_str()) {
            let fault = |(rule, fault)| {
                let fault = Box::new(fault);
                RenderError::Normalize { path: path.clone(), rule, fault }
            };
            if let Some(changed) = self.rules.apply(path.as_str(), &now).map_err(fault)? {
                now = Cow::Owned(changed);
            }
        }
        let made = match now {
            Cow::Owned(changed) if *changed != *content => Some(Made::of(changed, placed.mode)),
            Cow::Owned(_) | Cow::Borrowed(_) => None,
        };
        self.engine.kept.keep(key, made.clone());
        Ok(made)
    }
}
