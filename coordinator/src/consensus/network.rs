//! Raft messages to one other coordinator, over the mTLS channel of [`crate::peers`].
//!
//! A failed call is reported as *unreachable*: the library backs off and tries again.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use millwright_proto::peer::{self, append_response::Result as Answer};
use openraft::{
    RaftNetworkFactory,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{RPCOption, v2::RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};

use super::{
    codec::{self, InvalidRecord},
    types::{Node, Snapshot, TypeConfig, Vote},
};
use crate::peers::{PeerClient, Peers};

/// Bytes in one message of a snapshot stream.
const SNAPSHOT_CHUNK_BYTES: usize = 256 << 10;
/// A snapshot may take this long: state is bounded, plant WANs are slow.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_mins(2);

/// Makes one client per other coordinator.
#[derive(Debug, Clone)]
pub struct NetworkFactory {
    peers: Peers,
}

impl NetworkFactory {
    /// Uses the shared channels of `peers`.
    pub fn new(peers: Peers) -> Self {
        Self { peers }
    }
}

impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = Network;

    async fn new_client(&mut self, target: u64, node: &Node) -> Self::Network {
        Network { target, address: node.peer_address.clone(), peers: self.peers.clone() }
    }
}

/// The way to one coordinator.
#[derive(Debug)]
pub struct Network {
    target: u64,
    address: String,
    peers: Peers,
}

impl Network {
    fn client(&self) -> PeerClient {
        self.peers.client(&self.address)
    }

    fn failed(&self, status: &tonic::Status) -> RPCError<TypeConfig> {
        let text = format!("node {} at {}: {}", self.target, self.address, status.message());
        RPCError::Unreachable(Unreachable::from_string(text))
    }

    fn garbled(error: &InvalidRecord) -> RPCError<TypeConfig> {
        RPCError::Network(NetworkError::from_string(error.to_string()))
    }

    async fn ask_vote(
        &self,
        rpc: VoteRequest<TypeConfig>,
        pre_vote: bool,
        option: &RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = peer::VoteRequest {
            vote: Some(codec::vote_out(&rpc.vote)),
            last_log: rpc.last_log_id.as_ref().map(codec::log_id_out),
            leader_transfer: rpc.leadership_transfer,
            pre_vote,
        };
        let answer = self
            .client()
            .vote(within(message, option.hard_ttl()))
            .await
            .map_err(|status| self.failed(&status))?
            .into_inner();
        let vote = codec::vote_in(answer.vote).map_err(|e| Self::garbled(&e))?;
        let last = codec::log_id_opt(answer.last_log).map_err(|e| Self::garbled(&e))?;
        Ok(VoteResponse::new(vote, last, answer.granted))
    }
}

fn within<T>(message: T, timeout: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(timeout);
    request
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = peer::AppendRequest {
            vote: Some(codec::vote_out(&rpc.vote)),
            prev: rpc.prev_log_id.as_ref().map(codec::log_id_out),
            entries: rpc.entries.iter().map(codec::entry_out).collect(),
            leader_commit: rpc.leader_commit.as_ref().map(codec::log_id_out),
        };
        let answer = self
            .client()
            .append(within(message, option.hard_ttl()))
            .await
            .map_err(|status| self.failed(&status))?
            .into_inner();
        append_answer(answer).map_err(|e| Self::garbled(&e))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_vote(rpc, false, &option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_vote(rpc, true, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let chunks = snapshot_chunks(vote, &snapshot);
        let mut client = self.client();
        let request = within(futures::stream::iter(chunks), SNAPSHOT_TIMEOUT);
        let answer = tokio::select! {
            answer = client.install_snapshot(request) => answer,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        let vote = codec::vote_in(answer.vote).map_err(|e| Self::garbled(&e))?;
        Ok(SnapshotResponse::new(vote))
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = peer::TransferLeaderRequest {
            from: Some(codec::vote_out(req.from_leader())),
            to: *req.to_node_id(),
            last_log: req.last_log_id().map(codec::log_id_out),
        };
        match self.client().transfer_leader(within(message, option.hard_ttl())).await {
            Ok(_) => Ok(Ok(())),
            Err(status) if status.code() == tonic::Code::FailedPrecondition => {
                Ok(Err(TransferLeaderError::LogNotFlushed {
                    expected: req.last_log_id().copied(),
                    actual: None,
                }))
            }
            Err(status) => Err(self.failed(&status)),
        }
    }
}

fn snapshot_chunks(vote: Vote, snapshot: &Snapshot) -> Vec<peer::SnapshotChunk> {
    let mut chunks = vec![peer::SnapshotChunk {
        vote: Some(codec::vote_out(&vote)),
        meta: Some(codec::meta_out(&snapshot.meta)),
        data: Bytes::new(),
    }];
    let mut rest = snapshot.snapshot.clone();
    while !rest.is_empty() {
        let data = rest.split_to(rest.len().min(SNAPSHOT_CHUNK_BYTES));
        chunks.push(peer::SnapshotChunk { vote: None, meta: None, data });
    }
    chunks
}

fn append_answer(
    answer: peer::AppendResponse,
) -> Result<AppendEntriesResponse<TypeConfig>, InvalidRecord> {
    Ok(match answer.result.ok_or(InvalidRecord::Missing("result"))? {
        Answer::Success(_) => AppendEntriesResponse::Success,
        Answer::Partial(id) => AppendEntriesResponse::PartialSuccess(Some(codec::log_id_in(id)?)),
        Answer::PartialNone(_) => AppendEntriesResponse::PartialSuccess(None),
        Answer::Conflict(_) => AppendEntriesResponse::Conflict,
        Answer::HigherVote(vote) => AppendEntriesResponse::HigherVote(codec::vote_in(Some(vote))?),
    })
}

/// Whether an append came from the leader of this term: a former one is told of a higher vote.
pub fn is_from_leader(answer: &AppendEntriesResponse<TypeConfig>) -> bool {
    match answer {
        AppendEntriesResponse::Success
        | AppendEntriesResponse::PartialSuccess(_)
        | AppendEntriesResponse::Conflict => true,
        AppendEntriesResponse::HigherVote(_) => false,
    }
}

/// The answer of an append, to wire.
pub fn append_answer_out(answer: AppendEntriesResponse<TypeConfig>) -> peer::AppendResponse {
    let result = match answer {
        AppendEntriesResponse::Success => Answer::Success(true),
        AppendEntriesResponse::PartialSuccess(Some(id)) => Answer::Partial(codec::log_id_out(&id)),
        AppendEntriesResponse::PartialSuccess(None) => Answer::PartialNone(true),
        AppendEntriesResponse::Conflict => Answer::Conflict(true),
        AppendEntriesResponse::HigherVote(vote) => Answer::HigherVote(codec::vote_out(&vote)),
    };
    peer::AppendResponse { result: Some(result) }
}

/// Collects a snapshot stream, bounded in size.
pub async fn collect_snapshot(
    mut stream: tonic::Streaming<peer::SnapshotChunk>,
    bytes_max: usize,
) -> Result<(Vote, Snapshot), tonic::Status> {
    let invalid = |error: InvalidRecord| tonic::Status::invalid_argument(error.to_string());
    let first = stream
        .next()
        .await
        .ok_or_else(|| tonic::Status::invalid_argument("an empty snapshot stream"))??;
    let vote = codec::vote_in(first.vote).map_err(invalid)?;
    let meta = first
        .meta
        .ok_or_else(|| tonic::Status::invalid_argument("the first message has no meta"))?;
    let meta = codec::meta_in(&meta).map_err(invalid)?;
    let mut file = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if file.len() + chunk.data.len() > bytes_max {
            return Err(tonic::Status::resource_exhausted("the snapshot is too large"));
        }
        file.extend_from_slice(&chunk.data);
    }
    Ok((vote, Snapshot { meta, snapshot: file.into() }))
}
