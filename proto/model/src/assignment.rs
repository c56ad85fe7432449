//! What one agent shall run now.

use crate::{
    digest::{Digest, GitId},
    generation::{Epoch, Generation},
    id::{GatewayName, Name, RolloutId},
    path::ManagedPath,
    policy::Policies,
    window::{self, Window},
    words::words,
};

/// Desired state of one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// For whom.
    pub gateway: GatewayName,
    /// Version counter.
    pub generation: Generation,
    /// Which try of that generation; the first is 1.
    pub attempt: u32,
    /// 0 for what a coordinator asks for; the agent counts here what it puts back by itself.
    pub repair: u32,
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
    /// How it may be applied.
    pub policies: Policies,
    /// Where its files come from.
    pub origin: Origin,
    /// Who or what asked for it, in words: a rollout, or a person and why.
    pub trigger: String,
    /// Read every file again instead of trusting stamps.
    pub full: bool,
    /// Windows of the fleet that mean this gateway; each selects everything here.
    pub windows: Vec<Window>,
    /// Who began it, which decides what windows mean for it.
    pub begun: Begun,
}

words!(
    /// Who began what an agent is told.
    Begun, "beginner", {
        /// A rollout, because it was due.
        Rollout = "rollout",
        /// A person, for this gateway.
        Person = "person",
        /// A rollout that goes back: what does harm goes at once.
        Rollback = "rollback",
    }
);

#[expect(clippy::derivable_impls, reason = "the words are derived by a macro")]
impl Default for Begun {
    fn default() -> Self {
        Self::Rollout
    }
}

impl Begun {
    /// Whom windows take it for; nothing when they do not bind it.
    pub fn origin(self) -> Option<window::Origin> {
        match self {
            Self::Rollout => Some(window::Origin::Automatic),
            Self::Person => Some(window::Origin::ByHand),
            Self::Rollback => None,
        }
    }
}

/// Where the files of an assignment come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// The manifest, fetched from a coordinator.
    #[default]
    Manifest,
    /// A snapshot that the agent has.
    Snapshot {
        /// Which.
        id: String,
        /// Only the files of this project.
        project: Option<String>,
    },
}
