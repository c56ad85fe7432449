//! What a job does, and how that ends.

use millwright_model::{
    digest::Digest,
    report::{Failure, Step},
};

use super::Verdict;
use crate::window::Closed;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Check.
    Preflight,
    /// Fetch.
    Fetch,
    /// Stage.
    Stage,
    /// Look at windows and the clock.
    AskWindows,
    /// Wait for people to leave.
    AwaitSessions,
    /// Keep what is there.
    Snapshot,
    /// Hold saves back and compare pre-images.
    Lock,
    /// Commit.
    Commit,
    /// Scan.
    Scan,
    /// Read back.
    Verify,
    /// Remember.
    Finalize(Verdict),
    /// Put the previous files back and scan.
    Restore {
        /// Why.
        cause: Vec<Failure>,
    },
    /// Report.
    Report(Verdict),
}

impl Action {
    /// The step that people see.
    pub fn step(&self) -> Step {
        match self {
            Action::Preflight => Step::Preflight,
            Action::Fetch => Step::Fetch,
            Action::Stage => Step::Stage,
            Action::AskWindows => Step::Window,
            Action::AwaitSessions => Step::Sessions,
            Action::Snapshot => Step::Snapshot,
            Action::Lock => Step::Lock,
            Action::Commit => Step::Commit,
            Action::Scan => Step::Scan,
            Action::Verify => Step::Verify,
            Action::Finalize(_) => Step::Finalize,
            Action::Restore { .. } => Step::Restore,
            Action::Report(_) => Step::Report,
        }
    }
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Well.
    Done,
    /// Well, and there is nothing left to do: the tree is right already.
    Unchanged {
        /// Digest of what is there.
        manifest: Digest,
    },
    /// Staged, with this manifest.
    Staged {
        /// Digest of what is wanted.
        manifest: Digest,
    },
    /// Read back and equal.
    Verified {
        /// Digest of what is there.
        manifest: Digest,
    },
    /// The previous files are back, but for those that somebody else changed.
    Restored {
        /// Paths left as they are.
        kept: Vec<String>,
    },
    /// Windows do not let it go on; nothing was changed.
    Closed(Closed),
    /// Not well.
    Failed(Vec<Failure>),
    /// Somebody asked to stop; comes at safe points only.
    Aborted {
        /// Who and why.
        why: Failure,
    },
}
