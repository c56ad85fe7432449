//! The snapshot file: magic, length of the meta (u32, big-endian), meta (protobuf), state (zstd).
//!
//! A snapshot is durable before anything in the log may be purged for it: written beside, fsynced,
//! renamed, directory fsynced. The file is also what is streamed to a node that lags, byte for byte.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use millwright_coordinator_domain::State;
use millwright_proto::log;
use prost::Message;

use super::{codec, types::SnapshotMeta};
use crate::convert;

const MAGIC: &[u8; 8] = b"MWSNAP1\n";
/// Version of the state's encoding; a newer one is refused.
pub const FORMAT: u32 = 1;
/// Fast and about a quarter of the size for JSON-heavy state.
const ZSTD_LEVEL: i32 = 3;
/// Decompressed size beyond which a snapshot is refused as damaged.
const STATE_BYTES_MAX: u64 = 1 << 30;

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotRejected {
    /// The file is not a snapshot or is cut short.
    #[error("not a Millwright snapshot, or cut short")]
    Damaged,
    /// Written by a newer program.
    #[error("the snapshot has format {found}, this program reads up to {FORMAT}: upgrade it first")]
    Newer {
        /// Format found.
        found: u32,
    },
    /// The state inside does not decode.
    #[error("cannot decode the state in the snapshot: {0}")]
    State(String),
    /// The meta does not decode.
    #[error(transparent)]
    Meta(#[from] codec::InvalidRecord),
}

impl From<SnapshotRejected> for io::Error {
    fn from(error: SnapshotRejected) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// The whole file for a state.
pub fn encode(meta: &SnapshotMeta, state: &State) -> io::Result<Bytes> {
    let plain = convert::state_to_bytes(state);
    let mut header = codec::meta_out(meta);
    header.format = FORMAT;
    header.state_bytes = plain.len() as u64;
    header.state_digest = blake3::hash(&plain).as_bytes().to_vec();
    let header = header.encode_to_vec();
    let mut file = Vec::with_capacity(plain.len() / 3 + header.len() + 12);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&u32::try_from(header.len()).map_err(io::Error::other)?.to_be_bytes());
    file.extend_from_slice(&header);
    file.extend_from_slice(&zstd::bulk::compress(&plain, ZSTD_LEVEL)?);
    Ok(file.into())
}

/// Meta and state of a whole file, with the digest checked.
pub fn decode(file: &[u8]) -> Result<(SnapshotMeta, State), SnapshotRejected> {
    let rest = file.strip_prefix(MAGIC.as_slice()).ok_or(SnapshotRejected::Damaged)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(SnapshotRejected::Damaged)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (header, body) = rest.split_at_checked(length).ok_or(SnapshotRejected::Damaged)?;
    let header = log::SnapshotMeta::decode(header).map_err(|_| SnapshotRejected::Damaged)?;
    if header.format > FORMAT {
        return Err(SnapshotRejected::Newer { found: header.format });
    }
    if header.state_bytes > STATE_BYTES_MAX {
        return Err(SnapshotRejected::Damaged);
    }
    let capacity = usize::try_from(header.state_bytes).map_err(|_| SnapshotRejected::Damaged)?;
    let plain = zstd::bulk::decompress(body, capacity).map_err(|_| SnapshotRejected::Damaged)?;
    if blake3::hash(&plain).as_bytes().as_slice() != header.state_digest {
        return Err(SnapshotRejected::Damaged);
    }
    let state = convert::state_from_bytes(&plain)
        .map_err(|error| SnapshotRejected::State(error.to_string()))?;
    Ok((codec::meta_in(&header)?, state))
}

/// The folder that holds the newest snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotDir {
    dir: PathBuf,
}

impl SnapshotDir {
    /// Opens the folder, creating it when absent.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    fn current(&self) -> PathBuf {
        self.dir.join("state.mws")
    }

    /// The newest snapshot, if any.
    pub fn load(&self) -> io::Result<Option<Bytes>> {
        match fs::read(self.current()) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the snapshot; durable when this returns.
    pub fn store(&self, file: &[u8]) -> io::Result<()> {
        let fresh = self.dir.join("state.new");
        let mut out = File::create(&fresh)?;
        out.write_all(file)?;
        out.sync_all()?;
        fs::rename(&fresh, self.current())?;
        File::open(&self.dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_reads_back_and_damage_is_found() {
        let state = State::default();
        let file = encode(&SnapshotMeta::default(), &state).unwrap();
        let (meta, back) = decode(&file).unwrap();
        assert_eq!(meta, SnapshotMeta::default());
        assert_eq!(convert::state_to_bytes(&back), convert::state_to_bytes(&state));
        for cut in 0..file.len() {
            assert!(decode(&file[..cut]).is_err(), "cut at {cut}");
        }
    }
}
