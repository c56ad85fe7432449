//! Where a missing commit comes from: the remote first, then any other coordinator that has it. A node
//! whose way to the remote is cut serves its agents all the same.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use millwright_coordinator_domain::State;
use millwright_model::{digest::GitId, id::Name};
use millwright_proto::peer::{GetObjectsRequest, ObjectsChunk};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{
    content::{
        ContentFailed,
        pack::{ChunkReader, ChunkWriter, HAVE_MAX},
    },
    node::Shared,
};

/// Pieces of a pack on their way: 4 MiB.
const PIECES: usize = 16;
/// A remote that takes longer goes on in the background, and the peers are asked meanwhile: they are
/// near, a remote behind a plant's line may take minutes.
const PATIENCE: Duration = Duration::from_secs(30);
/// A peer that sends nothing for this long is given up; the next one is asked.
const SILENCE: Duration = Duration::from_secs(30);

/// Makes sure that a commit and its files are here. One search at a time and repository: the others
/// wait for it and find what it brought.
pub async fn obtain(
    shared: &Shared,
    state: &State,
    repository: &Name,
    url: &str,
    commit: GitId,
) -> Result<(), ContentFailed> {
    let content = &shared.content;
    if content.has_commit(repository, url, commit)? {
        return Ok(());
    }
    let turn = content.search(repository);
    let _turn = turn.acquire().await.map_err(|_| ContentFailed::Job)?;
    if content.has_commit(repository, url, commit)? {
        return Ok(());
    }
    let fetched = tokio::time::timeout(PATIENCE, content.fetch(repository, url)).await;
    let remote = match fetched {
        Ok(Ok(())) if content.has_commit(repository, url, commit)? => return Ok(()),
        Ok(Ok(())) => "does not have it (any more)".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("has not given it within {} s", PATIENCE.as_secs()),
    };
    let mut refusals = Vec::new();
    for (id, node) in state.nodes() {
        if *id == shared.node_id {
            continue;
        }
        match take(shared, &node.peer_address, repository, url, commit).await {
            Ok(()) => {
                tracing::info!(%repository, commit = %commit.short(), peer = %node.name, remote, "took a commit's files from another coordinator");
                return Ok(());
            }
            Err(why) => refusals.push(format!("{}: {why}", node.name)),
        }
    }
    let peers = if refusals.is_empty() { "there is none".to_owned() } else { refusals.join(", ") };
    Err(ContentFailed::Absent { commit: commit.to_string(), remote, peers })
}

/// Takes a commit from one peer.
async fn take(
    shared: &Shared,
    address: &str,
    repository: &Name,
    url: &str,
    commit: GitId,
) -> Result<(), String> {
    let have = shared.content.tips(repository, url).map_err(|error| error.to_string())?;
    let request = GetObjectsRequest {
        repository: repository.to_string(),
        commit: commit.to_string(),
        have: have.iter().map(ToString::to_string).collect(),
    };
    let mut client = shared.peers.client(address);
    let asked = tokio::time::timeout(SILENCE, client.get_objects(request)).await;
    let answer = asked.map_err(|_| "does not answer".to_owned())?;
    let mut stream = answer.map_err(|status| status.message().to_owned())?.into_inner();
    let (tx, rx) = mpsc::channel(PIECES);
    let feed = async move {
        loop {
            let piece = match tokio::time::timeout(SILENCE, stream.message()).await {
                Ok(Ok(Some(ObjectsChunk { data }))) => Ok(data),
                Ok(Ok(None)) => return,
                Ok(Err(status)) => Err(io::Error::other(status.message().to_owned())),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer fell silent")),
            };
            let last = piece.is_err();
            if tx.send(piece).await.is_err() || last {
                return;
            }
        }
    };
    let taking = shared.content.take_pack(repository, url, commit, ChunkReader::new(rx));
    let (taken, ()) = tokio::join!(taking, feed);
    taken.map_err(|error| error.to_string())
}

/// Gives a commit to a peer, in pieces; the pack is made while it is sent.
pub fn give(
    shared: &Shared,
    request: GetObjectsRequest,
) -> Result<impl Stream<Item = Result<ObjectsChunk, Status>> + Send + use<>, Status> {
    let GetObjectsRequest { repository, commit, have } = request;
    let invalid = |error: String| Status::invalid_argument(error);
    let commit: GitId = commit.parse().map_err(|_| invalid("not a commit id".to_owned()))?;
    if have.len() > HAVE_MAX {
        return Err(invalid(format!("more than {HAVE_MAX} commits in have")));
    }
    let have: Vec<GitId> = have
        .iter()
        .map(|id| id.parse().map_err(|_| invalid("not a commit id".to_owned())))
        .collect::<Result<_, _>>()?;
    let name: Name = repository.parse().map_err(|_| invalid("not a repository".to_owned()))?;
    let state = shared.consensus.state().state;
    let stored = state.repositories().get(&name);
    let stored =
        stored.ok_or_else(|| Status::not_found(format!("repository {name} does not exist")))?;
    let url = stored.resource.spec.url.clone();
    let content = shared.content.clone();
    let here = content.has_commit(&name, &url, commit);
    if !here.map_err(|error| Status::internal(error.to_string()))? {
        return Err(Status::not_found(format!("does not have commit {}", commit.short())));
    }
    let (tx, rx) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    shared.tasks.spawn(async move {
        let out = ChunkWriter::new(tx.clone());
        if let Err(error) = content.write_pack(&name, &url, commit, have, out).await {
            // The asker may be gone: then nobody wants to know.
            let _gone = tx.send(Err(io::Error::other(error.to_string()))).await;
        }
    });
    let pieces = ReceiverStream::new(rx);
    Ok(pieces.map(|piece| match piece {
        Ok(data) => Ok(ObjectsChunk { data }),
        Err(error) => Err(Status::internal(error.to_string())),
    }))
}
