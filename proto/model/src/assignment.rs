//! What one agent shall run now.

use crate::{
    digest::{Digest, GitId},
    generation::{Epoch, Generation},
    id::{GatewayName, Name, RolloutId},
    path::ManagedPath,
};

/// Desired state of one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// For whom.
    pub gateway: GatewayName,
    /// Version counter.
    pub generation: Generation,
    /// Life of the cluster.
    pub epoch: Epoch,
    /// Where the content comes from.
    pub repository: Name,
    /// The commit.
    pub commit: GitId,
    /// The ref as followed, for people.
    pub reference: String,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Which rollout made it.
    pub rollout: RolloutId,
    /// Managed roots: deletions happen only below them.
    pub roots: Vec<ManagedPath>,
    /// Which profile rendered it.
    pub sync_profile: Name,
}
