//! How entries are chained: the hash of an entry covers a fixed encoding of it and the hash of the
//! one before. Another encoding needs another [`FORMAT`].

use serde::{Deserialize, Serialize};

use super::{Entry, Outcome};
use crate::digest::Digest;

/// Version of the encoding.
pub const FORMAT: u32 = 1;
/// Begins what is hashed, so that no other hash of the program can be taken for one of these.
const MAGIC: &[u8] = b"millwright-audit-1\n";

/// The end of a chain, or of a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// Index of the last entry; 0 before the first.
    pub index: u64,
    /// Its hash.
    pub hash: Digest,
}

impl Head {
    /// Where the chain of a cluster begins.
    pub fn genesis(cluster: &str) -> Self {
        let mut bytes = MAGIC.to_vec();
        put(&mut bytes, cluster);
        Self { index: 0, hash: Digest::of(&bytes) }
    }

    /// Holds the place before the first entry against the cluster that it should be of; any later
    /// place says nothing about that.
    ///
    /// # Errors
    /// When the chain is another cluster's.
    pub fn begins(&self, cluster: &str) -> Result<(), Broken> {
        match self.index == 0 && *self != Self::genesis(cluster) {
            true => Err(Broken { index: 1, why: Why::Cluster }),
            false => Ok(()),
        }
    }

    /// Gives an entry its place after this end, and moves the end there.
    pub fn seal(&mut self, mut entry: Entry) -> Entry {
        entry.format = FORMAT;
        entry.index = self.index + 1;
        entry.hash = hash(&self.hash, &entry);
        *self = Self { index: entry.index, hash: entry.hash };
        entry
    }

    /// Follows the chain by one entry.
    ///
    /// # Errors
    /// When it is not the entry that was written there.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), Broken> {
        let index = self.index + 1;
        let why = if entry.index != index {
            Some(Why::Order { found: entry.index })
        } else if entry.format != FORMAT {
            Some(Why::Format { found: entry.format })
        } else {
            (hash(&self.hash, entry) != entry.hash).then_some(Why::Hash)
        };
        match why {
            Some(why) => Err(Broken { index, why }),
            None => {
                *self = Self { index, hash: entry.hash };
                Ok(())
            }
        }
    }

    /// Holds the end that was reached against the one that is known.
    ///
    /// # Errors
    /// When entries are missing at the end, or it is the end of another chain.
    pub fn reaches(&self, known: &Head) -> Result<(), Broken> {
        if self.index < known.index {
            return Err(Broken { index: self.index + 1, why: Why::Cut { known: known.index } });
        }
        match self == known {
            true => Ok(()),
            false => Err(Broken { index: self.index, why: Why::Head }),
        }
    }
}

/// The first entry that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} {why}")]
pub struct Broken {
    /// Which.
    pub index: u64,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It or the one before it was changed.
    #[error("was changed, or the one before it: its hash does not fit")]
    Hash,
    /// Another one is in its place.
    #[error("is not in its place: entry {found} is there")]
    Order {
        /// Which one.
        found: u64,
    },
    /// A newer program wrote it.
    #[error("has format {found}, this program knows {FORMAT}: use a newer one")]
    Format {
        /// Which format.
        found: u32,
    },
    /// The end is gone.
    #[error("is missing, and all after it: the chain goes to {known}")]
    Cut {
        /// Where the chain ends.
        known: u64,
    },
    /// All hashes fit, but it is another chain.
    #[error("is of another chain: its hash is not the one that is known")]
    Head,
    /// The chain does not begin with this cluster.
    #[error("is the first of another cluster's chain")]
    Cluster,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// Follows entries from an end to another.
///
/// # Errors
/// The first entry that is not what was written.
pub fn verify<'a>(
    mut from: Head,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Result<Head, Broken> {
    for entry in entries {
        from.follow(entry)?;
    }
    Ok(from)
}

fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Numbers are eight bytes, the most significant first; texts have their length before them.
pub(super) fn encode(previous: &Digest, entry: &Entry) -> Vec<u8> {
    let Entry {
        format: _, // the magic says it
        index,
        log_index,
        at,
        who,
        from,
        what,
        kind,
        name,
        why,
        before,
        after,
        fields,
        outcome,
        message,
        hash: _,
    } = entry;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(previous.as_bytes());
    for number in [*index, *log_index, at.0] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    for text in [who, from, what, kind, name, why, before, after] {
        put(&mut bytes, text);
    }
    bytes.extend_from_slice(&(fields.len() as u64).to_be_bytes());
    for field in fields {
        put(&mut bytes, field);
    }
    bytes.push(match outcome {
        Outcome::Accepted => 0,
        Outcome::Refused => 1,
    });
    put(&mut bytes, message);
    bytes
}

fn hash(previous: &Digest, entry: &Entry) -> Digest {
    Digest::of(&encode(previous, entry))
}
