//! How a backup copies the master's files: payloads byte for byte, `resource.json` written anew
//! with its own stamps.
//!
//! Not copied: `external`, `local`, `config/local`, dot-named entries.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{
    clock, disk,
    gateway::Gateway,
    stamps,
    tree::{ROOTS, Reader},
};

/// Whether a file goes over to the backup.
pub(crate) fn replicated(path: &str) -> bool {
    let hidden = path.split('/').any(|segment| segment.starts_with('.') || segment == "..");
    let own = ["config/resources/external/", "config/resources/local/"];
    !hidden
        && ROOTS.iter().any(|root| path.starts_with(&format!("{root}/")))
        && !own.iter().any(|top| path.starts_with(top))
}

/// What a master offers: digests by path.
pub(crate) fn offered(data_dir: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let files = Reader::default().read(data_dir, &ROOTS)?.files();
    let kept = files.into_iter().filter(|(path, _)| replicated(path));
    Ok(kept.map(|(path, digest)| (path, hex::encode(digest))).collect())
}

/// Copies everything that differs, and loads it.
pub(crate) async fn pull(
    gateway: &Arc<Gateway>,
    client: &reqwest::Client,
    peer: SocketAddr,
) -> anyhow::Result<()> {
    let answer = client.get(format!("http://{peer}/gan/tree")).send().await?;
    let theirs: BTreeMap<String, String> = answer.error_for_status()?.json().await?;
    let ours = gateway.blocking(|gateway| offered(&gateway.settings.data_dir)).await?;
    let mut fetched = BTreeMap::new();
    for (path, digest) in &theirs {
        if ours.get(path) != Some(digest) {
            let escaped = utf8_percent_encode(path, NON_ALPHANUMERIC);
            let url = format!("http://{peer}/gan/file?path={escaped}");
            let bytes = client.get(url).send().await?.error_for_status()?.bytes().await?;
            fetched.insert(path.clone(), bytes.to_vec());
        }
    }
    let gone: Vec<String> = ours.into_keys().filter(|path| !theirs.contains_key(path)).collect();
    gateway.blocking(move |gateway| write(gateway, fetched, &gone)).await
}

fn write(
    gateway: &Arc<Gateway>,
    fetched: BTreeMap<String, Vec<u8>>,
    gone: &[String],
) -> anyhow::Result<()> {
    let folder = |path: &str| PathBuf::from(path).parent().map(Path::to_owned).unwrap_or_default();
    let touched: std::collections::BTreeSet<PathBuf> = fetched
        .keys()
        .filter(|path| !path.ends_with("/resource.json"))
        .map(|p| folder(p))
        .collect();
    let (metas, payloads): (BTreeMap<_, _>, BTreeMap<_, _>) =
        fetched.into_iter().partition(|(path, _)| path.ends_with("/resource.json"));
    for (path, bytes) in &payloads {
        disk::write(gateway, path, bytes)?;
    }
    for (path, bytes) in &metas {
        let own = fs::read(gateway.path(path)).ok();
        let same = own.is_some_and(|own| same_meaning(&own, bytes));
        if !same || touched.contains(&folder(path)) {
            disk::write(gateway, path, &reformatted(gateway, path, bytes))?;
        }
    }
    for path in gone {
        disk::delete(gateway, path)?;
    }
    crate::lifecycle::load(gateway, false)
}

/// Equal but for the stamps.
fn same_meaning(a: &[u8], b: &[u8]) -> bool {
    let bare = |bytes: &[u8]| -> Option<Value> {
        let mut value: Value = serde_json::from_slice(bytes).ok()?;
        if let Some(attributes) = value["attributes"].as_object_mut() {
            attributes.shift_remove("lastModification");
            attributes.shift_remove("lastModificationSignature");
        }
        Some(value)
    };
    bare(a).is_some_and(|a| Some(a) == bare(b))
}

/// As the backup writes it: signature first, its own time.
fn reformatted(gateway: &Gateway, path: &str, bytes: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else { return bytes.to_vec() };
    let carried = value["attributes"]["lastModification"].is_object();
    if !carried {
        return bytes.to_vec();
    }
    let actor =
        value["attributes"]["lastModification"]["actor"].as_str().unwrap_or("unknown").to_owned();
    if let Some(attributes) = value["attributes"].as_object_mut() {
        let mut sorted = serde_json::Map::new();
        sorted.insert("lastModificationSignature".into(), Value::Null);
        sorted.extend(std::mem::take(attributes));
        *attributes = sorted;
    }
    let timestamp = clock::stamp(gateway.see(|state| state.now_ms()));
    let dir = gateway.path(path).parent().map(Path::to_owned).unwrap_or_default();
    let content = |name: &str| fs::read(dir.join(name)).ok();
    stamps::stamped(value, gateway.form(), &actor, &timestamp, &content)
        .map_or_else(|_| bytes.to_vec(), String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_node_is_not_copied() {
        for (path, expected) in [
            ("projects/p/project.json", true),
            ("config/resources/core/ignition/x/config.json", true),
            ("config/resources/staging/config-mode.json", true),
            ("config/resources/external/ignition/api-token/a/config.json", false),
            ("config/resources/local/x/config.json", false),
            ("config/resources/.resources/x", false),
            ("config/local/x", false),
            ("projects/../gateway.xml", false),
            ("gateway.xml", false),
        ] {
            assert_eq!(replicated(path), expected, "{path}");
        }
    }

    #[test]
    fn stamps_do_not_count() {
        let a = br#"{"files":[],"attributes":{"lastModification":1,"uuid":"u"}}"#;
        let b = br#"{"attributes":{"uuid":"u","lastModificationSignature":"s"},"files":[]}"#;
        assert!(same_meaning(a, b));
        assert!(!same_meaning(a, br#"{"files":["x"],"attributes":{"uuid":"u"}}"#));
    }
}
