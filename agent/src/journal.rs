//! The journal of the job in hand: one line per record, on disk before its action begins. The file is
//! made once at its full size and overwritten in place, since a sync that need not change the file's
//! length costs a fraction of one that must.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use millwright_agent_domain::journal::Record;
use millwright_model::digest::Digest;

use crate::fs::{self, Done};

/// Room for a job's records; a longer journal grows the file.
const SIZE: usize = 64 << 10;
/// Hexadecimal characters of the checksum in front of each line.
const CHECK_CHARS: usize = 16;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    end: u64,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> fs::FileFailed {
    fs::failed("write the journal", path)
}

impl Journal {
    /// Opens the journal and reads what it holds.
    pub fn open(path: &Path) -> Done<(Self, Vec<Record>)> {
        let fresh = !fs::exists(path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed(path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed(path))?;
        let (records, end) = parse(&bytes);
        let mut journal = Self { path: path.to_owned(), file, end };
        if fresh || bytes.len() < SIZE {
            journal.extend(bytes.len())?;
        }
        if fresh && let Some(dir) = path.parent() {
            fs::sync_dir(dir)?;
        }
        Ok((journal, records))
    }

    fn extend(&mut self, from: usize) -> Done<()> {
        let zeros = vec![0; SIZE.saturating_sub(from)];
        self.file
            .seek(SeekFrom::Start(from as u64))
            .and_then(|_| self.file.write_all(&zeros))
            .and_then(|()| self.file.sync_all())
            .map_err(failed(&self.path))
    }

    /// Adds a record; it is on disk when this returns.
    pub fn append(&mut self, record: &Record) -> Done<()> {
        let line = line(record);
        self.file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(&line))
            .and_then(|()| self.file.sync_data())
            .map_err(failed(&self.path))?;
        self.end += line.len() as u64;
        Ok(())
    }

    /// Empties it: nothing is in hand any more.
    pub fn clear(&mut self) -> Done<()> {
        let zeros = vec![0; usize::try_from(self.end).unwrap_or(SIZE)];
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&zeros))
            .and_then(|()| self.file.sync_data())
            .map_err(failed(&self.path))?;
        self.end = 0;
        Ok(())
    }
}

fn line(record: &Record) -> Vec<u8> {
    let body = serde_json::to_string(record).expect("records have text keys only");
    let check = &Digest::of(body.as_bytes()).to_string()[..CHECK_CHARS];
    format!("{check} {body}\n").into_bytes()
}

/// Records up to the first damaged line, and where they end.
fn parse(bytes: &[u8]) -> (Vec<Record>, u64) {
    let (mut records, mut end) = (Vec::new(), 0);
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let good = std::str::from_utf8(piece).ok().and_then(|text| {
            let (check, body) = text.strip_suffix('\n')?.split_once(' ')?;
            let right = Digest::of(body.as_bytes()).to_string()[..CHECK_CHARS] == *check;
            right.then(|| serde_json::from_str(body).ok()).flatten()
        });
        let Some(record) = good else { break };
        records.push(record);
        end += piece.len() as u64;
    }
    (records, end)
}

#[cfg(test)]
mod tests {
    use millwright_agent_domain::job::{Mode, State};
    use millwright_model::generation::{Epoch, Generation};

    use super::*;

    fn began(generation: u64) -> Record {
        let generation = Generation(generation);
        Record::Began { epoch: Epoch(1), generation, attempt: 1, mode: Mode::Apply }
    }

    #[test]
    fn records_survive_and_a_torn_one_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, records) = Journal::open(&path).unwrap();
        assert!(records.is_empty());
        let all = [began(1), Record::Entered(State::Preflight), Record::Entered(State::Fetching)];
        for record in &all {
            journal.append(record).unwrap();
        }
        let (_, read) = Journal::open(&path).unwrap();
        assert_eq!(read, all);

        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap();
        bytes[end - 2] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let (mut journal, read) = Journal::open(&path).unwrap();
        assert_eq!(read, all[..2]);
        // The next record takes the place of the torn one.
        journal.append(&Record::Recovered).unwrap();
        let (mut journal, read) = Journal::open(&path).unwrap();
        assert_eq!(read.last(), Some(&Record::Recovered));
        journal.clear().unwrap();
        let (mut journal, read) = Journal::open(&path).unwrap();
        assert!(read.is_empty());
        journal.append(&began(2)).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, [began(2)]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), SIZE as u64);
    }
}
