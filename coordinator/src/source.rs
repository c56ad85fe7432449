//! Between the state and the content: which remote a spec belongs to, and content errors as gRPC.

use std::sync::Arc;

use millwright_coordinator_domain::{State, render::RenderSpec};
use millwright_model::{digest::GitId, id::Name, manifest::Manifest};
use millwright_proto::agent::FetchBatch;
use tonic::Status;

use crate::{
    content::{ContentFailed, descent::Descent, mirror::MirrorFailed},
    node::Shared,
    objects,
};

/// The manifest of a spec.
pub async fn ensure(
    shared: &Shared,
    state: &State,
    spec: &Arc<RenderSpec>,
) -> Result<Arc<Manifest>, Status> {
    let repository = state.repositories().get(&spec.repository).ok_or_else(|| {
        Status::not_found(format!("repository {} does not exist any more", spec.repository))
    })?;
    let url = &repository.resource.spec.url;
    if let Some(manifest) = shared.content.rendered(spec) {
        return Ok(manifest);
    }
    let got = objects::obtain(shared, state, &spec.repository, url, spec.commit).await;
    got.map_err(|error| failed(&error))?;
    shared.content.render(url, Arc::clone(spec)).await.map_err(|error| failed(&error))
}

/// How a commit stands to one that is held.
pub async fn descent(
    shared: &Shared,
    state: &State,
    repository: &Name,
    commit: GitId,
    held: GitId,
) -> Result<Descent, Status> {
    let url = obtained(shared, state, repository, commit).await?;
    let found = shared.content.descent(repository, url, commit, held).await;
    found.map_err(|error| failed(&error))
}

/// What a commit says of itself.
pub async fn message(
    shared: &Shared,
    state: &State,
    repository: &Name,
    commit: GitId,
) -> Result<String, Status> {
    let url = obtained(shared, state, repository, commit).await?;
    let found = shared.content.message(repository, url, commit).await;
    found.map_err(|error| failed(&error))
}

/// Sees to it that a commit is here; the address of its repository.
async fn obtained<'s>(
    shared: &Shared,
    state: &'s State,
    repository: &Name,
    commit: GitId,
) -> Result<&'s str, Status> {
    let stored = state.repositories().get(repository).ok_or_else(|| {
        Status::not_found(format!("repository {repository} does not exist any more"))
    })?;
    let url = &stored.resource.spec.url;
    let got = objects::obtain(shared, state, repository, url, commit).await;
    got.map_err(|error| failed(&error))?;
    Ok(url)
}

/// A batch or its error for the wire.
pub fn batch_out(batch: Result<FetchBatch, ContentFailed>) -> Result<FetchBatch, Status> {
    batch.map_err(|error| failed(&error))
}

/// A content error for the wire.
pub fn failed(error: &ContentFailed) -> Status {
    match error {
        ContentFailed::Mirror(MirrorFailed::Reference(_)) => Status::not_found(error.to_string()),
        ContentFailed::Mirror(MirrorFailed::Refused { .. }) => {
            Status::failed_precondition(error.to_string())
        }
        ContentFailed::Mirror(_) | ContentFailed::Absent { .. } => {
            Status::unavailable(error.to_string())
        }
        ContentFailed::Render(_) => Status::failed_precondition(error.to_string()),
        ContentFailed::Job => Status::internal(error.to_string()),
    }
}
