//! Join tokens: one use, short-lived, and they carry the fingerprint of the CA, so that a newcomer
//! talks to the right cluster from its first byte. Use and expiry are the coordinator's business.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use millwright_model::id::ClusterId;

use crate::key::sha256;

const PREFIX: &str = "mwj1.";

/// A token. `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    id: String,
    secret: [u8; 24],
    ca_fingerprint: [u8; 32],
    cluster: ClusterId,
}

/// Text that is no join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Millwright join token")]
pub struct InvalidToken;

impl JoinToken {
    /// A fresh token of a cluster.
    pub fn generate(cluster: ClusterId, ca_fingerprint: [u8; 32]) -> Self {
        let id: [u8; 6] = rand::random();
        Self { id: hex::encode(id), secret: rand::random(), ca_fingerprint, cluster }
    }

    /// Public id, as lists show it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// SHA-256 of the secret: what the cluster keeps.
    pub fn secret_digest(&self) -> [u8; 32] {
        sha256(&self.secret)
    }

    /// SHA-256 of the cluster's CA certificate.
    pub fn ca_fingerprint(&self) -> &[u8; 32] {
        &self.ca_fingerprint
    }

    /// Whose token.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The text that is handed to the newcomer; whoever has it can enrol once.
    pub fn reveal(&self) -> String {
        let mut packed = Vec::with_capacity(80);
        packed.extend_from_slice(&hex::decode(&self.id).unwrap_or_default());
        packed.extend_from_slice(&self.secret);
        packed.extend_from_slice(&self.ca_fingerprint);
        packed.extend_from_slice(self.cluster.as_str().as_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(packed))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({})", self.id)
    }
}

impl FromStr for JoinToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(InvalidToken)?;
        if body.len() > 200 {
            return Err(InvalidToken);
        }
        let packed = URL_SAFE_NO_PAD.decode(body).map_err(|_| InvalidToken)?;
        let (id, rest) = packed.split_first_chunk::<6>().ok_or(InvalidToken)?;
        let (secret, rest) = rest.split_first_chunk::<24>().ok_or(InvalidToken)?;
        let (ca_fingerprint, cluster) = rest.split_first_chunk::<32>().ok_or(InvalidToken)?;
        let cluster = std::str::from_utf8(cluster).map_err(|_| InvalidToken)?;
        Ok(Self {
            id: hex::encode(id),
            secret: *secret,
            ca_fingerprint: *ca_fingerprint,
            cluster: cluster.parse().map_err(|_| InvalidToken)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_hide_their_secret() {
        let token = JoinToken::generate("c0ffee".parse().unwrap(), [7; 32]);
        assert_eq!(token.reveal().parse::<JoinToken>().unwrap(), token);
        assert_eq!(format!("{token:?}"), format!("JoinToken({})", token.id()));
        for bad in ["", "mwj1.", "mwj1.????", "mwj2.AAAA", &token.reveal()[..40]] {
            assert!(bad.parse::<JoinToken>().is_err(), "{bad}");
        }
    }
}
