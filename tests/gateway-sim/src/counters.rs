//! What tests count: scans, locks, writes without a lock, touches of what is never to be touched.

use serde::{Deserialize, Serialize};

/// Counts since the start of the simulation; restarts of the gateway do not reset them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counters {
    /// Triggers of a projects scan, by anybody.
    pub project_scans: u64,
    /// Triggers of a config scan, by anybody.
    pub config_scans: u64,
    /// Triggers that joined a running scan.
    pub joined_scans: u64,
    /// Locks granted.
    pub locks: u64,
    /// Locks refused because they were held.
    pub lock_conflicts: u64,
    /// Locks that ended because their time was up.
    pub locks_lapsed: u64,
    /// Locks that ended because a scan was triggered.
    pub locks_freed: u64,
    /// Saves that waited for a lock.
    pub queued_saves: u64,
    /// `resource.json` files that a scan has stamped anew.
    pub restamps: u64,
    /// Changed files, found by a scan, that were written while no lock of their kind was held.
    pub written_unlocked: u64,
    /// Files that nobody but the gateway may touch and that somebody has.
    pub never_touched: Vec<String>,
    /// Restarts.
    pub restarts: u64,
    /// Designers' saves that reached the disk.
    pub designer_saves: u64,
    /// Requests refused for their token.
    pub unauthorized: u64,
    /// Requests refused for their rights.
    pub forbidden: u64,
    /// Backups sent to the end.
    pub backups: u64,
    /// Project imports that replaced or made a project.
    pub imports: u64,
    /// Pulls of a backup that arrived.
    pub syncs: u64,
}
