//! Packs of single commits, by which a coordinator gives another one what that one cannot fetch: the
//! commit and all of its files, without history, and before them what the history says of its folders.
//! The mirror's refs do not move by it, so a later fetch from the remote still brings everything that
//! they need.
//!
//! ```text
//!  length (8 bytes, big endian) │ times of the folders (zstd, JSON) │ pack
//! ```

use std::{
    collections::BTreeSet,
    io::{self, BufReader, Read, Write},
    sync::atomic::AtomicBool,
};

use bytes::Bytes;
use gix::progress::Discard;
use gix_pack::data::output::{bytes::FromEntriesIter, count, entry};
use millwright_model::digest::GitId;
use tokio::sync::mpsc;

use super::{
    history::packed,
    mirror::{BLOB_BYTES_MAX, Mirror, MirrorFailed, chain, to_git},
};

/// Largest pack that is taken in; a whole repository of a large integrator has a tenth of it.
const PACK_BYTES_MAX: u64 = 2 << 30;
/// Largest table of times, compressed.
const TIMES_BYTES_MAX: u64 = 16 << 20;
/// Bytes in one message.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Commits that an asker may name as had.
pub const HAVE_MAX: usize = 16;

fn failed(commit: GitId, why: impl ToString) -> MirrorFailed {
    MirrorFailed::Object { id: commit.to_string(), why: why.to_string() }
}

impl Mirror {
    /// Commits whose files are here: what a pack need not contain.
    pub fn tips(&self) -> Vec<GitId> {
        let repository = self.local();
        let Ok(references) = repository.references() else { return Vec::new() };
        let Ok(all) = references.all() else { return Vec::new() };
        let tips = all.filter_map(Result::ok).filter_map(|mut reference| {
            let id = reference.peel_to_id().ok()?.detach();
            GitId::from_slice(id.as_bytes()).ok()
        });
        let tips: BTreeSet<GitId> = tips.collect();
        tips.into_iter().take(HAVE_MAX).collect()
    }

    /// Writes a pack of a commit and its files, without those of the commits in `have`.
    pub fn write_pack(
        &self,
        commit: GitId,
        have: &[GitId],
        mut out: impl Write,
    ) -> Result<(), MirrorFailed> {
        let times = self.times(commit)?;
        let times = packed(&times).map_err(|e| failed(commit, e))?;
        let length = (times.len() as u64).to_be_bytes();
        out.write_all(&length)
            .and_then(|()| out.write_all(&times))
            .map_err(|e| failed(commit, e))?;
        let repository = self.local();
        let mut objects = repository.objects.clone().into_inner();
        // Counting remembers places in packs, which must stay what they are until the end.
        objects.prevent_pack_unload();
        let count = |id: GitId| {
            let mut ids = std::iter::once(Ok(to_git(id)));
            let counted = count::objects_unthreaded(
                &objects,
                &mut ids,
                &Discard,
                &AtomicBool::new(false),
                count::objects::ObjectExpansion::TreeContents,
            );
            counted.map(|(counts, _)| counts).map_err(|e| failed(id, chain(&e)))
        };
        let mut known = BTreeSet::new();
        for had in have.iter().filter(|had| self.has_commit(**had)) {
            known.extend(count(*had)?.into_iter().map(|one| one.id));
        }
        let mut counts = count(commit)?;
        counts.retain(|one| !known.contains(&one.id));
        let number = u32::try_from(counts.len()).map_err(|e| failed(commit, e))?;
        let options = entry::iter_from_counts::Options {
            thread_limit: Some(1),
            ..entry::iter_from_counts::Options::default()
        };
        let entries = entry::iter_from_counts(counts, objects, Box::new(Discard), options)
            .map_err(|e| failed(commit, chain(&e)))?;
        let entries = entries.map(|chunk| chunk.map(|(_, entries)| entries));
        let version = gix_pack::data::Version::V2;
        let pack = FromEntriesIter::new(entries, out, number, version, gix::hash::Kind::Sha1);
        for written in pack {
            written.map_err(|e| failed(commit, chain(&e)))?;
        }
        Ok(())
    }

    /// Takes a pack in; afterwards the commit and all of its files are here.
    pub fn take_pack(&self, commit: GitId, pack: impl Read) -> Result<(), MirrorFailed> {
        self.make_room()?;
        let mut pack = BufReader::new(pack.take(PACK_BYTES_MAX));
        let times = times(&mut pack).map_err(|e| failed(commit, e))?;
        let repository = self.local();
        let folder = repository.objects.store_ref().path().join("pack");
        std::fs::create_dir_all(&folder).map_err(|e| failed(commit, e))?;
        let options = gix_pack::bundle::write::Options {
            thread_limit: Some(1),
            iteration_mode: gix_pack::data::input::Mode::Verify,
            alloc_limit_bytes: usize::try_from(BLOB_BYTES_MAX).ok(),
            ..gix_pack::bundle::write::Options::default()
        };
        let written = gix_pack::Bundle::write_to_directory(
            &mut pack,
            Some(&folder),
            &mut Discard,
            &AtomicBool::new(false),
            None::<gix::OdbHandle>,
            gix::hash::Kind::Sha1,
            options,
        );
        let written = written.map_err(|e| failed(commit, chain(&e)))?;
        // Nothing collects garbage here, so nothing has to be kept from it.
        if let Some(keep) = written.keep_path {
            std::fs::remove_file(keep).map_err(|e| failed(commit, e))?;
        }
        self.complete(commit, &times).inspect_err(|_| {
            // Half a commit must not look like one.
            for file in [written.index_path, written.data_path].into_iter().flatten() {
                if let Err(error) = std::fs::remove_file(&file) {
                    tracing::warn!(file = %file.display(), %error, "cannot remove a bad pack");
                }
            }
        })
    }

    /// Whether a commit and all of its files are here; the error names what is missing. The times come
    /// last: without them the commit is not here.
    fn complete(&self, commit: GitId, times: &[u8]) -> Result<(), MirrorFailed> {
        let repository = self.local();
        for (path, id, _) in self.files(commit, "")? {
            if !repository.has_object(to_git(id)) {
                return Err(failed(commit, format!("the pack lacks {path}")));
            }
        }
        if self.has_history(commit) {
            return Ok(());
        }
        self.history.take(commit, times).map_err(|e| failed(commit, e))
    }
}

/// The times before a pack.
fn times(pack: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    pack.read_exact(&mut length)?;
    let length = u64::from_be_bytes(length);
    if length > TIMES_BYTES_MAX {
        return Err(io::Error::other("the pack does not begin with the times of its folders"));
    }
    let mut times = Vec::new();
    pack.take(length).read_to_end(&mut times)?;
    Ok(times)
}

/// Reads, on a blocking thread, what arrives in pieces.
#[derive(Debug)]
pub struct ChunkReader {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl ChunkReader {
    /// The end of `chunks` is the end of the file.
    pub fn new(chunks: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { chunks, rest: Bytes::new() }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let taken = self.rest.split_to(self.rest.len().min(buffer.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

/// Sends, from a blocking thread, what is written, in pieces.
#[derive(Debug)]
pub struct ChunkWriter {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    open: Vec<u8>,
}

impl ChunkWriter {
    /// Fails to write once the receiver is gone.
    pub fn new(chunks: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { chunks, open: Vec::with_capacity(CHUNK_BYTES) }
    }

    fn send(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.open, Vec::with_capacity(CHUNK_BYTES));
        self.chunks
            .blocking_send(Ok(full.into()))
            .map_err(|_| io::Error::other("nobody takes it any more"))
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK_BYTES - self.open.len();
        let taken = bytes.len().min(room);
        self.open.extend_from_slice(&bytes[..taken]);
        if self.open.len() == CHUNK_BYTES {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.open.is_empty() { Ok(()) } else { self.send() }
    }
}

#[cfg(test)]
mod tests;
