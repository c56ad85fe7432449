//! A data directory as a small gateway has it, with one API token that may do everything.

use std::{fs, path::Path};

use serde_json::{Value, json};

pub use crate::token::{key_hash, new_key};
use crate::{
    config::{Profile, SimConfig},
    json::gson,
    signature::Form,
    stamps, token,
};

/// Writes what is missing; an existing gateway keeps its files.
pub(crate) fn seed(config: &SimConfig, token_hash: &str) -> anyhow::Result<()> {
    let data = &config.data_dir;
    fs::create_dir_all(data.join("projects/.resources"))?;
    for (path, content) in common(config) {
        write_new(&data.join(path), &content)?;
    }
    if config.profile == Profile::V81 {
        return Ok(());
    }
    let resources = data.join("config/resources");
    fs::create_dir_all(resources.join(".resources"))?;
    fs::create_dir_all(resources.join("local"))?;
    for (name, title, description, parent) in [
        ("external", "External", "Externally managed configuration", "system"),
        (
            "core",
            "Core",
            "Core collection of locally managed Gateway configuration resources",
            "external",
        ),
    ] {
        let text = gson(&mode(title, description, parent))?;
        write_new(&resources.join(name).join("config-mode.json"), &text)?;
    }
    if let Some(name) = &config.mode {
        let text = gson(&mode(name, "", "core"))?;
        write_new(&resources.join(name).join("config-mode.json"), &text)?;
    }
    for (kind, settings) in singletons(&config.name) {
        let folder = resources.join("core/ignition").join(kind);
        if !folder.join("config.json").exists() {
            // This one is compact.
            let text = if kind == "quickstart" { settings.to_string() } else { gson(&settings)? };
            write_new(&folder.join("config.json"), &text)?;
            write_new(&folder.join("resource.json"), &gson(&plain_meta())?)?;
            stamps::restamp(&folder, Form::V83, "system-init", "2026-01-01T00:00:00Z")?;
        }
    }
    let name = config.token.as_ref().map_or("agent", |(name, _)| name.as_str());
    let folder = resources.join("external/ignition/api-token").join(name);
    let body = gson(&token::body(token_hash, false, "Deploy"))?;
    if fs::read_to_string(folder.join("config.json")).ok().as_ref() != Some(&body) {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("config.json"), body)?;
    }
    write_new(&folder.join("resource.json"), &gson(&plain_meta())?)
}

/// Files of both versions.
fn common(config: &SimConfig) -> Vec<(&'static str, String)> {
    let mode = config.mode.as_ref().map_or(String::new(), |mode| {
        format!("wrapper.java.additional.9=-Dignition.config.mode={mode}\n")
    });
    let redundancy = format!(
        "<properties>\n<entry key=\"redundancy.noderole\">{}</entry>\n</properties>\n",
        config.role.name()
    );
    vec![
        ("db/config.idb", "SQLite format 3\0".to_owned()),
        ("gateway.xml", "<properties/>\n".to_owned()),
        ("redundancy.xml", redundancy),
        ("ignition.conf", format!("wrapper.java.command=java\n{mode}")),
        ("modules.json", "{}".to_owned()),
        ("commissioning.json", commissioning(config.commissioned)),
        ("logs/wrapper.log", String::new()),
        ("valueStore.idb", "SQLite format 3\0".to_owned()),
        (
            "config/local/ignition/gateway-network/server/security/pki/trusted/certs/own.pem",
            String::new(),
        ),
    ]
}

fn singletons(name: &str) -> [(&'static str, Value); 3] {
    [
        (
            "system-properties",
            json!({"systemName": name, "secondsBeforeFailover": 60, "gatewayScriptingProject": "",
                "homepageUrl": "", "homepageNotes": ""}),
        ),
        ("quickstart", json!({"steps": []})),
        ("security-properties", security_properties()),
    ]
}

/// Every token may read, one with the level `Deploy` may write.
pub(crate) fn security_properties() -> Value {
    let any_of = |levels: Value| json!({"type": "AnyOf", "securityLevels": levels});
    let deploy =
        json!([{"name": "Authenticated", "children": [{"name": "Deploy", "children": []}]}]);
    let everybody = json!([{"name": "Authenticated", "children": []}]);
    json!({"readPermissions": any_of(everybody), "writePermissions": any_of(deploy)})
}

/// `config-mode.json`.
pub(crate) fn mode(title: &str, description: &str, parent: &str) -> Value {
    json!({"title": title, "description": description, "enabled": true, "inheritable": true,
        "parent": parent})
}

/// `commissioning.json`.
pub(crate) fn commissioning(yes: bool) -> String {
    let state = if yes { "COMMISSIONED" } else { "UNCOMMISSIONED" };
    format!("{{\"isCommissioned\":\"{state}\",\"connections.useSsl\":\"false\"}}")
}

/// `resource.json` of a resource with one file, without stamps.
pub(crate) fn plain_meta() -> Value {
    json!({
        "scope": "A", "version": 1, "restricted": false, "overridable": true,
        "files": ["config.json"], "attributes": {"enabled": true},
    })
}

fn write_new(path: &Path, content: &str) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    Ok(fs::write(path, content)?)
}
