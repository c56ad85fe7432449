//! What an agent says it did. What it sees of its gateway is in [`facts`](crate::facts).

use serde::{Deserialize, Serialize};

use crate::{
    digest::{Digest, GitId},
    facts::OpenSession,
    generation::{Epoch, Generation},
    id::{GatewayName, Member},
    time::Timestamp,
    words::words,
};

pub use crate::words::UnknownWord;

words!(
    /// A step of an apply.
    Step, "step", {
        /// Checks before anything is touched.
        Preflight = "preflight",
        /// Manifest and missing blobs.
        Fetch = "fetch",
        /// Files written beside, on the same file system.
        Stage = "stage",
        /// Whether windows let it be written.
        Window = "window",
        /// Waiting for people to leave.
        Sessions = "sessions",
        /// The files that are there are kept.
        Snapshot = "snapshot",
        /// The gateway holds configuration saves back.
        Lock = "lock",
        /// Renames into place.
        Commit = "commit",
        /// The gateway reads the files.
        Scan = "scan",
        /// Files and gateway are read back.
        Verify = "verify",
        /// What was written is remembered.
        Finalize = "finalize",
        /// The previous files come back.
        Restore = "restore",
        /// The backup takes the files over.
        Converge = "converge",
        /// The result is on its way.
        Report = "report",
    }
);

words!(
    /// What kind of thing went wrong.
    FailureKind, "failure kind", {
        /// The data directory belongs to another gateway.
        WrongGateway = "wrong_gateway",
        /// No answer over HTTP.
        GatewayUnreachable = "gateway_unreachable",
        /// Starting, uncommissioned or faulted.
        GatewayNotRunning = "gateway_not_running",
        /// The gateway refuses the token.
        Unauthorized = "unauthorized",
        /// Not enough space.
        DiskFull = "disk_full",
        /// The service account may not.
        PermissionDenied = "permission_denied",
        /// Another process holds the file.
        FileHeld = "file_held",
        /// A path that is never touched.
        NeverTouch = "never_touch",
        /// Content is not what its digest says.
        DigestMismatch = "digest_mismatch",
        /// The gateway refused or failed a scan.
        ScanFailed = "scan_failed",
        /// The scan did not end in time.
        ScanTimeout = "scan_timeout",
        /// The gateway did not load a resource.
        NotLoaded = "not_loaded",
        /// A file is not what was written.
        ReadBack = "read_back",
        /// Somebody edited a file meanwhile.
        ChangedUnderneath = "changed_underneath",
        /// No coordinator answers.
        CoordinatorUnavailable = "coordinator_unavailable",
        /// The manifest breaks a rule.
        InvalidManifest = "invalid_manifest",
        /// Older than what was handled.
        Stale = "stale",
        /// The trial of the gateway has expired.
        TrialExpired = "trial_expired",
        /// A module that the content needs is missing or faulted.
        ModuleMissing = "module_missing",
        /// A parent project is missing or not inheritable.
        ParentProject = "parent_project",
        /// A secret that only another gateway can read.
        EmbeddedSecret = "embedded_secret",
        /// A file that the gateway parses is no JSON.
        InvalidJson = "invalid_json",
        /// Two paths that one platform takes for the same.
        CaseCollision = "case_collision",
        /// Tag units in a mode collection would wedge a pair.
        TagUnitsInMode = "tag_units_in_mode",
        /// Another program manages the project.
        ForeignManager = "foreign_manager",
        /// People are at work.
        SessionsOpen = "sessions_open",
        /// It cannot be told whether people are at work.
        SessionsUnknown = "sessions_unknown",
        /// This node must not be written now.
        NotActive = "not_active",
        /// Somebody else holds the scan lock.
        LockHeld = "lock_held",
        /// The scan lock ended or was taken by somebody else.
        LockLost = "lock_lost",
        /// The gateway is not well.
        Unhealthy = "unhealthy",
        /// It cannot be told whether the gateway is well.
        HealthUnknown = "health_unknown",
        /// A probe did not get what it expects.
        ProbeFailed = "probe_failed",
        /// The snapshot could not be taken, uploaded or read.
        SnapshotFailed = "snapshot_failed",
        /// There is no such snapshot.
        SnapshotMissing = "snapshot_missing",
        /// The previous files could not be put back.
        RestoreFailed = "restore_failed",
        /// The clocks of agent and coordinator are too far apart for windows to mean anything.
        ClockSkew = "clock_skew",
        /// A window has closed over a change that was begun in it.
        WindowOverrun = "window_overrun",
        /// The process ended in the middle, too often.
        Crashed = "crashed",
        /// The backup has not taken the files over.
        BackupNotInSync = "backup_not_in_sync",
        /// A fault of the agent itself.
        Internal = "internal",
    }
);

words!(
    /// Whether trying again helps.
    Retry, "retry advice", {
        /// Not without a change.
        Never = "never",
        /// After a while.
        Later = "later",
        /// At once.
        Now = "now",
    }
);

/// Why a step did not succeed: whose fault, and whether to retry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Where.
    pub step: Step,
    /// What kind.
    pub kind: FailureKind,
    /// Whether to try again.
    pub retry: Retry,
    /// For people; carries no secret.
    pub message: String,
    /// What it is about: a path, a project, a user; empty when the message says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// What to do about it; empty when nothing but waiting helps.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Failure {
    /// A failure that goes away by itself or by trying again.
    pub fn new(step: Step, kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            step,
            kind,
            retry: Retry::Later,
            message: message.into(),
            subject: String::new(),
            remedy: String::new(),
        }
    }

    /// The same, about something.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// The same, with what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// The same, with another advice about trying again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

/// How far an assignment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// In hand.
    Running {
        /// The step in hand.
        step: Step,
    },
    /// Done; the manifest is what was read back.
    Applied {
        /// Digest of what is on disk.
        manifest: Digest,
    },
    /// Not done, and nothing was changed.
    Failed {
        /// Every failure found.
        failures: Vec<Failure>,
    },
    /// Not done; the previous files are back and the gateway has read them.
    RolledBack {
        /// Why.
        failures: Vec<Failure>,
        /// Files that somebody else had changed meanwhile; theirs were kept.
        kept: Vec<String>,
    },
    /// Not done, and the previous files are not all back: a person must look.
    Inconsistent {
        /// Why.
        failures: Vec<Failure>,
    },
}

/// What an agent did with one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose.
    pub gateway: GatewayName,
    /// Which node of it.
    pub member: Member,
    /// Of which assignment.
    pub generation: Generation,
    /// Of which life of the cluster.
    pub epoch: Epoch,
    /// Which try of that generation; the first is 1.
    pub attempt: u32,
    /// 0 for the try itself; else which time the agent has put drifted files back after it.
    pub repair: u32,
    /// How far.
    pub phase: Phase,
    /// Who or what asked for it.
    pub trigger: String,
    /// The commit of the assignment.
    pub commit: Option<GitId>,
    /// Files that were not there before.
    pub files_added: u32,
    /// Files replaced.
    pub files_changed: u32,
    /// Files deleted.
    pub files_deleted: u32,
    /// Projects touched.
    pub projects: Vec<String>,
    /// Id of the snapshot taken before; empty when none was.
    pub snapshot: String,
    /// What people should know though it stopped nothing.
    pub notices: Vec<Failure>,
    /// Sessions that were open at the commit.
    pub sessions: Vec<OpenSession>,
    /// Bytes of blobs received.
    pub bytes_fetched: u64,
    /// Milliseconds from taking over to the end.
    pub duration_ms: u64,
    /// End, by the agent's clock.
    pub finished_at: Timestamp,
}
