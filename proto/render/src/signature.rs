//! The signature that a gateway puts into `resource.json`: a SHA-256 over the resource's members and
//! its files. Two forms exist: 8.1 hashes the files' bytes, 8.3 the hexadecimal SHA-256 of each.
//! It is a checksum against unnoticed edits, not a protection: there is no key.
//!
//! Only `resource.json` has one; tag markers, `project.json` and `config-mode.json` have none.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::{
    json_edit::{Document, Kind},
    resource_json::ResourceJson,
};

/// How files enter the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Their bytes.
    V81,
    /// The hexadecimal SHA-256 of each.
    V83,
}

impl Form {
    /// The version of Ignition that writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::V81 => "8.1",
            Form::V83 => "8.3",
        }
    }
}

/// What a resource's signature is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It fits, in this form; [`Form::V83`] when both are equal because there are no files.
    Valid(Form),
    /// It fits neither form.
    Stale,
    /// There is none.
    Absent,
    /// A listed file is missing, so nothing can be said.
    MissingFile(String),
}

/// Contents of a resource's files by name; `None` for a file that is not there.
pub type Payload<'p> = dyn Fn(&str) -> Option<Cow<'p, [u8]>> + 'p;

/// Bits of a scope's letters.
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

/// The order of Java's strings: by UTF-16 code unit.
fn java_order<T>(items: &mut [(Cow<'_, str>, T)]) {
    items.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
}

/// The signature of a resource; the name of a listed file that is not there otherwise.
pub fn compute(
    resource: &ResourceJson<'_>,
    form: Form,
    payload: &Payload<'_>,
) -> Result<String, String> {
    let mut hash = Sha256::new();
    hash.update(scope_bits(&resource.scope()).to_be_bytes());
    if let Some(text) = resource.description() {
        hash.update(text.as_bytes());
    }
    hash.update(resource.version().to_be_bytes());
    let flags = [("locked", false), ("restricted", false), ("overridable", true)];
    hash.update(flags.map(|(name, default)| u8::from(resource.flag(name, default))));
    let mut files: Vec<_> = resource.files().into_iter().map(|name| (name, ())).collect();
    java_order(&mut files);
    for (name, ()) in files {
        let content = payload(&name).ok_or_else(|| name.to_string())?;
        hash.update(name.as_bytes());
        match form {
            Form::V81 => hash.update(&content),
            Form::V83 => hash.update(hex::encode(Sha256::digest(&content))),
        }
    }
    let document = resource.document();
    let mut attributes: Vec<_> = resource
        .attributes()
        .into_iter()
        .flat_map(|node| document.children(node))
        .filter_map(|child| Some((document.key(child)?, child)))
        .filter(|(key, _)| key != SIGNATURE)
        .collect();
    java_order(&mut attributes);
    let mut value = String::new();
    for (key, node) in attributes {
        hash.update(key.as_bytes());
        value.clear();
        compact(document, node, &mut value);
        hash.update(value.as_bytes());
    }
    Ok(hex::encode(hash.finalize()))
}

/// The member of `attributes` that holds it.
pub const SIGNATURE: &str = "lastModificationSignature";

/// A value without white space and without HTML escapes; order and numbers as they are.
fn compact(document: &Document<'_>, node: u32, out: &mut String) {
    let list = |open: char, close: char, out: &mut String| {
        out.push(open);
        for (at, child) in document.children(node).enumerate() {
            if at > 0 {
                out.push(',');
            }
            if let Some(key) = document.key(child) {
                quoted(&key, out);
                out.push(':');
            }
            compact(document, child, out);
        }
        out.push(close);
    };
    match document.kind(node) {
        Kind::Null | Kind::Bool | Kind::Number => out.push_str(document.raw(node)),
        Kind::String => match document.string(node) {
            Some(text) => quoted(&text, out),
            // Half a surrogate pair: hashed as spelled, since it has no bytes of its own.
            None => out.push_str(document.raw(node)),
        },
        Kind::Array => list('[', ']', out),
        Kind::Object => list('{', '}', out),
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    crate::json_edit::escape(text, false, out);
    out.push('"');
}

/// Whether the carried signature fits, and in which form.
pub fn verify(resource: &ResourceJson<'_>, payload: &Payload<'_>) -> Verdict {
    let Some(carried) = resource.signature() else { return Verdict::Absent };
    for form in [Form::V83, Form::V81] {
        match compute(resource, form, payload) {
            Ok(found) if found == carried => return Verdict::Valid(form),
            Ok(_) => {}
            Err(name) => return Verdict::MissingFile(name),
        }
    }
    Verdict::Stale
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str =
        r#""lastModification":{"actor":"millwright","timestamp":"2026-01-02T03:04:05Z"}"#;

    fn payload(name: &str) -> Option<Cow<'static, [u8]>> {
        let bytes: &[u8] = match name {
            "view.json" => br#"{"root":{}}"#,
            "thumbnail.png" => &[0x89, 0x50, 0x4e, 0x47],
            "query.sql" => b"SELECT speed\r\nFROM line\r\nWHERE name = :line\r\n",
            "config.json" => b"{\n  \"settings\": {\n    \"readOnly\": false\n  }\n}",
            "code.py" => b"",
            _ => return None,
        };
        Some(Cow::Borrowed(bytes))
    }

    fn vectors() -> Vec<(String, &'static str, &'static str)> {
        let admin = STAMP.replace("millwright", "admin");
        let external = STAMP.replace("millwright", "external");
        let empty = "79472c4c37d57515a3540fbb567da8323f668990eb59412754dbc44d71966c6a";
        vec![
            (
                format!(r#"{{"scope":"G","version":1,"restricted":false,"overridable":true,"files":["view.json","thumbnail.png"],"attributes":{{{STAMP}}}}}"#),
                "af2ee1ae4072e13993e2fab542f06471921bd736c1c9d2c46674d6fb0b760173",
                "d131bc3af4aa3a28744138b1cbadea8bdf1a84bffe03f28c8a00ae8f799ae8fd",
            ),
            (
                format!(r#"{{"scope":"DG","documentation":"Line speed","version":2,"restricted":false,"overridable":true,"files":["query.sql"],"attributes":{{"cacheUnit":"SEC","type":"Query","enabled":true,"maxReturnSize":100,"parameters":[{{"type":"Parameter","identifier":"line","sqlType":7}}],{admin}}}}}"#),
                "fb978a1a01fc94b547918bd7f2e0234c822435a2690556e8592cdcc6bf342270",
                "304b9df9636df62eb5d20c8badd80d6d003f9de0aa6d1c6209f13880b67f9047",
            ),
            (
                format!(r#"{{"scope":"A","description":"Line 1 historian","version":1,"restricted":false,"overridable":true,"files":["config.json"],"attributes":{{{external},"uuid":"3f2a1c9e-5d47-4b8e-9a10-7c6d5e4f3b2a","enabled":true}}}}"#),
                "7d6ec5925c694c3d05243def3584f5144486f8a1e9c2432329c93f4bf086487a",
                "2e8abef888760dcafac75c7213560256d8970fda347d5d071a424cbea927e238",
            ),
            (
                r#"{"scope":"A","version":1,"restricted":false,"overridable":true,"files":[],"attributes":{}}"#.to_owned(),
                empty,
                empty,
            ),
            (
                format!(r#"{{"scope":"G","documentation":"","version":1,"locked":true,"restricted":true,"overridable":false,"files":["code.py"],"attributes":{{"hint":"don\u0027t",{admin}}}}}"#),
                "f72528413a77811f36e8bb56c10668f40b1cac6df2015c17227ceb8563b8f707",
                "96bd1e55a2bd83bbfc925de9b3ecaa58994968973da5978bac9a2bea96feda9b",
            ),
        ]
    }

    #[test]
    fn the_known_vectors_hold() {
        for (text, v81, v83) in vectors() {
            let resource = ResourceJson::parse(&text).unwrap();
            assert_eq!(compute(&resource, Form::V81, &payload).unwrap(), v81, "8.1 form of {text}");
            assert_eq!(compute(&resource, Form::V83, &payload).unwrap(), v83, "8.3 form of {text}");
        }
    }

    #[test]
    fn a_carried_signature_is_no_part_of_itself_and_is_verified() {
        for (text, v81, v83) in vectors() {
            for (carried, expected) in [
                (v83, Verdict::Valid(Form::V83)),
                (v81, Verdict::Valid(if v81 == v83 { Form::V83 } else { Form::V81 })),
                ("00", Verdict::Stale),
            ] {
                let member = format!("\"attributes\":{{\"{SIGNATURE}\":\"{carried}\",");
                let with = text.replace("\"attributes\":{", &member).replace(",}", "}");
                let resource = ResourceJson::parse(&with).unwrap();
                assert_eq!(verify(&resource, &payload), expected, "{with}");
            }
            let resource = ResourceJson::parse(&text).unwrap();
            assert_eq!(verify(&resource, &payload), Verdict::Absent);
        }
    }

    #[test]
    fn a_listed_file_that_is_missing_is_named() {
        let text = r#"{"files":["gone"],"attributes":{"lastModificationSignature":"00"}}"#;
        let resource = ResourceJson::parse(text).unwrap();
        assert_eq!(verify(&resource, &payload), Verdict::MissingFile("gone".to_owned()));
    }
}
