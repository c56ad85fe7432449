//! The files that are wanted: from a coordinator, as a difference from what is applied, or from a
//! snapshot.

use std::sync::Arc;

use millwright_agent_domain::{changes::project_of, job::Event};
use millwright_model::{
    assignment::Origin,
    manifest::{FileEntry, Manifest, ManifestDelta},
    path::ManagedPath,
    report::{Failure, FailureKind, Retry, Step},
};
use millwright_proto::{agent::GetManifestRequest, convert::InvalidMessage};

use super::{Tools, Work, failed};
use crate::snapshot::Snapshot;

/// Tries while coordinators come and go.
const TRIES_MAX: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// The wanted manifest.
pub async fn wanted(tools: &Tools, work: &Work) -> Result<Arc<Manifest>, Event> {
    match &work.assignment.origin {
        Origin::Manifest => from_coordinator(tools, work).await,
        Origin::Snapshot { id, project } => {
            from_snapshot(tools, id.clone(), project.clone()).await.map(Arc::new)
        }
    }
}

async fn from_coordinator(tools: &Tools, work: &Work) -> Result<Arc<Manifest>, Event> {
    let base = tools.lock_local().applied.clone();
    if let Some(base) = &base
        && base.digest() == work.assignment.manifest
    {
        return Ok(Arc::clone(base));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match ask(tools, work, base.as_deref()).await {
            Ok(manifest) => return Ok(Arc::new(manifest)),
            Err(failure) if failure.retry == Retry::Now && tries < TRIES_MAX => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(failure) => return Err(failed(failure)),
        }
    }
}

async fn ask(tools: &Tools, work: &Work, base: Option<&Manifest>) -> Result<Manifest, Failure> {
    let again = |status: tonic::Status| {
        let kind = FailureKind::CoordinatorUnavailable;
        Failure::new(Step::Fetch, kind, status.message()).retry(Retry::Now)
    };
    let request = GetManifestRequest {
        digest: work.assignment.manifest.0.to_vec(),
        base: base.map(|base| base.digest().0.to_vec()).unwrap_or_default(),
        generation: work.assignment.generation.0,
    };
    let client = tools.coordinators.client().await;
    let mut client = client.ok_or_else(|| again(tonic::Status::unavailable(NO_COORDINATOR)))?;
    let mut stream = client.get_manifest(request).await.map_err(again)?.into_inner();
    let mut parts = Parts::default();
    while let Some(part) = stream.message().await.map_err(again)? {
        parts.add(part).map_err(|error| broken(error.to_string()))?;
    }
    let manifest = parts.build(base).map_err(|error| broken(error.to_string()))?;
    let wanted = work.assignment.manifest;
    if manifest.digest() != wanted {
        let message = format!("the manifest is {}, not {wanted}", manifest.digest());
        return Err(Failure::new(Step::Fetch, FailureKind::DigestMismatch, message));
    }
    Ok(manifest)
}

/// Said when no coordinator answers for as long as we wait.
pub const NO_COORDINATOR: &str = "no coordinator could be reached for five minutes";

fn broken(message: String) -> Failure {
    Failure::new(Step::Fetch, FailureKind::InvalidManifest, message)
}

#[derive(Default)]
struct Parts {
    delta: bool,
    removed: Vec<ManagedPath>,
    files: Vec<FileEntry>,
    roots: Vec<ManagedPath>,
}

impl Parts {
    fn add(&mut self, part: millwright_proto::agent::ManifestPart) -> Result<(), InvalidMessage> {
        self.delta |= part.delta;
        for path in &part.removed {
            self.removed.push(ManagedPath::parse(path)?);
        }
        for root in &part.roots {
            self.roots.push(ManagedPath::parse(root)?);
        }
        for file in part.files {
            self.files.push(file.try_into()?);
        }
        Ok(())
    }

    fn build(
        self,
        base: Option<&Manifest>,
    ) -> Result<Manifest, millwright_model::manifest::InvalidManifest> {
        let Self { delta, removed, files, roots } = self;
        match base {
            Some(base) if delta => base.patched(ManifestDelta { removed, upserted: files }, roots),
            Some(_) | None => Manifest::new(roots, files),
        }
    }
}

async fn from_snapshot(
    tools: &Tools,
    id: String,
    project: Option<String>,
) -> Result<Manifest, Event> {
    let wanted = id.clone();
    let found = tools.on_disk(Step::Fetch, move |_, local| local.store.load(&wanted)).await?;
    let missing = || {
        let message = format!("there is no snapshot {id} here");
        let kind = FailureKind::SnapshotMissing;
        let remedy = "millctl snapshot list GATEWAY shows what there is";
        failed(Failure::new(Step::Fetch, kind, message).remedy(remedy).retry(Retry::Never))
    };
    let snapshot = match found {
        Some(snapshot) => snapshot,
        None => super::snapshot::fetch_remote(tools, &id).await?.ok_or_else(missing)?,
    };
    let applied = tools.lock_local().applied.clone();
    of_snapshot(&snapshot, project.as_deref(), applied.as_deref())
        .map_err(|error| failed(broken(error.to_string())))
}

/// A manifest of a snapshot's files; with a project, only that one comes from the snapshot and the
/// rest stays as it is applied.
fn of_snapshot(
    snapshot: &Snapshot,
    project: Option<&str>,
    applied: Option<&Manifest>,
) -> Result<Manifest, millwright_model::manifest::InvalidManifest> {
    let chosen = |path: &ManagedPath| project.is_none_or(|name| project_of(path) == Some(name));
    let mut files: Vec<FileEntry> = snapshot
        .files
        .iter()
        .filter(|file| chosen(&file.path))
        .map(|file| FileEntry {
            path: file.path.clone(),
            digest: file.digest,
            size: file.size,
            mode: file.mode,
        })
        .collect();
    let roots = match project {
        None => snapshot.roots.clone(),
        Some(project) => {
            files
                .extend(applied.into_iter().flat_map(Manifest::files).filter(|f| !chosen(&f.path)));
            let managed = applied.into_iter().flat_map(|applied| applied.roots().to_vec());
            // What is no path names no file of the snapshot either.
            managed.chain(ManagedPath::parse(&format!("projects/{project}")).ok()).collect()
        }
    };
    Manifest::new(roots, files)
}

#[cfg(test)]
mod tests;
