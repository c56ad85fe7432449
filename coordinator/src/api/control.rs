//! The service for operators: what `millctl` may ask of any coordinator.

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use millwright_coordinator_domain::{
    State,
    access::{self, Deed},
    command::Body,
    view::{self, View},
};
use millwright_model::{id::Member, resource::Kind, selector::Selector};
use millwright_proto::{
    control::{self as wire, control_service_server::ControlService},
    hint,
};
use tonic::{Request, Response, Status};

mod apply;
mod ask;
mod audit;
mod diff;
mod gateway;
mod plan;
mod render;
mod rollout;
mod side;
mod token;
mod watch;

use self::ask::{Ask, Noted};
use super::{auth, status};
use crate::node::Shared;

/// Serves operators.
#[derive(Debug)]
pub struct ControlApi {
    shared: Shared,
    noted: Noted,
}

type Reply<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn invalid(error: impl ToString) -> Status {
    Status::invalid_argument(error.to_string())
}

impl ControlApi {
    /// Works on the parts of this node.
    pub fn new(shared: Shared) -> Self {
        Self { shared, noted: Noted::default() }
    }

    async fn read(&self, stale: bool) -> Result<(u64, Arc<State>), Status> {
        let published = if stale {
            self.shared.consensus.state()
        } else {
            let read = self.shared.consensus.linearized().await;
            read.map_err(|error| status::propose_failed(&error))?
        };
        Ok((published.index, published.state))
    }
}

fn view_out(view: View) -> wire::Resource {
    wire::Resource {
        kind: view.kind.to_string(),
        name: view.name,
        json: view.json.to_string().into_bytes(),
        version: view.version,
    }
}

fn parse_member(text: &str) -> Result<Member, Status> {
    if text.is_empty() { Ok(Member::Single) } else { text.parse().map_err(invalid) }
}

#[tonic::async_trait]
impl ControlService for ControlApi {
    async fn apply(&self, request: Request<wire::ApplyRequest>) -> Reply<wire::ApplyResponse> {
        apply::answer(self, request).await
    }

    async fn delete(&self, request: Request<wire::DeleteRequest>) -> Reply<wire::DeleteResponse> {
        let kind: Kind = request.get_ref().kind.parse().map_err(invalid)?;
        let wire::DeleteRequest { kind: _, name, reason } = request.get_ref();
        let ask = Ask { what: "delete", kind: kind.as_str(), name, reason };
        let actor = self.admitted(&request, access::deed_of_change(kind), ask).await?;
        let wire::DeleteRequest { kind: _, name, reason } = request.into_inner();
        let decided = self.propose(actor, reason, Body::DeleteResource { kind, name }).await?;
        Ok(Response::new(wire::DeleteResponse { index: decided.index }))
    }

    async fn get(&self, request: Request<wire::GetRequest>) -> Reply<wire::GetResponse> {
        self.allowed(&request, Deed::Read)?;
        let wire::GetRequest { kind, name, selector, stale } = request.into_inner();
        let kind: Kind = kind.parse().map_err(invalid)?;
        let selector: Selector = selector.parse().map_err(invalid)?;
        let (index, state) = self.read(stale).await?;
        let one = (!name.is_empty()).then_some(name.as_str());
        let found = view::list(&state, kind, one, &selector);
        if let (Some(name), true) = (one, found.is_empty()) {
            return Err(hint::with_hint(
                tonic::Code::NotFound,
                format!("{kind} {name} does not exist"),
                &format!("list them: millctl get {}", kind.plural()),
            ));
        }
        let resources = found.into_iter().map(view_out).collect();
        Ok(Response::new(wire::GetResponse { resources, index }))
    }

    type WatchStream = Answers<wire::WatchEvent>;

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Reply<Self::WatchStream> {
        watch::answer(self, request).await
    }

    type ListAuditStream = Answers<wire::AuditPart>;

    async fn list_audit(
        &self,
        request: Request<wire::ListAuditRequest>,
    ) -> Reply<Self::ListAuditStream> {
        audit::list(self, request).await
    }

    async fn create_token(
        &self,
        request: Request<wire::CreateTokenRequest>,
    ) -> Reply<wire::CreateTokenResponse> {
        token::create(self, request).await
    }

    async fn list_tokens(
        &self,
        request: Request<wire::ListTokensRequest>,
    ) -> Reply<wire::ListTokensResponse> {
        token::list(self, request).await
    }

    async fn revoke_token(
        &self,
        request: Request<wire::RevokeTokenRequest>,
    ) -> Reply<wire::RevokeTokenResponse> {
        token::revoke(self, request).await
    }

    async fn revoke_agent(
        &self,
        request: Request<wire::RevokeAgentRequest>,
    ) -> Reply<wire::RevokeAgentResponse> {
        let wire::RevokeAgentRequest { gateway, ban, reason, member: _ } = request.get_ref();
        let what = if *ban { "ban" } else { "evict" };
        let ask = Ask { what, kind: Kind::Gateway.as_str(), name: gateway, reason };
        let actor = self.admitted(&request, Deed::Admit, ask).await?;
        let wire::RevokeAgentRequest { gateway, member, ban, reason } = request.into_inner();
        let gateway = gateway.parse().map_err(invalid)?;
        let member = parse_member(&member)?;
        self.propose(actor, reason, Body::RevokeAgent { gateway, member, ban }).await?;
        Ok(Response::new(wire::RevokeAgentResponse {}))
    }

    async fn act_on_gateway(
        &self,
        request: Request<wire::ActOnGatewayRequest>,
    ) -> Reply<wire::ActOnGatewayResponse> {
        gateway::act(self, request).await
    }

    async fn act_on_rollout(
        &self,
        request: Request<wire::ActOnRolloutRequest>,
    ) -> Reply<wire::ActOnRolloutResponse> {
        rollout::act(self, request).await
    }

    async fn plan_fleet(
        &self,
        request: Request<wire::PlanFleetRequest>,
    ) -> Reply<wire::PlanFleetResponse> {
        plan::plan(self, request).await
    }

    async fn why(&self, request: Request<wire::WhyRequest>) -> Reply<wire::WhyResponse> {
        rollout::why(self, request).await
    }

    async fn hold_commit(
        &self,
        request: Request<wire::HoldCommitRequest>,
    ) -> Reply<wire::HoldCommitResponse> {
        rollout::hold(self, request).await
    }

    async fn list_holds(
        &self,
        request: Request<wire::ListHoldsRequest>,
    ) -> Reply<wire::ListHoldsResponse> {
        rollout::holds(self, request).await
    }

    async fn instruct(
        &self,
        request: Request<wire::InstructRequest>,
    ) -> Reply<wire::InstructResponse> {
        gateway::ask(self, request).await
    }

    type RenderStream = Answers<wire::RenderPart>;

    async fn render(&self, request: Request<wire::RenderRequest>) -> Reply<Self::RenderStream> {
        self.allowed(&request, Deed::Read)?;
        let reveal = self.allowed(&request, Deed::Reveal).is_ok();
        let request = request.into_inner();
        let (_, state) = self.read(request.stale).await?;
        render::answer(self.shared.clone(), &state, request, reveal).await.map(Response::new)
    }

    type DiffStream = Answers<wire::DiffPart>;

    async fn diff(&self, request: Request<wire::DiffRequest>) -> Reply<Self::DiffStream> {
        self.allowed(&request, Deed::Read)?;
        let request = request.into_inner();
        let (_, state) = self.read(request.stale).await?;
        diff::answer(self.shared.clone(), &state, request).await.map(Response::new)
    }

    async fn cluster_status(
        &self,
        request: Request<wire::ClusterStatusRequest>,
    ) -> Reply<wire::ClusterStatusResponse> {
        self.allowed(&request, Deed::Read)?;
        let (_, state) = self.read(request.get_ref().stale).await?;
        let group = self.shared.consensus.group();
        let nodes = group
            .members
            .iter()
            .map(|member| {
                let leads = group.leader == Some(member.id);
                let silent = member.silent_ms.is_some_and(|ms| ms > 3_000);
                let word = match (leads, member.voter) {
                    (true, _) => "leader",
                    (false, _) if silent => "unreachable",
                    (false, true) => "follower",
                    (false, false) => "learner",
                };
                let record = state.nodes().get(&member.id);
                wire::Node {
                    id: member.id,
                    name: member.node.name.clone(),
                    api_address: member.node.api_address.clone(),
                    peer_address: member.node.peer_address.clone(),
                    state: word.to_owned(),
                    voter: member.voter,
                    matched_index: member.matched.unwrap_or(0),
                    last_contact_ms: member.silent_ms.unwrap_or(0),
                    version: record.map(|node| node.version.clone()).unwrap_or_default(),
                    agents: state.agents_at(member.id),
                }
            })
            .collect();
        Ok(Response::new(wire::ClusterStatusResponse {
            cluster_id: state.cluster_id().to_owned(),
            epoch: state.epoch().0,
            leader: group.leader.unwrap_or(0),
            term: group.term,
            last_applied: group.applied,
            answered_by: self.shared.node_id,
            nodes,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }
}
