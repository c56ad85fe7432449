//! The files of the tree as they were last seen, with the digests of their contents: a file whose stamp
//! (size, times, inode) is the same is not read again. Every other list of the tree is made from this
//! one. What is written of it now and then is a cache: what cannot be read of it is made again.

use std::{
    fs::{self, Metadata},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use millwright_model::{
    digest::Digest,
    path::{ManagedPath, never_touch},
};
use serde::{Deserialize, Serialize};

use super::{
    Done, failed, replace_by, through_folders,
    tree::{Names, Tree},
};

/// Kernels before 6.13 stamp with a clock that ticks every 1 to 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// What tells whether a file has changed since it was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    size: u64,
    /// Nanoseconds since 1970.
    modified: i64,
    /// Nanoseconds since 1970.
    changed: i64,
    inode: u64,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let nanos =
            |seconds: i64, more: i64| seconds.saturating_mul(1_000_000_000).saturating_add(more);
        Self {
            size: meta.len(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }

    /// Whether a later change must show in the stamp: one within the same tick of the kernel's clock
    /// need not.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_nanos(u64::try_from(self.changed).unwrap_or(0));
        now.saturating_sub(changed) > TICK
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Seconds since 1970 of its last change.
    pub fn modified_s(&self) -> i64 {
        self.modified.div_euclid(1_000_000_000)
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

#[derive(Debug, Clone, Copy)]
struct Record {
    known: Known,
    /// Whether the same stamp will mean the same content.
    settled: bool,
    /// The walk that saw it last.
    walk: u32,
}

/// Files by path below the data directory.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    files: Tree<Record>,
    names: Names,
    /// Number of the walk that is under way, or was last.
    walk: u32,
    /// How often something was learnt or forgotten since it was written.
    changes: usize,
}

/// It is written when one file of so many has changed: what a restart does not know is read again.
const WRITTEN_PER: usize = 50;

impl Inventory {
    /// Reads it; an empty one when it is absent or damaged.
    pub fn load(file: &Path) -> Self {
        stored(file).ok().flatten().unwrap_or_default()
    }

    /// Writes it if enough of it has changed.
    pub fn save(&mut self, file: &Path) -> Done<()> {
        self.names.forget();
        if self.changes <= self.files.count() / WRITTEN_PER {
            return Ok(());
        }
        replace_by(file, |out| {
            let mut hasher = blake3::Hasher::new();
            let mut line = Vec::new();
            for (path, record) in self.records().filter(|(_, record)| record.settled) {
                line.clear();
                serde_json::to_writer(&mut line, &(path, &record.known))?;
                line.push(b'\n');
                hasher.update(&line);
                out.write_all(&line)?;
            }
            writeln!(out, "{}", hasher.finalize().to_hex())
        })?;
        self.changes = 0;
        Ok(())
    }

    /// What is known of one path.
    pub fn get(&self, path: &ManagedPath) -> Option<&Known> {
        self.files.get(path.as_str()).map(|record| &record.known)
    }

    fn records(&self) -> impl Iterator<Item = (ManagedPath, &Record)> {
        self.files.all()
    }

    /// Everything known.
    pub fn files(&self) -> impl Iterator<Item = (ManagedPath, &Known)> {
        self.records().map(|(path, record)| (path, &record.known))
    }

    /// What is known of the files below these roots, each once, in the order of their paths.
    pub fn below<'i>(
        &'i self,
        roots: &'i [ManagedPath],
    ) -> impl Iterator<Item = (ManagedPath, &'i Known)> {
        self.files.below(roots).map(|(path, record)| (path, &record.known))
    }

    /// Forgets everything, so that the next look reads every file.
    pub(crate) fn clear(&mut self) {
        self.changes += self.files.count();
        self.files = Tree::default();
    }

    fn forget(&mut self, path: &ManagedPath) {
        self.changes += usize::from(self.files.remove(path.as_str()).is_some());
    }

    /// The next look at this file reads it, whatever its stamp says.
    pub fn doubt(&mut self, path: &ManagedPath) {
        if let Some(record) = self.files.get_mut(path.as_str()) {
            record.settled = false;
        }
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
        let walk = self.walk;
        if let Some(record) = self.files.get_mut(path.as_str()) {
            record.walk = walk;
            if record.settled && record.known.stamp == stamp {
                return Ok(record.known);
            }
        }
        let bytes = fs::read(at).map_err(failed("read", at))?;
        let known = Known { stamp, digest: Digest::of(&bytes), mode: meta.mode() & 0o777 };
        self.changes += 1;
        let record = Record { known, settled: stamp.is_settled(), walk };
        self.files.insert(path.as_str(), record, &mut self.names);
        Ok(known)
    }

    /// Looks at every plain file below these folders; see [`Inventory::walk`].
    pub fn walk_all(&mut self, root: &Path, below: &[ManagedPath]) -> Done<()> {
        below.iter().try_for_each(|dir| self.walk(root, dir))
    }

    /// Looks at every plain file below a folder that may be touched, links and other kinds left out,
    /// and forgets what is not there any more.
    pub fn walk(&mut self, root: &Path, below: &ManagedPath) -> Done<()> {
        self.walk = self.walk.wrapping_add(1);
        self.visit(root, below)?;
        let (walk, mut gone) = (self.walk, 0);
        self.files.retain(below.as_str(), &mut |record| {
            gone += usize::from(record.walk != walk);
            record.walk == walk
        });
        self.changes += gone;
        Ok(())
    }

    fn visit(&mut self, root: &Path, below: &ManagedPath) -> Done<()> {
        // A root that is a link, or lies behind one, would show somebody else's files as ours.
        if let Some(above) = below.parent() {
            through_folders(root, above.as_str())?;
        }
        let is_link = |meta: Metadata| meta.file_type().is_symlink();
        if fs::symlink_metadata(root.join(below.as_str())).is_ok_and(is_link) {
            return Ok(());
        }
        let mut open = vec![below.clone()];
        while let Some(dir) = open.pop() {
            let at = root.join(dir.as_str());
            let entries = match fs::read_dir(&at) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                // A mapping may name a single file.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                    self.look(root, &dir)?;
                    continue;
                }
                Err(error) => return Err(failed("list", &at)(error)),
            };
            let entries: io::Result<Vec<_>> = entries.collect();
            let mut entries = entries.map_err(failed("list", &at))?;
            // In their order each is added behind the last one.
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
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
                    self.enter(&entry, &path)?;
                }
            }
        }
        Ok(())
    }

    /// Asked of the open folder: the kernel need not walk the whole path again.
    fn enter(&mut self, entry: &fs::DirEntry, path: &ManagedPath) -> Done<()> {
        match entry.metadata() {
            Ok(meta) if meta.is_file() => self.known(&entry.path(), path, &meta).map(drop),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("look at", &entry.path())(error)),
        }
    }
}

/// One line for each file; the last line is the BLAKE3 of those above. `None` when it is damaged.
fn stored(file: &Path) -> io::Result<Option<Inventory>> {
    let mut lines = BufReader::new(fs::File::open(file)?);
    let mut hasher = blake3::Hasher::new();
    let mut read = Inventory::default();
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if let Ok((path, known)) = serde_json::from_str::<(ManagedPath, Known)>(&line) {
            let record = Record { known, settled: true, walk: 0 };
            read.files.insert(path.as_str(), record, &mut read.names);
            hasher.update(line.as_bytes());
            line.clear();
        } else {
            let whole = line.trim_end() == hasher.finalize().to_hex().as_str();
            // What was set aside for growth goes.
            read.files.retain("", &mut |_| true);
            read.names.forget();
            return Ok(whole.then_some(read));
        }
    }
    Ok(None)
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
        let paths =
            |inventory: &Inventory| inventory.files().map(|(path, _)| path).collect::<Vec<_>>();
        inventory.walk(&data, &below).unwrap();
        assert_eq!(paths(&inventory), std::slice::from_ref(&path));
        // What was written within the last tick of the clock may change unseen: it is not kept.
        inventory.files.get_mut(path.as_str()).unwrap().settled = true;
        let file = dir.path().join("inventory");
        inventory.save(&file).unwrap();
        assert!(Inventory::load(&file).files().eq(inventory.files()));

        fs::write(data.join("projects/p/a"), "22").unwrap();
        let known = inventory.look(&data, &path).unwrap().unwrap();
        assert_eq!(known.digest, Digest::of(b"22"));
        fs::remove_file(data.join("projects/p/a")).unwrap();
        assert_eq!(inventory.look(&data, &path).unwrap(), None);

        let bytes = fs::read(&file).unwrap();
        for at in [3, bytes.len() - 3] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(&file, damaged).unwrap();
            assert_eq!(Inventory::load(&file).files().count(), 0);
        }
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(Inventory::load(&file).files().count(), 0);
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
            // Some of these cannot be walked at all.
            let _looked = inventory.walk(root, &below);
            let real =
                |path: &ManagedPath| ["projects/p/x", "projects/q/x"].contains(&path.as_str());
            assert!(inventory.files().all(|(path, _)| real(&path)), "{below}: {inventory:?}");
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
