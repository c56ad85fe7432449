//! Files of a commit with their digests: listed once per commit and source, shared by all gateways.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use millwright_model::digest::{Digest, GitId};
use millwright_render::render::{FileKind, RenderError, Source, SourceFile};

use super::{
    blobs::Blobs,
    index::Index,
    mirror::{BlobReader, Mirror},
};

/// Listings kept: a few sources of a few commits.
const LISTINGS_MAX: usize = 128;
/// What a Git LFS pointer begins with.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

type Key = (GitId, String);

/// Listings by commit and source.
#[derive(Debug, Default)]
pub struct Trees {
    kept: Mutex<(BTreeMap<Key, Arc<[SourceFile]>>, VecDeque<Key>)>,
}

impl Trees {
    fn get(&self, key: &Key) -> Option<Arc<[SourceFile]>> {
        self.kept.lock().expect("nothing panics while holding it").0.get(key).cloned()
    }

    fn keep(&self, key: Key, listing: Arc<[SourceFile]>) {
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

impl Source for CommitTree<'_> {
    fn list(&self, source: &str) -> Result<Arc<[SourceFile]>, RenderError> {
        let key = (self.commit, source.to_owned());
        if let Some(listing) = self.trees.get(&key) {
            return Ok(listing);
        }
        let files = self.mirror.files(self.commit, source).map_err(content)?;
        let (mut fresh, mut found) = (Vec::new(), Vec::with_capacity(files.len()));
        let reader = self.mirror.reader();
        for (relative, id, kind) in files {
            let mut file = SourceFile { relative, id, kind, digest: Digest::default(), size: 0 };
            match kind {
                FileKind::Link | FileKind::Submodule | FileKind::LfsPointer => {}
                FileKind::Plain | FileKind::Executable => {
                    self.measure(&reader, &mut file, &mut fresh)?;
                }
            }
            found.push(file);
        }
        if !fresh.is_empty() {
            self.index.put(&fresh);
        }
        let listing: Arc<[SourceFile]> = found.into();
        self.trees.keep(key, Arc::clone(&listing));
        Ok(listing)
    }

    fn read(&self, id: GitId) -> Result<Arc<[u8]>, RenderError> {
        Ok(self.mirror.reader().read(id).map_err(content)?.into())
    }

    fn changed_at(&self, path: &str) -> Result<i64, RenderError> {
        self.mirror.changed_at(self.commit, path).map_err(content)
    }
}

impl CommitTree<'_> {
    /// Digest and size of a file: from the index, or from its content, once.
    fn measure(
        &self,
        reader: &BlobReader,
        file: &mut SourceFile,
        fresh: &mut Vec<(GitId, Digest, u64)>,
    ) -> Result<(), RenderError> {
        let known = if let Some(known) = self.index.get(file.id) {
            known
        } else {
            let read = reader.read(file.id);
            let bytes = read.map_err(|error| content(format!("{}: {error}", file.relative)))?;
            if bytes.starts_with(LFS_POINTER) {
                // Never in the index, so that it is recognised each time.
                file.kind = FileKind::LfsPointer;
                return Ok(());
            }
            let known = (Digest::of(&bytes), bytes.len() as u64);
            fresh.push((file.id, known.0, known.1));
            known
        };
        (file.digest, file.size) = known;
        self.blobs.learn(file.digest, self.mirror, file.id, file.size);
        Ok(())
    }
}
