//! Reads a data directory into paths and digests, quickly when little has changed.
//!
//! Managed are `projects/` and `config/resources/`, without `.resources` and every other dot-named
//! entry; those are told apart. Digests are kept by device, inode, size and times of a file; a file
//! that changed within the resolution of a file system's clock is read again. Symbolic links are
//! not followed.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// BLAKE3 of a file.
pub type Digest = [u8; 32];

/// The two managed roots.
pub const ROOTS: [&str; 2] = ["projects", "config/resources"];

/// A file younger than this may change again without a change of its times (a kernel's tick is up
/// to 10 ms).
const UNSETTLED: Duration = Duration::from_millis(50);

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its files by name.
    pub files: BTreeMap<String, Digest>,
    /// Changes when one of its own files changes.
    pub fingerprint: Digest,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// Directories by path relative to the data directory, separated by slashes.
    pub folders: BTreeMap<String, Arc<Folder>>,
    /// Dot-named entries, and all below them: files by path.
    pub hidden: BTreeMap<String, Digest>,
    /// Files that could not be read.
    pub unreadable: Vec<String>,
}

impl Tree {
    /// Every managed file with its digest.
    pub fn files(&self) -> BTreeMap<String, Digest> {
        let each = self.folders.iter().flat_map(|(dir, folder)| {
            folder.files.iter().map(move |(name, digest)| (format!("{dir}/{name}"), *digest))
        });
        each.collect()
    }

    /// Folders at or below one.
    pub fn below<'a>(
        &'a self,
        top: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Arc<Folder>)> {
        let inside = move |path: &str| {
            top.is_empty()
                || path.strip_prefix(top).is_some_and(|p| p.is_empty() || p.starts_with('/'))
        };
        self.folders.range(top.to_owned()..).filter(move |(path, _)| inside(path))
    }

    /// BLAKE3 over path, NUL and fingerprint of every folder that has files, at or below one.
    pub fn digest(&self, top: &str) -> String {
        let mut hash = blake3::Hasher::new();
        for (path, folder) in self.below(top).filter(|(_, folder)| !folder.files.is_empty()) {
            hash.update(path.as_bytes());
            hash.update(&[0]);
            hash.update(&folder.fingerprint);
        }
        hash.finalize().to_hex().to_string()
    }
}

/// The digest that a scan at this moment would log for a data directory.
pub fn digest(data_dir: &Path) -> anyhow::Result<String> {
    Ok(Reader::default().read(data_dir, &ROOTS)?.digest(""))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// When the inode changed last (a rename counts), since the epoch.
    fn changed_at(self) -> Duration {
        let (seconds, nanos) = self.changed.max(self.modified);
        Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0))
    }
}

/// One directory as it was read last.
#[derive(Debug)]
struct Known {
    /// Of settled files only, dot-named ones too.
    settled: HashMap<String, (Stamp, Digest)>,
    folder: Arc<Folder>,
}

/// Reads trees and remembers digests.
#[derive(Debug, Default)]
pub struct Reader {
    known: HashMap<String, Known>,
}

impl Reader {
    /// Reads the entries below some folders of a data directory.
    pub fn read(&mut self, data_dir: &Path, roots: &[&str]) -> anyhow::Result<Tree> {
        let mut tree = Tree::default();
        let mut seen = HashMap::with_capacity(self.known.len());
        let mut open: Vec<(String, bool)> =
            roots.iter().map(|root| ((*root).to_owned(), false)).collect();
        while let Some((relative, hidden)) = open.pop() {
            let entries = match fs::read_dir(data_dir.join(&relative)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(_) => {
                    tree.unreadable.push(relative);
                    continue;
                }
            };
            let old = self.known.remove(&relative);
            let mut reading = Reading::default();
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let kind = entry.file_type()?;
                let dotted = name.starts_with('.');
                if kind.is_dir() {
                    open.push((format!("{relative}/{name}"), hidden || dotted));
                } else if kind.is_file() {
                    match reading.file(&entry, &name, old.as_ref()) {
                        Ok(digest) if hidden || dotted => {
                            tree.hidden.insert(format!("{relative}/{name}"), digest);
                        }
                        Ok(digest) => drop(reading.visible.insert(name, digest)),
                        // It was there a moment ago.
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        Err(_) => tree.unreadable.push(format!("{relative}/{name}")),
                    }
                }
            }
            let known = reading.finish(old);
            if !hidden {
                tree.folders.insert(relative.clone(), Arc::clone(&known.folder));
            }
            seen.insert(relative, known);
        }
        self.known = seen;
        Ok(tree)
    }
}

/// A directory while it is read.
#[derive(Debug, Default)]
struct Reading {
    settled: HashMap<String, (Stamp, Digest)>,
    visible: BTreeMap<String, Digest>,
}

impl Reading {
    fn file(
        &mut self,
        entry: &fs::DirEntry,
        name: &str,
        old: Option<&Known>,
    ) -> std::io::Result<Digest> {
        let stamp = Stamp::of(&entry.metadata()?);
        if let Some((known, digest)) = old.and_then(|old| old.settled.get(name))
            && *known == stamp
        {
            self.settled.insert(name.to_owned(), (stamp, *digest));
            return Ok(*digest);
        }
        let digest = *blake3::hash(&fs::read(entry.path())?).as_bytes();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if now.saturating_sub(stamp.changed_at()) > UNSETTLED {
            self.settled.insert(name.to_owned(), (stamp, digest));
        }
        Ok(digest)
    }

    fn finish(self, old: Option<Known>) -> Known {
        let folder = match old {
            Some(old) if old.folder.files == self.visible => old.folder,
            _ => Arc::new(folder(self.visible)),
        };
        Known { settled: self.settled, folder }
    }
}

fn folder(files: BTreeMap<String, Digest>) -> Folder {
    let mut hash = blake3::Hasher::new();
    for (name, digest) in &files {
        hash.update(name.as_bytes());
        hash.update(&[0]);
        hash.update(digest);
    }
    Folder { fingerprint: *hash.finalize().as_bytes(), files }
}

/// When a file's inode changed last, in milliseconds since the epoch; a rename counts.
pub(crate) fn changed_ms(path: &Path) -> Option<i64> {
    let stamp = Stamp::of(&fs::symlink_metadata(path).ok()?);
    i64::try_from(stamp.changed_at().as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_covers_names_and_content_but_nothing_dot_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("projects/p/.git")).unwrap();
        fs::create_dir_all(at("config/resources/core")).unwrap();
        fs::write(at("projects/p/a"), "1").unwrap();
        let first = digest(dir.path()).unwrap();
        fs::write(at("projects/p/.git/x"), "1").unwrap();
        fs::write(at("projects/.hidden"), "1").unwrap();
        assert_eq!(digest(dir.path()).unwrap(), first);
        fs::write(at("config/resources/core/b"), "1").unwrap();
        let second = digest(dir.path()).unwrap();
        assert_ne!(second, first);
        fs::rename(at("projects/p/a"), at("projects/p/c")).unwrap();
        assert_ne!(digest(dir.path()).unwrap(), second);
    }

    #[test]
    fn a_change_in_place_right_after_a_read_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("projects")).unwrap();
        let mut reader = Reader::default();
        let mut last = String::new();
        for round in 0..50 {
            fs::write(dir.path().join("projects/a"), format!("{round:02}")).unwrap();
            let now = reader.read(dir.path(), &ROOTS).unwrap().digest("");
            assert_ne!(now, last);
            last = now;
        }
    }
}
