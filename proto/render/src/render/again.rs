//! What a render is worth for the next commit. Most commits touch nothing that rules, templates or
//! stamps concern: then the files that were made for a gateway stay, and its manifest is the one
//! before with what the commit changed. Whether that is so is decided once for all gateways whose
//! rules mean the same files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millwright_model::{
    digest::{Digest, DigestMap},
    manifest::{Change, Entry, Manifest},
    path::ManagedPath,
};

use super::{
    Engine, RenderError, Rendered, Source, Warning, check_limits, known_layer,
    layer::Layer,
    made::{Files, Making},
    stamp::names,
};
use crate::spec::{RenderSpec, SpecKey, at_commit};

/// Results kept: a few thousand gateways.
const RESULTS_MAX: usize = 8_192;
/// Steps kept from one commit to another.
const STEPS_MAX: usize = 64;

/// The last result of a spec, whatever its commit.
#[derive(Debug)]
pub(super) struct Last {
    /// Of the layer, without its commit.
    pub(super) mappings: Digest,
    /// Of the layer.
    pub(super) layer: Digest,
    /// Which files its rules mean.
    pub(super) patterns: Digest,
    /// Made files by path, stamps included.
    pub(super) made: Arc<Files>,
    /// What the stamps say about directories: when each was changed.
    pub(super) changed: Arc<[(ManagedPath, i64)]>,
    /// A stamp depends on resources that no rule means.
    pub(super) leans: bool,
    /// Warnings of its own.
    pub(super) warnings: Arc<[Warning]>,
    pub(super) manifest: Manifest,
}

/// From one layer to another, for all whose rules mean the same files.
#[derive(Debug)]
pub(super) struct Step {
    changes: Vec<Change>,
    /// When each directory of a concerned file was changed, as of the later commit.
    changed: BTreeMap<ManagedPath, i64>,
}

/// What has been found out.
#[derive(Debug, Default)]
pub(super) struct Again {
    results: DigestMap<Last>,
    steps: BTreeMap<(Digest, Digest, Digest), Option<Step>>,
}

impl Again {
    pub(super) fn keep(&mut self, spec: Digest, result: Last) {
        if self.results.len() >= RESULTS_MAX && self.results.get(&spec).is_none() {
            self.results.clear();
        }
        self.results.insert(spec, result);
    }
}

impl Engine {
    /// The files of a gateway, if a render of an earlier commit and what is known of this one tell
    /// them: nothing is read for it.
    pub fn known(&mut self, spec: &RenderSpec, key: SpecKey) -> Option<Rendered> {
        let Again { results, steps } = &mut self.again;
        let result = results.get_mut(&key.without_commit)?;
        let layer = known_layer(&mut self.layers, at_commit(result.mappings, spec.commit))?;
        if result.layer != layer.key {
            let step = steps.get(&(result.layer, layer.key, result.patterns))?.as_ref()?;
            result.carry(spec, layer, step)?;
        }
        Some(result.rendered(layer))
    }

    /// The same, finding out what is not known.
    pub(super) fn again(
        &mut self,
        spec: &RenderSpec,
        key: Digest,
        source: &dyn Source,
        layer: &Arc<Layer>,
    ) -> Result<Option<Rendered>, RenderError> {
        let Some(result) = self.again.results.get(&key) else { return Ok(None) };
        if result.layer == layer.key {
            return Ok(Some(result.rendered(layer)));
        }
        let Some(before) = self.layers.iter().find(|known| known.key == result.layer) else {
            return Ok(None);
        };
        let before = Arc::clone(before);
        let at = (before.key, layer.key, result.patterns);
        if !self.again.steps.contains_key(&at) {
            let step = self.step(spec, source, &before, layer)?;
            if self.again.steps.len() >= STEPS_MAX {
                self.again.steps.clear();
            }
            self.again.steps.insert(at, step);
        }
        let Again { results, steps } = &mut self.again;
        let (Some(Some(step)), Some(result)) = (steps.get(&at), results.get_mut(&key)) else {
            return Ok(None);
        };
        Ok(result.carry(spec, layer, step).map(|()| result.rendered(layer)))
    }

    /// What changed between two layers, if nothing of it concerns a made file.
    fn step(
        &mut self,
        spec: &RenderSpec,
        source: &dyn Source,
        before: &Layer,
        after: &Layer,
    ) -> Result<Option<Step>, RenderError> {
        let concerned = Making::new(spec, source, before, self)?.concerned();
        let mut making = Making::new(spec, source, after, self)?;
        if concerned != making.concerned() || before.mixed != after.mixed {
            return Ok(None);
        }
        let parents = concerned.iter().filter_map(ManagedPath::parent);
        let dirs: BTreeSet<ManagedPath> = parents.chain(after.mixed.iter().cloned()).collect();
        let mut changed = BTreeMap::new();
        for dir in dirs {
            if !same_files(&dir, before, after) {
                return Ok(None);
            }
            if let Some(Entry::Dir(tree)) = after.tree.get(dir.as_str()) {
                let seconds = making.changed_at(&dir, tree)?;
                changed.insert(dir, seconds);
            }
        }
        let changes = after.tree.diff(&before.tree).into_iter();
        let changes = changes.map(|(path, now, _)| Ok((ManagedPath::parse(&path)?, now)));
        Ok(Some(Step { changes: changes.collect::<Result<_, RenderError>>()?, changed }))
    }
}

impl Last {
    /// Takes the step to a later layer. `None` when it cannot be, or is too much: a whole render says so.
    fn carry(&mut self, spec: &RenderSpec, layer: &Layer, step: &Step) -> Option<()> {
        let same = |(dir, seconds): &(ManagedPath, i64)| step.changed.get(dir) == Some(seconds);
        if self.leans || !self.changed.iter().all(same) {
            return None;
        }
        // The same mappings have the same roots.
        let manifest = self.manifest.with_tree(self.manifest.tree().apply(&step.changes).ok()?);
        check_limits(spec, &manifest).ok()?;
        self.layer = layer.key;
        self.manifest = manifest;
        Some(())
    }

    fn rendered(&self, layer: &Layer) -> Rendered {
        let warnings = layer.warnings.iter().chain(self.warnings.iter()).cloned().collect();
        Rendered { manifest: self.manifest.clone(), made: Arc::clone(&self.made), warnings }
    }
}

/// Whether the files right in a directory come from the same places in two layers.
fn same_files(dir: &ManagedPath, before: &Layer, after: &Layer) -> bool {
    let (Some(Entry::Dir(one)), Some(Entry::Dir(two))) =
        (before.tree.get(dir.as_str()), after.tree.get(dir.as_str()))
    else {
        // A mapped file right below the data directory has no directory of its own.
        return false;
    };
    names(one).eq(names(two))
        && names(one).all(|name| {
            dir.join(name).is_ok_and(|path| before.files.get(&path) == after.files.get(&path))
        })
}

#[cfg(test)]
mod tests;
