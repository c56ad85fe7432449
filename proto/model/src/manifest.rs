//! Every file that a gateway shall have under its managed roots. The digest of a manifest covers
//! every path, content digest, size and mode, so two nodes that render alike prove it by 32 bytes.

use std::{cmp::Ordering, collections::BTreeMap};

use crate::{
    digest::Digest,
    path::{InvalidPath, ManagedPath, case_collisions},
};

const MAGIC: &[u8] = b"millwright-manifest-1\n";

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

/// Sorted, checked files with their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    roots: Vec<ManagedPath>,
    files: Vec<FileEntry>,
    digest: Digest,
}

impl Manifest {
    /// Sorts and checks.
    pub fn new(
        mut roots: Vec<ManagedPath>,
        mut files: Vec<FileEntry>,
    ) -> Result<Self, InvalidManifest> {
        roots.sort();
        roots.dedup();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(InvalidManifest::Duplicate(pair[0].path.clone()));
        }
        if let Some((a, b)) = case_collisions(files.iter().map(|file| &file.path)).pop() {
            return Err(InvalidManifest::Collision(a, b));
        }
        for file in &files {
            let mut above = file.path.parent();
            while let Some(dir) = above {
                if find(&files, &dir).is_some() {
                    return Err(InvalidManifest::FileAsDirectory(dir, file.path.clone()));
                }
                above = dir.parent();
            }
        }
        let digest = canonical_digest(&roots, &files);
        Ok(Self { roots, files, digest })
    }

    /// Managed roots, sorted.
    pub fn roots(&self) -> &[ManagedPath] {
        &self.roots
    }

    /// Files, sorted by path.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// BLAKE3 of the canonical bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The file at a path.
    pub fn get(&self, path: &ManagedPath) -> Option<&FileEntry> {
        find(&self.files, path)
    }

    /// Sum of the sizes.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// What turns `base` into this.
    pub fn diff(&self, base: &Manifest) -> ManifestDelta {
        let mut delta = ManifestDelta::default();
        let (mut new, mut old) = (self.files.iter().peekable(), base.files.iter().peekable());
        loop {
            let order = match (new.peek(), old.peek()) {
                (None, None) => return delta,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(n), Some(o)) => n.path.cmp(&o.path),
            };
            match order {
                Ordering::Less => delta.upserted.extend(new.next().cloned()),
                Ordering::Greater => delta.removed.extend(old.next().map(|file| file.path.clone())),
                Ordering::Equal => {
                    let (n, o) = (new.next(), old.next());
                    if n != o {
                        delta.upserted.extend(n.cloned());
                    }
                }
            }
        }
    }

    /// This manifest with a difference applied.
    pub fn patched(
        &self,
        delta: ManifestDelta,
        roots: Vec<ManagedPath>,
    ) -> Result<Manifest, InvalidManifest> {
        let mut files: BTreeMap<ManagedPath, FileEntry> =
            self.files.iter().map(|file| (file.path.clone(), file.clone())).collect();
        for path in &delta.removed {
            files.remove(path);
        }
        files.extend(delta.upserted.into_iter().map(|file| (file.path.clone(), file)));
        Manifest::new(roots, files.into_values().collect())
    }
}

fn find<'a>(files: &'a [FileEntry], path: &ManagedPath) -> Option<&'a FileEntry> {
    files.binary_search_by(|file| file.path.cmp(path)).ok().map(|at| &files[at])
}

fn canonical_digest(roots: &[ManagedPath], files: &[FileEntry]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let text = |hasher: &mut blake3::Hasher, text: &str| {
        hasher.update(&count(text.len())).update(text.as_bytes());
    };
    hasher.update(MAGIC).update(&count(roots.len()));
    for root in roots {
        text(&mut hasher, root.as_str());
    }
    hasher.update(&count(files.len()));
    for file in files {
        text(&mut hasher, file.path.as_str());
        hasher.update(file.digest.as_bytes());
        hasher.update(&file.size.to_be_bytes()).update(&file.mode.to_be_bytes());
    }
    Digest(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
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
        assert!(Manifest::new(vec![], vec![entry("a.b", 1), entry("a/b", 2)]).is_ok());
    }

    #[test]
    fn the_digest_of_a_known_manifest_stays() {
        let root = ManagedPath::parse("projects/p").unwrap();
        let manifest = Manifest::new(vec![root], vec![entry("projects/p/a", 1)]).unwrap();
        assert_eq!(
            manifest.digest().to_string(),
            "585e209506cbe46c375e9c540c1b8471086085de893830d85d1ebba49578a863"
        );
    }

    proptest! {
        #[test]
        fn a_difference_applied_gives_the_target(
            a in proptest::collection::btree_map("[a-d]{1,3}", 0_u8..4, 0..12),
            b in proptest::collection::btree_map("[a-d]{1,3}", 0_u8..4, 0..12),
        ) {
            let build = |m: &BTreeMap<String, u8>| {
                Manifest::new(vec![], m.iter().map(|(p, c)| entry(p, *c)).collect()).unwrap()
            };
            let (a, b) = (build(&a), build(&b));
            let patched = a.patched(b.diff(&a), vec![]).unwrap();
            prop_assert_eq!(patched.digest(), b.digest());
        }
    }
}
