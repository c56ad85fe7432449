//! Notices what others have done to the files: writes without a lock, touches of what only the
//! gateway may touch.
//!
//! The gateway tells it of its own writes. Whether a managed file was written under the lock is
//! seen from its inode's change time, which a rename sets too.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    sync::Arc,
};

use walkdir::WalkDir;

use crate::tree::{Digest, Folder, Tree};

/// Top-level files that belong to the gateway.
const OWN_FILES: [&str; 6] = [
    "gateway.xml",
    "gateway.xml_clean",
    "commissioning.json",
    "modules.json",
    "redundancy.xml",
    "valueStore.idb",
];
/// Here some types and folders are the gateway's.
const ROOT_CONFIG: &str = "config/resources";
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
    managed: BTreeMap<String, Arc<Folder>>,
    own: BTreeMap<String, Digest>,
    /// Managed files that the gateway has written since.
    written: HashMap<String, Digest>,
    said: BTreeSet<String>,
}

impl Witness {
    /// Takes everything as it is.
    pub(crate) fn accept(&mut self, data_dir: &Path, tree: &Tree) {
        self.managed.clone_from(&tree.folders);
        self.written.clear();
        self.own = own(data_dir, tree);
    }

    /// The gateway wrote a file, or deleted it.
    pub(crate) fn wrote(&mut self, data_dir: &Path, path: &str) {
        let bytes = fs::read(data_dir.join(path)).ok();
        match bytes.map(|bytes| *blake3::hash(&bytes).as_bytes()) {
            Some(digest) if is_own(path) => drop(self.own.insert(path.to_owned(), digest)),
            None if is_own(path) => drop(self.own.remove(path)),
            Some(digest) => drop(self.written.insert(path.to_owned(), digest)),
            None => drop(self.written.remove(path)),
        }
    }

    /// The gateway deleted a folder.
    pub(crate) fn removed(&mut self, folder: &str) {
        let inside = format!("{folder}/");
        self.own.retain(|path, _| !path.starts_with(&inside));
    }

    /// Files at or below a managed root that others have added or changed since.
    pub(crate) fn changed(&mut self, tree: &Tree, root: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (path, folder) in tree.below(root) {
            let before = self.managed.get(path);
            if before.is_some_and(|before| before.fingerprint == folder.fingerprint) {
                continue;
            }
            for (name, digest) in &folder.files {
                let file = format!("{path}/{name}");
                let same = before.is_some_and(|before| before.files.get(name) == Some(digest));
                if !same && !is_own(&file) && self.written.get(&file) != Some(digest) {
                    found.push(file);
                }
            }
        }
        self.managed.retain(|path, _| !path.starts_with(root));
        self.managed
            .extend(tree.below(root).map(|(path, folder)| (path.clone(), Arc::clone(folder))));
        self.written.retain(|path, _| !path.starts_with(root));
        found
    }

    /// Touches that were not reported yet.
    pub(crate) fn violations(&mut self, data_dir: &Path, tree: &Tree) -> Vec<String> {
        let now = own(data_dir, tree);
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
    if is_own_name(name) || segments.iter().any(|segment| segment.starts_with('.')) {
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

/// Whether files of that name belong to the gateway wherever they are.
fn is_own_name(name: &str) -> bool {
    let extension = Path::new(name).extension();
    ["tmp", "bak", "idb"].iter().any(|own| extension.is_some_and(|x| x == *own))
}

/// All that belongs to the gateway, in the managed roots and beside them.
fn own(data_dir: &Path, tree: &Tree) -> BTreeMap<String, Digest> {
    let mut found = tree.hidden.clone();
    for (path, folder) in &tree.folders {
        for (name, digest) in &folder.files {
            // Cheap tests first: nearly every file is none of them.
            if is_own_name(name) || path.starts_with(ROOT_CONFIG) {
                let file = format!("{path}/{name}");
                if is_own(&file) {
                    found.insert(file, *digest);
                }
            }
        }
    }
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
        let now = |reader: &mut Reader| reader.read(dir.path(), &ROOTS).unwrap();
        assert!(witness.violations(dir.path(), &now(&mut reader)).is_empty());
        write("db/config.idb", "2");
        write("config/resources/core/config-mode.json", "{}");
        write("projects/p/x.tmp", "");
        fs::remove_file(dir.path().join("gateway.xml")).unwrap();
        assert_eq!(
            witness.violations(dir.path(), &now(&mut reader)),
            [
                "config/resources/core/config-mode.json",
                "db/config.idb",
                "gateway.xml",
                "projects/p/x.tmp"
            ]
        );
        assert!(witness.violations(dir.path(), &now(&mut reader)).is_empty());
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
