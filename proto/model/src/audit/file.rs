//! The exported form: a file of lines, each a JSON object. The first says which part of which chain
//! follows, so that a file can be verified alone and after the one before it.

use serde::{Deserialize, Serialize};

use super::{Broken, Entry, FORMAT, Head, Why};
use crate::digest::Digest;

/// Tells the file from others.
const MARK: &str = "millwright-audit";
/// No chain is that long.
const INDEX_MAX: u64 = u64::MAX >> 1;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    file: String,
    format: u32,
    /// Id of the cluster.
    pub cluster: String,
    /// Index of the last entry before the file's first.
    pub after: u64,
    /// Its hash.
    pub hash: Digest,
}

impl Header {
    /// Of a file that goes on from an end.
    pub fn new(cluster: &str, from: Head) -> Self {
        Self {
            file: MARK.to_owned(),
            format: FORMAT,
            cluster: cluster.to_owned(),
            after: from.index,
            hash: from.hash,
        }
    }

    /// The end that the file goes on from.
    pub fn head(&self) -> Head {
        Head { index: self.after, hash: self.hash }
    }
}

/// A text that is no exported audit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an exported audit: {0}")]
pub struct InvalidFile(String);

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its first line.
    pub header: Header,
    /// The entries that can be read, up to the first that cannot.
    pub entries: Vec<Entry>,
    /// The first line that cannot be read.
    pub unreadable: Option<Broken>,
    /// Whether it ends within a line, as a file does that is being written.
    pub is_cut: bool,
}

impl Part {
    /// Takes a file apart.
    ///
    /// # Errors
    /// When its first line is not that of an exported audit.
    pub fn read(text: &str) -> Result<Self, InvalidFile> {
        let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", text));
        let mut lines = whole.lines();
        let first = lines.next().unwrap_or_default();
        let header: Header =
            serde_json::from_str(first).map_err(|error| InvalidFile(error.to_string()))?;
        if header.file != MARK {
            return Err(InvalidFile(format!("it is a {:?}", header.file)));
        }
        if header.format != FORMAT {
            let found = header.format;
            return Err(InvalidFile(format!("it has format {found}, this program knows {FORMAT}")));
        }
        if header.after > INDEX_MAX {
            return Err(InvalidFile(format!("it goes on from {}", header.after)));
        }
        let mut part = Self { header, entries: Vec::new(), unreadable: None, is_cut: false };
        part.is_cut = !rest.is_empty();
        for (index, line) in (part.header.after.saturating_add(1)..).zip(lines) {
            match serde_json::from_str(line) {
                Ok(entry) => part.entries.push(entry),
                Err(error) => {
                    let why = Why::Unreadable(error.to_string());
                    part.unreadable = Some(Broken { index, why });
                    break;
                }
            }
        }
        Ok(part)
    }

    /// Follows the chain through the file, and on from `before` when that is known.
    ///
    /// # Errors
    /// The first entry that is not what was written.
    pub fn verify(&self, before: Option<Head>) -> Result<Head, Broken> {
        let from = self.header.head();
        from.begins(&self.header.cluster)?;
        if let Some(before) = before {
            before.reaches(&from)?;
        }
        let end = super::verify(from, &self.entries)?;
        match &self.unreadable {
            Some(broken) => Err(broken.clone()),
            None => Ok(end),
        }
    }
}
