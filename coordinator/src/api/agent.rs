//! The service for agents: the stream, manifests and blobs.

use std::{collections::BTreeSet, pin::Pin, sync::Arc};

use futures::{Stream, StreamExt};
use millwright_coordinator_domain::{State, assignment::readable};
use millwright_model::{digest::Digest, id::GatewayName, manifest::Manifest};
use millwright_proto::{
    agent::{self, agent_service_server::AgentService},
    common,
};
use millwright_render::spec::RenderSpec;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::auth;
use crate::{
    link::task::{self, AgentEnd},
    node::Shared,
};

/// Messages waiting for a slow agent before its task waits too: heartbeats and one assignment.
const OUTBOUND: usize = 8;
/// Digests in one request; an agent with more asks again.
const DIGESTS_MAX: usize = 20_000;
/// Files in one message of a manifest: about 200 kB.
const FILES_PER_PART: usize = 1_500;

/// Serves agents.
#[derive(Debug)]
pub struct AgentApi {
    shared: Shared,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

impl AgentApi {
    /// Works on the parts of this node.
    pub fn new(shared: Shared) -> Self {
        Self { shared }
    }

    /// A manifest that the gateway shall have, or try, rendered or from the cache.
    async fn manifest(
        &self,
        state: &State,
        gateway: &GatewayName,
        digest: Digest,
    ) -> Result<Arc<Manifest>, Status> {
        let all = specs(state, gateway)?;
        let (_, spec) = all.iter().find(|(known, _)| *known == digest).ok_or_else(|| {
            let known: Vec<String> = all.iter().map(|(known, _)| known.to_string()).collect();
            let known = known.join(" or ");
            Status::not_found(format!("{gateway} shall have manifest {known}, not {digest}"))
        })?;
        let manifest = crate::source::ensure(&self.shared, state, spec).await?;
        match manifest.digest() == digest {
            true => Ok(manifest),
            false => Err(Status::internal(format!(
                "what should be manifest {digest} of {gateway} is {} now",
                manifest.digest()
            ))),
        }
    }
}

#[tonic::async_trait]
impl AgentService for AgentApi {
    type ConnectStream = Answers<agent::CoordinatorMessage>;

    async fn connect(
        &self,
        request: Request<Streaming<agent::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (caller, gateway, member) = auth::agent(&request)?;
        if *self.shared.draining.borrow() {
            return Err(Status::unavailable("this coordinator is going away: try another one"));
        }
        let key = (gateway, member);
        let seat = self.shared.links.enter(&key);
        let address = caller.address.map(|a| a.to_string()).unwrap_or_default();
        let (tx, rx) = mpsc::channel(OUTBOUND);
        let end = AgentEnd { key, address };
        let inbound = request.into_inner();
        self.shared.tasks.spawn(task::run(self.shared.clone(), end, seat, inbound, tx));
        Ok(Response::new(Box::pin(ReceiverStream::new(rx))))
    }

    type GetManifestStream = Answers<agent::ManifestPart>;

    async fn get_manifest(
        &self,
        request: Request<agent::GetManifestRequest>,
    ) -> Result<Response<Self::GetManifestStream>, Status> {
        let (_, gateway, _) = auth::agent(&request)?;
        let agent::GetManifestRequest { digest, base, generation: _ } = request.into_inner();
        let digest = digest_of(&digest)?;
        let published = self.shared.consensus.state();
        let manifest = self.manifest(&published.state, &gateway, digest).await?;
        let base = match base.is_empty() {
            true => None,
            false => self.shared.content.manifest_by_digest(&digest_of(&base)?),
        };
        let parts = parts(&manifest, base.as_deref());
        Ok(Response::new(Box::pin(futures::stream::iter(parts.into_iter().map(Ok)))))
    }

    type FetchStream = Answers<agent::FetchBatch>;

    async fn fetch(
        &self,
        request: Request<agent::FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let (_, gateway, _) = auth::agent(&request)?;
        let digests = request.into_inner().digests;
        if digests.len() > DIGESTS_MAX {
            return Err(Status::invalid_argument(format!("more than {DIGESTS_MAX} digests")));
        }
        let digests: Vec<Digest> =
            digests.iter().map(|bytes| digest_of(bytes)).collect::<Result<_, _>>()?;
        let published = self.shared.consensus.state();
        // An agent gets the files of its own gateway and no others.
        let mut others: BTreeSet<Digest> = digests.iter().copied().collect();
        let mut failed = None;
        for (manifest, _) in specs(&published.state, &gateway)? {
            if others.is_empty() {
                break;
            }
            // What it has may not be made any more, and what it is to try all the same.
            match self.manifest(&published.state, &gateway, manifest).await {
                Ok(manifest) => manifest.tree().take_out(&mut others),
                Err(status) => failed = failed.or(Some(status)),
            }
        }
        if let Some(other) = others.first() {
            let denied = || Status::permission_denied(format!("{other} is no file of {gateway}"));
            return Err(failed.unwrap_or_else(denied));
        }
        let batches = self.shared.content.fetch_stream(digests);
        Ok(Response::new(Box::pin(batches.map(crate::source::batch_out))))
    }
}

/// Manifests that an agent may read, at least one.
fn specs<'s>(
    state: &'s State,
    gateway: &GatewayName,
) -> Result<Vec<(Digest, &'s Arc<RenderSpec>)>, Status> {
    match readable(state, gateway) {
        none if none.is_empty() => Err(Status::not_found(format!("{gateway} has no assignment"))),
        all => Ok(all),
    }
}

fn digest_of(bytes: &[u8]) -> Result<Digest, Status> {
    Digest::from_slice(bytes).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn parts(manifest: &Manifest, base: Option<&Manifest>) -> Vec<agent::ManifestPart> {
    let roots: Vec<String> = manifest.roots().iter().map(ToString::to_string).collect();
    let (removed, files): (Vec<String>, Vec<common::ManifestFile>) = match base {
        Some(base) => {
            let delta = manifest.diff(base);
            (
                delta.removed.iter().map(ToString::to_string).collect(),
                delta.upserted.into_iter().map(Into::into).collect(),
            )
        }
        None => (Vec::new(), manifest.files().map(Into::into).collect()),
    };
    let mut parts =
        vec![agent::ManifestPart { delta: base.is_some(), removed, files: Vec::new(), roots }];
    for chunk in files.chunks(FILES_PER_PART) {
        parts.push(agent::ManifestPart {
            delta: base.is_some(),
            removed: Vec::new(),
            files: chunk.to_vec(),
            roots: Vec::new(),
        });
    }
    parts
}
