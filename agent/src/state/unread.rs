//! What was written and is not known to be read and well: a change that ends without that leaves it on disk, and
//! whoever finds the files right later does not take them for applied before the gateway has read them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::StateDir;
use crate::{
    fs::{self, Done},
    gateway::ScanKind,
};

/// What a scan and a look are owed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// Which scans.
    pub kinds: BTreeSet<ScanKind>,
    /// The gateway tells once what it did not load: since when, by its own clock in epoch milliseconds.
    #[serde(default)]
    pub log_from_ms: Option<i64>,
}

const NAME: &str = "unread.json";

impl StateDir {
    /// What is owed; nothing when all is read.
    pub fn unread(&self) -> Done<Unread> {
        self.json(NAME)
    }

    /// Remembers it before the first rename; on disk when this returns.
    pub fn keep_unread(&self, unread: &Unread) -> Done<()> {
        match self.unread()? == *unread {
            true => Ok(()),
            false => self.keep(NAME, unread),
        }
    }

    /// All is read. Should a power cut undo this, it is read once more.
    pub fn forget_unread(&self) -> Done<()> {
        fs::discard(&self.path().join(NAME))
    }
}
