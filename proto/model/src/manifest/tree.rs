//! Directories whose digests cover everything below them, shared between manifests: two manifests
//! that agree on a directory hold the same one, a change makes new directories on its path only, and
//! a difference is found without looking into what is equal.

mod walk;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

pub use self::walk::Walk;
use super::{FileEntry, InvalidManifest};
use crate::{
    digest::Digest,
    path::{InvalidPath, ManagedPath, case_key},
};

/// What a path has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileNode {
    /// BLAKE3 of its content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File(FileNode),
    /// A directory with at least one file in it.
    Dir(Arc<Dir>),
}

/// A directory.
#[derive(Debug)]
pub struct Dir {
    /// Sorted by the bytes of the name.
    entries: Vec<(Arc<str>, Entry)>,
    digest: Digest,
    files: u64,
    bytes: u64,
}

impl PartialEq for Dir {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Dir {}

impl Default for Dir {
    fn default() -> Self {
        Self::of(Vec::new(), &mut Vec::new())
    }
}

/// A new state of one path: a file, or nothing.
pub type Change = (ManagedPath, Option<FileNode>);

/// A difference: path, old and new file.
pub type Difference = (String, Option<FileNode>, Option<FileNode>);

impl Dir {
    /// From entries that are sorted by name, each once, and no empty directories.
    fn of(mut entries: Vec<(Arc<str>, Entry)>, buffer: &mut Vec<u8>) -> Self {
        buffer.clear();
        let (mut files, mut bytes) = (0, 0);
        for (name, entry) in &entries {
            let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
            buffer.extend_from_slice(&length.to_be_bytes());
            buffer.extend_from_slice(name.as_bytes());
            match entry {
                Entry::File(file) => {
                    buffer.push(0);
                    buffer.extend_from_slice(file.digest.as_bytes());
                    buffer.extend_from_slice(&file.size.to_be_bytes());
                    buffer.extend_from_slice(&file.mode.to_be_bytes());
                    files += 1;
                    bytes += file.size;
                }
                Entry::Dir(dir) => {
                    buffer.push(1);
                    buffer.extend_from_slice(dir.digest.as_bytes());
                    files += dir.files;
                    bytes += dir.bytes;
                }
            }
        }
        // They stay for long; what was set aside for all that changed below does not.
        entries.shrink_to_fit();
        Self { entries, digest: Digest::of(buffer), files, bytes }
    }

    /// From files by path, each once. Fails when one platform or another cannot hold them together.
    pub fn collect(files: &BTreeMap<ManagedPath, FileNode>) -> Result<Arc<Self>, InvalidManifest> {
        let changes: Vec<Change> =
            files.iter().map(|(path, file)| (path.clone(), Some(*file))).collect();
        Arc::new(Self::default()).apply(&changes)
    }

    /// Covers names, contents, sizes and modes of everything below.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Files in it and below.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Sum of their sizes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its entries, sorted by the bytes of their names.
    pub fn entries(&self) -> &[(Arc<str>, Entry)] {
        &self.entries
    }

    fn find(&self, name: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|(known, _)| known.as_ref().cmp(name)).ok()?;
        Some(&self.entries[at].1)
    }

    /// The entry at a path; the empty path has none.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        match path.split_once('/') {
            None => self.find(path),
            Some((first, rest)) => match self.find(first)? {
                Entry::Dir(dir) => dir.get(rest),
                Entry::File(_) => None,
            },
        }
    }

    /// This directory with changes made; directories that become empty go. Costs the changed paths,
    /// not the directory.
    pub fn apply(self: &Arc<Self>, changes: &[Change]) -> Result<Arc<Self>, InvalidManifest> {
        let mut sorted: Vec<(&str, Option<&FileNode>)> =
            changes.iter().map(|(path, file)| (path.as_str(), file.as_ref())).collect();
        // By segments, so that what lies below a directory stands together.
        sorted.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        apply(self, &sorted, None, &mut Scratch::default())
    }

    /// The files that differ from `base`, which is not looked into where it is equal.
    pub fn diff(&self, base: &Dir) -> Vec<Difference> {
        let mut out = Vec::new();
        if self.digest != base.digest {
            difference(self, base, "", &mut out);
        }
        out
    }

    /// All files with their paths relative to this directory, in the order of their paths' text.
    pub fn walk(&self) -> Walk<'_> {
        Walk::of(self)
    }

    /// Takes the digests of files in this directory out of a set; ends when it is empty.
    pub fn take_out(&self, digests: &mut BTreeSet<Digest>) {
        for (_, entry) in &self.entries {
            if digests.is_empty() {
                return;
            }
            match entry {
                Entry::File(file) => {
                    digests.remove(&file.digest);
                }
                Entry::Dir(below) => below.take_out(digests),
            }
        }
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

fn difference(new: &Dir, old: &Dir, above: &str, out: &mut Vec<Difference>) {
    let (mut a, mut b) = (new.entries.iter().peekable(), old.entries.iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((x, _)), Some((y, _))) => x.cmp(y),
        };
        let one = a.next_if(|_| order.is_le());
        let two = b.next_if(|_| order.is_ge());
        let name = one.or(two).map(|(name, _)| name.as_ref()).unwrap_or_default();
        let path = join(above, name);
        let (one, two) = (one.map(|(_, entry)| entry), two.map(|(_, entry)| entry));
        if let (Some(Entry::Dir(x)), Some(Entry::Dir(y))) = (one, two) {
            if x.digest != y.digest {
                difference(x, y, &path, out);
            }
            continue;
        }
        if one == two {
            continue;
        }
        let file = |entry: Option<&Entry>| match entry {
            Some(Entry::File(file)) => Some(*file),
            Some(Entry::Dir(_)) | None => None,
        };
        if file(one).is_some() || file(two).is_some() {
            out.push((path.clone(), file(one), file(two)));
        }
        // A directory in the place of a file or of nothing.
        let empty = Dir::default();
        match (one, two) {
            (Some(Entry::Dir(x)), _) => difference(x, &empty, &path, out),
            (_, Some(Entry::Dir(y))) => difference(&empty, y, &path, out),
            _ => {}
        }
    }
}

/// Most files of a gateway have one of a few names: each is held once.
fn held(names: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.get(name) {
        return Arc::clone(known);
    }
    let name: Arc<str> = name.into();
    names.insert(Arc::clone(&name));
    name
}

fn refuse(path: String) -> ManagedPath {
    // Built from the segments of checked paths; the length alone could be beyond the bound.
    ManagedPath::parse(&path).unwrap_or_else(|InvalidPath { path, .. }| {
        let cut: String = path.chars().take(100).collect();
        ManagedPath::parse(cut.trim_end_matches(['/', ' ', '.'])).expect("a part of a valid path")
    })
}

/// What is worth keeping from one directory to the next.
#[derive(Default)]
struct Scratch {
    names: HashSet<Arc<str>>,
    /// What a digest is made of.
    bytes: Vec<u8>,
}

/// A directory on the way, by which what is refused is named.
#[derive(Clone, Copy)]
struct Way<'w> {
    above: Option<&'w Way<'w>>,
    /// Where it ends in the paths of the changes below it.
    end: usize,
    name: &'w str,
}

/// The path of an entry of a directory.
fn path_below(above: Option<&Way<'_>>, name: &str) -> String {
    match above {
        Some(way) => join(&path_below(way.above, way.name), name),
        None => name.to_owned(),
    }
}

fn apply(
    dir: &Arc<Dir>,
    changes: &[(&str, Option<&FileNode>)],
    above: Option<&Way<'_>>,
    scratch: &mut Scratch,
) -> Result<Arc<Dir>, InvalidManifest> {
    if changes.is_empty() {
        return Ok(Arc::clone(dir));
    }
    let begin = above.map_or(0, |way| way.end + 1);
    let first = |path: &str| path[begin..].split('/').next().unwrap_or_default().len();
    // Mostly none is added.
    let mut entries: Vec<(Arc<str>, Entry)> = Vec::with_capacity(dir.entries.len().max(1));
    let mut old = dir.entries.iter().peekable();
    let mut added = false;
    let mut rest = changes;
    while let Some((path, _)) = rest.first() {
        let name = &path[begin..begin + first(path)];
        let len = rest.iter().take_while(|(p, _)| p[begin..begin + first(p)] == *name).count();
        let (group, after) = rest.split_at(len);
        rest = after;
        while let Some(entry) = old.next_if(|(known, _)| known.as_ref() < name) {
            entries.push(entry.clone());
        }
        let before = old.next_if(|(known, _)| known.as_ref() == name);
        let here = Way { above, end: begin + name.len(), name };
        if let Some(entry) = one(before.map(|(_, entry)| entry), group, &here, scratch)? {
            added |= before.is_none();
            let name =
                before.map_or_else(|| held(&mut scratch.names, name), |(name, _)| Arc::clone(name));
            entries.push((name, entry));
        }
    }
    entries.extend(old.cloned());
    if added {
        collision(&entries, above)?;
    }
    Ok(Arc::new(Dir::of(entries, &mut scratch.bytes)))
}

/// The new state of one name under the changes that begin with it.
fn one(
    before: Option<&Entry>,
    group: &[(&str, Option<&FileNode>)],
    way: &Way<'_>,
    scratch: &mut Scratch,
) -> Result<Option<Entry>, InvalidManifest> {
    let here = || refuse(path_below(way.above, way.name));
    // A name sorts before everything below it.
    let (itself, below) =
        group.split_at(group.iter().take_while(|(path, _)| path.len() == way.end).count());
    if itself.len() > 1 {
        return Err(InvalidManifest::Duplicate(here()));
    }
    let itself = itself.first().map(|(_, file)| *file);
    let kept = match (itself, before) {
        (None, before) => before.cloned(),
        (Some(Some(file)), Some(Entry::File(_)) | None) => Some(Entry::File(*file)),
        // A removed path is a file's; a directory of that name stays.
        (Some(None), Some(Entry::Dir(dir))) => Some(Entry::Dir(Arc::clone(dir))),
        (Some(None), _) => None,
        (Some(Some(file)), Some(Entry::Dir(dir))) => {
            // The directory may go by the same changes.
            let dir = apply(dir, below, Some(way), scratch)?;
            if let Some((name, _)) = dir.entries.first() {
                let inner = refuse(path_below(Some(way), name));
                return Err(InvalidManifest::FileAsDirectory(here(), inner));
            }
            return Ok(Some(Entry::File(*file)));
        }
    };
    let base = match kept {
        Some(Entry::Dir(dir)) => dir,
        None => Arc::default(),
        Some(Entry::File(file)) => {
            if let Some((path, _)) = below.iter().find(|(_, file)| file.is_some()) {
                let inner = refuse(path_below(Some(way), &path[way.end + 1..]));
                return Err(InvalidManifest::FileAsDirectory(here(), inner));
            }
            return Ok(Some(Entry::File(file)));
        }
    };
    let dir = apply(&base, below, Some(way), scratch)?;
    Ok((!dir.entries.is_empty()).then_some(Entry::Dir(dir)))
}

/// Two names that one platform or another takes for the same.
fn collision(
    entries: &[(Arc<str>, Entry)],
    above: Option<&Way<'_>>,
) -> Result<(), InvalidManifest> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, _) in entries {
        if let Some(other) = seen.insert(case_key(name), name) {
            let (a, b) = (refuse(path_below(above, other)), refuse(path_below(above, name)));
            return Err(InvalidManifest::Collision(a, b));
        }
    }
    Ok(())
}

impl FileNode {
    /// As an entry of a manifest.
    pub(super) fn at(self, path: ManagedPath) -> FileEntry {
        FileEntry { path, digest: self.digest, size: self.size, mode: self.mode }
    }
}
