//! The audit: who did what, from where, on what and why, each entry chained to the one before it by a
//! hash. Coordinators make entries; whoever has some can tell whether one of them was changed,
//! removed or moved. What an entry is about is decided elsewhere.

mod chain;
mod file;

use serde::{Deserialize, Serialize};

pub use self::{
    chain::{Broken, FORMAT, Head, Why, verify},
    file::{Header, InvalidFile, Part},
};
use crate::{digest::Digest, time::Timestamp};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Accepted,
    /// It was not, and nothing changed.
    Refused,
}

impl Outcome {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Refused => "refused",
        }
    }

    /// From the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Outcome::Accepted, Outcome::Refused].into_iter().find(|one| one.as_str() == word)
    }
}

/// One entry. Its numbers and its hash are given to it when it is added to the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Version of the encoding that is hashed.
    pub format: u32,
    /// Counts from 1, without a gap.
    pub index: u64,
    /// Index of the log entry that it came with.
    pub log_index: u64,
    /// When, by the log's time.
    pub at: Timestamp,
    /// Identity of who did it.
    pub who: String,
    /// Where the request came from; empty for what a coordinator decided by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The verb.
    pub what: String,
    /// Kind of what it was done to.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The reason that was given, or the cause.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Before: a digest of a resource, a word of anything else; empty when there was nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
    /// After.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
    /// Paths of a resource's changed fields, without their values; not all when there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// What came of it in one line, or why it was refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Over all of the above and the hash of the entry before.
    pub hash: Digest,
}

/// `operator/ann` of `spiffe://cluster/operator/ann`; anything else as it is.
pub fn short_identity(who: &str) -> &str {
    let path = who.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
    path.map_or(who, |(_, path)| path)
}

/// Which entries are asked for; what is empty or zero asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those after this index.
    pub after: u64,
    /// Not older than this.
    pub since: Timestamp,
    /// Of this identity: whole, as `operator/ann`, or as `ann`.
    pub actor: String,
    /// About something of this kind.
    pub kind: String,
    /// About something of this name.
    pub name: String,
}

impl Filter {
    /// Whether an entry is asked for.
    pub fn matches(&self, entry: &Entry) -> bool {
        let Self { after, since, actor, kind, name } = self;
        let path = short_identity(&entry.who);
        let last = path.rsplit(['/', ':']).next().unwrap_or(path);
        entry.index > *after
            && entry.at >= *since
            && (actor.is_empty() || [entry.who.as_str(), path, last].contains(&actor.as_str()))
            && (kind.is_empty() || kind.eq_ignore_ascii_case(&entry.kind))
            && (name.is_empty() || *name == entry.name)
    }
}

#[cfg(test)]
mod tests;
