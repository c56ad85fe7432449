//! Between generated messages and the model's nouns. Every message is taken apart in full, so that
//! a new field breaks the build here.

mod assignment;
mod audit;
mod facts;
mod instruction;
mod report;

use millwright_model::{
    digest::{Digest, InvalidDigest},
    id::InvalidName,
    manifest::FileEntry,
    path::{InvalidPath, ManagedPath},
    report::UnknownWord,
};

use crate::common;

pub use self::instruction::{answer, answer_message};

/// A message that does not mean anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// A name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// A path.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// A word.
    #[error(transparent)]
    Word(#[from] UnknownWord),
    /// A field that must be there.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// JSON inside a message.
    #[error("the {0} of the message cannot be read")]
    Json(&'static str),
    /// Longer than anything legitimate.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

/// Longest text in a report.
const TEXT_BYTES_MAX: usize = 2_000;
/// Failures in one report.
const FAILURES_MAX: usize = 64;
/// Longest path in a message, with room for long Unicode names.
const PATH_BYTES_MAX: usize = 1024;
/// Projects or paths named in a report.
const NAMES_MAX: usize = 100;
/// Sessions named: more are counted by nobody.
const SESSIONS_MAX: usize = 200;

fn limited<W, M: TryFrom<W, Error = InvalidMessage>>(
    all: Vec<W>,
    max: usize,
    what: &'static str,
) -> Result<Vec<M>, InvalidMessage> {
    if all.len() > max {
        return Err(InvalidMessage::TooLong(what));
    }
    all.into_iter().map(TryInto::try_into).collect()
}

fn bounded(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

impl From<FileEntry> for common::ManifestFile {
    fn from(file: FileEntry) -> Self {
        let FileEntry { path, digest, size, mode } = file;
        Self { path: path.to_string(), digest: digest.0.to_vec(), size, mode }
    }
}

impl TryFrom<common::ManifestFile> for FileEntry {
    type Error = InvalidMessage;

    fn try_from(file: common::ManifestFile) -> Result<Self, Self::Error> {
        let common::ManifestFile { path, digest, size, mode } = file;
        let path = ManagedPath::parse(&path)?;
        Ok(Self { path, digest: Digest::from_slice(&digest)?, size, mode: mode & 0o777 })
    }
}
