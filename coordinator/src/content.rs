//! What gateways shall have, by digest: mirrors of the git repositories, manifests rendered from
//! them, blobs. Everything here can be made again from the remotes.
//!
//! ```text
//!  remote ──fetch──▶ mirror (bare, gix) ──list──▶ tree ──render (domain)──▶ Manifest
//!  peer ───pack────▶      └──read──▶ blobs by BLAKE3, in batches
//! ```
//! Where a missing commit comes from is decided in [`crate::objects`].

pub mod blobs;
pub mod descent;
mod history;
pub mod index;
pub mod mirror;
pub mod pack;
pub mod refs;
#[cfg(test)]
mod scratch;
pub mod tree;
mod walk;

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use millwright_model::{
    digest::{Digest, DigestMap, GitId},
    id::Name,
    manifest::Manifest,
    resource::RefSpec,
};
use millwright_render::{
    render::{Engine, Files, RenderError, Rendered},
    spec::{RenderSpec, SpecKey},
};
use tokio::sync::Semaphore;

use self::{
    blobs::{Blobs, Maker, Set},
    index::Index,
    mirror::{Mirror, MirrorFailed},
    refs::Resolved,
    tree::Trees,
};

/// Blocking jobs (fetches, renders, reads) at a time: disk and CPU, not memory, are the limit.
const JOBS_MAX: usize = 4;
/// Manifests kept in memory: two of each gateway of a large company. They share what is equal.
const MANIFESTS_MAX: usize = 4096;

/// Why content cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ContentFailed {
    /// The mirror.
    #[error(transparent)]
    Mirror(#[from] MirrorFailed),
    /// The files.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The commit.
    #[error("commit {commit} is not here: the remote: {remote}; the other coordinators: {peers}")]
    Absent {
        /// Which.
        commit: String,
        /// Why the remote did not give it.
        remote: String,
        /// Why no peer gave it.
        peers: String,
    },
    /// A job of this process ended badly.
    #[error("a content job ended unexpectedly")]
    Job,
}

#[derive(Debug, Default)]
struct Manifests {
    by_spec: DigestMap<Arc<Manifest>>,
    /// With the number of specs that give it.
    by_digest: DigestMap<(Arc<Manifest>, usize)>,
    /// With what was made: not the files, which are made again.
    order: VecDeque<(Digest, Arc<Set>)>,
}

impl Manifests {
    /// Keeps a manifest of a new spec; gives what made files are forgotten with the oldest one.
    fn keep(&mut self, spec: Digest, made: Arc<Set>, manifest: &Arc<Manifest>) -> Option<Arc<Set>> {
        self.by_spec.insert(spec, Arc::clone(manifest));
        let known = || (Arc::clone(manifest), 0);
        self.by_digest.get_or_insert_with(manifest.digest(), known).1 += 1;
        self.order.push_back((spec, made));
        if self.order.len() <= MANIFESTS_MAX {
            return None;
        }
        let (spec, made) = self.order.pop_front()?;
        let digest = self.by_spec.remove(&spec)?.digest();
        if let Some((_, specs)) = self.by_digest.get_mut(&digest) {
            *specs -= 1;
            if *specs == 0 {
                self.by_digest.remove(&digest);
            }
        }
        Some(made)
    }
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    mirrors: Mutex<BTreeMap<Name, Arc<Mirror>>>,
    index: Index,
    trees: Trees,
    blobs: Blobs,
    manifests: Mutex<Manifests>,
    /// One render at a time: what they share is worth more than a second core.
    engine: Mutex<Engine>,
    jobs: Semaphore,
    /// One search for a commit at a time and repository.
    searches: Mutex<BTreeMap<Name, Arc<Semaphore>>>,
}

impl Inner {
    fn render(&self, by: &Maker) -> Result<Rendered, ContentFailed> {
        let source = tree::CommitTree {
            mirror: &by.mirror,
            commit: by.spec.commit,
            trees: &self.trees,
            index: &self.index,
            blobs: &self.blobs,
        };
        let mut engine = self.engine.lock().expect("nothing panics while holding it");
        Ok(engine.render(&by.spec, &source)?)
    }

    fn remake(&self, by: &Maker) -> Result<Arc<Files>, ContentFailed> {
        Ok(self.render(by)?.made)
    }
}

/// The content of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Content {
    inner: Arc<Inner>,
}

impl Content {
    /// Opens the folder; what cannot be read is dropped and made again.
    pub fn open(dir: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir.join("git"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                dir: dir.to_owned(),
                mirrors: Mutex::default(),
                index: Index::open(&dir.join("index")),
                trees: Trees::default(),
                blobs: Blobs::default(),
                manifests: Mutex::default(),
                engine: Mutex::default(),
                jobs: Semaphore::new(JOBS_MAX),
                searches: Mutex::default(),
            }),
        })
    }

    fn mirror(&self, repository: &Name, url: &str) -> Result<Arc<Mirror>, MirrorFailed> {
        let mut mirrors = self.inner.mirrors.lock().expect("nothing panics while holding it");
        if let Some(mirror) = mirrors.get(repository).filter(|mirror| mirror.url() == url) {
            return Ok(Arc::clone(mirror));
        }
        let dir = self.inner.dir.join("git").join(format!("{repository}.git"));
        let mirror = Arc::new(Mirror::open(&dir, url)?);
        mirrors.insert(repository.clone(), Arc::clone(&mirror));
        Ok(mirror)
    }

    async fn job<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ContentFailed> + Send + 'static,
    ) -> Result<T, ContentFailed> {
        let permit = self.inner.jobs.acquire().await.map_err(|_| ContentFailed::Job)?;
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        drop(permit);
        done.map_err(|_| ContentFailed::Job)?
    }

    /// Fetches from the remote and resolves refs, each on its own.
    pub async fn resolve(
        &self,
        repository: &Name,
        url: &str,
        references: Vec<RefSpec>,
    ) -> Result<Vec<Result<Resolved, MirrorFailed>>, ContentFailed> {
        let mirror = self.mirror(repository, url)?;
        self.job(move |_| {
            mirror.fetch()?;
            Ok(references.iter().map(|reference| mirror.resolve(reference)).collect())
        })
        .await
    }

    /// What a person means by a ref, in the mirror as it is.
    pub async fn resolve_typed(
        &self,
        repository: &Name,
        url: &str,
        typed: &str,
    ) -> Result<Resolved, ContentFailed> {
        let mirror = self.mirror(repository, url)?;
        let typed = typed.to_owned();
        self.job(move |_| Ok(mirror.resolve_typed(&typed)?)).await
    }

    /// Fetches from the remote.
    pub async fn fetch(&self, repository: &Name, url: &str) -> Result<(), ContentFailed> {
        let mirror = self.mirror(repository, url)?;
        self.job(move |_| Ok(mirror.fetch()?)).await
    }

    /// Whether a commit is here.
    pub fn has_commit(
        &self,
        repository: &Name,
        url: &str,
        commit: GitId,
    ) -> Result<bool, ContentFailed> {
        Ok(self.mirror(repository, url)?.has_commit(commit))
    }

    /// Commits of which a peer need not send the files.
    pub fn tips(&self, repository: &Name, url: &str) -> Result<Vec<GitId>, ContentFailed> {
        Ok(self.mirror(repository, url)?.tips())
    }

    /// Whose turn it is to look for a missing commit of a repository.
    pub fn search(&self, repository: &Name) -> Arc<Semaphore> {
        let mut searches = self.inner.searches.lock().expect("nothing panics while holding it");
        let turn = searches.entry(repository.clone());
        Arc::clone(turn.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }

    /// How a commit stands to one that is held; see [`Mirror::descent`].
    pub async fn descent(
        &self,
        repository: &Name,
        url: &str,
        commit: GitId,
        held: GitId,
    ) -> Result<descent::Descent, ContentFailed> {
        let mirror = self.mirror(repository, url)?;
        self.job(move |_| Ok(mirror.descent(commit, held)?)).await
    }

    /// What a commit says of itself.
    pub async fn message(
        &self,
        repository: &Name,
        url: &str,
        commit: GitId,
    ) -> Result<String, ContentFailed> {
        let mirror = self.mirror(repository, url)?;
        self.job(move |_| Ok(mirror.message(commit)?)).await
    }

    /// Writes a pack of a commit and its files; see [`Mirror::write_pack`].
    pub async fn write_pack(
        &self,
        repository: &Name,
        url: &str,
        commit: GitId,
        have: Vec<GitId>,
        out: pack::ChunkWriter,
    ) -> Result<(), ContentFailed> {
        let mirror = self.mirror(repository, url)?;
        self.job(move |_| Ok(mirror.write_pack(commit, &have, out)?)).await
    }

    /// Takes a pack in; see [`Mirror::take_pack`].
    pub async fn take_pack(
        &self,
        repository: &Name,
        url: &str,
        commit: GitId,
        pack: pack::ChunkReader,
    ) -> Result<(), ContentFailed> {
        let mirror = self.mirror(repository, url)?;
        self.job(move |_| Ok(mirror.take_pack(commit, pack)?)).await
    }

    /// The manifest of a spec, if it has been rendered and is still in memory.
    pub fn rendered(&self, spec: &RenderSpec) -> Option<Arc<Manifest>> {
        self.manifests().by_spec.get(&spec.key().whole).cloned()
    }

    /// The manifest of a spec: from memory, or rendered from a commit that must be here.
    pub async fn render(
        &self,
        url: &str,
        spec: Arc<RenderSpec>,
    ) -> Result<Arc<Manifest>, ContentFailed> {
        let key = spec.key();
        let mirror = self.mirror(&spec.repository, url)?;
        // Most commits change little: what is known of them makes a job unnecessary.
        let known =
            self.inner.engine.try_lock().ok().and_then(|mut engine| engine.known(&spec, key));
        let by = Arc::new(Maker { mirror, spec });
        if let Some(rendered) = known {
            return Ok(self.keep(key, by, rendered));
        }
        let content = self.clone();
        self.job(move |inner| {
            // Another job may have rendered it while this one waited for its turn.
            if let Some(manifest) = content.manifests().by_spec.get(&key.whole) {
                return Ok(Arc::clone(manifest));
            }
            let rendered = inner.render(&by)?;
            for warning in &rendered.warnings {
                tracing::warn!(profile = %by.spec.profile, "{}", warning.0);
            }
            Ok(content.keep(key, by, rendered))
        })
        .await
    }

    fn keep(&self, key: SpecKey, by: Arc<Maker>, rendered: Rendered) -> Arc<Manifest> {
        let mut manifests = self.manifests();
        if let Some(known) = manifests.by_spec.get(&key.whole) {
            return Arc::clone(known);
        }
        let manifest = Arc::new(rendered.manifest);
        let made = self.inner.blobs.learn_made(by, &rendered.made);
        if let Some(made) = manifests.keep(key.whole, made, &manifest) {
            self.inner.blobs.forget_made(&made);
        }
        manifest
    }

    fn manifests(&self) -> std::sync::MutexGuard<'_, Manifests> {
        self.inner.manifests.lock().expect("nothing panics while holding it")
    }

    /// A manifest that is in memory.
    pub fn manifest_by_digest(&self, digest: &Digest) -> Option<Arc<Manifest>> {
        self.manifests().by_digest.get(digest).map(|(manifest, _)| Arc::clone(manifest))
    }

    /// Whole blobs of rendered manifests, in the order asked for. The caller bounds their sizes.
    pub async fn contents(&self, digests: Vec<Digest>) -> Result<Vec<Vec<u8>>, ContentFailed> {
        self.job(move |inner| inner.blobs.whole(digests, &|by| inner.remake(by))).await
    }

    /// Blobs in batches of about a megabyte, in the order asked for.
    pub fn fetch_stream(
        &self,
        digests: Vec<Digest>,
    ) -> impl futures::Stream<Item = Result<millwright_proto::agent::FetchBatch, ContentFailed>>
    + Send
    + 'static {
        let content = self.clone();
        let cursor = blobs::Cursor::new(digests);
        futures::stream::try_unfold(cursor, move |mut cursor| {
            let content = content.clone();
            async move {
                if cursor.is_done() {
                    return Ok(None);
                }
                let (batch, cursor) = content
                    .job(move |inner| {
                        let batch = inner.blobs.batch(&mut cursor, &|by| inner.remake(by))?;
                        Ok((batch, cursor))
                    })
                    .await?;
                Ok(Some((batch, cursor)))
            }
        })
    }
}
