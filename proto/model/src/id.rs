//! Names and ids, valid once constructed.

use std::{fmt, str::FromStr, sync::Arc};

use crate::digest::text_serde;

/// Longest name, in characters: a DNS label, so that a name fits everywhere.
pub const NAME_CHARS_MAX: usize = 63;

/// A name that is not allowed, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a valid {what}: {why}")]
pub struct InvalidName {
    /// What it was to be.
    pub what: &'static str,
    /// As given.
    pub name: String,
    /// The broken rule.
    pub why: &'static str,
}

fn check(what: &'static str, name: &str, extra: fn(char) -> bool) -> Result<(), InvalidName> {
    let refuse = |why| Err(InvalidName { what, name: name.chars().take(80).collect(), why });
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.len() > NAME_CHARS_MAX {
        return refuse("it has more than 63 characters");
    }
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (c != '_' && extra(c));
    let inner = |c: char| edge(c) || extra(c) || c == '-' || c == '.';
    if !name.chars().all(inner) {
        return refuse("only letters, digits, '-' and '.' are allowed");
    }
    if !name.starts_with(edge) || !name.ends_with(edge) {
        return refuse("it must begin and end with a letter or digit");
    }
    if name.contains("..") {
        return refuse("it contains '..'");
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $pattern:literal, $extra:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, shared with whoever holds it.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                check($what, text, $extra)?;
                Ok(Self(text.into()))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        text_serde!($name);
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "maxLength": NAME_CHARS_MAX, "pattern": $pattern,
                })
            }
        }
    };
}

name_type!(
    /// Name of a resource, a site or a coordinator node: lower-case letters, digits, `-`, `.`.
    Name,
    "name",
    "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
    |_| false
);
name_type!(
    /// Name of a gateway: as [`Name`], and upper-case letters and `_` besides.
    GatewayName,
    "gateway name",
    "^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$",
    |c| c.is_ascii_uppercase() || c == '_'
);
name_type!(
    /// Id of a rollout.
    RolloutId,
    "rollout id",
    "^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$",
    |c| c.is_ascii_uppercase() || c == '_'
);
name_type!(
    /// Id of a cluster: 16 hexadecimal characters made at `init`.
    ClusterId,
    "cluster id",
    "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
    |_| false
);

/// Tells one request from another; the same one is applied once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestId(pub [u8; 16]);

/// A coordinator's number in the Raft group.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which node of a gateway an agent stands beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Member {
    /// A gateway without a redundancy peer.
    #[default]
    Single,
    /// The master of a pair.
    Master,
    /// The backup of a pair.
    Backup,
}

impl Member {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Member::Single => "single",
            Member::Master => "master",
            Member::Backup => "backup",
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Member {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "single" => Ok(Member::Single),
            "master" => Ok(Member::Master),
            "backup" => Ok(Member::Backup),
            _ => Err(InvalidName {
                what: "member",
                name: text.chars().take(80).collect(),
                why: "it is none of single, master, backup",
            }),
        }
    }
}
text_serde!(Member);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_rules() {
        for good in ["a", "line-1", "plant.north", "0x"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a b", "a..b", "ä", "a/b", &"a".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        assert!("GW_1".parse::<GatewayName>().is_ok());
        assert!("_GW".parse::<GatewayName>().is_err());
    }
}
