//! Secrets as resources. A value is plain text in a file and on its way to a coordinator, which seals
//! it before it enters the log; nobody reads it back. How it is sealed is not known here.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Begins a sealed value; the rest is hexadecimal.
const SEALED: &str = "sealed:v1:";
/// Characters of one value, sealed: a service account's key file is a few thousand.
const VALUE_CHARS_MAX: usize = 64 << 10;

/// Spec of a `Secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretSpec {
    /// Values by key. They are sealed before they are stored, and only their keys are shown again.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 32))]
    pub data: BTreeMap<String, SecretValue>,
}

/// A value that is neither logged nor shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretValue(#[schemars(length(min = 1, max = VALUE_CHARS_MAX))] String);

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SecretValue {
    /// As a person wrote it.
    pub fn plain(text: String) -> Self {
        Self(text)
    }

    /// As the log has it.
    pub fn sealed(bytes: &[u8]) -> Self {
        Self(format!("{SEALED}{}", hex::encode(bytes)))
    }

    /// The sealed bytes; `None` for a value that is not sealed.
    pub fn to_sealed(&self) -> Option<Vec<u8>> {
        hex::decode(self.0.strip_prefix(SEALED)?).ok()
    }

    /// The text as it is, plain or sealed. Goes to nobody but the sealing and the log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_plain_or_sealed_and_never_printed() {
        let plain = SecretValue::plain("hunter2".to_owned());
        assert_eq!((plain.to_sealed(), plain.reveal()), (None, "hunter2"));
        assert_eq!(format!("{plain:?}"), "***");
        let sealed = SecretValue::sealed(b"\x00\xff");
        assert_eq!(sealed.reveal(), "sealed:v1:00ff");
        assert_eq!(sealed.to_sealed(), Some(vec![0, 255]));
        assert_eq!(SecretValue::plain("sealed:v1:x".to_owned()).to_sealed(), None);
    }
}
