//! Everything about the simulation that can be set while it runs, with the defaults of a real
//! gateway and a quick set for tests. Durations are milliseconds unless the name says otherwise.

use serde::{Deserialize, Serialize};

/// What a scan does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScanOutcome {
    /// Reads, and ends.
    #[default]
    Normal,
    /// Begins and never ends.
    Never,
    /// The trigger answers 500.
    Fail,
    /// Says that it is done, and has read nothing.
    Lie,
    /// As a lie, and the tree is not looked at for the log of scans either: no work of the simulation
    /// is in what somebody measures.
    Blank,
}

/// What a scan does to a `resource.json` whose signature fits neither form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnMismatch {
    /// Writes it again: actor `external`, new time and signature.
    Restamp,
    /// Loads it and leaves it alone.
    Keep,
    /// Keeps what was loaded before; says nothing.
    Skip,
}

/// How a save ends that waited for the scan-lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum QueuedSave {
    /// It overwrites what the scan has loaded.
    #[default]
    Overwrite,
    /// It is refused as stale where the scan has changed that resource.
    Stale,
}

/// Scans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanKnobs {
    /// Shortest scan.
    pub min_ms: u64,
    /// Longest scan.
    pub max_ms: u64,
    /// What it does.
    pub outcome: ScanOutcome,
    /// Delay of the gateway's own project scans; 0 is never (8.3), 300,000 on 8.1.
    pub automatic_ms: u64,
    /// Whether a trigger of one kind frees the lock of the other kind as well. Nobody knows.
    pub frees_both_locks: bool,
}

/// A restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestartKnobs {
    /// How long it goes on answering RUNNING.
    pub linger_ms: u64,
    /// How long connections are reset then, while the process is replaced.
    pub dark_ms: u64,
    /// How long it is STARTING then.
    pub down_ms: u64,
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PairKnobs {
    /// Time between two pings of the peer.
    pub ping_ms: u64,
    /// Time from a scan or save on the master to the backup's pull.
    pub delay_ms: u64,
    /// Time between two tries of a sync that fails.
    pub retry_ms: u64,
    /// The backup never pulls.
    pub never_converges: bool,
    /// How long the peer may be silent before a backup becomes Active.
    pub failover_ms: u64,
    /// How long a master that came back leaves the backup Active.
    pub recovery_ms: u64,
    /// How long both are Active when the master takes back.
    pub overlap_ms: u64,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Knobs {
    /// Scans.
    pub scan: ScanKnobs,
    /// Restarts.
    pub restart: RestartKnobs,
    /// The pair.
    pub pair: PairKnobs,
    /// Stale signatures of project resources.
    pub projects_mismatch: OnMismatch,
    /// Stale signatures of configuration resources.
    pub config_mismatch: OnMismatch,
    /// How a queued save ends.
    pub queued_save: QueuedSave,
    /// Whether a Designer's save waits for the `projects` lock. Nobody knows.
    pub designer_saves_wait: bool,
    /// Time until a lock is granted.
    pub grant_ms: u64,
    /// Earliest `will not be loaded` line after a scan.
    pub notice_min_ms: u64,
    /// Latest such line.
    pub notice_max_ms: u64,
    /// The gateway's clock minus ours.
    pub clock_skew_ms: i64,
    /// Time until an edited tag reaches the disk.
    pub tag_flush_ms: u64,
    /// How long children's exports go on changing after an import over their parent.
    pub settle_ms: u64,
    /// A backup download ends after this many bytes.
    pub backup_cut: Option<u64>,
    /// Where accounts of a shape differ, take the less usual one: `lastComm` as a duration, scope
    /// `G`, license fields as another version has them.
    pub odd_shapes: bool,
    /// The gateway writes caches, logs and its value store as it runs.
    pub noise: bool,
}

impl Default for Knobs {
    /// As real gateways were seen.
    fn default() -> Self {
        Self {
            scan: ScanKnobs {
                min_ms: 200,
                max_ms: 2_000,
                outcome: ScanOutcome::Normal,
                automatic_ms: 0,
                frees_both_locks: false,
            },
            restart: RestartKnobs { linger_ms: 5_000, dark_ms: 2_000, down_ms: 38_000 },
            pair: PairKnobs {
                ping_ms: 1_000,
                delay_ms: 10_000,
                retry_ms: 5_000,
                never_converges: false,
                failover_ms: 60_000,
                recovery_ms: 150_000,
                overlap_ms: 10_000,
            },
            projects_mismatch: OnMismatch::Restamp,
            config_mismatch: OnMismatch::Keep,
            queued_save: QueuedSave::Overwrite,
            designer_saves_wait: true,
            grant_ms: 0,
            notice_min_ms: 200,
            notice_max_ms: 1_500,
            clock_skew_ms: 0,
            tag_flush_ms: 20_000,
            settle_ms: 5_000,
            backup_cut: None,
            odd_shapes: false,
            noise: true,
        }
    }
}

impl Knobs {
    /// Short times and no noise: for tests that run many gateways.
    pub fn quick() -> Self {
        let mut knobs = Self::default();
        knobs.scan.min_ms = 50;
        knobs.scan.max_ms = 200;
        knobs.restart = RestartKnobs { linger_ms: 200, dark_ms: 0, down_ms: 300 };
        knobs.pair = PairKnobs {
            ping_ms: 20,
            delay_ms: 100,
            retry_ms: 20,
            never_converges: false,
            failover_ms: 1_000,
            recovery_ms: 300,
            overlap_ms: 100,
        };
        knobs.notice_min_ms = 20;
        knobs.notice_max_ms = 60;
        knobs.tag_flush_ms = 200;
        knobs.settle_ms = 100;
        knobs.noise = false;
        knobs
    }
}
