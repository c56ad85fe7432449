//! What an agent says it did or sees.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    digest::{Digest, GitId, text_serde},
    generation::{Epoch, Generation},
    id::{GatewayName, Member},
    time::Timestamp,
};

/// A word that is not in its closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {word:?}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }
        impl $name {
            /// Every one of them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];
            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    UnknownWord { what: $what, word: text.chars().take(40).collect() }
                })
            }
        }
        text_serde!($name);
    };
}

words!(
    /// A step of an apply.
    Step, "step", {
        /// Checks before anything is touched.
        Preflight = "preflight",
        /// Manifest and missing blobs.
        Fetch = "fetch",
        /// Files written beside, on the same file system.
        Stage = "stage",
        /// Renames into place.
        Commit = "commit",
        /// The gateway reads the files.
        Scan = "scan",
        /// Files and gateway are read back.
        Verify = "verify",
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
    /// Not done.
    Failed {
        /// Every failure found.
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
    /// How far.
    pub phase: Phase,
    /// The commit of the assignment.
    pub commit: Option<GitId>,
    /// Files added or replaced.
    pub files_changed: u32,
    /// Files deleted.
    pub files_deleted: u32,
    /// Bytes of blobs received.
    pub bytes_fetched: u64,
    /// Milliseconds from taking over to the end.
    pub duration_ms: u64,
    /// End, by the agent's clock.
    pub finished_at: Timestamp,
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
}
