//! The kinds and the words that people may use for them.

use std::{fmt, str::FromStr};

use crate::template::nearest;

/// A word that is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind {word:?}{}", hint.as_ref().map(|h| format!(", did you mean {h:?}?")).unwrap_or_default())]
pub struct UnknownKind {
    word: String,
    hint: Option<String>,
}

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A git repository.
    Repository,
    /// What goes where.
    SyncProfile,
    /// A gateway.
    Gateway,
    /// Which gateways follow what.
    Fleet,
    /// Who may do what.
    Operator,
    /// Values that nobody reads back.
    Secret,
    /// One execution; made by the coordinator.
    Rollout,
    /// Buys one enrolment.
    JoinToken,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] = [
        Kind::Repository,
        Kind::SyncProfile,
        Kind::Gateway,
        Kind::Fleet,
        Kind::Operator,
        Kind::Secret,
        Kind::Rollout,
        Kind::JoinToken,
    ];

    /// As written in `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Repository => "Repository",
            Kind::SyncProfile => "SyncProfile",
            Kind::Gateway => "Gateway",
            Kind::Fleet => "Fleet",
            Kind::Operator => "Operator",
            Kind::Secret => "Secret",
            Kind::Rollout => "Rollout",
            Kind::JoinToken => "JoinToken",
        }
    }

    /// Lower-case plural, as typed at a prompt.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Repository => "repositories",
            Kind::SyncProfile => "syncprofiles",
            Kind::Gateway => "gateways",
            Kind::Fleet => "fleets",
            Kind::Operator => "operators",
            Kind::Secret => "secrets",
            Kind::Rollout => "rollouts",
            Kind::JoinToken => "jointokens",
        }
    }

    /// Short form.
    pub fn short(self) -> &'static str {
        match self {
            Kind::Repository => "repo",
            Kind::SyncProfile => "profile",
            Kind::Gateway => "gw",
            Kind::Fleet => "fl",
            Kind::Operator => "op",
            Kind::Secret => "sec",
            Kind::Rollout => "ro",
            Kind::JoinToken => "token",
        }
    }

    /// Whether people write it.
    pub fn is_written(self) -> bool {
        !matches!(self, Kind::Rollout | Kind::JoinToken)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.to_lowercase();
        let is = |kind: &Kind| {
            let name = kind.as_str().to_lowercase();
            word == name
                || word == kind.plural()
                || word == kind.short()
                || word == format!("{}s", kind.short())
        };
        Kind::ALL.into_iter().find(is).ok_or_else(|| UnknownKind {
            hint: nearest(&word, Kind::ALL.iter().map(|kind| kind.plural())),
            word: text.chars().take(40).collect(),
        })
    }
}
