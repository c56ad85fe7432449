//! Taking a snapshot: keep what is new of what was seen, write the list.

use std::{path::Path, time::Instant};

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
    /// Takes a snapshot of what was just seen below the roots; it is on disk when this returns.
    pub fn take(&mut self, wanted: &Wanted<'_>, inventory: &mut Inventory) -> Done<SnapshotInfo> {
        let seen = inventory.below(wanted.roots);
        let missing = seen.filter(|(_, known)| !self.has(&known.digest));
        let missing: Vec<_> = missing.map(|(path, known)| (path, known.stamp.size())).collect();
        self.guard_space(wanted, missing.iter().map(|(_, size)| size).sum())?;
        let mut new_bytes = 0;
        for (path, _) in missing {
            faults::point("snapshot.blob");
            new_bytes += self.keep_live(wanted.data_dir, &path, inventory)?;
        }
        // Also what an earlier try kept that did not come to its end.
        self.sync()?;
        let file = |(path, known): (ManagedPath, &Known)| SnapshotFile {
            path,
            digest: known.digest,
            size: known.stamp.size(),
            mode: known.mode,
            modified_s: known.stamp.modified_s(),
        };
        let files: Vec<_> = inventory.below(wanted.roots).map(file).collect();
        let info = SnapshotInfo {
            id: snapshot_id(wanted.now, |id| self.list.has(id)),
            taken_at: wanted.now,
            commit: wanted.commit,
            files: u32::try_from(files.len()).unwrap_or(u32::MAX),
            bytes: files.iter().map(|file| file.size).sum(),
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
        inventory: &mut Inventory,
    ) -> Done<u64> {
        for _ in 0..TRIES {
            let content = fs::read(&data_dir.join(path.as_str()))?;
            let digest = Digest::of(&content);
            if inventory.get(path).is_some_and(|known| known.digest == digest) {
                return self.keep(digest, &content);
            }
            inventory.doubt(path);
            inventory.look(data_dir, path)?;
        }
        Err(fs::restless(&data_dir.join(path.as_str())))
    }
}
