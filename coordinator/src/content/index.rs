//! Git id of a blob → its BLAKE3 and size, so that a blob is read once in its life to name it.
//!
//! Kept in sled, which holds only what can be made again: any error drops the entry, and a database
//! that does not open is removed and begun anew.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use millwright_model::digest::{Digest, GitId};

/// The index. Works without its database, only slower.
pub struct Index {
    database: Mutex<Option<sled::Db>>,
    file: PathBuf,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Index")
    }
}

fn open(dir: &Path) -> Option<sled::Db> {
    // sled 0.34 may panic on a file that a power cut damaged.
    let opened = std::panic::catch_unwind(|| sled::open(dir));
    match opened {
        Ok(Ok(database)) => Some(database),
        Ok(Err(_)) | Err(_) => None,
    }
}

impl Index {
    /// Opens the index or begins a new one.
    pub fn open(dir: &Path) -> Self {
        let database = open(dir).or_else(|| {
            tracing::warn!(dir = %dir.display(), "the content index cannot be read; making it again");
            if let Err(error) = fs::remove_dir_all(dir) {
                tracing::warn!(%error, "cannot remove the old content index");
            }
            open(dir)
        });
        Self { database: Mutex::new(database), file: dir.join("db") }
    }

    fn database(&self) -> Option<sled::Db> {
        self.database.lock().expect("nothing panics while holding it").clone()
    }

    /// What is known of a blob.
    pub fn get(&self, id: GitId) -> Option<(Digest, u64)> {
        let value = self.database()?.get(id.0).ok()??;
        let (digest, size) = value.split_at_checked(32)?;
        Some((Digest::from_slice(digest).ok()?, u64::from_be_bytes(size.try_into().ok()?)))
    }

    /// Remembers blobs and makes them durable.
    pub fn put(&self, entries: &[(GitId, Digest, u64)]) {
        let Some(database) = self.database() else { return };
        let mut batch = sled::Batch::default();
        for (id, digest, size) in entries {
            let mut value = digest.0.to_vec();
            value.extend_from_slice(&size.to_be_bytes());
            batch.insert(id.0.as_slice(), value);
        }
        let kept = database.apply_batch(batch).and_then(|()| database.flush());
        // sled's own flush does not survive a power cut; an fsync of its file does.
        let durable = fs::File::open(&self.file).and_then(|file| file.sync_all());
        if kept.is_err() || durable.is_err() {
            tracing::warn!("cannot keep the content index; it will be made again");
        }
    }
}
