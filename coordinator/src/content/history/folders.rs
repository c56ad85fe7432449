//! The folders of a commit, met with those of older and older commits: a folder was changed where it is
//! first met as another one.

use std::collections::BTreeMap;

use millwright_model::digest::GitId;

use super::{
    super::{
        mirror::{MirrorFailed, chain, to_git},
        walk::{Limits, below},
    },
    Times,
};

/// What another commit has at a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct There {
    pub(super) id: gix::ObjectId,
    pub(super) folder: bool,
}

/// One folder and those below it.
#[derive(Debug)]
pub(super) struct Folder {
    id: gix::ObjectId,
    below: BTreeMap<String, Folder>,
    changed: Option<i64>,
    /// What was met here last: the same again tells nothing new, so that a meeting costs what changed.
    met: Option<gix::ObjectId>,
    done: bool,
}

impl Folder {
    fn new(id: gix::ObjectId) -> Self {
        Self { id, below: BTreeMap::new(), changed: None, met: None, done: false }
    }

    /// The root of a commit. A folder whose name is no Unicode text is left out: nobody can map it.
    pub(super) fn read(repository: &gix::Repository, commit: GitId) -> Result<Self, MirrorFailed> {
        let failed = |error: &dyn std::error::Error| MirrorFailed::Object {
            id: commit.to_string(),
            why: chain(error),
        };
        let found = repository.find_commit(to_git(commit)).map_err(|e| failed(&e))?;
        let tree = found.tree_id().map_err(|e| failed(&e))?.detach();
        let mut all = below(repository, commit, tree, Limits::ALL)?;
        all.retain(|one| one.mode.is_tree());
        // A folder comes before those below it.
        all.sort_by(|a, b| a.path.cmp(&b.path));
        let mut root = Self::new(tree);
        for one in all {
            let Ok(path) = String::from_utf8(one.path) else { continue };
            root.put(&path, one.id);
        }
        Ok(root)
    }

    fn put(&mut self, path: &str, id: gix::ObjectId) {
        match path.split_once('/') {
            None => drop(self.below.insert(path.to_owned(), Self::new(id))),
            Some((name, rest)) => {
                if let Some(folder) = self.below.get_mut(name) {
                    folder.put(rest, id);
                }
            }
        }
    }

    /// Whether it and all below it are known.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Meets what an older commit has here; what differs was changed at `authored`, unless it is known
    /// to have been changed later.
    pub(super) fn meet(
        &mut self,
        repository: &gix::Repository,
        there: Option<There>,
        authored: i64,
    ) -> Result<(), MirrorFailed> {
        let id = there.map(|there| there.id);
        if self.done || id == Some(self.id) || (id.is_some() && id == self.met) {
            return Ok(());
        }
        self.changed.get_or_insert(authored);
        self.met = id;
        let theirs = match there {
            Some(There { id, folder: true }) if !self.below.is_empty() => entries(repository, id)?,
            Some(_) | None => BTreeMap::new(),
        };
        self.done = true;
        for (name, folder) in &mut self.below {
            folder.meet(repository, theirs.get(name.as_bytes()).copied(), authored)?;
            self.done &= folder.done;
        }
        Ok(())
    }

    /// Writes all times down; `open` gives those that no meeting has told.
    pub(super) fn rest(&self, times: &mut Times, open: &dyn Fn(&str) -> Option<i64>) {
        self.write("", times, open);
    }

    fn write(&self, path: &str, times: &mut Times, open: &dyn Fn(&str) -> Option<i64>) {
        if let Some(seconds) = self.changed.or_else(|| open(path)) {
            times.insert(path.to_owned(), seconds);
        }
        for (name, folder) in &self.below {
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            folder.write(&path, times, open);
        }
    }
}

/// What a tree has right in it.
fn entries(
    repository: &gix::Repository,
    id: gix::ObjectId,
) -> Result<BTreeMap<Vec<u8>, There>, MirrorFailed> {
    let failed = |error: &dyn std::error::Error| MirrorFailed::Object {
        id: id.to_string(),
        why: chain(error),
    };
    let tree = repository.find_tree(id).map_err(|e| failed(&e))?;
    let mut found = BTreeMap::new();
    for entry in tree.iter() {
        let entry = entry.map_err(|e| failed(&e))?;
        let there = There { id: entry.object_id(), folder: entry.mode().is_tree() };
        found.insert(entry.filename().to_vec(), there);
    }
    Ok(found)
}
