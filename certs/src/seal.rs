//! Sealing of secrets with the cluster key (AES-256-GCM): nonce, then ciphertext and tag. The
//! context is authenticated, so a sealed value cannot be moved to another place.

use std::{io, path::Path};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

use crate::key;

/// The key that seals secrets in the log. Lives in a 0600 file on each coordinator.
#[derive(Clone)]
pub struct ClusterKey([u8; 32]);

impl std::fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterKey")
    }
}

/// The value was sealed with another key or for another place, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value cannot be opened with this cluster key")]
pub struct OpenFailed;

impl ClusterKey {
    /// A fresh key.
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// From 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The bytes, to be handed to a coordinator that joins.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Reads the key file; a mode that lets others read it is refused.
    pub fn load(path: &Path) -> io::Result<Self> {
        let text = key::read_private(path)?;
        let bytes = hex::decode(text.trim_ascii()).ok();
        bytes.and_then(|bytes| Self::from_bytes(&bytes)).ok_or_else(|| {
            let message = format!("{} is not a cluster key", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    /// Writes the key file, mode 0600.
    pub fn store(&self, path: &Path) -> io::Result<()> {
        key::write_private(path, hex::encode(self.0).as_bytes())
    }
}

fn cipher(key: &ClusterKey) -> RandomizedNonceKey {
    RandomizedNonceKey::new(&AES_256_GCM, &key.0).expect("AES-256 takes 32 bytes")
}

/// Seals a value for one place.
pub fn seal(key: &ClusterKey, context: &str, plain: &[u8]) -> Vec<u8> {
    let mut body = plain.to_vec();
    let nonce = cipher(key)
        .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut body)
        .expect("a value in memory is below the cipher's limit");
    let mut sealed = nonce.as_ref().to_vec();
    sealed.append(&mut body);
    sealed
}

/// Opens a value sealed for the same place.
pub fn open(key: &ClusterKey, context: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenFailed> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(OpenFailed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenFailed)?;
    let mut body = body.to_vec();
    let plain = cipher(key)
        .open_in_place(nonce, Aad::from(context.as_bytes()), &mut body)
        .map_err(|_| OpenFailed)?;
    Ok(plain.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_unchanged_at_its_place() {
        let key = ClusterKey::generate();
        let sealed = seal(&key, "a", b"secret");
        assert_eq!(open(&key, "a", &sealed).unwrap(), b"secret");
        assert!(open(&key, "b", &sealed).is_err());
        assert!(open(&ClusterKey::generate(), "a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(open(&key, "a", &bad).is_err(), "byte {at}");
        }
        assert!(open(&key, "a", b"short").is_err());
    }
}
