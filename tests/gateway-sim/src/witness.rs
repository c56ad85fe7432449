//! Notices what others have done to the files: writes without a lock, touches of what only the
//! gateway may touch.
//!
//! The gateway tells it of its own writes. Whether a managed file was written under the lock is
//! seen from its inode's change time, which a rename sets too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use walkdir::WalkDir;

use crate::tree::{Digest, Tree};

/// Top-level files that belong to the gateway.
const OWN_FILES: [&str; 6] = [
    "gateway.xml",
    "gateway.xml_clean",
    "commissioning.json",
    "modules.json",
    "redundancy.xml",
    "valueStore.idb",
];
/// Top-level folders that belong to the gateway.
const OWN_FOLDERS: [&str; 9] = [
    "db",
    "metricsdb",
    "autobackup",
    "jar-cache",
    "var",
    "logs",
    "certificates",
    "keystore",
    "config/local",
];

/// What was there when it last looked.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    managed: BTreeMap<String, Digest>,
    own: BTreeMap<String, Digest>,
    said: BTreeSet<String>,
}

impl Witness {
    /// Takes everything as it is.
    pub(crate) fn accept(&mut self, data_dir: &Path, tree: &Tree) {
        self.managed = tree.files();
        self.own = own(data_dir);
    }

    /// The gateway wrote a file, or deleted it.
    pub(crate) fn wrote(&mut self, data_dir: &Path, path: &str) {
        let known = if is_own(path) { &mut self.own } else { &mut self.managed };
        match fs::read(data_dir.join(path)) {
            Ok(bytes) => drop(known.insert(path.into(), *blake3::hash(&bytes).as_bytes())),
            Err(_) => drop(known.remove(path)),
        }
    }

    /// The gateway deleted a folder.
    pub(crate) fn removed(&mut self, folder: &str) {
        let inside = format!("{folder}/");
        self.managed.retain(|path, _| !path.starts_with(&inside));
        self.own.retain(|path, _| !path.starts_with(&inside));
    }

    /// Files below a managed root that others have added or changed since.
    pub(crate) fn changed(&mut self, tree: &Tree, root: &str) -> Vec<String> {
        let now = tree.files();
        let differs =
            |(path, digest): &(&String, &Digest)| self.managed.get(*path) != Some(*digest);
        let fresh = now.iter().filter(differs).map(|(path, _)| path);
        let inside = |path: &&String| path.starts_with(root) && !is_own(path);
        let changed = fresh.filter(inside).cloned().collect();
        self.managed.retain(|path, _| !path.starts_with(root));
        self.managed.extend(now.into_iter().filter(|(path, _)| path.starts_with(root)));
        changed
    }

    /// Touches that were not reported yet.
    pub(crate) fn violations(&mut self, data_dir: &Path) -> Vec<String> {
        let now = own(data_dir);
        let mut touched: BTreeSet<String> = BTreeSet::new();
        for (path, digest) in &now {
            if self.own.get(path) != Some(digest) {
                touched.insert(path.clone());
            }
        }
        touched.extend(self.own.keys().filter(|path| !now.contains_key(*path)).cloned());
        let fresh = touched.difference(&self.said).cloned().collect();
        self.said.extend(touched);
        fresh
    }
}

/// Whether a path belongs to the gateway.
fn is_own(path: &str) -> bool {
    let inside = |folder: &&str| path.strip_prefix(*folder).is_some_and(|p| p.starts_with('/'));
    if OWN_FILES.contains(&path) || OWN_FOLDERS.iter().any(inside) {
        return true;
    }
    let segments: Vec<&str> = path.split('/').collect();
    let name = segments.last().copied().unwrap_or_default();
    let file = Path::new(name);
    let temporary = ["tmp", "bak", "idb"].iter().any(|e| file.extension().is_some_and(|x| x == *e));
    if temporary || segments.iter().any(|segment| segment.starts_with('.')) {
        return true;
    }
    match segments.as_slice() {
        ["config", "resources", "local", ..] | ["config", "resources", _, "config-mode.json"] => {
            true
        }
        ["config", "resources", _, "ignition", kind, rest @ ..] => match *kind {
            "gateway-network-incoming" | "local-system-properties" => true,
            "tag-definition" | "tag-type-definition" | "tag-group" | "tag-provider" => {
                rest.first() == Some(&"System")
            }
            _ => false,
        },
        _ => false,
    }
}

fn own(data_dir: &Path) -> BTreeMap<String, Digest> {
    let mut found = BTreeMap::new();
    let mut add = |path: &Path| {
        if let (Ok(relative), Ok(bytes)) = (path.strip_prefix(data_dir), fs::read(path)) {
            found.insert(relative.display().to_string(), *blake3::hash(&bytes).as_bytes());
        }
    };
    for name in OWN_FILES {
        add(&data_dir.join(name));
    }
    for folder in OWN_FOLDERS {
        for entry in WalkDir::new(data_dir.join(folder)).into_iter().filter_map(Result::ok) {
            if entry.file_type().is_file() {
                add(entry.path());
            }
        }
    }
    for root in crate::tree::ROOTS {
        for entry in WalkDir::new(data_dir.join(root)).into_iter().filter_map(Result::ok) {
            let relative = entry.path().strip_prefix(data_dir).unwrap_or(entry.path());
            if entry.file_type().is_file() && is_own(&relative.display().to_string()) {
                add(entry.path());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{ROOTS, Reader};

    #[test]
    fn touches_are_told_once_and_own_writes_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("gateway.xml", "1");
        write("db/config.idb", "1");
        write("projects/p/project.json", "{}");
        let mut reader = Reader::default();
        let mut witness = Witness::default();
        witness.accept(dir.path(), &reader.read(dir.path(), &ROOTS).unwrap());
        assert!(witness.violations(dir.path()).is_empty());
        write("db/config.idb", "2");
        write("config/resources/core/config-mode.json", "{}");
        write("projects/p/x.tmp", "");
        fs::remove_file(dir.path().join("gateway.xml")).unwrap();
        assert_eq!(
            witness.violations(dir.path()),
            [
                "config/resources/core/config-mode.json",
                "db/config.idb",
                "gateway.xml",
                "projects/p/x.tmp"
            ]
        );
        assert!(witness.violations(dir.path()).is_empty());
        write("projects/p/a", "1");
        write("projects/p/b", "1");
        witness.wrote(dir.path(), "projects/p/b");
        let tree = reader.read(dir.path(), &ROOTS).unwrap();
        let changed = witness.changed(&tree, "projects");
        assert!(changed.contains(&"projects/p/a".to_owned()));
        assert!(!changed.contains(&"projects/p/b".to_owned()));
        assert!(witness.changed(&tree, "projects").is_empty());
    }
}
