//! Assignments. A snapshot's id tells where the files come from: empty is the manifest.

use millwright_model::{
    assignment::{Assignment, Begun, Origin},
    digest::{Digest, GitId},
    generation::{Epoch, Generation},
    path::ManagedPath,
    policy::Policies,
};

use super::{InvalidMessage, TEXT_BYTES_MAX, bounded};
use crate::common;

/// Largest policies of a profile: 32 probes with long addresses.
const POLICIES_BYTES_MAX: usize = 256 << 10;
/// Largest windows: the 64 that a fleet may have, with a kilobyte each.
const WINDOWS_BYTES_MAX: usize = 64 << 10;

impl From<Assignment> for common::Assignment {
    fn from(assignment: Assignment) -> Self {
        let Assignment {
            gateway,
            generation,
            attempt,
            repair,
            epoch,
            repository,
            commit,
            reference,
            manifest,
            rollout,
            roots,
            sync_profile,
            policies,
            origin,
            trigger,
            full,
            windows,
            begun,
        } = assignment;
        let (snapshot, project) = match origin {
            Origin::Manifest => (String::new(), String::new()),
            Origin::Snapshot { id, project } => (id, project.unwrap_or_default()),
        };
        let windows_json = match windows.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(&windows).expect("windows have text keys only"),
        };
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
            policies_json: serde_json::to_vec(&policies).expect("policies have text keys only"),
            snapshot,
            project,
            trigger,
            full,
            attempt,
            repair,
            windows_json,
            begun: begun.to_string(),
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
            policies_json,
            snapshot,
            project,
            trigger,
            full,
            attempt,
            repair,
            windows_json,
            begun,
        } = wire;
        let policies = match policies_json.as_slice() {
            [] => Policies::default(),
            json if json.len() > POLICIES_BYTES_MAX => {
                return Err(InvalidMessage::TooLong("policies"));
            }
            json => serde_json::from_slice(json).map_err(|_| InvalidMessage::Json("policies"))?,
        };
        let windows = match windows_json.as_slice() {
            [] => Vec::new(),
            json if json.len() > WINDOWS_BYTES_MAX => {
                return Err(InvalidMessage::TooLong("windows"));
            }
            json => serde_json::from_slice(json).map_err(|_| InvalidMessage::Json("windows"))?,
        };
        let begun = match begun.as_str() {
            "" => Begun::default(),
            word => word.parse()?,
        };
        let project = (!project.is_empty()).then_some(project);
        let origin = match snapshot.is_empty() {
            true => Origin::Manifest,
            false => Origin::Snapshot { id: bounded(snapshot, 128), project },
        };
        Ok(Self {
            gateway: gateway.parse()?,
            generation: Generation(generation),
            attempt: attempt.max(1),
            repair,
            epoch: Epoch(epoch),
            repository: repository.parse()?,
            commit: commit.parse::<GitId>()?,
            reference: bounded(reference, 256),
            manifest: Digest::from_slice(&manifest)?,
            rollout: rollout.parse()?,
            roots: roots.iter().map(|r| ManagedPath::parse(r)).collect::<Result<_, _>>()?,
            sync_profile: sync_profile.parse()?,
            policies,
            origin,
            trigger: bounded(trigger, TEXT_BYTES_MAX),
            full,
            windows,
            begun,
        })
    }
}
