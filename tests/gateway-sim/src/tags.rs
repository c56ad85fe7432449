//! Tags as units of a folder on disk: edits arrive late and always in `core`.
//!
//! Tag JSON is text here: integers above 2^53 and `1.0E10` stay as they are.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{disk, gateway::Gateway, json::gson};

/// Marker of a folder: what is present, nothing signed.
pub(crate) fn marker(files: &[&str]) -> Value {
    json!({"scope": "G", "version": 1, "restricted": false, "overridable": true, "files": files,
        "attributes": {"config": {}}})
}

/// Somebody edits the tags of a folder; they are on disk some time later.
pub(crate) fn edit(gateway: &Arc<Gateway>, provider: String, path: String, tags: String) {
    let gateway_then = Arc::clone(gateway);
    gateway.tasks.spawn(async move {
        let gateway = gateway_then;
        if !gateway.pause(gateway.see(|state| state.knobs.tag_flush_ms)).await {
            return;
        }
        let written = gateway
            .blocking(move |gateway| flush(gateway, &provider, &path, tags.as_bytes()))
            .await;
        if let Err(error) = written {
            gateway.change(|state| state.say("ERROR", "TagManager", &error.to_string()));
        }
    });
}

fn flush(gateway: &Gateway, provider: &str, path: &str, tags: &[u8]) -> anyhow::Result<()> {
    let top = format!("config/resources/core/ignition/tag-definition/{provider}");
    let mut folder = top.clone();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let above = format!("{folder}/unary-resource.json");
        if !gateway.path(&above).exists() {
            disk::write(gateway, &above, gson(&marker(&[]))?.as_bytes())?;
        }
        folder = format!("{folder}/{segment}");
    }
    disk::write(gateway, &format!("{folder}/tags.json"), tags)?;
    let files: Vec<&str> = ["tags.json", "udts.json"]
        .into_iter()
        .filter(|name| gateway.path(&format!("{folder}/{name}")).exists())
        .collect();
    let marker = gson(&marker(&files))?;
    disk::write(gateway, &format!("{folder}/unary-resource.json"), marker.as_bytes())
}
