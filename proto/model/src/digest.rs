//! Digests: BLAKE3 of content, git object ids. Nothing here reads files.

mod map;

use std::{cmp::Ordering, fmt, str::FromStr};

pub use self::map::DigestMap;

/// Text or bytes that are no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: {0}")]
pub struct InvalidDigest(String);

/// BLAKE3 of some content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Ord for Digest {
    /// In the order of the bytes. Almost always the first eight decide, and no function is called.
    fn cmp(&self, other: &Self) -> Ordering {
        let first = |digest: &Self| digest.0.first_chunk().map(|first| u64::from_be_bytes(*first));
        first(self).cmp(&first(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Digest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// From exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidDigest> {
        let found = || InvalidDigest(format!("{} bytes instead of 32", bytes.len()));
        Ok(Self(bytes.try_into().map_err(|_| found())?))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Writes bytes as hexadecimal digits, without a text in between.
fn hexadecimal<const BYTES: usize, const DIGITS: usize>(
    bytes: &[u8; BYTES],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut digits = [0; DIGITS];
    hex::encode_to_slice(bytes, &mut digits).map_err(|_| fmt::Error)?;
    f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal::<32, 64>(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", hex::encode(&self.0[..6]))
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = hex::decode(text).map_err(|_| InvalidDigest(text.to_owned()))?;
        Self::from_slice(&bytes)
    }
}

/// A git object id (SHA-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GitId(pub [u8; 20]);

impl GitId {
    /// The first eight characters, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }

    /// From exactly 20 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidDigest> {
        let found = || InvalidDigest(format!("{} bytes instead of 20", bytes.len()));
        Ok(Self(bytes.try_into().map_err(|_| found())?))
    }
}

impl fmt::Display for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal::<20, 40>(&self.0, f)
    }
}

impl fmt::Debug for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitId({})", self.short())
    }
}

impl FromStr for GitId {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = hex::decode(text).map_err(|_| InvalidDigest(text.to_owned()))?;
        Self::from_slice(&bytes)
    }
}

macro_rules! text_serde {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(input)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_serde;

text_serde!(Digest);
text_serde!(GitId);
