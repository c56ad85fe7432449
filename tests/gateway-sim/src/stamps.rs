//! Checks signatures of resources on disk, and writes `resource.json` as the gateway does.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    json::gson,
    signature::{Form, Resource},
};

/// What a look at one resource's signature gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It fits one of the forms.
    Fits,
    /// It carries none.
    Absent,
    /// It fits neither form.
    Stale,
    /// A file that it lists is not there.
    Missing(String),
    /// `resource.json` cannot be read.
    Broken,
}

/// Checks the resource in a folder.
pub(crate) fn check(dir: &Path) -> Verdict {
    let parsed = fs::read(dir.join("resource.json")).ok();
    let Some(resource) = parsed.and_then(|bytes| Resource::parse(&bytes).ok()) else {
        return Verdict::Broken;
    };
    if let Some(name) = resource.files.iter().find(|name| !dir.join(name).is_file()) {
        return Verdict::Missing(name.clone());
    }
    let Some(carried) = resource.signature() else { return Verdict::Absent };
    let content = |name: &str| fs::read(dir.join(name)).ok();
    let fits = [Form::V83, Form::V81]
        .into_iter()
        .any(|form| resource.sign(form, &content).as_deref() == Some(&carried));
    if fits { Verdict::Fits } else { Verdict::Stale }
}

/// The bytes of a `resource.json` with new stamps and a signature over what lies in `content`.
pub(crate) fn stamped(
    mut value: Value,
    form: Form,
    actor: &str,
    timestamp: &str,
    content: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> anyhow::Result<String> {
    if !value["attributes"].is_object() {
        value["attributes"] = json!({});
    }
    value["attributes"]["lastModification"] = json!({"actor": actor, "timestamp": timestamp});
    let resource = Resource::parse(&serde_json::to_vec_pretty(&value)?)?;
    if let Some(signature) = resource.sign(form, content) {
        value["attributes"]["lastModificationSignature"] = signature.into();
    }
    gson(&value)
}

/// Stamps the resource in a folder anew; payloads stay.
pub(crate) fn restamp(dir: &Path, form: Form, actor: &str, timestamp: &str) -> anyhow::Result<()> {
    let path = dir.join("resource.json");
    let value = serde_json::from_slice(&fs::read(&path)?)?;
    let content = |name: &str| fs::read(dir.join(name)).ok();
    Ok(fs::write(&path, stamped(value, form, actor, timestamp, &content)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_resource_verifies_and_a_changed_payload_does_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("code.py"), "pass\n").unwrap();
        fs::write(dir.path().join("resource.json"), r#"{"scope":"A","files":["code.py"]}"#)
            .unwrap();
        assert_eq!(check(dir.path()), Verdict::Absent);
        for form in [Form::V81, Form::V83] {
            restamp(dir.path(), form, "external", "2026-01-02T03:04:05Z").unwrap();
            assert_eq!(check(dir.path()), Verdict::Fits);
        }
        fs::write(dir.path().join("code.py"), "fail\n").unwrap();
        assert_eq!(check(dir.path()), Verdict::Stale);
        fs::remove_file(dir.path().join("code.py")).unwrap();
        assert_eq!(check(dir.path()), Verdict::Missing("code.py".into()));
        fs::write(dir.path().join("resource.json"), "").unwrap();
        assert_eq!(check(dir.path()), Verdict::Broken);
    }
}
