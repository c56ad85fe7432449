//! Log, vote and committed index on disk, through the `raft-log` crate (a write-ahead log with
//! group commit). This module only adapts types; durability is that crate's.

use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};
use prost::Message;
use raft_log::{
    Callback, Config, RaftLog, Types,
    api::raft_log_writer::RaftLogWriter,
    codeq::{Decode, Encode},
};
use tokio::sync::oneshot;

use super::{
    codec,
    types::{Entry, LogId, TypeConfig, Vote},
};

/// Entries kept in memory for replication; older ones are read from disk.
const CACHE_BYTES: usize = 64 << 20;
const CACHE_ITEMS: usize = 20_000;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct LogTypes;

/// Term, node, index.
type StoredLogId = ((u64, u64), u64);

/// An encoded `log::Entry`.
#[derive(Debug, Clone)]
struct Record(Bytes);

impl Encode for Record {
    fn encode<W: io::Write>(&self, mut writer: W) -> Result<usize, io::Error> {
        let length = u32::try_from(self.0.len()).map_err(io::Error::other)?;
        writer.write_all(&length.to_be_bytes())?;
        writer.write_all(&self.0)?;
        Ok(4 + self.0.len())
    }
}

impl Decode for Record {
    fn decode<R: io::Read>(reader: R) -> Result<Self, io::Error> {
        Ok(Record(<Vec<u8> as Decode>::decode(reader)?.into()))
    }
}

/// Who waits for a flush.
enum Flushed {
    Raft(IOFlushed<TypeConfig>),
    Here(oneshot::Sender<io::Result<()>>),
}

impl Callback for Flushed {
    fn send(self, result: Result<(), io::Error>) {
        match self {
            Flushed::Raft(callback) => callback.io_completed(result),
            Flushed::Here(tx) => drop(tx.send(result)),
        }
    }
}

impl Types for LogTypes {
    type LogId = StoredLogId;
    type LogPayload = Record;
    type Vote = ((u64, u64), bool);
    type Callback = Flushed;
    type UserData = Vec<u8>;

    fn log_index(log_id: &Self::LogId) -> u64 {
        log_id.1
    }

    fn payload_size(payload: &Self::LogPayload) -> u64 {
        payload.0.len() as u64
    }
}

/// The log of one node. Clones share it.
#[derive(Clone)]
pub struct LogStore {
    log: Arc<Mutex<RaftLog<LogTypes>>>,
}

impl Debug for LogStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogStore")
    }
}

fn stored(id: &LogId) -> StoredLogId {
    let leader = id.committed_leader_id();
    ((leader.term, leader.node_id), id.index())
}

fn loaded(id: StoredLogId) -> LogId {
    let ((term, node_id), index) = id;
    LogId::new(openraft::impls::leader_id_adv::LeaderId { term, node_id }, index)
}

impl LogStore {
    /// Opens the log of a directory, creating it when absent, in files of at most about `file_bytes`. A record cut short by a power loss
    /// at the very end is dropped: it was never acknowledged.
    ///
    /// # Errors
    /// When files cannot be read or a record before the end is damaged.
    pub fn open(dir: &Path, file_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut config = Config::new(dir.display());
        config.wal.chunk_max_size = Some(usize::try_from(file_bytes).unwrap_or(usize::MAX));
        config.log_cache_capacity = Some(CACHE_BYTES);
        config.log_cache_max_items = Some(CACHE_ITEMS);
        let log = RaftLog::open(Arc::new(config))?;
        Ok(Self { log: Arc::new(Mutex::new(log)) })
    }

    /// Bytes on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.lock().on_disk_size()
    }

    fn lock(&self) -> MutexGuard<'_, RaftLog<LogTypes>> {
        // A panic inside the log leaves memory and disk apart: going on would be worse.
        self.log.lock().expect("the log is not used after a panic in it")
    }

    /// Runs `write`, then waits until it is on stable storage.
    async fn durably<F>(&self, write: F) -> io::Result<()>
    where
        F: FnOnce(&mut RaftLog<LogTypes>) -> io::Result<()>,
    {
        let (tx, rx) = oneshot::channel();
        {
            let mut log = self.lock();
            write(&mut log)?;
            log.flush(true, Some(Flushed::Here(tx)))?;
        }
        rx.await.map_err(io::Error::other)?
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let from = match range.start_bound() {
            Bound::Included(at) => *at,
            Bound::Excluded(at) => at + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(at) => at + 1,
            Bound::Excluded(at) => *at,
            Bound::Unbounded => u64::MAX,
        };
        let log = self.lock();
        log.read(from, to)
            .map(|record| {
                let (_, Record(bytes)) = record?;
                let entry = millwright_proto::log::Entry::decode(bytes)
                    .map_err(codec::InvalidRecord::from)?;
                Ok(codec::entry_in(entry)?)
            })
            .collect()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        let log = self.lock();
        Ok(log.log_state().vote().map(|((term, node_id), committed)| Vote {
            leader_id: openraft::impls::leader_id_adv::LeaderId { term: *term, node_id: *node_id },
            committed: *committed,
        }))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let log = self.lock();
        let state = log.log_state();
        let purged = state.purged().copied().map(loaded);
        Ok(LogState {
            last_purged_log_id: purged,
            last_log_id: state.last().copied().map(loaded).or(purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let record = ((vote.leader_id.term, vote.leader_id.node_id), vote.committed);
        self.durably(|log| log.save_vote(record).map(drop)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(committed) = committed else { return Ok(()) };
        let mut log = self.lock();
        log.commit(stored(&committed))?;
        // No fsync of its own: it is only a hint for start-up, and the next append carries it.
        log.flush(false, None)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.lock().log_state().committed().copied().map(loaded))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records: Vec<_> = entries
            .into_iter()
            .map(|entry| {
                let bytes = codec::entry_out(&entry).encode_to_vec();
                (stored(&entry.log_id), Record(bytes.into()))
            })
            .collect();
        let mut log = self.lock();
        log.append(records)?;
        log.flush(true, Some(Flushed::Raft(callback)))
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let from = last.map_or(0, |id| id.index() + 1);
        let end = self.lock().log_state().last().map_or(0, |id| id.1 + 1);
        // Nothing is kept beyond the end, so there is nothing to cut.
        if from >= end {
            return Ok(());
        }
        self.durably(|log| log.truncate(from).map(drop)).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.durably(|log| log.purge(stored(&upto)).map(drop)).await
    }
}
