//! Taking a snapshot: keep what is new of what was seen, write the list.

use std::{collections::BTreeMap, path::Path, time::Instant};

use millwright_model::{
    digest::{Digest, GitId},
    facts::{SnapshotInfo, snapshot_id},
    path::ManagedPath,
    time::Timestamp,
};

use super::{Snapshot, SnapshotFile, Store};
use crate::{
    faults,
    fs::{
        self, Done,
        inventory::{Inventory, Known},
    },
};

/// A file that changes each time it is read is tried this often.
const TRIES: u32 = 3;

/// What a snapshot shall be of.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The data directory.
    pub data_dir: &'a Path,
    /// Below these.
    pub roots: &'a [ManagedPath],
    /// When, by the agent's clock.
    pub now: Timestamp,
    /// The beginning of the look at the tree: it counts as part of the snapshot.
    pub began: Instant,
    /// What the gateway runs, if ours.
    pub commit: Option<GitId>,
    /// The manifest that is applied.
    pub manifest: Option<Digest>,
    /// Why it is taken.
    pub cause: String,
    /// Bytes that must stay free.
    pub min_free_bytes: u64,
}

impl Store {
    /// Takes a snapshot of what was seen below the roots; it is on disk when this returns.
    pub fn take(
        &mut self,
        wanted: &Wanted<'_>,
        mut seen: BTreeMap<ManagedPath, Known>,
        inventory: &mut Inventory,
    ) -> Done<SnapshotInfo> {
        let missing: u64 =
            seen.values().filter(|k| !self.has(&k.digest)).map(|k| k.stamp.size()).sum();
        self.guard_space(wanted, missing)?;
        let mut new_bytes = 0;
        for (path, known) in &mut seen {
            if !self.has(&known.digest) {
                faults::point("snapshot.blob");
                new_bytes += self.keep_live(wanted.data_dir, path, known, inventory)?;
            }
        }
        if new_bytes > 0 {
            self.sync()?;
        }
        let mut bytes = 0;
        let mut files = Vec::with_capacity(seen.len());
        for (path, known) in seen {
            bytes += known.stamp.size();
            files.push(SnapshotFile {
                path,
                digest: known.digest,
                size: known.stamp.size(),
                mode: known.mode,
                modified_s: known.stamp.modified_s(),
            });
        }
        let info = SnapshotInfo {
            id: snapshot_id(wanted.now, |id| self.list.has(id)),
            taken_at: wanted.now,
            commit: wanted.commit,
            files: u32::try_from(files.len()).unwrap_or(u32::MAX),
            bytes,
            new_bytes,
            duration_ms: u64::try_from(wanted.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            stores: vec!["local".to_owned()],
            pinned: false,
            cause: wanted.cause.clone(),
        };
        faults::point("snapshot.list");
        let roots = wanted.roots.to_vec();
        self.list.put(&Snapshot { info: info.clone(), roots, files, manifest: wanted.manifest })?;
        Ok(info)
    }

    fn guard_space(&self, wanted: &Wanted<'_>, missing: u64) -> Done<()> {
        let free = fs::free_bytes(&self.dir)?;
        if free < missing.saturating_add(wanted.min_free_bytes) {
            return Err(fs::no_space(&self.dir, free, missing, wanted.min_free_bytes));
        }
        Ok(())
    }

    /// Keeps a file of the tree as it is now; it may have changed since it was looked at.
    pub fn keep_live(
        &mut self,
        data_dir: &Path,
        path: &ManagedPath,
        known: &mut Known,
        inventory: &mut Inventory,
    ) -> Done<u64> {
        for _ in 0..TRIES {
            let content = fs::read(&data_dir.join(path.as_str()))?;
            if Digest::of(&content) == known.digest {
                return self.keep(known.digest, &content);
            }
            inventory.forget(path);
            if let Some(fresh) = inventory.look(data_dir, path)? {
                *known = fresh;
            }
        }
        Err(fs::restless(&data_dir.join(path.as_str())))
    }
}
