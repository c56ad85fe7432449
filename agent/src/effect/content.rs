//! What the bytes themselves must not be: read from the fetched blobs before anything is staged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millwright_agent_domain::{
    changes::{Changes, project_of},
    job::Event,
    preflight::{foreign_secret, invalid_json, is_parsed},
    projects::{Project, orphans, parse, reached},
};
use millwright_model::{
    path::ManagedPath,
    report::{Failure, Step},
};

use super::{Tools, Work};
use crate::fs::{self, Done};

/// Failures that are named.
const FAILURES_MAX: usize = 20;

/// Checks the content of what will be written; the blobs are here.
pub async fn check(tools: &Tools, work: &mut Work) -> Result<Vec<Failure>, Event> {
    let changes = Arc::clone(&work.plan.changes);
    let (failures, notices) = tools
        .on_disk(Step::Preflight, move |tools, _| {
            let mut failures = Vec::new();
            for write in &changes.write {
                let path = &write.file.path;
                if !is_parsed(path) {
                    continue;
                }
                let new = fs::read(&tools.state.blob(&write.file.digest))?;
                failures.extend(invalid_json(path, &new));
                if path.as_str().starts_with("config/") {
                    let live = fs::read_if_there(&tools.target(path))?;
                    failures.extend(foreign_secret(path, &new, live.as_deref()));
                }
                if failures.len() >= FAILURES_MAX {
                    return Ok((failures, Vec::new()));
                }
            }
            let touched: BTreeSet<String> =
                changes.projects().into_iter().map(str::to_owned).collect();
            let before = projects_to_be(tools, &Changes::default())?;
            let found = orphans(&touched, &before, &projects_to_be(tools, &changes)?);
            failures.extend(found.failures);
            Ok((failures, found.notices))
        })
        .await?;
    work.plan.notices.extend(notices);
    Ok(failures)
}

/// The projects that the change touches, children of touched parents included.
pub async fn reached_projects(tools: &Tools, work: &Work) -> Result<BTreeSet<String>, Event> {
    let changes = Arc::clone(&work.plan.changes);
    tools
        .on_disk(Step::Sessions, move |tools, _| {
            let touched = changes.projects().into_iter().map(str::to_owned).collect();
            Ok(reached(&touched, &projects_to_be(tools, &changes)?))
        })
        .await
}

/// All projects of the gateway as they will be.
fn projects_to_be(tools: &Tools, changes: &Changes) -> Done<BTreeMap<String, Project>> {
    let folder = tools.data_dir().join("projects");
    let mut projects = BTreeMap::new();
    for name in fs::folders(&folder)? {
        if let Some(bytes) = fs::read_if_there(&folder.join(&name).join("project.json"))? {
            projects.insert(name, parse(&bytes).unwrap_or_default());
        }
    }
    let is_project = |path: &ManagedPath| {
        project_of(path)
            .filter(|name| path.as_str() == format!("projects/{name}/project.json"))
            .map(str::to_owned)
    };
    for write in &changes.write {
        if let Some(name) = is_project(&write.file.path) {
            let blob = tools.state.blob(&write.file.digest);
            // While sessions are asked for again, the blobs may be in the tree already.
            if let Some(bytes) = fs::read_if_there(&blob)? {
                projects.insert(name, parse(&bytes).unwrap_or_default());
            }
        }
    }
    for remove in &changes.remove {
        if let Some(name) = is_project(&remove.path) {
            projects.remove(&name);
        }
    }
    Ok(projects)
}
