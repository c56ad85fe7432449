//! Blobs by BLAKE3: where they are, and how they are cut into batches for the wire. What a render made
//! is kept nowhere: it is made again when it is asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
};

use millwright_model::digest::{Digest, GitId};
use millwright_proto::agent::{Chunk, FetchBatch};
use millwright_render::{render::Files, spec::RenderSpec};
use zstd::bulk::Compressor;

use super::{
    ContentFailed,
    mirror::{BlobReader, Mirror, MirrorFailed},
};

/// Content bytes in one batch: below the gRPC default of 4 MiB with room for its frame.
const BATCH_BYTES: usize = 1 << 20;
/// Content bytes in one chunk of a large blob.
const CHUNK_BYTES: usize = 512 << 10;
/// Smaller content is not worth compressing.
const COMPRESS_MIN: usize = 256;
/// Level 3 is zstd's default: resource files shrink to about a fifth.
const ZSTD_LEVEL: i32 = 3;

/// Where a blob is.
#[derive(Debug, Clone)]
enum Place {
    /// In git.
    Git { mirror: Arc<Mirror>, id: GitId, size: u64 },
    /// In what a render makes, and how many renders that are known make it.
    Made { set: Arc<Set>, size: u64, uses: usize },
}

/// What a made file comes from.
#[derive(Debug)]
pub struct Maker {
    /// Repository of the spec.
    pub mirror: Arc<Mirror>,
    /// What is rendered.
    pub spec: Arc<RenderSpec>,
}

/// The files that a render made, with the newest render that makes them. Most commits leave a gateway's
/// made files as they are: then its renders share one set, and none of its files is looked up.
#[derive(Debug)]
pub struct Set {
    /// Keeps their place in memory from being taken by others, not the files themselves.
    files: Weak<Files>,
    digests: Box<[Digest]>,
    by: Mutex<Arc<Maker>>,
}

impl Set {
    fn by(&self) -> Arc<Maker> {
        Arc::clone(&self.by.lock().expect("nothing panics while holding it"))
    }
}

/// Makes the files of a render again.
pub type Remake<'a> = &'a dyn Fn(&Maker) -> Result<Arc<Files>, ContentFailed>;

/// Places of all blobs that some rendered manifest names.
#[derive(Debug, Default)]
pub struct Blobs {
    places: Mutex<BTreeMap<Digest, Place>>,
    /// By where their files lie in memory, with how many renders use them.
    sets: Mutex<BTreeMap<usize, (Arc<Set>, usize)>>,
}

/// How far a request has been answered, and what is worth keeping from one blob to the next.
pub struct Cursor {
    digests: Vec<Digest>,
    next: usize,
    /// A large blob in hand and how much of it is sent.
    open: Option<(Vec<u8>, usize)>,
    /// Neighbours share delta bases, which a reader remembers.
    reader: Option<(Arc<Mirror>, BlobReader)>,
    /// One gateway's made files are asked for together.
    made: Option<(Arc<Maker>, Arc<Files>)>,
    /// Its tables cost more to make than a small file to compress.
    compressor: Option<Compressor<'static>>,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({} of {})", self.next, self.digests.len())
    }
}

impl Cursor {
    /// At the beginning.
    pub fn new(digests: Vec<Digest>) -> Self {
        let compressor = Compressor::new(ZSTD_LEVEL).ok();
        Self { digests, next: 0, open: None, reader: None, made: None, compressor }
    }

    fn reader(&mut self, mirror: &Arc<Mirror>) -> &BlobReader {
        let kept = self.reader.take().filter(|(known, _)| Arc::ptr_eq(known, mirror));
        let kept = kept.unwrap_or_else(|| (Arc::clone(mirror), mirror.reader()));
        &self.reader.insert(kept).1
    }

    fn chunk(&mut self, digest: Digest, offset: usize, content: &[u8], last: bool) -> Chunk {
        let packed = self
            .compressor
            .as_mut()
            .filter(|_| content.len() >= COMPRESS_MIN)
            .and_then(|compressor| compressor.compress(content).ok())
            .filter(|packed| packed.len() < content.len());
        let compressed = packed.is_some();
        Chunk {
            digest: digest.0.to_vec(),
            offset: offset as u64,
            data: packed.unwrap_or_else(|| content.to_vec()).into(),
            compressed,
            last,
        }
    }

    /// Whether everything has been sent.
    pub fn is_done(&self) -> bool {
        self.open.is_none() && self.next >= self.digests.len()
    }
}

impl Blobs {
    fn places(&self) -> std::sync::MutexGuard<'_, BTreeMap<Digest, Place>> {
        self.places.lock().expect("nothing panics while holding it")
    }

    /// Remembers where a digest is. Git is the better place: what is made goes with its renders.
    pub fn learn(&self, digest: Digest, mirror: &Arc<Mirror>, id: GitId, size: u64) {
        let mut places = self.places();
        if let Some(Place::Git { .. }) = places.get(&digest) {
            return;
        }
        places.insert(digest, Place::Git { mirror: Arc::clone(mirror), id, size });
    }

    /// Remembers what makes these files; the newest render that makes one counts.
    pub fn learn_made(&self, by: Arc<Maker>, made: &Arc<Files>) -> Arc<Set> {
        let mut sets = self.sets.lock().expect("nothing panics while holding it");
        let key = Arc::as_ptr(made).addr();
        if let Some((set, uses)) = sets.get_mut(&key) {
            debug_assert!(set.files.ptr_eq(&Arc::downgrade(made)), "a set holds its place");
            *set.by.lock().expect("nothing panics while holding it") = by;
            *uses += 1;
            return Arc::clone(set);
        }
        let digests = made.values().map(|made| made.node.digest).collect();
        let set = Arc::new(Set { files: Arc::downgrade(made), digests, by: Mutex::new(by) });
        sets.insert(key, (Arc::clone(&set), 1));
        let mut places = self.places();
        for made in made.values() {
            let (size, digest) = (made.node.size, made.node.digest);
            let known = places.entry(digest).or_insert_with(|| Place::Made {
                set: Arc::clone(&set),
                size,
                uses: 0,
            });
            if let Place::Made { set: newest, uses, .. } = known {
                *newest = Arc::clone(&set);
                *uses += 1;
            }
        }
        set
    }

    /// One render less that makes these files; forgets what none makes any more.
    pub fn forget_made(&self, set: &Arc<Set>) {
        let mut sets = self.sets.lock().expect("nothing panics while holding it");
        let key = set.files.as_ptr().addr();
        let Some((_, uses)) = sets.get_mut(&key) else { return };
        *uses -= 1;
        if *uses > 0 {
            return;
        }
        sets.remove(&key);
        let mut places = self.places();
        for digest in &set.digests {
            if let Some(Place::Made { uses, .. }) = places.get_mut(digest) {
                *uses -= 1;
                if *uses == 0 {
                    places.remove(digest);
                }
            }
        }
    }

    fn read(
        &self,
        cursor: &mut Cursor,
        digest: Digest,
        remake: Remake<'_>,
    ) -> Result<Vec<u8>, ContentFailed> {
        let failed = |why: String| MirrorFailed::Object { id: digest.to_string(), why };
        let place = self.places().get(&digest).cloned();
        let place = place.ok_or_else(|| failed("no manifest of this node names it".to_owned()))?;
        let (bytes, size) = match place {
            Place::Git { mirror, id, size } => (cursor.reader(&mirror).read(id)?, size),
            Place::Made { set, size, .. } => {
                let by = set.by();
                let kept = cursor.made.take().filter(|(known, _)| Arc::ptr_eq(known, &by));
                let kept = match kept {
                    Some(kept) => kept,
                    None => (Arc::clone(&by), remake(&by)?),
                };
                let (_, files) = cursor.made.insert(kept);
                let made = files.values().find(|made| made.node.digest == digest);
                let made = made.ok_or_else(|| failed("it was made differently now".to_owned()))?;
                (made.content.to_vec(), size)
            }
        };
        if bytes.len() as u64 != size {
            return Err(failed("it has another size than before".to_owned()).into());
        }
        Ok(bytes)
    }

    /// Whole blobs, in the order asked for.
    pub fn whole(
        &self,
        digests: Vec<Digest>,
        remake: Remake<'_>,
    ) -> Result<Vec<Vec<u8>>, ContentFailed> {
        let mut cursor = Cursor::new(Vec::new());
        digests.into_iter().map(|digest| self.read(&mut cursor, digest, remake)).collect()
    }

    /// The next batch of a request.
    pub fn batch(
        &self,
        cursor: &mut Cursor,
        remake: Remake<'_>,
    ) -> Result<FetchBatch, ContentFailed> {
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES && !cursor.is_done() {
            let digest = cursor.digests[cursor.next];
            let (content, sent) = match cursor.open.take() {
                Some(open) => open,
                None => (self.read(cursor, digest, remake)?, 0),
            };
            let end = content.len().min(sent + CHUNK_BYTES);
            let last = end == content.len();
            bytes += end - sent;
            chunks.push(cursor.chunk(digest, sent, &content[sent..end], last));
            if last {
                cursor.next += 1;
            } else {
                cursor.open = Some((content, end));
            }
        }
        Ok(FetchBatch { chunks })
    }
}

#[cfg(test)]
mod tests {
    use millwright_model::{manifest::FileNode, path::ManagedPath};
    use millwright_render::render::Made;

    use super::{
        super::scratch::{commit, git},
        *,
    };

    #[test]
    fn what_git_has_stays_when_nobody_makes_it_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        std::fs::create_dir_all(&work).unwrap();
        git(&work, &["init", "--quiet"]);
        let pushed = commit(&work, "file", "x");
        let url = work.to_str().unwrap();
        let mirror = Arc::new(Mirror::open(&dir.path().join("mirror"), url).unwrap());
        mirror.fetch().unwrap();
        let id = mirror.files(pushed, "").unwrap()[0].1;
        let spec = serde_json::json!({
            "repository": "plant", "commit": pushed, "profile": "p", "mappings": [],
            "exclude_patterns": [], "allow": [],
        });
        let spec = Arc::new(serde_json::from_value(spec).unwrap());
        let by = Arc::new(Maker { mirror: Arc::clone(&mirror), spec });
        let digest = Digest::of(b"x");
        let node = FileNode { digest, size: 1, mode: 0o644 };
        let file = Arc::new(Made { node, content: b"x".as_slice().into() });
        let made = Arc::new(Files::from([(ManagedPath::parse("projects/a/x").unwrap(), file)]));
        for git_first in [true, false] {
            let blobs = Blobs::default();
            if git_first {
                blobs.learn(digest, &mirror, id, 1);
            }
            let set = blobs.learn_made(Arc::clone(&by), &made);
            blobs.learn(digest, &mirror, id, 1);
            blobs.forget_made(&set);
            let read = blobs.whole(vec![digest], &|_| panic!("nobody makes it"));
            assert_eq!(read.unwrap(), [b"x"]);
        }
    }
}
