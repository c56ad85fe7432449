//! A data directory as a small 8.3 gateway has it, with one API token.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{SimConfig, scan::gson};

/// A fresh token key: 32 random bytes.
pub fn new_key() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// The hash that the gateway keeps of a key.
pub fn key_hash(key: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(key).ok()?;
    (bytes.len() == 32).then(|| URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)))
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    Ok(fs::write(path, content)?)
}

/// Writes what is missing; an existing gateway keeps its files.
pub(crate) fn seed(config: &SimConfig, token_hash: &str) -> anyhow::Result<()> {
    let data = &config.data_dir;
    fs::create_dir_all(data.join("projects/.resources"))?;
    let resources = data.join("config/resources");
    let mode = |title: &str, description: &str, parent: &str| {
        gson(
            &json!({"title": title, "description": description, "enabled": true, "inheritable": true, "parent": parent}),
        )
    };
    let external = mode("External", "Externally managed configuration", "system")?;
    write(&resources.join("external/config-mode.json"), &external)?;
    let core = mode(
        "Core",
        "Core collection of locally managed Gateway configuration resources",
        "external",
    )?;
    write(&resources.join("core/config-mode.json"), &core)?;
    let properties = resources.join("core/ignition/system-properties");
    if !properties.join("config.json").exists() {
        write(&properties.join("config.json"), &gson(&json!({"systemName": config.name}))?)?;
        write(&properties.join("resource.json"), &plain_resource()?)?;
    }
    let name = config.token.as_ref().map_or("agent", |(name, _)| name.as_str());
    let token = resources.join("external/ignition/api-token").join(name);
    let levels =
        json!([{"name": "Authenticated", "children": [{"name": "Deploy", "children": []}]}]);
    let body = json!({
        "profile": {"type": "basic-token", "secureChannelRequired": false, "securityLevels": levels,
            "timestamp": 1_762_541_114_981_u64},
        "settings": {"tokenHash": token_hash},
    });
    write(&token.join("config.json"), &gson(&body)?)?;
    write(&token.join("resource.json"), &plain_resource()?)?;
    for (path, content) in [
        ("db/config.idb", "SQLite format 3\0"),
        ("gateway.xml", "<properties/>\n"),
        (
            "redundancy.xml",
            "<properties><entry key=\"redundancy.noderole\">Independent</entry></properties>\n",
        ),
        ("modules.json", "{}"),
        ("commissioning.json", "{\"isCommissioned\":\"COMMISSIONED\"}"),
        ("logs/wrapper.log", "started\n"),
        ("valueStore.idb", "SQLite format 3\0"),
    ] {
        if !data.join(path).exists() {
            write(&data.join(path), content)?;
        }
    }
    Ok(())
}

fn plain_resource() -> anyhow::Result<String> {
    gson(&json!({
        "scope": "A", "version": 1, "restricted": false, "overridable": true,
        "files": ["config.json"], "attributes": {"enabled": true},
    }))
}

#[cfg(test)]
mod tests {
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
            assert_eq!(super::key_hash(key).as_deref(), Some(hash));
        }
        assert_eq!(super::key_hash("short"), None);
    }
}
