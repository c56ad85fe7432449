//! A bare mirror of one repository, through gix. A force-push moves refs only: the objects of a
//! running rollout stay.

use std::{
    path::Path,
    sync::{Mutex, atomic::AtomicBool},
};

use gix::remote::Direction;
use millwright_model::digest::GitId;
use millwright_render::render::FileKind;

use super::{
    history::History,
    walk::{Limits, below, shown},
};

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MirrorFailed {
    /// The local copy.
    #[error("cannot open the mirror: {0}")]
    Open(String),
    /// The remote.
    #[error("cannot fetch from {url}: {why}")]
    Fetch {
        /// Without credentials.
        url: String,
        /// The chain of causes.
        why: String,
    },
    /// The ref.
    #[error("{0}")]
    Reference(String),
    /// An object.
    #[error("cannot read object {id}: {why}")]
    Object {
        /// Which.
        id: String,
        /// Why.
        why: String,
    },
    /// A commit that nobody should have.
    #[error("commit {commit} is refused: {why}")]
    Refused {
        /// Which.
        commit: String,
        /// Why.
        why: String,
    },
}

/// Largest blob: what a gateway would choke on anyway.
pub(super) const BLOB_BYTES_MAX: u64 = 512 << 20;
/// Packs that may come before a repository is opened again: the library counts them when it opens one
/// and takes in no more than it has room for.
const PACKS_SPARE: u16 = 200;
/// Packs that may come by one fetch, or from a peer, while it is open.
const PACKS_AT_ONCE: u16 = 8;

/// One mirror.
pub struct Mirror {
    url: String,
    opened: Mutex<Opened>,
    spare: u16,
    /// One fetch at a time.
    fetching: Mutex<()>,
    pub(super) history: History,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mirror({})", without_credentials(&self.url))
    }
}

/// A URL as it may be shown.
pub fn without_credentials(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (_, host) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://{host}/{path}"))
    }) {
        Some(clean) => clean,
        None => url.to_owned(),
    }
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

pub(super) fn to_git(id: GitId) -> gix::ObjectId {
    gix::ObjectId::Sha1(id.0)
}

/// The id of a git object.
pub fn from_git(id: &gix::oid) -> GitId {
    GitId::from_slice(id.as_bytes()).unwrap_or_default()
}

/// A repository as it was opened.
struct Opened {
    repository: gix::ThreadSafeRepository,
    /// Packs that it can hold.
    room: u16,
}

impl Opened {
    fn of(dir: &Path, spare: u16) -> Result<Self, MirrorFailed> {
        let room = packs(dir).saturating_add(spare).saturating_add(PACKS_AT_ONCE);
        let options = gix::open::Options::default()
            .object_store_slots(gix::odb::store::init::Slots::Given(room));
        let repository = gix::ThreadSafeRepository::open_opts(dir, options)
            .map_err(|error| MirrorFailed::Open(chain(&error)))?;
        Ok(Self { repository, room })
    }
}

/// Packs of a bare repository.
fn packs(dir: &Path) -> u16 {
    let entries = std::fs::read_dir(dir.join("objects/pack")).into_iter().flatten().flatten();
    let indices = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "idx"));
    u16::try_from(indices.count()).unwrap_or(u16::MAX)
}

impl Mirror {
    /// Opens the mirror, creating it when absent.
    pub fn open(dir: &Path, url: &str) -> Result<Self, MirrorFailed> {
        Self::with_room(dir, url, PACKS_SPARE)
    }

    fn with_room(dir: &Path, url: &str, spare: u16) -> Result<Self, MirrorFailed> {
        if !dir.exists() {
            gix::init_bare(dir).map_err(|error| MirrorFailed::Open(chain(&error)))?;
        }
        Ok(Self {
            url: url.to_owned(),
            opened: Mutex::new(Opened::of(dir, spare)?),
            spare,
            fetching: Mutex::new(()),
            history: History::open(dir),
        })
    }

    /// The remote.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn local(&self) -> gix::Repository {
        self.opened.lock().expect("nothing panics while holding it").repository.to_thread_local()
    }

    /// Before packs come: the repository is opened again when it has no room for them. Who works with
    /// it now keeps what they have.
    pub(super) fn make_room(&self) -> Result<(), MirrorFailed> {
        let mut opened = self.opened.lock().expect("nothing panics while holding it");
        let dir = opened.repository.to_thread_local().path().to_owned();
        if packs(&dir).saturating_add(PACKS_AT_ONCE) > opened.room {
            *opened = Opened::of(&dir, self.spare)?;
        }
        Ok(())
    }

    /// Fetches all branches and tags.
    pub fn fetch(&self) -> Result<(), MirrorFailed> {
        let _one_at_a_time = self.fetching.lock().expect("nothing panics while holding it");
        let failed = |error: &dyn std::error::Error| MirrorFailed::Fetch {
            url: without_credentials(&self.url),
            why: chain(error),
        };
        self.make_room()?;
        let mut repository = self.local();
        repository.committer_or_set_generic_fallback().map_err(|e| failed(&e))?;
        let refspecs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        let remote = repository
            .remote_at(self.url.as_str())
            .map_err(|e| failed(&e))?
            .with_refspecs(refspecs, Direction::Fetch)
            .map_err(|e| failed(&e))?;
        let shallow = self.missing(&repository)?;
        let connection = remote.connect(Direction::Fetch).map_err(|e| failed(&e))?;
        connection
            .prepare_fetch(gix::progress::Discard, gix::remote::ref_map::Options::default())
            .map_err(|e| failed(&e))?
            .with_shallow(shallow)
            .receive(gix::progress::Discard, &AtomicBool::new(false))
            .map_err(|e| failed(&e))?;
        self.fetched(&repository)
    }

    /// Whether the commit is here, with what its history says.
    pub fn has_commit(&self, commit: GitId) -> bool {
        self.local().find_commit(to_git(commit)).is_ok() && self.has_history(commit)
    }

    /// Every file below a path of a commit: path relative to it, object id, kind.
    pub fn files(
        &self,
        commit: GitId,
        source: &str,
    ) -> Result<Vec<(String, GitId, FileKind)>, MirrorFailed> {
        let repository = self.local();
        let failed = |error: &dyn std::error::Error| MirrorFailed::Object {
            id: commit.to_string(),
            why: chain(error),
        };
        let root = repository
            .find_commit(to_git(commit))
            .map_err(|e| failed(&e))?
            .tree()
            .map_err(|e| failed(&e))?;
        let tree = if source.is_empty() {
            root
        } else {
            let entry = root.lookup_entry_by_path(source).map_err(|e| failed(&e))?;
            let Some(entry) = entry else { return Ok(Vec::new()) };
            if !entry.mode().is_tree() {
                let kind = kind_of(entry.mode());
                return Ok(vec![(String::new(), from_git(entry.object_id().as_ref()), kind)]);
            }
            entry.object().map_err(|e| failed(&e))?.into_tree()
        };
        let mut files = Vec::new();
        for one in below(&repository, commit, tree.id, Limits::ALL)? {
            if one.mode.is_tree() {
                continue;
            }
            // A name with something in place of what is no text would be another file's.
            let path = String::from_utf8(one.path).map_err(|error| MirrorFailed::Refused {
                commit: commit.to_string(),
                why: format!(
                    "the name of a file below {source:?} is no UTF-8 text: {}",
                    shown(error.as_bytes())
                ),
            })?;
            files.push((path, from_git(one.id.as_ref()), kind_of(one.mode)));
        }
        files.sort();
        Ok(files)
    }

    /// A reader of blobs; one per thread and job.
    pub fn reader(&self) -> BlobReader {
        BlobReader { repository: self.local() }
    }
}

/// Reads blobs of one mirror.
pub struct BlobReader {
    repository: gix::Repository,
}

impl std::fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobReader")
    }
}

impl BlobReader {
    /// The content of a blob.
    pub fn read(&self, id: GitId) -> Result<Vec<u8>, MirrorFailed> {
        let failed = |why: String| MirrorFailed::Object { id: id.to_string(), why };
        let header = self.repository.find_header(to_git(id)).map_err(|e| failed(chain(&e)))?;
        if header.size() > BLOB_BYTES_MAX {
            return Err(failed(format!("it has {} bytes", header.size())));
        }
        let mut object = self.repository.find_object(to_git(id)).map_err(|e| failed(chain(&e)))?;
        Ok(std::mem::take(&mut object.data))
    }
}

fn kind_of(mode: gix::objs::tree::EntryMode) -> FileKind {
    if mode.is_link() {
        FileKind::Link
    } else if mode.is_commit() {
        FileKind::Submodule
    } else if mode.is_executable() {
        FileKind::Executable
    } else {
        FileKind::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::scratch::{commit, git},
        *,
    };

    #[test]
    fn a_repository_that_is_pushed_to_often_is_followed_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        std::fs::create_dir_all(&work).unwrap();
        git(&work, &["init", "--quiet"]);
        let url = work.to_str().unwrap();
        let mirror = Mirror::with_room(&dir.path().join("mirror"), url, 2).unwrap();
        for push in 0..40 {
            let pushed = commit(&work, "file", &push.to_string());
            mirror.fetch().unwrap();
            let files = mirror.files(pushed, "").unwrap();
            let content = mirror.reader().read(files[0].1).unwrap();
            assert_eq!(content, push.to_string().into_bytes());
        }
        assert_eq!(packs(&dir.path().join("mirror")), 40);
    }
}
