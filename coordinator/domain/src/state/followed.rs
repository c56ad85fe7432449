//! What fleets follow: a repository's own ref, or another ref of it that a fleet names. Each is resolved
//! to a release of its own.

use std::fmt;

use millwright_model::{
    id::{InvalidName, Name},
    resource::{FleetSpec, RefSpec},
};
use serde::{Deserialize, Serialize};

/// A ref of a repository. As text, and so as a key of stored maps, it is `plant` or
/// `plant@branch release-2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Followed {
    /// Which repository.
    pub repository: Name,
    /// Not its own ref but this one, as [`RefSpec`] is written.
    pub other: Option<String>,
}

impl Followed {
    /// A repository's own ref.
    pub fn own(repository: Name) -> Self {
        Self { repository, other: None }
    }

    /// A ref of it that fleets name.
    pub fn another(repository: Name, r#ref: &RefSpec) -> Self {
        Self { repository, other: Some(r#ref.to_string()) }
    }

    /// What a fleet follows.
    pub fn by(fleet: &FleetSpec) -> Self {
        let repository = fleet.repository.clone();
        match &fleet.r#ref {
            None => Self::own(repository),
            Some(r#ref) => Self::another(repository, r#ref),
        }
    }
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.other {
            None => write!(f, "{}", self.repository),
            Some(other) => write!(f, "{}@{other}", self.repository),
        }
    }
}

impl From<Followed> for String {
    fn from(followed: Followed) -> Self {
        followed.to_string()
    }
}

impl TryFrom<String> for Followed {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        // Names have no `@`, refs may.
        let (repository, other) = match text.split_once('@') {
            None => (text.as_str(), None),
            Some((repository, other)) => (repository, Some(other.to_owned())),
        };
        Ok(Self { repository: repository.parse()?, other })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_says_all() {
        let plant: Name = "plant".parse().unwrap();
        let tag = RefSpec { tag: Some("v1@b".to_owned()), ..RefSpec::default() };
        let cases = [
            (Followed::own(plant.clone()), "plant"),
            (Followed::another(plant, &tag), "plant@tag v1@b"),
        ];
        for (followed, text) in cases {
            assert_eq!(followed.to_string(), text);
            assert_eq!(Followed::try_from(text.to_owned()), Ok(followed));
        }
        assert!(Followed::try_from("no name@tag v1".to_owned()).is_err());
    }
}
