//! The snapshots themselves: one file each, with a digest in front, replaced as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use millwright_model::{digest::Digest, facts::SnapshotInfo, path::ManagedPath};
use millwright_proto::agent::{StoredFile, StoredSnapshot};
use prost::Message;
use tokio::sync::watch;

use super::{Snapshot, SnapshotFile};
use crate::fs::{self, Done, failed};

/// Version of the file's layout.
const FORMAT: u32 = 1;
const LEVEL: i32 = 1;
/// Largest list: a million files.
const BYTES_MAX: usize = 256 << 20;
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
            match list.load(id) {
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

    /// Every digest that a snapshot refers to.
    pub(super) fn digests(&self) -> Done<BTreeSet<Digest>> {
        let mut digests = BTreeSet::new();
        for id in self.infos.keys() {
            if let Some(snapshot) = self.load(id)? {
                digests.extend(snapshot.files.iter().map(|file| file.digest));
            }
        }
        Ok(digests)
    }
}

/// The bytes of a snapshot's file.
pub(super) fn encode(snapshot: &Snapshot) -> io::Result<Vec<u8>> {
    let Snapshot { info, roots, files, manifest } = snapshot;
    let wire = StoredSnapshot {
        format: FORMAT,
        info: Some(info.clone().into()),
        roots: roots.iter().map(ToString::to_string).collect(),
        files: files
            .iter()
            .map(|file| StoredFile {
                path: file.path.to_string(),
                digest: file.digest.0.to_vec(),
                size: file.size,
                mode: file.mode,
                modified_s: file.modified_s,
            })
            .collect(),
        manifest: manifest.map(|digest| digest.0.to_vec()).unwrap_or_default(),
    };
    let body = zstd::bulk::compress(&wire.encode_to_vec(), LEVEL)?;
    let mut bytes = Digest::of(&body).0.to_vec();
    bytes.extend(body);
    Ok(bytes)
}

/// A snapshot from the bytes of its file.
pub(super) fn decode(bytes: &[u8]) -> io::Result<Snapshot> {
    let damaged = || io::Error::other("it is damaged");
    let (digest, body) = bytes.split_at_checked(32).ok_or_else(damaged)?;
    if Digest::of(body).0 != *digest {
        return Err(damaged());
    }
    let plain = zstd::bulk::decompress(body, zstd_size(body))?;
    let wire = StoredSnapshot::decode(plain.as_slice()).map_err(io::Error::other)?;
    let StoredSnapshot { format, info, roots, files, manifest } = wire;
    if format != FORMAT {
        return Err(io::Error::other(format!("its format {format} is newer than this program")));
    }
    let info = info.ok_or_else(damaged)?.try_into().map_err(io::Error::other)?;
    let path = |text: &str| ManagedPath::parse(text).map_err(io::Error::other);
    let files = files
        .into_iter()
        .map(|StoredFile { path: text, digest, size, mode, modified_s }| {
            let digest = Digest::from_slice(&digest).map_err(io::Error::other)?;
            Ok(SnapshotFile { path: path(&text)?, digest, size, mode, modified_s })
        })
        .collect::<io::Result<_>>()?;
    Ok(Snapshot {
        info,
        roots: roots.iter().map(|root| path(root)).collect::<io::Result<_>>()?,
        files,
        manifest: Digest::from_slice(&manifest).ok(),
    })
}

fn zstd_size(body: &[u8]) -> usize {
    let told = zstd::zstd_safe::get_frame_content_size(body).ok().flatten().unwrap_or_default();
    usize::try_from(told).unwrap_or(BYTES_MAX).min(BYTES_MAX)
}
