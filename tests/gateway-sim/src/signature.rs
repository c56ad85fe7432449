//! The signature in `resource.json`, in its 8.1 and 8.3 forms.
//!
//! The hashed JSON keeps the member order of the file and the spelling of its numbers, so it is made
//! from the file's own text and not from parsed values.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// Which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Hashes the files' bytes.
    V81,
    /// Hashes the hex digests of the files.
    V83,
}

/// What of a `resource.json` is signed.
#[derive(Debug, Deserialize)]
pub struct Resource {
    #[serde(default)]
    scope: String,
    documentation: Option<String>,
    description: Option<String>,
    version: Option<i32>,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    restricted: bool,
    overridable: Option<bool>,
    /// Names of the files beside it.
    #[serde(default)]
    pub files: Vec<String>,
    #[serde(default)]
    attributes: BTreeMap<String, Box<RawValue>>,
}

impl Resource {
    /// Reads a `resource.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The signature that it carries.
    pub fn signature(&self) -> Option<String> {
        let raw = self.attributes.get("lastModificationSignature")?;
        serde_json::from_str(raw.get()).ok()
    }

    /// The signature that it should carry; `content` gives each listed file.
    pub fn sign(&self, form: Form, content: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<String> {
        let mut hash = Sha256::new();
        hash.update(scope_bits(&self.scope).to_be_bytes());
        if let Some(text) = self.documentation.as_ref().or(self.description.as_ref()) {
            hash.update(text.as_bytes());
        }
        hash.update(self.version.unwrap_or(1).to_be_bytes());
        let flags = [self.locked, self.restricted, self.overridable.unwrap_or(true)];
        hash.update(flags.map(u8::from));
        let mut files = self.files.clone();
        files.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
        for name in files {
            let bytes = content(&name)?;
            hash.update(name.as_bytes());
            match form {
                Form::V81 => hash.update(&bytes),
                Form::V83 => hash.update(hex::encode(Sha256::digest(&bytes)).as_bytes()),
            }
        }
        // Every known key is ASCII, where byte order is Java's order.
        for (key, raw) in &self.attributes {
            if key != "lastModificationSignature" {
                hash.update(key.as_bytes());
                hash.update(compact(raw.get()).as_bytes());
            }
        }
        Some(hex::encode(hash.finalize()))
    }
}

fn scope_bits(scope: &str) -> i32 {
    scope.chars().fold(0, |bits, letter| {
        bits | match letter {
            'G' => 1,
            'D' => 2,
            'C' => 4,
            'A' => 7,
            _ => 0,
        }
    })
}

/// JSON text without white space and without HTML escapes; order and numbers stay as they are.
pub(crate) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = string_end(rest);
            let plain: String = serde_json::from_str(&rest[..end]).unwrap_or_default();
            out.push_str(&serde_json::to_string(&plain).unwrap_or_default());
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                out.push(first);
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = r#"{"scope":"G","version":1,"restricted":false,"overridable":true,"files":["view.json","thumbnail.png"],"attributes":{"lastModification":{"actor":"millwright","timestamp":"2026-01-02T03:04:05Z"}}}"#;
    const QUERY: &str = r#"{"scope":"DG","documentation":"Line speed","version":2,"restricted":false,"overridable":true,"files":["query.sql"],"attributes":{"cacheUnit":"SEC","type":"Query","enabled":true,"maxReturnSize":100,"parameters":[{"type":"Parameter","identifier":"line","sqlType":7}],"lastModification":{"actor":"admin","timestamp":"2026-01-02T03:04:05Z"}}}"#;
    const CONFIG: &str = r#"{"scope":"A","description":"Line 1 historian","version":1,"restricted":false,"overridable":true,"files":["config.json"],"attributes":{"lastModification":{"actor":"external","timestamp":"2026-01-02T03:04:05Z"},"uuid":"3f2a1c9e-5d47-4b8e-9a10-7c6d5e4f3b2a","enabled":true}}"#;
    const EMPTY: &str = r#"{"scope":"A","version":1,"restricted":false,"overridable":true,"files":[],"attributes":{}}"#;
    const EDGE: &str = r#"{"scope":"G","documentation":"","version":1,"locked":true,"restricted":true,"overridable":false,"files":["code.py"],"attributes":{"hint":"don\u0027t","lastModification":{"actor":"admin","timestamp":"2026-01-02T03:04:05Z"}}}"#;

    fn content(name: &str) -> Option<Vec<u8>> {
        Some(match name {
            "view.json" => br#"{"root":{}}"#.to_vec(),
            "thumbnail.png" => vec![0x89, 0x50, 0x4e, 0x47],
            "query.sql" => b"SELECT speed\r\nFROM line\r\nWHERE name = :line\r\n".to_vec(),
            "config.json" => b"{\n  \"settings\": {\n    \"readOnly\": false\n  }\n}".to_vec(),
            "code.py" => Vec::new(),
            _ => return None,
        })
    }

    #[test]
    fn the_known_vectors_hold() {
        let empty = "79472c4c37d57515a3540fbb567da8323f668990eb59412754dbc44d71966c6a";
        for (text, v81, v83) in [
            (
                VIEW,
                "af2ee1ae4072e13993e2fab542f06471921bd736c1c9d2c46674d6fb0b760173",
                "d131bc3af4aa3a28744138b1cbadea8bdf1a84bffe03f28c8a00ae8f799ae8fd",
            ),
            (
                QUERY,
                "fb978a1a01fc94b547918bd7f2e0234c822435a2690556e8592cdcc6bf342270",
                "304b9df9636df62eb5d20c8badd80d6d003f9de0aa6d1c6209f13880b67f9047",
            ),
            (
                CONFIG,
                "7d6ec5925c694c3d05243def3584f5144486f8a1e9c2432329c93f4bf086487a",
                "2e8abef888760dcafac75c7213560256d8970fda347d5d071a424cbea927e238",
            ),
            (EMPTY, empty, empty),
            (
                EDGE,
                "f72528413a77811f36e8bb56c10668f40b1cac6df2015c17227ceb8563b8f707",
                "96bd1e55a2bd83bbfc925de9b3ecaa58994968973da5978bac9a2bea96feda9b",
            ),
        ] {
            let resource = Resource::parse(text.as_bytes()).unwrap();
            assert_eq!(resource.sign(Form::V81, &content).unwrap(), v81, "8.1 form of {text}");
            assert_eq!(resource.sign(Form::V83, &content).unwrap(), v83, "8.3 form of {text}");
        }
    }
}
