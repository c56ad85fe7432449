//! Failures and reports.

use millwright_model::{
    digest::Digest,
    generation::{Epoch, Generation},
    report::{Failure, Phase, Report},
    time::Timestamp,
};

use super::{
    FAILURES_MAX, InvalidMessage, NAMES_MAX, PATH_BYTES_MAX, SESSIONS_MAX, TEXT_BYTES_MAX, bounded,
    limited,
};
use crate::common;

impl From<Failure> for common::Failure {
    fn from(failure: Failure) -> Self {
        let Failure { step, kind, retry, message, subject, remedy } = failure;
        Self {
            step: step.to_string(),
            kind: kind.to_string(),
            retry: retry.to_string(),
            message,
            subject,
            remedy,
        }
    }
}

impl TryFrom<common::Failure> for Failure {
    type Error = InvalidMessage;

    fn try_from(wire: common::Failure) -> Result<Self, Self::Error> {
        let common::Failure { step, kind, retry, message, subject, remedy } = wire;
        Ok(Self {
            step: step.parse()?,
            kind: kind.parse()?,
            retry: retry.parse()?,
            message: bounded(message, TEXT_BYTES_MAX),
            subject: bounded(subject, TEXT_BYTES_MAX),
            remedy: bounded(remedy, TEXT_BYTES_MAX),
        })
    }
}

impl From<Report> for common::Report {
    fn from(report: Report) -> Self {
        let Report {
            gateway,
            member,
            generation,
            epoch,
            attempt,
            repair,
            phase,
            trigger,
            commit,
            files_added,
            files_changed,
            files_deleted,
            projects,
            snapshot,
            notices,
            sessions,
            bytes_fetched,
            duration_ms,
            finished_at,
        } = report;
        let Parts { word, manifest, failures, step, kept } = Parts::of(phase);
        Self {
            gateway: gateway.to_string(),
            member: member.to_string(),
            generation: generation.0,
            epoch: epoch.0,
            phase: word.into(),
            manifest,
            commit: commit.map(|id| id.to_string()).unwrap_or_default(),
            failures,
            files_changed,
            files_deleted,
            bytes_fetched,
            duration_ms,
            finished_at_ms: finished_at.0,
            step,
            attempt,
            repair,
            trigger,
            files_added,
            projects,
            snapshot,
            notices: notices.into_iter().map(Into::into).collect(),
            sessions: sessions.into_iter().map(Into::into).collect(),
            kept,
        }
    }
}

/// The wire's form of a phase.
struct Parts {
    word: common::Phase,
    manifest: Vec<u8>,
    failures: Vec<common::Failure>,
    step: String,
    kept: Vec<String>,
}

impl Parts {
    fn of(phase: Phase) -> Self {
        let mut parts = Self {
            word: common::Phase::Unspecified,
            manifest: Vec::new(),
            failures: Vec::new(),
            step: String::new(),
            kept: Vec::new(),
        };
        let wire = |failures: Vec<Failure>| failures.into_iter().map(Into::into).collect();
        match phase {
            Phase::Running { step } => {
                parts.word = common::Phase::Running;
                parts.step = step.to_string();
            }
            Phase::Applied { manifest } => {
                parts.word = common::Phase::Applied;
                parts.manifest = manifest.0.to_vec();
            }
            Phase::Failed { failures } => {
                parts.word = common::Phase::Failed;
                parts.failures = wire(failures);
            }
            Phase::RolledBack { failures, kept } => {
                parts.word = common::Phase::RolledBack;
                parts.failures = wire(failures);
                parts.kept = kept;
            }
            Phase::Inconsistent { failures } => {
                parts.word = common::Phase::Inconsistent;
                parts.failures = wire(failures);
            }
        }
        parts
    }

    fn phase(self) -> Result<Phase, InvalidMessage> {
        let Self { word, manifest, failures, step, kept } = self;
        let failures = limited(failures, FAILURES_MAX, "the list of failures")?;
        Ok(match word {
            common::Phase::Applied => Phase::Applied { manifest: Digest::from_slice(&manifest)? },
            common::Phase::Failed => Phase::Failed { failures },
            common::Phase::Running => Phase::Running { step: step.parse()? },
            common::Phase::RolledBack => Phase::RolledBack { failures, kept: texts(kept) },
            common::Phase::Inconsistent => Phase::Inconsistent { failures },
            common::Phase::Unspecified => return Err(InvalidMessage::Missing("phase")),
        })
    }
}

fn texts(all: Vec<String>) -> Vec<String> {
    all.into_iter().take(NAMES_MAX).map(|text| bounded(text, PATH_BYTES_MAX)).collect()
}

impl TryFrom<common::Report> for Report {
    type Error = InvalidMessage;

    fn try_from(wire: common::Report) -> Result<Self, Self::Error> {
        let common::Report {
            gateway,
            member,
            generation,
            epoch,
            phase,
            manifest,
            commit,
            failures,
            files_changed,
            files_deleted,
            bytes_fetched,
            duration_ms,
            finished_at_ms,
            step,
            attempt,
            repair,
            trigger,
            files_added,
            projects,
            snapshot,
            notices,
            sessions,
            kept,
        } = wire;
        let word = common::Phase::try_from(phase).map_err(|_| InvalidMessage::Missing("phase"))?;
        Ok(Self {
            gateway: gateway.parse()?,
            member: member.parse()?,
            generation: Generation(generation),
            epoch: Epoch(epoch),
            attempt,
            repair,
            phase: Parts { word, manifest, failures, step, kept }.phase()?,
            trigger: bounded(trigger, TEXT_BYTES_MAX),
            commit: if commit.is_empty() { None } else { Some(commit.parse()?) },
            files_added,
            files_changed,
            files_deleted,
            projects: texts(projects),
            snapshot: bounded(snapshot, 128),
            notices: limited(notices, FAILURES_MAX, "the list of notices")?,
            sessions: limited(sessions, SESSIONS_MAX, "the list of sessions")?,
            bytes_fetched,
            duration_ms,
            finished_at: Timestamp(finished_at_ms),
        })
    }
}
