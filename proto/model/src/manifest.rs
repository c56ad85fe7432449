//! Every file that a gateway shall have under its managed roots. The digest of a manifest covers
//! every path, content digest, size and mode, so two nodes that render alike prove it by 32 bytes.

mod tree;

use std::sync::Arc;

pub use self::tree::{Change, Difference, Dir, Entry, FileNode, Walk};
use crate::{
    digest::Digest,
    path::{InvalidPath, ManagedPath},
};

const MAGIC: &[u8] = b"millwright-manifest-2\n";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where.
    pub path: ManagedPath,
    /// BLAKE3 of its content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// Files that cannot be a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// Twice the same path.
    #[error("the path {0} occurs twice")]
    Duplicate(ManagedPath),
    /// Two paths that one platform takes for the same.
    #[error("the paths {0} and {1} differ only in case or Unicode form")]
    Collision(ManagedPath, ManagedPath),
    /// A file where another path needs a directory.
    #[error("{0} is a file, but {1} lies below it")]
    FileAsDirectory(ManagedPath, ManagedPath),
    /// A path breaks a rule.
    #[error(transparent)]
    Path(#[from] InvalidPath),
}

/// What changed between two manifests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ManifestDelta {
    /// Paths that are no longer there.
    pub removed: Vec<ManagedPath>,
    /// New or changed files.
    pub upserted: Vec<FileEntry>,
}

/// Checked files with their digest. Cheap to clone: manifests share the directories on which they
/// agree.
#[derive(Debug, Clone)]
pub struct Manifest {
    roots: Arc<[ManagedPath]>,
    tree: Arc<Dir>,
    digest: Digest,
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Manifest {}

impl Manifest {
    /// Checks and takes files in any order.
    pub fn new(roots: Vec<ManagedPath>, files: Vec<FileEntry>) -> Result<Self, InvalidManifest> {
        let upserted = files.into_iter().map(changed).collect::<Vec<_>>();
        Ok(Self::from_tree(roots, Arc::<Dir>::default().apply(&upserted)?))
    }

    /// Takes a checked tree, whose root is the data directory.
    pub fn from_tree(mut roots: Vec<ManagedPath>, tree: Arc<Dir>) -> Self {
        roots.sort();
        roots.dedup();
        Self::under(roots.into(), tree)
    }

    /// Other files under the same roots.
    #[must_use]
    pub fn with_tree(&self, tree: Arc<Dir>) -> Self {
        Self::under(Arc::clone(&self.roots), tree)
    }

    fn under(roots: Arc<[ManagedPath]>, tree: Arc<Dir>) -> Self {
        let mut covered = Vec::with_capacity(256);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
        covered.extend_from_slice(MAGIC);
        covered.extend(count(roots.len()));
        for root in roots.iter() {
            covered.extend(count(root.as_str().len()));
            covered.extend_from_slice(root.as_str().as_bytes());
        }
        covered.extend_from_slice(tree.digest().as_bytes());
        let digest = Digest::of(&covered);
        Self { roots, tree, digest }
    }

    /// Managed roots, sorted.
    pub fn roots(&self) -> &[ManagedPath] {
        &self.roots
    }

    /// The files as directories.
    pub fn tree(&self) -> &Arc<Dir> {
        &self.tree
    }

    /// Files, sorted by path, each made when its turn comes: there is no list of them.
    pub fn files(&self) -> impl Iterator<Item = FileEntry> {
        self.tree.walk().map(|(path, file)| file.at(valid(&path)))
    }

    /// BLAKE3 that covers the roots and every path, content digest, size and mode.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The file at a path.
    pub fn get(&self, path: &ManagedPath) -> Option<FileEntry> {
        match self.tree.get(path.as_str())? {
            Entry::File(file) => Some(file.at(path.clone())),
            Entry::Dir(_) => None,
        }
    }

    /// Number of files.
    pub fn count(&self) -> u64 {
        self.tree.files()
    }

    /// Sum of the sizes.
    pub fn total_bytes(&self) -> u64 {
        self.tree.bytes()
    }

    /// What turns `base` into this. Costs what differs, not what is there.
    pub fn diff(&self, base: &Manifest) -> ManifestDelta {
        let mut delta = ManifestDelta::default();
        for (path, new, old) in self.tree.diff(&base.tree) {
            match (new, old) {
                (Some(new), _) => delta.upserted.push(new.at(valid(&path))),
                (None, Some(_)) => delta.removed.push(valid(&path)),
                (None, None) => {}
            }
        }
        delta.upserted.sort_by(|a, b| a.path.cmp(&b.path));
        delta.removed.sort();
        delta
    }

    /// This manifest with a difference applied.
    pub fn patched(
        &self,
        delta: ManifestDelta,
        roots: Vec<ManagedPath>,
    ) -> Result<Manifest, InvalidManifest> {
        let removed = delta.removed.into_iter().map(|path| (path, None));
        let upserted = delta.upserted.into_iter().map(changed);
        let changes: Vec<Change> = removed.chain(upserted).collect();
        Ok(Self::from_tree(roots, self.tree.apply(&changes)?))
    }
}

fn changed(file: FileEntry) -> Change {
    let FileEntry { path, digest, size, mode } = file;
    (path, Some(FileNode { digest, size, mode }))
}

/// It was a managed path when it came into the tree.
fn valid(path: &str) -> ManagedPath {
    ManagedPath::trusted(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str, content: u8) -> FileEntry {
        let path = ManagedPath::parse(path).unwrap();
        FileEntry { path, digest: Digest::of(&[content]), size: 1, mode: 0o644 }
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(Manifest::new(vec![], vec![entry("a", 1), entry("a", 2)]).is_err());
        assert!(Manifest::new(vec![], vec![entry("a", 1), entry("A", 2)]).is_err());
        assert!(Manifest::new(vec![], vec![entry("a", 1), entry("a/b", 2)]).is_err());
        assert!(Manifest::new(vec![], vec![entry("x/a/b", 1), entry("x/A/c", 2)]).is_err());
        let manifest = Manifest::new(vec![], vec![entry("a/b", 1), entry("a.b", 2)]).unwrap();
        assert_eq!(manifest.files().next().unwrap().path.as_str(), "a.b");
        assert_eq!((manifest.count(), manifest.total_bytes()), (2, 2));
        assert!(manifest.get(&ManagedPath::parse("a").unwrap()).is_none());
        // A file in the place of a directory, in one step.
        let other = Manifest::new(vec![], vec![entry("a", 1), entry("a.b", 2)]).unwrap();
        assert_eq!(manifest.patched(other.diff(&manifest), vec![]).unwrap(), other);
        assert_eq!(other.patched(manifest.diff(&other), vec![]).unwrap(), manifest);
    }

    #[test]
    fn the_digest_of_a_known_manifest_stays() {
        let root = ManagedPath::parse("projects/p").unwrap();
        let manifest = Manifest::new(vec![root], vec![entry("projects/p/a", 1)]).unwrap();
        assert_eq!(
            manifest.digest().to_string(),
            "f37fc4abc6c7158e062aaf8e5472a0394b5c2fef6006e324dfb56df1ed507a10"
        );
    }

    proptest! {
        #[test]
        fn a_difference_applied_gives_the_target(
            a in proptest::collection::btree_map("[a-c.-]?[a-c](/[a-c.-]?[a-c]){0,3}", 0_u8..4, 0..12),
            b in proptest::collection::btree_map("[a-c.-]?[a-c](/[a-c.-]?[a-c]){0,3}", 0_u8..4, 0..12),
        ) {
            let build = |m: &BTreeMap<String, u8>| {
                let files = m.iter().map(|(p, c)| entry(p, *c)).collect();
                let contradicts = m.keys().any(|p| m.keys().any(|q| q.starts_with(&format!("{p}/"))));
                let made = Manifest::new(vec![], files);
                assert_eq!(made.is_err(), contradicts);
                made.ok()
            };
            let (Some(a), Some(b)) = (build(&a), build(&b)) else { return Ok(()) };
            let patched = a.patched(b.diff(&a), vec![]).unwrap();
            prop_assert_eq!(patched.digest(), b.digest());
            prop_assert!(patched.files().eq(b.files()));
            prop_assert!(b.files().is_sorted_by(|x, y| x.path < y.path));
            prop_assert_eq!(b.files().count() as u64, b.count());
        }
    }
}
