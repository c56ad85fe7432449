//! Digests of files that have not changed since they were read, by their stamp: size, time, inode.
//! It is a cache: what cannot be read of it is made again. Kept in memory, written now and then.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use millwright_model::{
    digest::Digest,
    path::{ManagedPath, never_touch},
};
use serde::{Deserialize, Serialize};

use super::{Done, failed, read_if_there, replace, through_folders};

/// Kernels before 6.13 stamp with a clock that ticks every 1 to 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// What tells whether a file has changed since it was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    size: u64,
    modified_s: i64,
    modified_ns: u32,
    changed_s: i64,
    changed_ns: u32,
    inode: u64,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let nanos = |value: i64| u32::try_from(value).unwrap_or_default();
        Self {
            size: meta.len(),
            modified_s: meta.mtime(),
            modified_ns: nanos(meta.mtime_nsec()),
            changed_s: meta.ctime(),
            changed_ns: nanos(meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }

    /// Whether a later change must show in the stamp: one within the same tick of the kernel's clock
    /// need not.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::new(u64::try_from(self.changed_s).unwrap_or(0), self.changed_ns);
        now.saturating_sub(changed) > TICK
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Seconds since 1970 of its last change.
    pub fn modified_s(&self) -> i64 {
        self.modified_s
    }
}

/// A file as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its stamp then.
    pub stamp: Stamp,
    /// Digest of its content.
    pub digest: Digest,
    /// Permission bits.
    pub mode: u32,
}

/// Files by path below the data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    files: HashMap<ManagedPath, Known>,
    /// How often something was learnt or forgotten since it was written.
    changes: usize,
}

/// It is written when one file of so many has changed: what a restart does not know is read again.
const WRITTEN_PER: usize = 50;

impl Inventory {
    /// Reads it; an empty one when it is absent or damaged.
    pub fn load(file: &Path) -> Self {
        let bytes = read_if_there(file).ok().flatten().unwrap_or_default();
        let files = (bytes.len() > 32)
            .then(|| bytes.split_at(32))
            .filter(|(digest, body)| Digest::of(body).0 == **digest)
            .and_then(|(_, body)| serde_json::from_slice(body).ok())
            .unwrap_or_default();
        Self { files, changes: 0 }
    }

    /// Writes it if enough of it has changed.
    pub fn save(&mut self, file: &Path) -> Done<()> {
        if self.changes > self.files.len() / WRITTEN_PER {
            self.changes = 0;
            let body = serde_json::to_vec(&self.files).expect("plain values with text keys");
            let mut bytes = Digest::of(&body).0.to_vec();
            bytes.extend(body);
            replace(file, &bytes)?;
        }
        Ok(())
    }

    /// Everything known.
    pub fn files(&self) -> &HashMap<ManagedPath, Known> {
        &self.files
    }

    /// Forgets everything, so that the next look reads every file.
    pub fn clear(&mut self) {
        self.changes += self.files.len();
        self.files.clear();
    }

    /// Forgets one file.
    pub fn forget(&mut self, path: &ManagedPath) {
        self.changes += usize::from(self.files.remove(path).is_some());
    }

    /// A file: from memory when its stamp is the same, else by reading it. `None` when there is no
    /// such file. A read failure is an error, never an absence; a link is an error.
    pub fn look(&mut self, root: &Path, path: &ManagedPath) -> Done<Option<Known>> {
        let at = root.join(path.as_str());
        let meta = match fs::symlink_metadata(&at) {
            Ok(meta) => meta,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                self.forget(path);
                return Ok(None);
            }
            Err(error) => return Err(failed("look at", &at)(error)),
        };
        if !meta.is_file() {
            return Err(failed("take over", &at)(io::Error::other("it is no plain file")));
        }
        self.known(&at, path, &meta).map(Some)
    }

    /// A plain file whose metadata is at hand.
    fn known(&mut self, at: &Path, path: &ManagedPath, meta: &Metadata) -> Done<Known> {
        let stamp = Stamp::of(meta);
        if let Some(known) = self.files.get(path)
            && known.stamp == stamp
        {
            return Ok(*known);
        }
        let bytes = fs::read(at).map_err(failed("read", at))?;
        let known = Known { stamp, digest: Digest::of(&bytes), mode: meta.mode() & 0o777 };
        self.changes += 1;
        if stamp.is_settled() {
            self.files.insert(path.clone(), known);
        } else {
            self.files.remove(path);
        }
        Ok(known)
    }

    /// Every plain file below these folders; see [`Inventory::walk`].
    pub fn walk_all(
        &mut self,
        root: &Path,
        below: &[ManagedPath],
    ) -> Done<BTreeMap<ManagedPath, Known>> {
        let mut found = BTreeMap::new();
        for dir in below {
            found.append(&mut self.walk(root, dir)?);
        }
        Ok(found)
    }

    /// Every plain file below a folder that may be touched, links and other kinds left out.
    pub fn walk(&mut self, root: &Path, below: &ManagedPath) -> Done<BTreeMap<ManagedPath, Known>> {
        let mut found = BTreeMap::new();
        // A root that is a link, or lies behind one, would show somebody else's files as ours.
        if let Some(above) = below.parent() {
            through_folders(root, above.as_str())?;
        }
        let is_link = |meta: Metadata| meta.file_type().is_symlink();
        if fs::symlink_metadata(root.join(below.as_str())).is_ok_and(is_link) {
            return Ok(found);
        }
        let mut open = vec![below.clone()];
        while let Some(dir) = open.pop() {
            let at = root.join(dir.as_str());
            let entries = match fs::read_dir(&at) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                // A mapping may name a single file.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                    if let Some(known) = self.look(root, &dir)? {
                        found.insert(dir, known);
                    }
                    continue;
                }
                Err(error) => return Err(failed("list", &at)(error)),
            };
            for entry in entries {
                let entry = entry.map_err(failed("list", &at))?;
                let kind = entry.file_type().map_err(failed("look at", &entry.path()))?;
                // A name that is no managed path is nobody's we could have written.
                let Some(path) = entry.file_name().to_str().and_then(|n| dir.join(n).ok()) else {
                    continue;
                };
                if never_touch(&path).is_some() {
                    continue;
                }
                if kind.is_dir() {
                    open.push(path);
                } else if kind.is_file() {
                    // Asked of the open folder: the kernel need not walk the whole path again.
                    match entry.metadata() {
                        Ok(meta) if meta.is_file() => {
                            let known = self.known(&entry.path(), &path, &meta)?;
                            found.insert(path, known);
                        }
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => return Err(failed("look at", &entry.path())(error)),
                    }
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_read_again_and_a_damaged_cache_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir_all(data.join("projects/p/.git")).unwrap();
        fs::write(data.join("projects/p/a"), "1").unwrap();
        fs::write(data.join("projects/p/.git/x"), "1").unwrap();
        let path = ManagedPath::parse("projects/p/a").unwrap();
        let below = ManagedPath::parse("projects/p").unwrap();
        let mut inventory = Inventory::default();
        let first = inventory.walk(&data, &below).unwrap();
        assert_eq!(first.keys().collect::<Vec<_>>(), [&path]);
        let file = dir.path().join("inventory");
        inventory.save(&file).unwrap();
        assert_eq!(Inventory::load(&file).files(), inventory.files());

        fs::write(data.join("projects/p/a"), "22").unwrap();
        let known = inventory.look(&data, &path).unwrap().unwrap();
        assert_eq!(known.digest, Digest::of(b"22"));
        fs::remove_file(data.join("projects/p/a")).unwrap();
        assert_eq!(inventory.look(&data, &path).unwrap(), None);

        let mut bytes = fs::read(&file).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(Inventory::load(&file).files().is_empty());
    }

    #[test]
    fn nothing_behind_a_link_is_seen_written_or_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["db", "config/local", "projects/p", "projects/q"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("x"), folder).unwrap();
        }
        let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, root.join(at)).unwrap();
        link("../../db", "projects/p/folder");
        link("../../db/x", "projects/p/file");
        link("../db", "projects/whole");
        link("../../config/local", "projects/q/folder");
        let before = |path: &str| fs::read(root.join(path)).unwrap();
        let (db, local) = (before("db/x"), before("config/local/x"));
        let mut inventory = Inventory::default();
        for below in ["projects", "projects/p", "projects/whole", "projects/p/folder"] {
            let below = ManagedPath::parse(below).unwrap();
            let seen = inventory.walk(root, &below).unwrap_or_default();
            let real =
                |path: &ManagedPath| ["projects/p/x", "projects/q/x"].contains(&path.as_str());
            assert!(seen.keys().all(real), "{below}: {seen:?}");
        }
        for path in ["projects/p/folder/x", "projects/whole/x", "projects/q/folder/x"] {
            assert!(crate::fs::make_parents(root, path).is_err(), "{path}");
            assert!(crate::fs::remove(root, path, root).is_err(), "{path}");
        }
        // The link itself may go or be replaced: what it leads to stays.
        crate::fs::remove(root, "projects/p/file", root).unwrap();
        assert_eq!((before("db/x"), before("config/local/x")), (db, local));
        crate::fs::remove(root, "projects/p/x", &root.join("projects")).unwrap();
        assert!(!root.join("projects/p/x").exists());
    }

    #[test]
    fn a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("projects")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("projects/a")).unwrap();
        let path = ManagedPath::parse("projects/a").unwrap();
        assert!(Inventory::default().look(dir.path(), &path).is_err());
    }
}
