//! The snapshots themselves: one file each, with a digest in front, replaced as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    path::{Path, PathBuf},
};

use millwright_model::{digest::Digest, facts::SnapshotInfo, path::ManagedPath};
use millwright_proto::agent::{StoredFile, StoredSnapshot};
use tokio::sync::watch;

use super::{Snapshot, SnapshotFile};
use crate::{
    frames,
    fs::{self, Done, failed},
};

/// Version of the file's layout.
const FORMAT: u32 = 2;
const LEVEL: i32 = 1;
/// Largest list: a million files.
const BYTES_MAX: u64 = 256 << 20;
const SUFFIX: &str = ".snapshot";

#[derive(Debug)]
pub(super) struct List {
    dir: PathBuf,
    infos: BTreeMap<String, SnapshotInfo>,
    changes: watch::Sender<()>,
}

impl List {
    pub(super) fn open(dir: &Path) -> Done<Self> {
        fs::make_dir(dir)?;
        let mut list =
            Self { dir: dir.to_owned(), infos: BTreeMap::new(), changes: watch::Sender::new(()) };
        for name in fs::files(dir)? {
            let Some(id) = name.strip_suffix(SUFFIX) else { continue };
            match list.read(id, |_| Ok(())) {
                Ok(Some(snapshot)) => {
                    list.infos.insert(id.to_owned(), snapshot.info);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a snapshot cannot be read and is left out"),
            }
        }
        Ok(list)
    }

    fn file(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}{SUFFIX}"))
    }

    pub(super) fn infos(&self) -> Vec<SnapshotInfo> {
        let mut infos: Vec<SnapshotInfo> = self.infos.values().cloned().collect();
        infos.sort_by(|a, b| (b.taken_at, &b.id).cmp(&(a.taken_at, &a.id)));
        infos
    }

    /// Wakes whoever waits when a snapshot comes, changes or goes.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.infos.contains_key(id)
    }

    pub(super) fn put(&mut self, snapshot: &Snapshot) -> Done<()> {
        let path = self.file(&snapshot.info.id);
        let bytes = encode(snapshot).map_err(failed("write", &path))?;
        fs::replace(&path, &bytes)?;
        self.infos.insert(snapshot.info.id.clone(), snapshot.info.clone());
        self.changes.send_replace(());
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &str) -> Done<()> {
        self.infos.remove(id);
        self.changes.send_replace(());
        fs::discard(&self.file(id))
    }

    pub(super) fn load(&self, id: &str) -> Done<Option<Snapshot>> {
        // Ids come from outside too: only our own kind of name is looked up.
        if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Ok(None);
        }
        let path = self.file(id);
        let Some(bytes) = fs::read_if_there(&path)? else { return Ok(None) };
        decode(&bytes).map(Some).map_err(failed("read", &path))
    }

    /// A snapshot without its files, each of which is handed to `each`.
    fn read(
        &self,
        id: &str,
        each: impl FnMut(StoredFile) -> io::Result<()>,
    ) -> Done<Option<Snapshot>> {
        let path = self.file(id);
        let Some(bytes) = fs::read_if_there(&path)? else { return Ok(None) };
        decode_each(&bytes, each).map(Some).map_err(failed("read", &path))
    }

    /// Every digest that a snapshot refers to.
    pub(super) fn digests(&self) -> Done<BTreeSet<Digest>> {
        let mut digests = BTreeSet::new();
        for id in self.infos.keys() {
            self.read(id, |file| {
                digests.insert(Digest::from_slice(&file.digest).map_err(io::Error::other)?);
                Ok(())
            })?;
        }
        Ok(digests)
    }
}

/// The bytes of a snapshot's file: a digest of what follows, then, compressed, the message without its
/// files, then the files in messages of their own.
pub(super) fn encode(snapshot: &Snapshot) -> io::Result<Vec<u8>> {
    let Snapshot { info, roots, files, manifest } = snapshot;
    let head = StoredSnapshot {
        format: FORMAT,
        info: Some(info.clone().into()),
        roots: roots.iter().map(ToString::to_string).collect(),
        files: Vec::new(),
        manifest: manifest.map(|digest| digest.0.to_vec()).unwrap_or_default(),
    };
    let mut body = zstd::Encoder::new(Vec::new(), LEVEL)?;
    frames::write(&mut body, &head)?;
    for files in files.chunks(frames::ITEMS) {
        let files = files.iter().map(stored).collect();
        frames::write(&mut body, &StoredSnapshot { files, ..StoredSnapshot::default() })?;
    }
    let body = body.finish()?;
    let mut bytes = Digest::of(&body).0.to_vec();
    bytes.extend(body);
    Ok(bytes)
}

fn stored(file: &SnapshotFile) -> StoredFile {
    StoredFile {
        path: file.path.to_string(),
        digest: file.digest.0.to_vec(),
        size: file.size,
        mode: file.mode,
        modified_s: file.modified_s,
    }
}

/// A snapshot from the bytes of its file.
pub(super) fn decode(bytes: &[u8]) -> io::Result<Snapshot> {
    let mut files = Vec::new();
    let head = decode_each(bytes, |StoredFile { path, digest, size, mode, modified_s }| {
        let path = ManagedPath::parse(&path).map_err(io::Error::other)?;
        let digest = Digest::from_slice(&digest).map_err(io::Error::other)?;
        files.push(SnapshotFile { path, digest, size, mode, modified_s });
        Ok(())
    })?;
    Ok(Snapshot { files, ..head })
}

/// The same, with every file handed over instead of kept.
fn decode_each(
    bytes: &[u8],
    mut each: impl FnMut(StoredFile) -> io::Result<()>,
) -> io::Result<Snapshot> {
    let damaged = || io::Error::other("it is damaged");
    let (digest, body) = bytes.split_at_checked(32).ok_or_else(damaged)?;
    if Digest::of(body).0 != *digest {
        return Err(damaged());
    }
    let mut snapshot = None;
    let plain = zstd::Decoder::with_buffer(body)?.take(BYTES_MAX);
    frames::read(plain, |part: StoredSnapshot| {
        let StoredSnapshot { format, info, roots, files, manifest } = part;
        if snapshot.is_none() {
            if format != FORMAT {
                let message = format!("its format is {format}, this program reads {FORMAT}");
                return Err(io::Error::other(message));
            }
            let path = |text: &String| ManagedPath::parse(text).map_err(io::Error::other);
            snapshot = Some(Snapshot {
                info: info.ok_or_else(damaged)?.try_into().map_err(io::Error::other)?,
                roots: roots.iter().map(path).collect::<io::Result<_>>()?,
                files: Vec::new(),
                manifest: Digest::from_slice(&manifest).ok(),
            });
        }
        files.into_iter().try_for_each(&mut each)
    })?;
    snapshot.ok_or_else(damaged)
}
