//! Snapshots: what the files were. Every distinct content is kept once, compressed, by its BLAKE3; a
//! snapshot is a list of paths and digests. Unchanged files are known by the inventory and cost
//! nothing. What a commit will replace is kept the same way, so that undoing it needs no network.

mod blobs;
mod list;
mod remote;
mod take;

use std::path::{Path, PathBuf};

use millwright_model::{
    digest::{Digest, GitId},
    facts::SnapshotInfo,
    path::ManagedPath,
};
use tokio::sync::watch;

use self::{blobs::Blobs, list::List};
pub use self::{
    remote::{Remote, RemoteFailed},
    take::Wanted,
};
use crate::fs::{self, Done};

/// A file as a snapshot has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Where.
    pub path: ManagedPath,
    /// BLAKE3 of its content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970 of its last change.
    pub modified_s: i64,
}

/// A whole snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What is told of it.
    pub info: SnapshotInfo,
    /// Below which every file is listed.
    pub roots: Vec<ManagedPath>,
    /// Every file, in path order.
    pub files: Vec<SnapshotFile>,
    /// The manifest that was applied then.
    pub manifest: Option<Digest>,
}

/// The local store.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    blobs: Blobs,
    list: List,
}

impl Store {
    /// Opens the store of a folder, made when absent.
    pub fn open(dir: &Path) -> Done<Self> {
        fs::make_dir(dir)?;
        let list = List::open(&dir.join("list"))?;
        let blobs = Blobs::open(&dir.join("blobs"), list.digests()?)?;
        Ok(Self { dir: dir.to_owned(), blobs, list })
    }

    /// What is there, newest first.
    pub fn infos(&self) -> Vec<SnapshotInfo> {
        self.list.infos()
    }

    /// Wakes whoever waits when a snapshot comes, changes or goes.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.list.changes()
    }

    /// A snapshot with its files; `None` when there is none of that id.
    pub fn load(&self, id: &str) -> Done<Option<Snapshot>> {
        self.list.load(id)
    }

    /// The content of a digest, checked.
    pub fn content(&self, digest: &Digest) -> Done<Vec<u8>> {
        self.blobs.read(digest)
    }

    /// Keeps some content. Durable only after [`Store::sync`].
    pub fn keep(&mut self, digest: Digest, content: &[u8]) -> Done<u64> {
        self.blobs.keep(digest, content)
    }

    /// Where the gateway's own backup of a snapshot is.
    pub fn backup_file(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.gwbk"))
    }

    /// Whether the content of a digest is kept and whole; what is not may be kept anew then.
    pub fn is_whole(&mut self, digest: &Digest) -> bool {
        let whole = self.has(digest) && self.content(digest).is_ok();
        if !whole {
            self.blobs.doubt(digest);
        }
        whole
    }

    /// Whether the content of a digest is kept.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blobs.has(digest)
    }

    /// Makes everything kept so far durable.
    pub fn sync(&mut self) -> Done<()> {
        self.blobs.sync()
    }

    /// Reads every blob of a snapshot and compares it with its digest. Names what is missing or
    /// wrong.
    pub fn verify(&self, snapshot: &Snapshot) -> Vec<String> {
        let bad = |file: &&SnapshotFile| self.blobs.read(&file.digest).is_err();
        snapshot.files.iter().filter(bad).map(|file| file.path.to_string()).collect()
    }

    /// Sets or lifts the pin of a snapshot; `false` when there is none of that id.
    pub fn pin(&mut self, id: &str, pinned: bool) -> Done<bool> {
        let Some(mut snapshot) = self.load(id)? else { return Ok(false) };
        snapshot.info.pinned = pinned;
        self.list.put(&snapshot)?;
        Ok(true)
    }

    /// Adds the name of a store that a snapshot was uploaded to.
    pub fn note_upload(&mut self, id: &str, store: &str) -> Done<()> {
        if let Some(mut snapshot) = self.load(id)?
            && !snapshot.info.stores.iter().any(|known| known == store)
        {
            snapshot.info.stores.push(store.to_owned());
            self.list.put(&snapshot)?;
        }
        Ok(())
    }

    /// Removes snapshots with the gateway's backups beside them, then every blob that nothing refers to.
    pub fn remove(&mut self, ids: &[String]) -> Done<()> {
        if ids.is_empty() && !self.blobs.has_loose() {
            return Ok(());
        }
        for id in ids {
            self.list.remove(id)?;
            fs::discard(&self.backup_file(id))?;
        }
        let used = self.list.digests()?;
        self.blobs.retain(&used)
    }

    /// Adds a snapshot that came from elsewhere.
    pub fn adopt(&mut self, snapshot: &Snapshot) -> Done<()> {
        self.list.put(snapshot)
    }

    /// Takes a blob over as another store has it, after checking it.
    pub fn adopt_blob(&mut self, digest: Digest, packed: &[u8]) -> Done<()> {
        self.blobs.adopt(digest, packed)
    }

    /// The newest snapshot taken of a commit's files.
    pub fn newest_of(&self, commit: GitId) -> Option<String> {
        self.infos().into_iter().find(|info| info.commit == Some(commit)).map(|info| info.id)
    }

    fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.blobs.file(digest)
    }
}
