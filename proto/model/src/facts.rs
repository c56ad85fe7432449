//! What an agent sees of its gateway: state, role, sessions, snapshots, foreign changes. What it did
//! is in [`report`](crate::report).

use serde::{Deserialize, Serialize};

use crate::{digest::GitId, generation::Generation, time::Timestamp, words::words};

/// A session of Ignition's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenSession {
    /// What kind.
    pub kind: SessionKind,
    /// The gateway's id of it.
    pub id: String,
    /// Who.
    pub user: String,
    /// On which project; empty when none is open yet.
    pub project: String,
    /// Since when, by the agent's clock.
    pub since: Timestamp,
    /// From where.
    pub address: String,
}

words!(
    /// A kind of Ignition session.
    SessionKind, "session kind", {
        /// Somebody edits.
        Designer = "designer",
        /// An operator's screen in a browser.
        Perspective = "perspective",
        /// An operator's screen in a client.
        Vision = "vision",
    }
);

/// A snapshot that an agent keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotInfo {
    /// Its id.
    pub id: String,
    /// When it was taken, by the agent's clock.
    pub taken_at: Timestamp,
    /// Which commit the gateway ran then, if ours.
    pub commit: Option<GitId>,
    /// Files in it.
    pub files: u32,
    /// Bytes of those files.
    pub bytes: u64,
    /// Bytes that were not stored before, compressed.
    pub new_bytes: u64,
    /// Milliseconds it took, with the look at the tree.
    pub duration_ms: u64,
    /// Where: `local`, `s3://…`, `gs://…`.
    pub stores: Vec<String>,
    /// Never removed by retention.
    pub pinned: bool,
    /// Why it was taken.
    pub cause: String,
}

/// The id of a snapshot taken at this moment: sorts by time and reads as one. A second one within the
/// same second gets a number.
pub fn snapshot_id(taken_at: Timestamp, is_taken: impl Fn(&str) -> bool) -> String {
    let text = taken_at.to_string();
    let stem: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let stem = stem.to_lowercase();
    let mut id = stem.clone();
    let mut number = 1_u32;
    while is_taken(&id) {
        number += 1;
        id = format!("{stem}-{number}");
    }
    id
}

/// Whether [`snapshot_id`] may have made this text.
pub fn is_snapshot_id(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let (stem, number) = text.split_once('-').unwrap_or((text, "2"));
    let Some((day, time)) = stem.strip_suffix('z').and_then(|stem| stem.split_once('t')) else {
        return false;
    };
    day.len() == 8 && time.len() == 6 && digits(day) && digits(time) && digits(number)
}

/// A managed file that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftEntry {
    /// Which.
    pub path: String,
    /// How.
    pub change: DriftChange,
    /// The actor that the resource names, if it names one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
}

words!(
    /// How a file differs.
    DriftChange, "drift change", {
        /// It has other content.
        Modified = "modified",
        /// It is new below a managed root.
        Added = "added",
        /// It is gone.
        Deleted = "deleted",
    }
);

/// Foreign changes below the managed roots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Drift {
    /// How many files.
    pub count: u32,
    /// The first of them.
    pub entries: Vec<DriftEntry>,
    /// Since when, by the agent's clock.
    pub since: Timestamp,
}

/// Work that an agent has put aside until windows let it be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Of which assignment.
    pub generation: Generation,
    /// What it waits for, for people.
    pub message: String,
    /// Since when, by the agent's clock.
    pub since: Timestamp,
    /// When that may change by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What an agent sees of its gateway; empty text is *unknown*.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayFacts {
    /// The gateway's own name.
    pub system_name: String,
    /// For example `8.3.6 (b2026042713)`.
    pub ignition_version: String,
    /// `RUNNING`, `STARTING`, `COMMISSIONING`, `UNREACHABLE`, `UNAUTHORIZED`.
    pub state: String,
    /// `Independent`, `Master`, `Backup`.
    pub redundancy_role: String,
    /// `Active`, `Cold`, …
    pub activity_level: String,
    /// Operating system of the agent.
    pub os: String,
    /// `Good`, `SyncError`, …
    pub project_state: String,
    /// Whether the node sees its peer.
    pub peer_connected: bool,
    /// The peer's id.
    pub peer: String,
    /// Open sessions; absent when the gateway does not tell.
    pub sessions: Option<Vec<OpenSession>>,
    /// Foreign changes.
    pub drift: Drift,
    /// Snapshots, newest first.
    pub snapshots: Vec<SnapshotInfo>,
    /// What is put aside, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_snapshots_are_told_from_other_words() {
        let moment = Timestamp(1_790_000_000_123);
        let first = snapshot_id(moment, |_| false);
        let second = snapshot_id(moment, |id| id == first);
        let third = snapshot_id(moment, |id| id == first || id == second);
        assert_eq!(second, format!("{first}-2"));
        assert_eq!(third, format!("{first}-3"));
        for id in [first, second, third] {
            assert!(is_snapshot_id(&id), "{id}");
        }
        for other in ["", "tz", "main", "20261012t143413z-", "20261012t143413z-x", "2026t14z"] {
            assert!(!is_snapshot_id(other), "{other}");
        }
    }
}
