//! Between generated messages and the model's nouns. Every message is taken apart in full, so that
//! a new field breaks the build here.

use millwright_model::{
    assignment::Assignment,
    digest::{Digest, GitId, InvalidDigest},
    generation::{Epoch, Generation},
    id::InvalidName,
    manifest::FileEntry,
    path::{InvalidPath, ManagedPath},
    report::{Failure, GatewayFacts, Phase, Report, UnknownWord},
    time::Timestamp,
};

use crate::common;

/// A message that does not mean anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// A name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// A path.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// A word.
    #[error(transparent)]
    Word(#[from] UnknownWord),
    /// A field that must be there.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// Longer than anything legitimate.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

/// Longest text in a report.
const TEXT_BYTES_MAX: usize = 2_000;
/// Failures in one report.
const FAILURES_MAX: usize = 64;

fn bounded(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

impl From<FileEntry> for common::ManifestFile {
    fn from(file: FileEntry) -> Self {
        let FileEntry { path, digest, size, mode } = file;
        Self { path: path.to_string(), digest: digest.0.to_vec(), size, mode }
    }
}

impl TryFrom<common::ManifestFile> for FileEntry {
    type Error = InvalidMessage;

    fn try_from(file: common::ManifestFile) -> Result<Self, Self::Error> {
        let common::ManifestFile { path, digest, size, mode } = file;
        let path = ManagedPath::parse(&path)?;
        Ok(Self { path, digest: Digest::from_slice(&digest)?, size, mode: mode & 0o777 })
    }
}

impl From<Assignment> for common::Assignment {
    fn from(assignment: Assignment) -> Self {
        let Assignment {
            gateway,
            generation,
            epoch,
            repository,
            commit,
            reference,
            manifest,
            rollout,
            roots,
            sync_profile,
        } = assignment;
        Self {
            gateway: gateway.to_string(),
            generation: generation.0,
            epoch: epoch.0,
            repository: repository.to_string(),
            commit: commit.to_string(),
            reference,
            manifest: manifest.0.to_vec(),
            rollout: rollout.to_string(),
            roots: roots.iter().map(ToString::to_string).collect(),
            sync_profile: sync_profile.to_string(),
        }
    }
}

impl TryFrom<common::Assignment> for Assignment {
    type Error = InvalidMessage;

    fn try_from(wire: common::Assignment) -> Result<Self, Self::Error> {
        let common::Assignment {
            gateway,
            generation,
            epoch,
            repository,
            commit,
            reference,
            manifest,
            rollout,
            roots,
            sync_profile,
        } = wire;
        Ok(Self {
            gateway: gateway.parse()?,
            generation: Generation(generation),
            epoch: Epoch(epoch),
            repository: repository.parse()?,
            commit: commit.parse::<GitId>()?,
            reference: bounded(reference, 256),
            manifest: Digest::from_slice(&manifest)?,
            rollout: rollout.parse()?,
            roots: roots.iter().map(|r| ManagedPath::parse(r)).collect::<Result<_, _>>()?,
            sync_profile: sync_profile.parse()?,
        })
    }
}

impl From<Failure> for common::Failure {
    fn from(failure: Failure) -> Self {
        let Failure { step, kind, retry, message } = failure;
        Self { step: step.to_string(), kind: kind.to_string(), retry: retry.to_string(), message }
    }
}

impl TryFrom<common::Failure> for Failure {
    type Error = InvalidMessage;

    fn try_from(wire: common::Failure) -> Result<Self, Self::Error> {
        let common::Failure { step, kind, retry, message } = wire;
        Ok(Self {
            step: step.parse()?,
            kind: kind.parse()?,
            retry: retry.parse()?,
            message: bounded(message, TEXT_BYTES_MAX),
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
            phase,
            commit,
            files_changed,
            files_deleted,
            bytes_fetched,
            duration_ms,
            finished_at,
        } = report;
        let (word, manifest, failures, step) = match phase {
            Phase::Running { step } => {
                (common::Phase::Running, Vec::new(), Vec::new(), step.to_string())
            }
            Phase::Applied { manifest } => {
                (common::Phase::Applied, manifest.0.to_vec(), Vec::new(), String::new())
            }
            Phase::Failed { failures } => {
                let failures = failures.into_iter().map(Into::into).collect();
                (common::Phase::Failed, Vec::new(), failures, String::new())
            }
        };
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
        }
    }
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
        } = wire;
        if failures.len() > FAILURES_MAX {
            return Err(InvalidMessage::TooLong("the list of failures"));
        }
        let phase = match common::Phase::try_from(phase) {
            Ok(common::Phase::Applied) => {
                Phase::Applied { manifest: Digest::from_slice(&manifest)? }
            }
            Ok(common::Phase::Failed) => {
                let failures = failures.into_iter().map(TryInto::try_into);
                Phase::Failed { failures: failures.collect::<Result<_, _>>()? }
            }
            Ok(common::Phase::Running) => Phase::Running { step: step.parse()? },
            Ok(common::Phase::Unspecified) | Err(_) => {
                return Err(InvalidMessage::Missing("phase"));
            }
        };
        Ok(Self {
            gateway: gateway.parse()?,
            member: member.parse()?,
            generation: Generation(generation),
            epoch: Epoch(epoch),
            phase,
            commit: if commit.is_empty() { None } else { Some(commit.parse()?) },
            files_changed,
            files_deleted,
            bytes_fetched,
            duration_ms,
            finished_at: Timestamp(finished_at_ms),
        })
    }
}

impl From<GatewayFacts> for common::GatewayFacts {
    fn from(facts: GatewayFacts) -> Self {
        let GatewayFacts {
            system_name,
            ignition_version,
            state,
            redundancy_role,
            activity_level,
            os,
        } = facts;
        Self { system_name, ignition_version, state, redundancy_role, activity_level, os }
    }
}

impl From<common::GatewayFacts> for GatewayFacts {
    fn from(wire: common::GatewayFacts) -> Self {
        let common::GatewayFacts {
            system_name,
            ignition_version,
            state,
            redundancy_role,
            activity_level,
            os,
        } = wire;
        let short = |text| bounded(text, 128);
        Self {
            system_name: short(system_name),
            ignition_version: short(ignition_version),
            state: short(state),
            redundancy_role: short(redundancy_role),
            activity_level: short(activity_level),
            os: short(os),
        }
    }
}
