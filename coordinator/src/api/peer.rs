//! The service for other coordinators: Raft messages, snapshots, forwarded writes, read indexes,
//! joining, the cluster key, git objects.

use std::pin::Pin;

use futures::{Stream, future::join_all};
use millwright_proto::peer::{self, peer_service_server::PeerService};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest as RaftVoteRequest};
use tonic::{Request, Response, Status, Streaming};

use super::{auth, status};
use crate::{
    consensus::{
        codec::{self, InvalidRecord},
        network,
    },
    convert,
    node::Shared,
    objects,
};

/// Largest snapshot that a node takes in.
const SNAPSHOT_BYTES_MAX: usize = 512 << 20;

/// Serves the other coordinators.
#[derive(Debug)]
pub struct PeerApi {
    shared: Shared,
}

impl PeerApi {
    /// Works on the parts of this node.
    pub fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

fn garbled(error: InvalidRecord) -> Status {
    Status::invalid_argument(error.to_string())
}

fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(format!("the replicated log of this node has stopped: {error}"))
}

#[tonic::async_trait]
impl PeerService for PeerApi {
    async fn append(
        &self,
        request: Request<peer::AppendRequest>,
    ) -> Result<Response<peer::AppendResponse>, Status> {
        auth::coordinator(&request)?;
        let peer::AppendRequest { vote, prev, entries, leader_commit } = request.into_inner();
        let rpc = AppendEntriesRequest {
            vote: codec::vote_in(vote).map_err(garbled)?,
            prev_log_id: codec::log_id_opt(prev).map_err(garbled)?,
            entries: entries
                .into_iter()
                .map(codec::entry_in)
                .collect::<Result<_, _>>()
                .map_err(garbled)?,
            leader_commit: codec::log_id_opt(leader_commit).map_err(garbled)?,
        };
        let answer = self.shared.consensus.raft().append_entries(rpc).await.map_err(stopped)?;
        if network::is_from_leader(&answer) {
            self.shared.consensus.heard_leader();
        }
        Ok(Response::new(network::append_answer_out(answer)))
    }

    async fn vote(
        &self,
        request: Request<peer::VoteRequest>,
    ) -> Result<Response<peer::VoteResponse>, Status> {
        auth::coordinator(&request)?;
        let peer::VoteRequest { vote, last_log, leader_transfer, pre_vote } = request.into_inner();
        let rpc = RaftVoteRequest {
            vote: codec::vote_in(vote).map_err(garbled)?,
            last_log_id: codec::log_id_opt(last_log).map_err(garbled)?,
            leadership_transfer: leader_transfer,
        };
        let raft = self.shared.consensus.raft();
        let answer = if pre_vote { raft.pre_vote(rpc).await } else { raft.vote(rpc).await };
        let answer = answer.map_err(stopped)?;
        Ok(Response::new(peer::VoteResponse {
            vote: Some(codec::vote_out(&answer.vote)),
            granted: answer.vote_granted,
            last_log: answer.last_log_id.as_ref().map(codec::log_id_out),
        }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<peer::SnapshotChunk>>,
    ) -> Result<Response<peer::SnapshotResponse>, Status> {
        auth::coordinator(&request)?;
        let (vote, snapshot) =
            network::collect_snapshot(request.into_inner(), SNAPSHOT_BYTES_MAX).await?;
        let answer = self
            .shared
            .consensus
            .raft()
            .install_full_snapshot(vote, snapshot)
            .await
            .map_err(stopped)?;
        Ok(Response::new(peer::SnapshotResponse { vote: Some(codec::vote_out(&answer.vote)) }))
    }

    async fn transfer_leader(
        &self,
        request: Request<peer::TransferLeaderRequest>,
    ) -> Result<Response<peer::TransferLeaderResponse>, Status> {
        auth::coordinator(&request)?;
        let peer::TransferLeaderRequest { from, to, last_log } = request.into_inner();
        let rpc = TransferLeaderRequest::new(
            codec::vote_in(from).map_err(garbled)?,
            to,
            codec::log_id_opt(last_log).map_err(garbled)?,
        );
        let answer =
            self.shared.consensus.raft().handle_transfer_leader(rpc).await.map_err(stopped)?;
        answer.map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(peer::TransferLeaderResponse {}))
    }

    async fn forward(
        &self,
        request: Request<peer::ForwardRequest>,
    ) -> Result<Response<peer::ForwardResponse>, Status> {
        auth::coordinator(&request)?;
        let peer::ForwardRequest { command, more } = request.into_inner();
        let all = std::iter::once(command).chain(more);
        let decided = join_all(all.map(|command| self.shared.consensus.propose_here(command)));
        let mut answers = Vec::new();
        for decided in decided.await {
            let decided = decided
                .map_err(|error| status::propose_failed(&error))?
                .ok_or_else(|| Status::unavailable("this node does not lead"))?;
            answers.push(convert::outcome_to_wire(decided.index, &decided.outcome));
        }
        let more = answers.split_off(1);
        let first = answers.pop().unwrap_or_default();
        Ok(Response::new(peer::ForwardResponse { more, ..first }))
    }

    async fn read_index(
        &self,
        request: Request<peer::ReadIndexRequest>,
    ) -> Result<Response<peer::ReadIndexResponse>, Status> {
        auth::coordinator(&request)?;
        let index = self
            .shared
            .consensus
            .read_index_here()
            .await
            .map_err(|error| status::propose_failed(&error))?
            .ok_or_else(|| Status::unavailable("this node does not lead"))?;
        let read = millwright_proto::log::LogId { leader: None, index };
        Ok(Response::new(peer::ReadIndexResponse { read: Some(read) }))
    }

    async fn join(
        &self,
        request: Request<peer::JoinRequest>,
    ) -> Result<Response<peer::JoinResponse>, Status> {
        let (_, name) = auth::coordinator(&request)?;
        let peer::JoinRequest { node, version: _ } = request.into_inner();
        let node = node.ok_or_else(|| Status::invalid_argument("the request names no node"))?;
        if node.name != name.as_str() {
            return Err(Status::permission_denied(format!("{name} may not join as {}", node.name)));
        }
        let (id, node) = codec::node_in(node);
        self.shared.consensus.admit(id, node).await.map_err(|error| match error {
            crate::consensus::membership::MembershipFailed::NotLeader => {
                Status::unavailable(error.to_string())
            }
            crate::consensus::membership::MembershipFailed::Refused(_) => {
                Status::aborted(error.to_string())
            }
        })?;
        let cluster_id = self.shared.consensus.state().state.cluster_id().to_string();
        Ok(Response::new(peer::JoinResponse { cluster_id }))
    }

    async fn get_cluster_key(
        &self,
        request: Request<peer::GetClusterKeyRequest>,
    ) -> Result<Response<peer::GetClusterKeyResponse>, Status> {
        let (_, name) = auth::coordinator(&request)?;
        tracing::info!(node = %name, "handing the cluster key to a coordinator that joins");
        let key = self.shared.cluster_key.to_bytes().to_vec();
        Ok(Response::new(peer::GetClusterKeyResponse { key }))
    }

    type GetObjectsStream =
        Pin<Box<dyn Stream<Item = Result<peer::ObjectsChunk, Status>> + Send + 'static>>;

    async fn get_objects(
        &self,
        request: Request<peer::GetObjectsRequest>,
    ) -> Result<Response<Self::GetObjectsStream>, Status> {
        auth::coordinator(&request)?;
        let chunks = objects::give(&self.shared, request.into_inner())?;
        Ok(Response::new(Box::pin(chunks)))
    }
}
