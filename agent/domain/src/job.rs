//! The steps of one assignment: `Job::step(event) -> (Job, Option<Action>)`. Every action ends in
//! exactly one event, and a journal record is on disk before it begins. The table in
//! `docs/safe-apply.md` says for each state what runs again after a power loss and what abort does.
//!
//! ```text
//! preflight ▶ fetch ▶ stage ▶ window ▶ sessions ▶ snapshot ▶ lock ▶ commit ▶ scan ▶ verify ▶ finalize ▶ report
//!     └──────────┴───────┴───────┴────────┴──────────┴────────┘        └──────┴───────┴▶ restore ─────────▲
//!        a failure ends here: nothing was changed                       a failure brings the old files back
//! ```
//!
//! Where windows are closed, before people are waited for or under the lock, the job is put aside: it begins
//! again from the start when they open, since what it looked at is old by then.

mod deed;

use millwright_model::{
    digest::Digest,
    policy::{OnUnknown, Policies},
    report::{Failure, FailureKind},
};
use serde::{Deserialize, Serialize};

pub use self::deed::{Action, Event};
use crate::window::Closed;

/// How far an assignment is meant to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// To the end.
    Apply,
    /// Up to the staged files; ends with the exact difference from the live tree.
    DryRun,
}

/// One assignment on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// How far it goes.
    pub mode: Mode,
    /// What brings the old files back.
    pub policies: Policies,
    /// Whether windows bind it.
    pub windowed: bool,
    /// Where it is.
    pub state: State,
}

/// Where an assignment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Checks before anything is touched.
    Preflight,
    /// Manifest and missing blobs.
    Fetching,
    /// Files beside the tree.
    Staging,
    /// Whether windows let it go on.
    AskingWindows,
    /// They do not: put aside.
    WaitingForWindow(Closed),
    /// Until nobody is at work whose work it would disturb.
    WaitingForSessions,
    /// The files that are there are kept.
    Snapshotting,
    /// The gateway holds saves back; pre-images are compared once more.
    Locking,
    /// Renames into the tree.
    Committing,
    /// The gateway reads.
    Scanning,
    /// Reading back.
    Verifying,
    /// Remembering what was written.
    Finalizing(Verdict),
    /// The previous files come back, and the gateway reads them.
    Restoring {
        /// Why.
        cause: Vec<Failure>,
    },
    /// Telling.
    Reporting(Verdict),
    /// Told.
    Ended,
}

/// How an assignment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Read back and equal.
    Applied {
        /// Digest of what is there.
        manifest: Digest,
    },
    /// Staged; nothing was changed.
    DryRun {
        /// Digest of what would be there.
        manifest: Digest,
    },
    /// Not done.
    Failed {
        /// Every failure found.
        failures: Vec<Failure>,
    },
    /// Not done; the previous files are back.
    RolledBack {
        /// Why.
        failures: Vec<Failure>,
        /// Files of somebody else, left as they are.
        kept: Vec<String>,
    },
    /// The previous files are not all back.
    Inconsistent {
        /// Why.
        failures: Vec<Failure>,
    },
}

impl State {
    /// The action of this state; `None` when it has ended or is put aside.
    pub fn action(&self) -> Option<Action> {
        Some(match self {
            State::Preflight => Action::Preflight,
            State::Fetching => Action::Fetch,
            State::Staging => Action::Stage,
            State::AskingWindows => Action::AskWindows,
            State::WaitingForSessions => Action::AwaitSessions,
            State::Snapshotting => Action::Snapshot,
            State::Locking => Action::Lock,
            State::Committing => Action::Commit,
            State::Scanning => Action::Scan,
            State::Verifying => Action::Verify,
            State::Finalizing(verdict) => Action::Finalize(verdict.clone()),
            State::Restoring { cause } => Action::Restore { cause: cause.clone() },
            State::Reporting(verdict) => Action::Report(verdict.clone()),
            State::WaitingForWindow(_) | State::Ended => return None,
        })
    }

    /// Whether the tree may already differ from what it was: abort no longer just stops.
    pub fn is_past_commit_point(&self) -> bool {
        match self {
            State::Preflight
            | State::Fetching
            | State::Staging
            | State::AskingWindows
            | State::WaitingForWindow(_)
            | State::WaitingForSessions
            | State::Snapshotting
            | State::Locking => false,
            State::Committing
            | State::Scanning
            | State::Verifying
            | State::Finalizing(_)
            | State::Restoring { .. }
            | State::Reporting(_)
            | State::Ended => true,
        }
    }
}

impl Job {
    /// A new job in its first state.
    pub fn begin(mode: Mode, policies: Policies, windowed: bool) -> Self {
        Self { mode, policies, windowed, state: State::Preflight }
    }

    /// The next state and what to do in it; `None` once the verdict was reported.
    #[must_use]
    pub fn step(self, event: Event) -> (Self, Option<Action>) {
        let state = self.next(event);
        let action = state.action();
        (Self { state, ..self }, action)
    }

    fn next(&self, event: Event) -> State {
        match &self.state {
            State::Preflight => before(event, State::Fetching),
            State::Fetching => before(event, State::Staging),
            State::Staging => self.staged(event),
            State::AskingWindows => before(event, State::WaitingForSessions),
            // Whatever it was put aside for: everything is looked at once more.
            State::WaitingForWindow(_) => State::Preflight,
            State::WaitingForSessions => before(event, State::Snapshotting),
            State::Snapshotting => before(event, State::Locking),
            State::Locking => before(event, State::Committing),
            State::Committing => self.after(event, State::Scanning),
            State::Scanning => self.after(event, State::Verifying),
            State::Verifying => self.after(event, State::Verifying),
            State::Finalizing(verdict) => match event {
                Event::Failed(failures) => State::Reporting(Verdict::Inconsistent { failures }),
                Event::Done
                | Event::Unchanged { .. }
                | Event::Staged { .. }
                | Event::Verified { .. }
                | Event::Restored { .. }
                | Event::Closed(_)
                | Event::Aborted { .. } => State::Reporting(verdict.clone()),
            },
            State::Restoring { cause } => restored(cause, event),
            State::Reporting(_) | State::Ended => State::Ended,
        }
    }

    fn staged(&self, event: Event) -> State {
        let next = match self.windowed {
            true => State::AskingWindows,
            false => State::WaitingForSessions,
        };
        match (self.mode, event) {
            (Mode::DryRun, Event::Staged { manifest }) => {
                State::Reporting(Verdict::DryRun { manifest })
            }
            (Mode::Apply, Event::Staged { .. }) => next,
            (
                Mode::Apply | Mode::DryRun,
                other @ (Event::Done
                | Event::Unchanged { .. }
                | Event::Verified { .. }
                | Event::Restored { .. }
                | Event::Closed(_)
                | Event::Failed(_)
                | Event::Aborted { .. }),
            ) => before(other, next),
        }
    }

    /// From the commit on: what was begun is finished or undone, never left.
    fn after(&self, event: Event, next: State) -> State {
        match event {
            // Too late to stop: the end is near and safer than the middle.
            Event::Done
            | Event::Staged { .. }
            | Event::Restored { .. }
            | Event::Closed(_)
            | Event::Aborted { .. } => next,
            Event::Unchanged { manifest } | Event::Verified { manifest } => {
                State::Finalizing(Verdict::Applied { manifest })
            }
            Event::Failed(failures) => match self.brings_back(&failures) {
                true => State::Restoring { cause: failures },
                false => State::Finalizing(Verdict::Failed { failures }),
            },
        }
    }

    /// Whether the previous files come back for any of these.
    fn brings_back(&self, failures: &[Failure]) -> bool {
        // Before the scan nothing has been read by the gateway: always undo.
        if matches!(self.state, State::Committing) {
            return true;
        }
        let switches = &self.policies.rollback;
        failures.iter().any(|failure| match failure.kind {
            FailureKind::ScanFailed | FailureKind::ScanTimeout => switches.on_scan_failure,
            FailureKind::NotLoaded => switches.on_not_loaded,
            FailureKind::ProbeFailed => switches.on_probe_failure,
            FailureKind::HealthUnknown => self.policies.verify.on_unknown == OnUnknown::Restore,
            // Somebody has edited what was just written: theirs stays.
            FailureKind::ChangedUnderneath | FailureKind::ReadBack => false,
            FailureKind::LockLost => true,
            FailureKind::WrongGateway
            | FailureKind::GatewayUnreachable
            | FailureKind::GatewayNotRunning
            | FailureKind::Unauthorized
            | FailureKind::Unhealthy
            | FailureKind::DiskFull
            | FailureKind::PermissionDenied
            | FailureKind::FileHeld
            | FailureKind::NeverTouch
            | FailureKind::DigestMismatch
            | FailureKind::CoordinatorUnavailable
            | FailureKind::InvalidManifest
            | FailureKind::Stale
            | FailureKind::TrialExpired
            | FailureKind::ModuleMissing
            | FailureKind::ParentProject
            | FailureKind::EmbeddedSecret
            | FailureKind::InvalidJson
            | FailureKind::CaseCollision
            | FailureKind::TagUnitsInMode
            | FailureKind::ForeignManager
            | FailureKind::SessionsOpen
            | FailureKind::SessionsUnknown
            | FailureKind::NotActive
            | FailureKind::LockHeld
            | FailureKind::SnapshotFailed
            | FailureKind::SnapshotMissing
            | FailureKind::RestoreFailed
            | FailureKind::ClockSkew
            | FailureKind::WindowOverrun
            | FailureKind::Crashed
            | FailureKind::BackupNotInSync
            | FailureKind::Internal => switches.on_unhealthy,
        })
    }
}

/// Up to the commit a failure or an abort just ends the job: nothing was changed.
fn before(event: Event, next: State) -> State {
    match event {
        Event::Done | Event::Staged { .. } | Event::Restored { .. } => next,
        Event::Unchanged { manifest } | Event::Verified { manifest } => {
            State::Finalizing(Verdict::Applied { manifest })
        }
        Event::Closed(closed) => State::WaitingForWindow(closed),
        Event::Failed(failures) => State::Reporting(Verdict::Failed { failures }),
        Event::Aborted { why } => State::Reporting(Verdict::Failed { failures: vec![why] }),
    }
}

fn restored(cause: &[Failure], event: Event) -> State {
    match event {
        Event::Restored { kept } => {
            State::Reporting(Verdict::RolledBack { failures: cause.to_vec(), kept })
        }
        Event::Failed(more) => {
            let failures = cause.iter().cloned().chain(more).collect();
            State::Reporting(Verdict::Inconsistent { failures })
        }
        Event::Done
        | Event::Unchanged { .. }
        | Event::Staged { .. }
        | Event::Verified { .. }
        | Event::Closed(_)
        | Event::Aborted { .. } => {
            State::Reporting(Verdict::RolledBack { failures: cause.to_vec(), kept: Vec::new() })
        }
    }
}

#[cfg(test)]
mod tests;
