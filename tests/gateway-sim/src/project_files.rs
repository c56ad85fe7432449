//! What the gateway itself does to project files: create, change, copy, rename, delete, import and
//! export. What is known of a project follows at once; other unscanned files stay unseen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use walkdir::WalkDir;

use crate::{
    archive, clock, disk,
    gateway::Gateway,
    json::gson,
    knobs::OnMismatch,
    model::projects::{self, Projects},
    stamps, tree,
};

/// `project.json` with the members that the gateway writes.
pub(crate) fn normalised(properties: &Value) -> Value {
    let text = |key: &str| properties[key].as_str().unwrap_or_default().to_owned();
    let flag = |key: &str, default: bool| properties[key].as_bool().unwrap_or(default);
    json!({"title": text("title"), "description": text("description"),
        "enabled": flag("enabled", true), "inheritable": flag("inheritable", false),
        "parent": text("parent")})
}

/// Writes `project.json` and takes it up.
pub(crate) fn put(gateway: &Arc<Gateway>, name: &str, properties: &Value) -> anyhow::Result<()> {
    let text = gson(&normalised(properties))?;
    disk::write(gateway, &format!("projects/{name}/project.json"), text.as_bytes())?;
    reload(gateway, name)
}

/// Reads one project anew.
pub(crate) fn reload(gateway: &Arc<Gateway>, name: &str) -> anyhow::Result<()> {
    let data_dir = &gateway.settings.data_dir;
    let tree = tree::Reader::default().read(data_dir, &[&format!("projects/{name}")])?;
    let mut found = projects::read(data_dir, &tree, &Projects::default(), OnMismatch::Keep);
    gateway.change(|state| {
        let known = Arc::make_mut(&mut state.projects);
        match found.projects.by_name.remove(name) {
            Some(project) => drop(known.by_name.insert(name.to_owned(), project)),
            None => drop(known.by_name.remove(name)),
        }
    });
    Ok(())
}

/// Reads one resource anew, after a save of it.
pub(crate) fn reload_resource(
    gateway: &Arc<Gateway>,
    name: &str,
    path: &str,
) -> anyhow::Result<()> {
    let data_dir = &gateway.settings.data_dir;
    let folder = format!("projects/{name}/{path}");
    let tree = tree::Reader::default().read(data_dir, &[&folder])?;
    let resource = projects::read_one(data_dir, &tree, &folder);
    gateway.change(|state| {
        let known = Arc::make_mut(&mut state.projects);
        if let (Some(project), Some(resource)) = (known.by_name.get_mut(name), resource) {
            Arc::make_mut(project).resources.insert(path.to_owned(), resource);
        }
    });
    Ok(())
}

/// Deletes a project with all that is in it.
pub(crate) fn delete(gateway: &Arc<Gateway>, name: &str) -> anyhow::Result<()> {
    disk::delete_folder(gateway, &format!("projects/{name}"))?;
    gateway.change(|state| drop(Arc::make_mut(&mut state.projects).by_name.remove(name)));
    Ok(())
}

/// Copies a project; dot-named entries stay behind.
pub(crate) fn copy(gateway: &Arc<Gateway>, from: &str, to: &str) -> anyhow::Result<()> {
    let top = gateway.path(&format!("projects/{from}"));
    let visible = |entry: &walkdir::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
    for entry in WalkDir::new(&top).into_iter().filter_entry(visible) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let relative = entry.path().strip_prefix(&top)?.display().to_string();
            let bytes = fs::read(entry.path())?;
            disk::write(gateway, &format!("projects/{to}/{relative}"), &bytes)?;
        }
    }
    reload(gateway, to)
}

/// The zip of a project: known resources only, freshly stamped, `files` sorted.
pub(crate) fn export(gateway: &Arc<Gateway>, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let found = gateway.see(|state| {
        let project = state.projects.by_name.get(name).cloned()?;
        let settling = state.settling.get(name).is_some_and(|until| *until > Instant::now());
        let at = if settling { state.now_ms() } else { state.projects_slot.last_timestamp };
        Some((project, clock::stamp(at)))
    });
    let Some((project, timestamp)) = found else { return Ok(None) };
    let mut files =
        vec![("project.json".to_owned(), gson(&normalised(&project.properties))?.into_bytes())];
    for path in project.resources.keys() {
        let dir = gateway.path(&format!("projects/{name}/{path}"));
        let Ok(text) = fs::read(dir.join("resource.json")) else { continue };
        let Ok(meta) = serde_json::from_slice::<Value>(&text) else { continue };
        let listed = listed(&meta);
        let contents: BTreeMap<String, Vec<u8>> = listed
            .into_iter()
            .filter_map(|file| Some((file.clone(), fs::read(dir.join(file)).ok()?)))
            .collect();
        let meta = adopted(gateway, meta, &contents, None, &timestamp)?;
        files.push((format!("{path}/resource.json"), meta.into_bytes()));
        files.extend(contents.into_iter().map(|(file, bytes)| (format!("{path}/{file}"), bytes)));
    }
    Ok(Some(archive::pack(&files)?))
}

fn listed(meta: &Value) -> BTreeSet<String> {
    let files = meta["files"].as_array().cloned().unwrap_or_default();
    files.iter().filter_map(|file| file.as_str().map(str::to_owned)).collect()
}

/// `resource.json` as the gateway takes it in or gives it out: defaults added, files that are there
/// sorted, stamped anew.
fn adopted(
    gateway: &Gateway,
    meta: Value,
    contents: &BTreeMap<String, Vec<u8>>,
    actor: Option<&str>,
    timestamp: &str,
) -> anyhow::Result<String> {
    let mut whole = serde_json::Map::new();
    for (key, default) in [
        ("scope", json!("N")),
        ("documentation", Value::Null),
        ("version", json!(1)),
        ("locked", Value::Null),
        ("restricted", json!(false)),
        ("overridable", json!(true)),
    ] {
        let given = meta.get(key).cloned().unwrap_or(default);
        if !given.is_null() {
            whole.insert(key.to_owned(), given);
        }
    }
    whole.insert("files".to_owned(), contents.keys().cloned().collect::<Vec<_>>().into());
    let attributes = meta.get("attributes").cloned().unwrap_or_else(|| json!({}));
    let before = attributes["lastModification"]["actor"].as_str().unwrap_or("unknown").to_owned();
    whole.insert("attributes".to_owned(), attributes);
    let actor = actor.unwrap_or(&before);
    let content = |name: &str| contents.get(name).cloned();
    stamps::stamped(whole.into(), gateway.form(), actor, timestamp, &content)
}

/// How an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Imported {
    Done,
    /// Refused, with a 200.
    Exists,
    /// A folder that must be one is not.
    WrongFolder,
}

/// Replaces a project by what the zip has of it. Everything else in its folder is gone, `.git` too.
/// A cut zip counts as far as it goes.
pub(crate) fn import(
    gateway: &Arc<Gateway>,
    name: &str,
    overwrite: bool,
    zip: &[u8],
) -> anyhow::Result<Imported> {
    let exists = gateway.see(|state| state.projects.clash(name).is_some());
    if exists && !overwrite {
        return Ok(Imported::Exists);
    }
    let entries: BTreeMap<String, Vec<u8>> = archive::unpack(zip)
        .into_iter()
        .filter(|(path, _)| path.split('/').all(|segment| !segment.starts_with('.')))
        .collect();
    let misplaced = entries.keys().any(|path| {
        let mut segments = path.split('/');
        let module = segments.next().unwrap_or_default();
        segments.next() == Some("resources") && module != crate::modules::WEBDEV
    });
    if misplaced {
        return Ok(Imported::WrongFolder);
    }
    disk::delete_folder(gateway, &format!("projects/{name}"))?;
    let timestamp = clock::stamp(gateway.see(|state| state.now_ms()));
    for (folder, contents) in resources(&entries) {
        let meta = serde_json::from_slice(&entries[&format!("{folder}/resource.json")])?;
        let text = adopted(gateway, meta, &contents, Some("import"), &timestamp)?;
        let at = format!("projects/{name}/{folder}");
        for (file, bytes) in &contents {
            disk::write(gateway, &format!("{at}/{file}"), bytes)?;
        }
        disk::write(gateway, &format!("{at}/resource.json"), text.as_bytes())?;
    }
    let properties = entries.get("project.json").and_then(|text| serde_json::from_slice(text).ok());
    put(gateway, name, &properties.unwrap_or_else(|| json!({})))?;
    settle_children(gateway, name);
    Ok(Imported::Done)
}

/// Resources of a zip that are taken in: those that can be read and have no folder in them.
fn resources(entries: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    let folders: Vec<&str> =
        entries.keys().filter_map(|path| path.strip_suffix("/resource.json")).collect();
    let mut found = BTreeMap::new();
    for folder in folders {
        let inside = format!("{folder}/");
        let nested = entries
            .range(inside.clone()..)
            .take_while(|(path, _)| path.starts_with(&inside))
            .any(|(path, _)| path[inside.len()..].contains('/'));
        let Ok(meta) = serde_json::from_slice::<Value>(&entries[&format!("{inside}resource.json")])
        else {
            continue;
        };
        if nested {
            continue;
        }
        let contents = listed(&meta)
            .into_iter()
            .filter_map(|file| {
                let bytes = entries.get(&format!("{inside}{file}"))?.clone();
                Some((file, bytes))
            })
            .collect();
        found.insert(folder.to_owned(), contents);
    }
    found
}

/// After an import over a parent its children's exports go on changing for a while.
fn settle_children(gateway: &Gateway, parent: &str) {
    gateway.change(|state| {
        state.counters.imports += 1;
        let until = Instant::now() + Duration::from_millis(state.knobs.settle_ms);
        let children = state
            .projects
            .by_name
            .iter()
            .filter(|(_, project)| project.properties["parent"].as_str() == Some(parent));
        let names: Vec<String> = children.map(|(name, _)| name.clone()).collect();
        state.settling.extend(names.into_iter().map(|name| (name, until)));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_resources_and_their_listed_files_are_taken_in() {
        let meta = |files: &str| format!(r#"{{"files":[{files}]}}"#).into_bytes();
        let entries: BTreeMap<String, Vec<u8>> = [
            ("m/t/a/resource.json", meta(r#""x","gone""#)),
            ("m/t/a/x", b"1".to_vec()),
            ("m/t/a/unlisted", b"1".to_vec()),
            ("m/t/outer/resource.json", meta("")),
            ("m/t/outer/inner/resource.json", meta("")),
            ("m/t/loose/y", b"1".to_vec()),
            ("m/t/broken/resource.json", b"{".to_vec()),
        ]
        .map(|(path, bytes)| (path.to_owned(), bytes))
        .into();
        let found = resources(&entries);
        let names: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(folder, files)| (folder.as_str(), files.keys().map(String::as_str).collect()))
            .collect();
        assert_eq!(names, [("m/t/a", vec!["x"]), ("m/t/outer/inner", vec![])]);
    }
}
