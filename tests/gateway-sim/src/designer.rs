//! A Designer's save: payloads, thumbnail and `resource.json` with the user as actor and a valid
//! signature, file by file in an order and with delays that a test chooses.
//!
//! The gateway does not refuse a save because somebody else has changed the resource.

use std::{collections::BTreeMap, fs, sync::Arc};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    clock, disk,
    gateway::Gateway,
    http::wait_unlocked,
    pair::{self, Cause},
    project_files,
    scan::Kind,
    sessions::SessionKind,
    stamps,
};

/// What the user does if somebody else has changed the resource in the meantime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnConflict {
    /// Saves over it.
    #[default]
    Mine,
    /// Takes what is there.
    Theirs,
    /// Does not save.
    Cancel,
}

/// A save of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Save {
    /// The Designer's session.
    pub id: String,
    /// Folder of the resource below the project.
    pub resource: String,
    /// Payloads: text by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// More payloads: Base64 by name.
    #[serde(default)]
    pub binary: BTreeMap<String, String>,
    /// Names in the order in which they are written, `resource.json` among them; the rest follows.
    #[serde(default)]
    pub order: Vec<String>,
    /// Wait between two files.
    #[serde(default)]
    pub delay_ms: u64,
    /// Conflicts.
    #[serde(default)]
    pub on_conflict: OnConflict,
}

impl Save {
    /// A save of text files in the usual order, at once.
    pub fn new(id: &str, resource: &str, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Self {
            id: id.to_owned(),
            resource: resource.to_owned(),
            files: files.collect(),
            binary: BTreeMap::new(),
            order: Vec::new(),
            delay_ms: 0,
            on_conflict: OnConflict::Mine,
        }
    }
}

/// Saves; answers what became of it once all is on disk.
pub(crate) async fn save(gateway: &Arc<Gateway>, save: Save) -> anyhow::Result<Value> {
    let (user, project, conflict) = gateway.change(|state| {
        let session = state.sessions.get_mut(&save.id).context("no such session")?;
        anyhow::ensure!(session.new.kind == SessionKind::Designer, "that is no Designer");
        let conflict = session.changed_under_it.contains(&save.resource);
        if save.on_conflict != OnConflict::Cancel {
            session.update_available = false;
            session.changed_under_it.remove(&save.resource);
        }
        Ok((session.new.user.clone(), session.new.project.clone(), conflict))
    })?;
    if conflict && save.on_conflict != OnConflict::Mine {
        return Ok(json!({"saved": false, "conflict": true}));
    }
    let mut queued = false;
    if gateway.see(|state| state.knobs.designer_saves_wait) {
        queued = wait_unlocked(gateway, Kind::Projects).await;
    }
    let folder = format!("projects/{project}/{}", save.resource);
    let mut contents = payloads(&save)?;
    let meta = meta(gateway, &folder, &contents, &user)?;
    contents.insert("resource.json".to_owned(), meta.into_bytes());
    let mut order = save.order.clone();
    order.extend(contents.keys().filter(|name| *name != "resource.json").cloned());
    order.push("resource.json".to_owned());
    let mut first = true;
    for name in order {
        // A name that was written already has no content left.
        let Some(bytes) = contents.remove(&name) else { continue };
        if !first && save.delay_ms > 0 && !gateway.pause(save.delay_ms).await {
            anyhow::bail!("the simulation ends");
        }
        first = false;
        let path = format!("{folder}/{name}");
        gateway.blocking(move |gateway| disk::write(gateway, &path, &bytes)).await?;
    }
    let (name, path) = (project.clone(), save.resource.clone());
    gateway.blocking(move |gateway| project_files::reload_resource(gateway, &name, &path)).await?;
    gateway.change(|state| {
        state.counters.designer_saves += 1;
        let resource = [save.resource.clone()];
        state.sessions.project_changed(&project, &resource, Some(&save.id));
        state.say("INFO", "ProjectManager", &format!("{user} saved {folder}"));
    });
    pair::content_changed(gateway, Cause::Save);
    Ok(json!({"saved": true, "conflict": conflict, "queued": queued}))
}

fn payloads(save: &Save) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut contents: BTreeMap<String, Vec<u8>> =
        save.files.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes())).collect();
    for (name, text) in &save.binary {
        contents.insert(name.clone(), STANDARD.decode(text)?);
    }
    // A view's thumbnail is made anew with each save.
    if contents.contains_key("view.json") && !contents.contains_key("thumbnail.png") {
        let digest = blake3::hash(&contents["view.json"]);
        contents.insert(
            "thumbnail.png".to_owned(),
            [b"\x89PNG\r\n\x1a\n".as_slice(), digest.as_bytes()].concat(),
        );
    }
    Ok(contents)
}

fn meta(
    gateway: &Gateway,
    folder: &str,
    contents: &BTreeMap<String, Vec<u8>>,
    user: &str,
) -> anyhow::Result<String> {
    let dir = gateway.path(folder);
    let old = fs::read(dir.join("resource.json")).ok();
    let mut value: Value =
        old.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| {
            json!({"scope": "G", "version": 1, "restricted": false, "overridable": true,
                "files": [], "attributes": {}})
        });
    let mut files: Vec<Value> = value["files"].as_array().cloned().unwrap_or_default();
    for name in contents.keys() {
        if !files.iter().any(|file| file == name) {
            files.push(name.clone().into());
        }
    }
    value["files"] = files.into();
    let timestamp = clock::stamp(gateway.see(|state| state.now_ms()));
    let content =
        |name: &str| contents.get(name).cloned().or_else(|| fs::read(dir.join(name)).ok());
    stamps::stamped(value, gateway.form(), user, &timestamp, &content)
}
