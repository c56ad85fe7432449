//! How a gateway may be changed: sessions, redundancy, snapshots, verification, rollback and drift.
//! These are parts of a `SyncProfile` and travel to the agent with each assignment. Nothing here
//! decides anything; the agent's domain crate does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{id::Name, time::Span};

/// All policies of one profile, with their defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Policies {
    /// Open Designers, Perspective sessions and Vision clients.
    pub sessions: Sessions,
    /// Redundant pairs.
    pub redundancy: Redundancy,
    /// Copies of the files taken before they change.
    pub snapshots: Snapshots,
    /// What must hold after the scan.
    pub verify: Verify,
    /// When the previous files come back by themselves.
    pub rollback: Rollback,
    /// What to do when somebody else changes managed files.
    pub drift: Drift,
}

/// What to do while somebody is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Presence {
    /// Wait for them to leave, up to the timeout.
    #[default]
    Wait,
    /// Go on; they are named in the report.
    Proceed,
    /// Fail at once.
    Fail,
}

/// What to do when waiting was in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnTimeout {
    /// Fail; nothing was changed.
    #[default]
    Fail,
    /// Go on; they are named in the report.
    Proceed,
}

/// Whose sessions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Those on projects that the change touches, children of touched parents included.
    #[default]
    Project,
    /// All of the gateway.
    Gateway,
}

/// Policies about sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Sessions {
    /// Open Designers.
    pub designer: Designer,
    /// Perspective sessions.
    pub perspective: Clients,
    /// Vision clients.
    pub vision: Clients,
}

/// Policy about Designers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Designer {
    /// Default `wait`.
    pub policy: Presence,
    /// How long to wait. Default `10m`.
    pub timeout: Span,
    /// Default `fail`.
    pub on_timeout: OnTimeout,
    /// Default `project`.
    pub scope: Scope,
}

impl Default for Designer {
    fn default() -> Self {
        Self {
            policy: Presence::Wait,
            timeout: Span(600_000),
            on_timeout: OnTimeout::Fail,
            scope: Scope::Project,
        }
    }
}

/// Policy about running sessions of operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Clients {
    /// Default `proceed`.
    pub policy: Presence,
}

impl Default for Clients {
    fn default() -> Self {
        Self { policy: Presence::Proceed }
    }
}

/// Policy about pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Redundancy {
    /// The master is not active, or both or neither node is: `wait` or `fail`. Default `wait`.
    pub not_active: NotActive,
    /// How long to wait for the master to be active again. Default `10m`.
    pub timeout: Span,
    /// The peer cannot be reached, so it may be active too. Default `refuse`.
    pub peer_unreachable: PeerUnreachable,
    /// How long the backup may take to take the files over; once more after a resync. Default `5m`.
    pub converge_within: Span,
}

impl Default for Redundancy {
    fn default() -> Self {
        Self {
            not_active: NotActive::Wait,
            timeout: Span(600_000),
            peer_unreachable: PeerUnreachable::Refuse,
            converge_within: Span(300_000),
        }
    }
}

/// What to do while the master is not the active node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NotActive {
    /// Wait, up to the timeout.
    #[default]
    Wait,
    /// Fail at once.
    Fail,
}

/// What to do while the master does not see its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PeerUnreachable {
    /// As if the master were not active.
    #[default]
    Refuse,
    /// Go on; the backup is reported as not in sync if it stays away.
    Proceed,
}

/// When a snapshot is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SnapshotWhen {
    /// Before every sync.
    #[default]
    Always,
    /// Before a sync that changes more than this.
    ChangesExceed {
        /// Files; default 0.
        #[serde(default)]
        files: u32,
        /// Bytes; default 0.
        #[serde(default)]
        bytes: u64,
    },
    /// Never. What a sync replaces is kept until it has ended all the same.
    Never,
}

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SnapshotScope {
    /// Everything below the managed roots.
    #[default]
    Roots,
    /// The data directory, except what is never touched.
    Data,
}

/// Policy about snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Snapshots {
    /// Default `always`.
    pub when: SnapshotWhen,
    /// Default `roots`.
    pub scope: SnapshotScope,
    /// How many are kept besides pinned ones and the last good one. Default 5.
    #[schemars(range(min = 1, max = 1000))]
    pub keep: u32,
    /// Bytes that must stay free on the file system. Default 256 MiB.
    pub min_free_bytes: u64,
    /// Also download the gateway's own backup (`.gwbk`) and check the archive.
    pub gwbk: bool,
    /// A second store, to which snapshots are uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteStore>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            when: SnapshotWhen::Always,
            scope: SnapshotScope::Roots,
            keep: 5,
            min_free_bytes: 256 << 20,
            gwbk: false,
            remote: None,
        }
    }
}

/// Where snapshots are uploaded to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RemoteStore {
    /// Which protocol.
    pub kind: RemoteKind,
    /// Bucket.
    pub bucket: String,
    /// Path below the bucket; the gateway's name is added.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Address of a server other than the vendor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Region, for S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The sync goes on only when the upload is complete. Default false.
    #[serde(default)]
    pub wait_for_upload: bool,
    /// A `Secret` with the credentials, by the names that the vendor's tools read from the environment,
    /// such as `AWS_ACCESS_KEY_ID`. Without one they come from the agent's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<Name>,
}

/// A protocol of object stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemoteKind {
    /// Amazon S3 and what speaks it.
    S3,
    /// Google Cloud Storage.
    Gcs,
}

/// What to do when it cannot be told whether the gateway is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnUnknown {
    /// Keep the new files and say so.
    #[default]
    Keep,
    /// Put the previous files back.
    Restore,
}

/// What must hold after the scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Verify {
    /// Pause between the scan and the look at the gateway's log, in which late messages arrive.
    /// Default `5s`.
    pub settle: Span,
    /// Requests that must succeed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub probes: Vec<Probe>,
    /// Default `keep`.
    pub on_unknown: OnUnknown,
}

impl Default for Verify {
    fn default() -> Self {
        Self { settle: Span(5_000), probes: Vec::new(), on_unknown: OnUnknown::Keep }
    }
}

/// One request of the agent that shows that the gateway works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Probe {
    /// `http://…`, `https://…`, or a path on the gateway that begins with `/`.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// Default 200.
    #[serde(default = "ok_status")]
    pub expect_status: u16,
    /// Text that the answer must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_body: Option<String>,
    /// How long it may take until the answer is right. Default `30s`.
    #[serde(default = "probe_within")]
    pub within: Span,
}

fn ok_status() -> u16 {
    200
}

fn probe_within() -> Span {
    Span(30_000)
}

/// When the previous files come back by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "each switch is one cause")]
pub struct Rollback {
    /// A scan failed or did not end. Default true.
    pub on_scan_failure: bool,
    /// The gateway did not load a resource. Default true.
    pub on_not_loaded: bool,
    /// The gateway is unhealthy. Default true.
    pub on_unhealthy: bool,
    /// A probe failed. Default true.
    pub on_probe_failure: bool,
}

impl Default for Rollback {
    fn default() -> Self {
        Self {
            on_scan_failure: true,
            on_not_loaded: true,
            on_unhealthy: true,
            on_probe_failure: true,
        }
    }
}

/// What to do about foreign changes of managed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Drift {
    /// Tell.
    #[default]
    Report,
    /// Tell, then put the files back, with sessions respected and a snapshot first.
    Restore,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let read: Policies = serde_json::from_str("{}").unwrap();
        assert_eq!(read, Policies::default());
        assert_eq!(read.sessions.designer.policy, Presence::Wait);
        assert_eq!(read.sessions.designer.timeout, Span(600_000));
        assert_eq!(read.sessions.perspective.policy, Presence::Proceed);
        assert_eq!(read.snapshots.keep, 5);
        assert!(read.rollback.on_not_loaded && read.rollback.on_probe_failure);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = r#"{"sessions":{"designer":{"policy":"fail","scope":"gateway"}},
            "snapshots":{"when":{"changesExceed":{"files":10}},"remote":{"kind":"s3","bucket":"b"}},
            "verify":{"probes":[{"url":"/x","expectBody":"ok"}],"onUnknown":"restore"},
            "drift":"restore","redundancy":{"notActive":"fail"}}"#;
        let read: Policies = serde_json::from_str(text).unwrap();
        let again: Policies = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(read, again);
        assert_eq!(read.snapshots.when, SnapshotWhen::ChangesExceed { files: 10, bytes: 0 });
        assert!(serde_json::from_str::<Policies>(r#"{"sesions":{}}"#).is_err());
    }
}
