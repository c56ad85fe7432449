//! Which paths an apply adds, replaces, keeps and removes, and in which order. Decided in full
//! before the first byte is written.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::{
    digest::Digest,
    manifest::{FileEntry, Manifest},
    path::{ManagedPath, never_touch},
};

/// What shall happen to the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files to write, in this order: data files before the `resource.json` beside them.
    pub write: Vec<FileEntry>,
    /// Files to delete, after all writes.
    pub remove: Vec<ManagedPath>,
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

    /// Whether any path lies below a directory.
    pub fn touches(&self, top: &str) -> bool {
        let below = |path: &ManagedPath| path.as_str().split('/').next() == Some(top);
        self.write.iter().any(|file| below(&file.path)) || self.remove.iter().any(below)
    }
}

/// Compares a manifest with what is there. `live` has the digest and mode of every manifest path
/// that exists; `ledger` has every path that an earlier apply of ours wrote: nothing else is ever
/// removed.
pub fn changes(
    manifest: &Manifest,
    live: &BTreeMap<ManagedPath, Digest>,
    ledger: &BTreeSet<ManagedPath>,
) -> Result<Changes, Forbidden> {
    let mut changes = Changes::default();
    for file in manifest.files() {
        if let Some(rule) = never_touch(&file.path) {
            return Err(Forbidden { path: file.path.clone(), rule });
        }
        if live.get(&file.path) == Some(&file.digest) {
            changes.keep += 1;
        } else {
            changes.write.push(file.clone());
        }
    }
    changes.write.sort_by(|a, b| order(&a.path).cmp(&order(&b.path)));
    changes.remove = ledger
        .iter()
        .filter(|path| manifest.get(path).is_none() && never_touch(path).is_none())
        .cloned()
        .collect();
    Ok(changes)
}

/// Parents before children; in one directory `resource.json` last, since it makes the rest count.
fn order(path: &ManagedPath) -> (String, bool, &str) {
    let dir = path.parent().map(|dir| dir.to_string()).unwrap_or_default();
    (dir, path.file_name() == "resource.json", path.file_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ManagedPath {
        ManagedPath::parse(text).unwrap()
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
        let changes = changes(&wanted, &BTreeMap::new(), &BTreeSet::new()).unwrap();
        let order: Vec<_> = changes.write.iter().map(|f| f.path.as_str()).collect();
        let expected =
            ["projects/p/project.json", "projects/p/v/view.json", "projects/p/v/resource.json"];
        assert_eq!(order, expected);
    }

    #[test]
    fn only_what_we_wrote_is_removed() {
        let wanted = manifest(&[("projects/p/a", "1"), ("projects/p/b", "2")]);
        let live = BTreeMap::from([
            (path("projects/p/a"), Digest::of(b"1")),
            (path("projects/p/b"), Digest::of(b"old")),
        ]);
        let ledger = BTreeSet::from([path("projects/p/a"), path("projects/p/gone"), path("db/x")]);
        let changes = changes(&wanted, &live, &ledger).unwrap();
        assert_eq!(changes.keep, 1);
        assert_eq!(changes.write.len(), 1);
        assert_eq!(changes.remove, [path("projects/p/gone")]);
    }

    #[test]
    fn a_forbidden_path_stops_everything() {
        let wanted = manifest(&[("projects/p/a", "1"), ("gateway.xml", "2")]);
        assert!(changes(&wanted, &BTreeMap::new(), &BTreeSet::new()).is_err());
    }
}
