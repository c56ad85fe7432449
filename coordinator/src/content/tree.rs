//! Files of a commit with their digests: listed once per commit and source, shared by all gateways.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use millwright_coordinator_domain::render::{RenderError, TreeFile, TreeSource};
use millwright_model::digest::{Digest, GitId};

use super::{
    blobs::Blobs,
    index::Index,
    mirror::{FileKind, Mirror},
};

/// Listings kept: a few sources of a few commits.
const LISTINGS_MAX: usize = 128;
/// What a Git LFS pointer begins with.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

type Key = (GitId, String);

/// Listings by commit and source.
#[derive(Debug, Default)]
pub struct Trees {
    kept: Mutex<(BTreeMap<Key, Arc<[TreeFile]>>, VecDeque<Key>)>,
}

impl Trees {
    fn get(&self, key: &Key) -> Option<Arc<[TreeFile]>> {
        self.kept.lock().expect("nothing panics while holding it").0.get(key).cloned()
    }

    fn keep(&self, key: Key, listing: Arc<[TreeFile]>) {
        let mut kept = self.kept.lock().expect("nothing panics while holding it");
        kept.1.push_back(key.clone());
        kept.0.insert(key, listing);
        while kept.1.len() > LISTINGS_MAX {
            if let Some(oldest) = kept.1.pop_front() {
                kept.0.remove(&oldest);
            }
        }
    }
}

/// The files of one commit.
#[derive(Debug)]
pub struct CommitTree<'a> {
    /// Where the objects are.
    pub mirror: &'a Arc<Mirror>,
    /// Which commit.
    pub commit: GitId,
    /// Listings so far.
    pub trees: &'a Trees,
    /// Digests so far.
    pub index: &'a Index,
    /// Learns where each digest is.
    pub blobs: &'a Blobs,
}

fn content(error: impl ToString) -> RenderError {
    RenderError::Content(error.to_string())
}

impl TreeSource for CommitTree<'_> {
    fn list(&self, source: &str) -> Result<Arc<[TreeFile]>, RenderError> {
        let key = (self.commit, source.to_owned());
        if let Some(listing) = self.trees.get(&key) {
            return Ok(listing);
        }
        let files = self.mirror.files(self.commit, source).map_err(content)?;
        let (mut fresh, mut found) = (Vec::new(), Vec::with_capacity(files.len()));
        let reader = self.mirror.reader();
        for (relative, id, kind) in files {
            let shown = || format!("{source}/{relative}");
            match kind {
                FileKind::Plain | FileKind::Executable => {}
                FileKind::Link => {
                    return Err(content(format!("{} is a symbolic link: refused", shown())));
                }
                FileKind::Submodule => {
                    return Err(content(format!("{} is a submodule: refused", shown())));
                }
            }
            let (digest, size) = if let Some(known) = self.index.get(id) {
                known
            } else {
                let bytes = reader.read(id).map_err(content)?;
                if bytes.starts_with(LFS_POINTER) {
                    let message = "is a Git LFS pointer: its content is not in git";
                    return Err(content(format!("{} {message}", shown())));
                }
                let known = (Digest::of(&bytes), bytes.len() as u64);
                fresh.push((id, known.0, known.1));
                known
            };
            self.blobs.learn(digest, self.mirror, id, size);
            let executable = kind == FileKind::Executable;
            found.push(TreeFile { relative, digest, size, executable });
        }
        if !fresh.is_empty() {
            self.index.put(&fresh);
        }
        let listing: Arc<[TreeFile]> = found.into();
        self.trees.keep(key, Arc::clone(&listing));
        Ok(listing)
    }
}
