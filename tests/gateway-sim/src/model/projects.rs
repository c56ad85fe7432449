//! Projects as the last projects scan has found them.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use serde_json::{Value, json};

use crate::{
    knobs::OnMismatch,
    stamps::{self, Verdict},
    tree::{Digest, Folder, Tree},
};

/// One resource: a folder with a `resource.json`.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) fingerprint: Digest,
    pub(crate) verdict: Verdict,
}

/// One project.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    /// `project.json`.
    pub(crate) properties: Value,
    /// Resources by path below the project.
    pub(crate) resources: BTreeMap<String, Arc<Resource>>,
}

/// All of them, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Projects {
    pub(crate) by_name: BTreeMap<String, Arc<Project>>,
}

/// What reading found beside the projects.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) projects: Projects,
    /// Stale resources, as `projects/...` folders.
    pub(crate) stale: Vec<String>,
    /// Resources that did not load, with the reason.
    pub(crate) refused: Vec<(String, String)>,
    /// Projects in which something differs from before.
    pub(crate) changed: Vec<String>,
}

/// Reads projects from a tree; what has not changed since `before` is not looked at again.
pub(crate) fn read(data_dir: &Path, tree: &Tree, before: &Projects, mismatch: OnMismatch) -> Found {
    let mut found = Found::default();
    let names = tree.folders.iter().filter_map(|(path, folder)| {
        let name = path.strip_prefix("projects/")?;
        (!name.contains('/') && folder.files.contains_key("project.json")).then_some(name)
    });
    for name in names {
        let old = before.by_name.get(name).cloned().unwrap_or_default();
        let text = fs::read(data_dir.join("projects").join(name).join("project.json"));
        let properties = text.ok().and_then(|text| serde_json::from_slice(&text).ok());
        let mut project =
            Project { properties: properties.unwrap_or_else(|| json!({})), ..Project::default() };
        let top = format!("projects/{name}/");
        for (path, folder) in
            tree.folders.range(top.clone()..).take_while(|(p, _)| p.starts_with(&top))
        {
            if folder.files.contains_key("resource.json") {
                let relative = &path[top.len()..];
                let kept = old.resources.get(relative);
                if let Some(resource) = resource(data_dir, path, folder, kept, mismatch, &mut found)
                {
                    project.resources.insert(relative.to_owned(), resource);
                }
            }
        }
        if differs(&old, &project) {
            found.changed.push(name.to_owned());
        }
        found.projects.by_name.insert(name.to_owned(), Arc::new(project));
    }
    let gone = before.by_name.keys().filter(|name| !found.projects.by_name.contains_key(*name));
    found.changed.extend(gone.cloned());
    found
}

/// Reads one resource from a tree that has its folder.
pub(crate) fn read_one(data_dir: &Path, tree: &Tree, path: &str) -> Option<Arc<Resource>> {
    let folder = tree.folders.get(path)?;
    resource(data_dir, path, folder, None, OnMismatch::Keep, &mut Found::default())
}

fn resource(
    data_dir: &Path,
    path: &str,
    folder: &Folder,
    kept: Option<&Arc<Resource>>,
    mismatch: OnMismatch,
    found: &mut Found,
) -> Option<Arc<Resource>> {
    if let Some(kept) = kept
        && kept.fingerprint == folder.fingerprint
        && (kept.verdict != Verdict::Stale || mismatch == OnMismatch::Keep)
    {
        return Some(Arc::clone(kept));
    }
    let verdict = stamps::check(&data_dir.join(path));
    match &verdict {
        Verdict::Fits | Verdict::Absent => {}
        Verdict::Stale => {
            found.stale.push(path.to_owned());
            if mismatch == OnMismatch::Skip {
                return kept.cloned();
            }
        }
        Verdict::Missing(name) => {
            found.refused.push((path.to_owned(), format!("data file '{name}' does not exist")));
            return None;
        }
        Verdict::Broken => {
            found.refused.push((path.to_owned(), "resource.json cannot be parsed".into()));
            return None;
        }
    }
    Some(Arc::new(Resource { fingerprint: folder.fingerprint, verdict }))
}

fn differs(old: &Project, new: &Project) -> bool {
    old.properties != new.properties
        || old.resources.len() != new.resources.len()
        || old.resources.iter().any(|(path, resource)| {
            new.resources.get(path).is_none_or(|other| other.fingerprint != resource.fingerprint)
        })
}

impl Projects {
    /// The record that REST gives of a project.
    pub(crate) fn record(&self, name: &str) -> Option<Value> {
        let project = self.by_name.get(name)?;
        let of = |key: &str| project.properties[key].clone();
        let flag = |key: &str, default: bool| project.properties[key].as_bool().unwrap_or(default);
        let parent = project.properties["parent"].as_str().unwrap_or_default();
        let mut record = json!({
            "name": name, "title": of("title"), "description": of("description"),
            "enabled": flag("enabled", true), "parent": parent,
            "inheritable": flag("inheritable", false),
            "defaultDb": of("defaultDb"), "tagProvider": of("tagProvider"),
            "userSource": of("userSource"), "identityProvider": of("identityProvider"),
        });
        if !self.parent_is_valid(name, parent) {
            record["invalidParent"] = true.into();
        }
        Some(record)
    }

    fn parent_is_valid(&self, name: &str, parent: &str) -> bool {
        parent.is_empty()
            || (parent != name
                && self.by_name.get(parent).is_some_and(|parent| {
                    parent.properties["inheritable"].as_bool().unwrap_or(false)
                }))
    }

    /// A project of this name, however it is spelled: names are compared ignoring case.
    pub(crate) fn clash(&self, name: &str) -> Option<&String> {
        self.by_name.keys().find(|known| known.to_lowercase() == name.to_lowercase())
    }
}
