//! API tokens: known by the hash of their key, judged by their security levels.
//!
//! `Roles` cannot be granted to a token, whatever its file says.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A fresh token key: 32 random bytes.
pub fn new_key() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// The hash that the gateway keeps of a key.
pub fn key_hash(key: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(key).ok()?;
    (bytes.len() == 32).then(|| URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)))
}

/// One token as the gateway has it in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) name: String,
    hash: String,
    secure_only: bool,
    levels: Vec<Vec<String>>,
}

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody may.
    Open,
    /// Needs `readPermissions`.
    Read,
    /// Needs `writePermissions`.
    Write,
}

/// Body of a token's `config.json`.
pub(crate) fn body(hash: &str, secure_only: bool, level: &str) -> Value {
    json!({
        "profile": {
            "type": "basic-token", "secureChannelRequired": secure_only,
            "securityLevels": [{"name": "Authenticated",
                "children": [{"name": level, "children": []}]}],
            "timestamp": 1_762_541_114_981_u64,
        },
        "settings": {"tokenHash": hash},
    })
}

impl Token {
    /// From its `config.json`.
    pub(crate) fn read(name: &str, config: &Value) -> Option<Self> {
        let profile = &config["profile"];
        Some(Self {
            name: name.to_owned(),
            hash: config["settings"]["tokenHash"].as_str()?.to_owned(),
            // New tokens default to true.
            secure_only: profile["secureChannelRequired"].as_bool().unwrap_or(true),
            levels: paths(&profile["securityLevels"]),
        })
    }

    /// Whether a key is its own.
    pub(crate) fn knows(&self, key: &str) -> bool {
        key_hash(key).as_deref() == Some(&self.hash)
    }

    /// Whether plain http is too little for it.
    pub(crate) fn secure_only(&self) -> bool {
        self.secure_only
    }

    /// Whether it holds a level of a permission; an empty permission is public.
    pub(crate) fn may(&self, permission: Option<&Value>) -> bool {
        let default = json!([{"name": "Authenticated", "children": [
            {"name": "Roles", "children": [{"name": "Administrator", "children": []}]}]}]);
        let wanted = match permission {
            Some(permission) => paths(&permission["securityLevels"]),
            None => paths(&default),
        };
        wanted.is_empty()
            || wanted.iter().any(|want| {
                want.get(1).is_none_or(|level| level != "Roles")
                    && (want.as_slice() == ["Authenticated"]
                        || self.levels.iter().any(|level| level.starts_with(want)))
            })
    }
}

/// Every path from the root to a leaf.
fn paths(levels: &Value) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for level in levels.as_array().into_iter().flatten() {
        let name = level["name"].as_str().unwrap_or_default().to_owned();
        let below = paths(&level["children"]);
        if below.is_empty() {
            all.push(vec![name]);
        } else {
            all.extend(below.into_iter().map(|path| [vec![name.clone()], path].concat()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_token_hashes_hold() {
        for (key, hash) in [
            (
                "p3wRdNxufWgMbovC14yPkr9o_GKJlno-K7c99LKexSo",
                "c4cNxcsHexJ5mlGPoinRgppto_nEj8mSnacF-ppNCjM",
            ),
            (
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                "Yw3NKWbEM2aRElRIu7JbT_QSpJxzLbLIq8G4WBvXEN0",
            ),
        ] {
            assert_eq!(key_hash(key).as_deref(), Some(hash));
        }
        assert_eq!(key_hash("short"), None);
    }

    #[test]
    fn levels_decide_and_roles_cannot_be_granted() {
        let token = Token::read("t", &body("h", false, "Deploy")).unwrap();
        let level = |path: &[&str]| {
            let nested = path
                .iter()
                .rev()
                .fold(json!([]), |children, name| json!([{"name": name, "children": children}]));
            json!({"type": "AnyOf", "securityLevels": nested})
        };
        for (permission, expected) in [
            (None, false),
            (Some(level(&[])), true),
            (Some(level(&["Authenticated"])), true),
            (Some(level(&["Authenticated", "Deploy"])), true),
            (Some(level(&["Authenticated", "Other"])), false),
            (Some(level(&["Authenticated", "Roles", "Administrator"])), false),
        ] {
            assert_eq!(token.may(permission.as_ref()), expected, "{permission:?}");
        }
        let role = json!({"profile": {"securityLevels": [{"name": "Authenticated", "children": [
            {"name": "Roles", "children": [{"name": "Administrator", "children": []}]}]}]},
            "settings": {"tokenHash": "h"}});
        let token = Token::read("t", &role).unwrap();
        assert!(token.secure_only(), "true is the default");
        assert!(!token.may(Some(&level(&["Authenticated", "Roles", "Administrator"]))));
    }
}
