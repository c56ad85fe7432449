//! Which paths an apply adds, replaces, keeps and removes, and in which order, with what is there
//! now. Decided in full before the first byte is written.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::{
    digest::Digest,
    manifest::{FileEntry, Manifest},
    path::{ManagedPath, never_touch},
};

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What shall be there.
    pub file: FileEntry,
    /// What is there now; `None` when the file is new.
    pub before: Option<Digest>,
    /// What shall be there apart from stamps, of a file that has any, once its content is here.
    pub plain: Option<Digest>,
}

/// A file to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remove {
    /// Which.
    pub path: ManagedPath,
    /// What is there now.
    pub before: Digest,
    /// Its permission bits.
    pub mode: u32,
}

/// What shall happen to the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files to write, in this order: data files before the `resource.json` beside them.
    pub write: Vec<Write>,
    /// Files to delete, after all writes.
    pub remove: Vec<Remove>,
    /// Files that are right already.
    pub keep: usize,
}

/// A manifest that must not be applied here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} is never touched: {rule}")]
pub struct Forbidden {
    /// Which path.
    pub path: ManagedPath,
    /// Why.
    pub rule: &'static str,
}

impl Changes {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }

    /// Every path that is written or removed.
    pub fn paths(&self) -> impl Iterator<Item = &ManagedPath> {
        self.write.iter().map(|w| &w.file.path).chain(self.remove.iter().map(|r| &r.path))
    }

    /// Whether any path lies below a top directory such as `projects`.
    pub fn touches(&self, top: &str) -> bool {
        self.paths().any(|path| path.as_str().split('/').next() == Some(top))
    }

    /// What is there now of some files, after all.
    pub fn replaces(&mut self, there: &BTreeMap<ManagedPath, Digest>) {
        for write in &mut self.write {
            if let Some(now) = there.get(&write.file.path) {
                write.before = Some(*now);
            }
        }
        for remove in &mut self.remove {
            if let Some(now) = there.get(&remove.path) {
                remove.before = *now;
            }
        }
    }

    /// Leaves out what is not of this project.
    pub fn keep_project(&mut self, project: &str) {
        self.write.retain(|write| project_of(&write.file.path) == Some(project));
        self.remove.retain(|remove| project_of(&remove.path) == Some(project));
    }

    /// Files that were not there before.
    pub fn added(&self) -> usize {
        self.write.iter().filter(|write| write.before.is_none()).count()
    }

    /// Bytes that will be written.
    pub fn bytes(&self) -> u64 {
        self.write.iter().map(|write| write.file.size).sum()
    }

    /// Projects with a touched file, sorted.
    pub fn projects(&self) -> BTreeSet<&str> {
        self.paths().filter_map(project_of).collect()
    }
}

/// The project that a path belongs to.
pub fn project_of(path: &ManagedPath) -> Option<&str> {
    let mut segments = path.as_str().split('/');
    (segments.next() == Some("projects")).then(|| segments.next()).flatten()
}

/// Compares a manifest with what is there. `live` has the digest of every file of the manifest that
/// exists, in its order; `ours` has what exists of the paths that an earlier apply is answerable for, with
/// digest and mode: nothing else is ever removed.
pub fn changes<'a>(
    manifest: &Manifest,
    live: impl IntoIterator<Item = Option<Digest>>,
    ours: impl IntoIterator<Item = (&'a ManagedPath, Digest, u32)>,
) -> Result<Changes, Forbidden> {
    let mut changes = Changes::default();
    for (file, before) in manifest.files().zip(live) {
        if let Some(rule) = never_touch(&file.path) {
            return Err(Forbidden { path: file.path.clone(), rule });
        }
        if before == Some(file.digest) {
            changes.keep += 1;
        } else {
            changes.write.push(Write { file, before, plain: None });
        }
    }
    changes.write.sort_by(|a, b| order(&a.file.path).cmp(&order(&b.file.path)));
    changes.remove = ours
        .into_iter()
        .filter(|(path, ..)| manifest.get(path).is_none() && never_touch(path).is_none())
        .map(|(path, before, mode)| Remove { path: path.clone(), before, mode })
        .collect();
    changes.remove.sort_by(|a, b| removal_order(&a.path).cmp(&removal_order(&b.path)));
    changes.remove.dedup();
    Ok(changes)
}

/// Parents before children; in one directory `resource.json` last, since it makes the rest count.
fn order(path: &ManagedPath) -> (&str, bool, &str) {
    let (dir, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
    (dir, name == "resource.json", name)
}

/// `resource.json` first, so that what is left of a half-removed resource does not count.
fn removal_order(path: &ManagedPath) -> (&str, bool, &str) {
    let (dir, last, name) = order(path);
    (dir, !last, name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::beside::beside;

    fn path(text: &str) -> ManagedPath {
        ManagedPath::parse(text).unwrap()
    }

    fn nothing() -> impl Iterator<Item = Option<Digest>> {
        std::iter::repeat(None)
    }

    fn manifest(files: &[(&str, &str)]) -> Manifest {
        let files = files
            .iter()
            .map(|(p, content)| FileEntry {
                path: path(p),
                digest: Digest::of(content.as_bytes()),
                size: content.len() as u64,
                mode: 0o644,
            })
            .collect();
        Manifest::new(vec![path("projects/p")], files).unwrap()
    }

    #[test]
    fn data_files_come_before_their_resource_json() {
        let wanted = manifest(&[
            ("projects/p/v/resource.json", "r"),
            ("projects/p/v/view.json", "v"),
            ("projects/p/project.json", "p"),
        ]);
        let changes = changes(&wanted, nothing(), []).unwrap();
        let order: Vec<_> = changes.write.iter().map(|w| w.file.path.as_str()).collect();
        let expected =
            ["projects/p/project.json", "projects/p/v/view.json", "projects/p/v/resource.json"];
        assert_eq!(order, expected);
        assert_eq!(changes.added(), 3);
        assert_eq!(changes.projects().into_iter().collect::<Vec<_>>(), ["p"]);
    }

    #[test]
    fn only_what_is_ours_and_there_is_removed() {
        let wanted = manifest(&[("projects/p/a", "1"), ("projects/p/b", "2")]);
        let live = BTreeMap::from([
            (path("projects/p/a"), Digest::of(b"1")),
            (path("projects/p/b"), Digest::of(b"old")),
            (path("projects/p/v/view.json"), Digest::of(b"v")),
            (path("projects/p/v/resource.json"), Digest::of(b"r")),
            (path("db/x"), Digest::of(b"x")),
        ]);
        let ours = [
            path("projects/p/a"),
            path("projects/p/gone"),
            path("db/x"),
            path("projects/p/v/resource.json"),
            path("projects/p/v/view.json"),
        ];
        let there = |path| live.get(path).map(|digest| (path, *digest, 0o644));
        let tree = beside(&wanted, live.clone());
        let changes = changes(&wanted, tree.live, ours.iter().filter_map(there)).unwrap();
        assert_eq!(changes.keep, 1);
        assert_eq!(changes.write.len(), 1);
        assert_eq!(changes.write[0].before, Some(Digest::of(b"old")));
        let removed: Vec<_> = changes.remove.iter().map(|r| r.path.as_str()).collect();
        assert_eq!(removed, ["projects/p/v/resource.json", "projects/p/v/view.json"]);
    }

    #[test]
    fn a_forbidden_path_stops_everything() {
        let wanted = manifest(&[("projects/p/a", "1"), ("gateway.xml", "2")]);
        assert!(changes(&wanted, nothing(), []).is_err());
    }
}
