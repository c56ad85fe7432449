//! Contents by digest. A blob counts as there when a snapshot that is on disk refers to it, or when
//! this process wrote it: what a power cut left behind of an unfinished one is written again.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use millwright_model::digest::Digest;

use crate::fs::{self, Done, failed};

/// First byte of a blob's file.
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Fast enough to keep up with the disk; text shrinks to about a fifth.
const LEVEL: i32 = 3;
/// Largest content; the largest known gateway file has 4 MB.
const CONTENT_BYTES_MAX: usize = 1 << 30;

#[derive(Debug)]
pub(super) struct Blobs {
    dir: PathBuf,
    there: BTreeSet<Digest>,
    /// Written, but perhaps not durable yet.
    fresh: BTreeSet<PathBuf>,
    /// Found on disk, and nothing refers to them.
    strays: BTreeSet<Digest>,
    /// Whether something was kept since it was last looked at what is used.
    loose: bool,
}

impl Blobs {
    pub(super) fn open(dir: &Path, referred: BTreeSet<Digest>) -> Done<Self> {
        fs::make_dir(dir)?;
        let mut blobs = Self {
            dir: dir.to_owned(),
            there: BTreeSet::new(),
            fresh: BTreeSet::new(),
            strays: BTreeSet::new(),
            loose: false,
        };
        for shelf in fs::folders(dir)? {
            let names = fs::files(&dir.join(shelf))?;
            for digest in names.iter().filter_map(|name| name.parse::<Digest>().ok()) {
                match referred.contains(&digest) {
                    true => blobs.there.insert(digest),
                    false => blobs.strays.insert(digest),
                };
            }
        }
        Ok(blobs)
    }

    pub(super) fn file(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join(&name[..2]).join(name)
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.there.contains(digest)
    }

    /// Whether there may be blobs that nothing uses.
    pub(super) fn has_loose(&self) -> bool {
        self.loose || !self.strays.is_empty()
    }

    /// Keeps no longer what cannot be read: it may be kept anew.
    pub(super) fn doubt(&mut self, digest: &Digest) {
        self.there.remove(digest);
    }

    /// Bytes written: 0 when the content was there.
    pub(super) fn keep(&mut self, digest: Digest, content: &[u8]) -> Done<u64> {
        if self.has(&digest) {
            return Ok(0);
        }
        let path = self.file(&digest);
        let packed = zstd::bulk::compress(content, LEVEL).map_err(failed("compress", &path))?;
        let mut bytes = Vec::with_capacity(packed.len().min(content.len()) + 1);
        if packed.len() < content.len() {
            bytes.push(ZSTD);
            bytes.extend_from_slice(&packed);
        } else {
            bytes.push(PLAIN);
            bytes.extend_from_slice(content);
        }
        self.place(&path, &bytes)?;
        self.found(digest);
        Ok(bytes.len() as u64)
    }

    fn found(&mut self, digest: Digest) {
        self.there.insert(digest);
        self.loose = true;
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> Done<()> {
        match self.fresh.len() <= fs::SYNC_EACH_MAX {
            true => fs::sync_each(&self.dir, self.fresh.iter().map(PathBuf::as_path))?,
            false => fs::sync_all(&self.dir)?,
        }
        self.fresh.clear();
        Ok(())
    }

    fn place(&mut self, path: &Path, bytes: &[u8]) -> Done<()> {
        self.fresh.insert(path.to_owned());
        match fs::write(path, bytes) {
            // The shelf is made when its first blob comes.
            Err(error) if error.is_not_found() => {
                fs::make_dir(path.parent().unwrap_or(&self.dir))?;
                fs::write(path, bytes)
            }
            done => done,
        }
    }

    /// Takes a packed blob over, if it is what its digest says.
    pub(super) fn adopt(&mut self, digest: Digest, packed: &[u8]) -> Done<()> {
        let path = self.file(&digest);
        unpacked(packed, &digest).map_err(failed("take over", &path))?;
        self.place(&path, packed)?;
        self.found(digest);
        Ok(())
    }

    /// The content; an error when it is missing or not what its digest says.
    pub(super) fn read(&self, digest: &Digest) -> Done<Vec<u8>> {
        let path = self.file(digest);
        let Some(bytes) = fs::read_if_there(&path)? else {
            return Err(fs::refused("use the kept file", &path, "it is missing"));
        };
        unpacked(&bytes, digest).map_err(failed("use the kept file", &path))
    }

    /// Deletes every blob that is not used.
    pub(super) fn retain(&mut self, used: &BTreeSet<Digest>) -> Done<()> {
        let known: BTreeSet<Digest> = self.there.union(&self.strays).copied().collect();
        for digest in known.difference(used) {
            fs::discard(&self.file(digest))?;
            self.there.remove(digest);
        }
        self.strays.clear();
        self.loose = false;
        Ok(())
    }
}

/// The content of a blob's bytes, checked against its digest.
fn unpacked(bytes: &[u8], digest: &Digest) -> io::Result<Vec<u8>> {
    let content = match bytes.split_first() {
        Some((&PLAIN, rest)) => rest.to_vec(),
        Some((&ZSTD, rest)) => unpack(rest)?,
        Some(_) | None => return Err(io::Error::other("it is damaged")),
    };
    match Digest::of(&content) == *digest {
        true => Ok(content),
        false => Err(io::Error::other("it is not what its digest says")),
    }
}

fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut content = Vec::new();
    let limit = CONTENT_BYTES_MAX as u64;
    zstd::stream::read::Decoder::new(bytes)?.take(limit + 1).read_to_end(&mut content)?;
    if content.len() > CONTENT_BYTES_MAX {
        return Err(io::Error::other("it is larger than a gigabyte"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_kept_once_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut blobs = Blobs::open(dir.path(), BTreeSet::new()).unwrap();
        let text = vec![b'a'; 10_000];
        let digest = Digest::of(&text);
        assert!(blobs.keep(digest, &text).unwrap() < 100);
        assert_eq!(blobs.keep(digest, &text).unwrap(), 0);
        let empty = Digest::of(b"");
        assert_eq!(blobs.keep(empty, b"").unwrap(), 1);
        assert_eq!(blobs.read(&digest).unwrap(), text);
        assert_eq!(blobs.read(&empty).unwrap(), b"");

        // A new process trusts only what a snapshot refers to.
        let again = Blobs::open(dir.path(), BTreeSet::from([digest])).unwrap();
        assert!(again.has(&digest) && !again.has(&empty));

        // What it does not trust it does not keep for ever either.
        let mut again = again;
        assert!(again.has_loose() && again.file(&empty).exists());
        again.retain(&BTreeSet::from([digest])).unwrap();
        assert!(!again.has_loose() && !again.file(&empty).exists());

        std::fs::write(blobs.file(&digest), [ZSTD, 1, 2, 3]).unwrap();
        assert!(blobs.read(&digest).is_err());
        blobs.retain(&BTreeSet::from([digest])).unwrap();
        assert!(blobs.read(&empty).is_err());
    }
}
