//! The service for operators: what `millctl` may ask of any coordinator.

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use millwright_certs::{ca, token::JoinToken};
use millwright_coordinator_domain::{
    State,
    access::{self, Deed},
    command::{Body, CreateToken, Outcome, TokenRole},
    state::TokenSpent,
    view::{self, View},
};
use millwright_model::{id::Member, resource::Kind, selector::Selector, time::Span};
use millwright_proto::{
    control::{self as wire, control_service_server::ControlService},
    hint,
};
use tonic::{Request, Response, Status};

mod apply;
mod diff;
mod gateway;
mod plan;
mod render;
mod rollout;
mod side;

use super::{auth, status};
use crate::{consensus::Decided, edge, node::Shared};

/// Default life of a join token.
const TOKEN_LIFE: Span = Span(10 * 60_000);
/// Longest reason.
const REASON_CHARS_MAX: usize = 500;

/// Serves operators.
#[derive(Debug)]
pub struct ControlApi {
    shared: Shared,
}

type Reply<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn invalid(error: impl ToString) -> Status {
    Status::invalid_argument(error.to_string())
}

impl ControlApi {
    /// Works on the parts of this node.
    pub fn new(shared: Shared) -> Self {
        Self { shared }
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

    /// The actor, after checking that it may.
    fn allowed<T>(&self, request: &Request<T>, deed: Deed) -> Result<String, Status> {
        let (caller, name) = auth::operator(request)?;
        let state = self.shared.consensus.state().state;
        access::may(&state, &name, deed).map_err(Status::permission_denied)?;
        Ok(caller.identity.to_string())
    }

    async fn propose(&self, actor: String, reason: String, body: Body) -> Result<Decided, Status> {
        let reason = reason.chars().take(REASON_CHARS_MAX).collect();
        let command = edge::command_of(&self.shared, actor, reason, body);
        let decided = self
            .shared
            .consensus
            .propose(&command)
            .await
            .map_err(|error| status::propose_failed(&error))?;
        match decided.outcome.as_ref() {
            Outcome::Accepted(_) => Ok(decided),
            Outcome::Rejected(rejection) => Err(status::rejected(rejection)),
        }
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
        let actor = self.allowed(&request, access::deed_of_change(kind))?;
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
        self.allowed(&request, Deed::Read)?;
        let wire::WatchRequest { kind, name, since } = request.into_inner();
        let kind =
            if kind.is_empty() { None } else { Some(kind.parse::<Kind>().map_err(invalid)?) };
        let mut watch = self.shared.consensus.watch();
        let stop = self.shared.stop.clone();
        let stream = async_stream::try_stream! {
            let mut seen = since;
            loop {
                let (index, state) = {
                    let published = watch.borrow_and_update();
                    (published.index, Arc::clone(&published.state))
                };
                let oldest = state.events().front().map_or(0, |event| event.index);
                if seen > 0 && oldest > seen + 1 && state.events().len() >= millwright_coordinator_domain::state::EVENTS_MAX {
                    Err(Status::out_of_range(format!("events up to {oldest} are gone: list again")))?;
                }
                for event in state.events().iter().filter(|event| event.index > seen) {
                    let wanted = kind.is_none_or(|kind| kind.as_str() == event.kind)
                        && (name.is_empty() || name == event.name);
                    if !wanted {
                        continue;
                    }
                    let json = event.kind.parse::<Kind>().ok().and_then(|kind| {
                        view::list(&state, kind, Some(&event.name), &Selector::default()).pop()
                    });
                    yield wire::WatchEvent {
                        kind: event.kind.clone(),
                        name: event.name.clone(),
                        action: event.action.clone(),
                        json: json.map(|view| view.json.to_string().into_bytes()).unwrap_or_default(),
                        index: event.index,
                        at_ms: event.at.0,
                        message: event.message.clone(),
                    };
                }
                seen = seen.max(index);
                tokio::select! {
                    changed = watch.changed() => if changed.is_err() { break },
                    () = stop.cancelled() => break,
                }
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }

    async fn create_token(
        &self,
        request: Request<wire::CreateTokenRequest>,
    ) -> Reply<wire::CreateTokenResponse> {
        let actor = self.allowed(&request, Deed::Admit)?;
        let wire::CreateTokenRequest { role, name, member, ttl_ms, reason } = request.into_inner();
        let role = TokenRole::parse(&role)
            .ok_or_else(|| invalid("role is agent, coordinator or operator"))?;
        let state = self.shared.consensus.state().state;
        let fingerprint = ca::fingerprint_of_pem(state.ca_pem())
            .map_err(|error| Status::internal(error.to_string()))?;
        let token = JoinToken::generate(self.shared.cluster_id.clone(), fingerprint);
        let life = if ttl_ms == 0 { TOKEN_LIFE } else { Span(ttl_ms) };
        let expires_at = edge::now().plus(life);
        let body = Body::CreateToken(CreateToken {
            id: token.id().to_owned(),
            secret_digest: token.secret_digest(),
            role,
            name,
            member: parse_member(&member)?,
            expires_at,
        });
        self.propose(actor, reason, body).await?;
        Ok(Response::new(wire::CreateTokenResponse {
            token: token.reveal(),
            id: token.id().to_owned(),
            expires_at_ms: expires_at.0,
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<wire::ListTokensRequest>,
    ) -> Reply<wire::ListTokensResponse> {
        self.allowed(&request, Deed::Read)?;
        let (_, state) = self.read(request.get_ref().stale).await?;
        let now = edge::now();
        let tokens = state
            .tokens()
            .iter()
            .map(|(id, token)| wire::Token {
                id: id.clone(),
                role: token.role.as_str().to_owned(),
                name: token.name.clone(),
                member: token.member.to_string(),
                created_at_ms: token.created_at.0,
                expires_at_ms: token.expires_at.0,
                state: match token.spent {
                    TokenSpent::Used => "used",
                    TokenSpent::Revoked => "revoked",
                    TokenSpent::Open if token.expires_at <= now => "expired",
                    TokenSpent::Open => "open",
                }
                .to_owned(),
                created_by: token.created_by.clone(),
            })
            .collect();
        Ok(Response::new(wire::ListTokensResponse { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<wire::RevokeTokenRequest>,
    ) -> Reply<wire::RevokeTokenResponse> {
        let actor = self.allowed(&request, Deed::Admit)?;
        let wire::RevokeTokenRequest { id, reason } = request.into_inner();
        self.propose(actor, reason, Body::RevokeToken { id }).await?;
        Ok(Response::new(wire::RevokeTokenResponse {}))
    }

    async fn revoke_agent(
        &self,
        request: Request<wire::RevokeAgentRequest>,
    ) -> Reply<wire::RevokeAgentResponse> {
        let actor = self.allowed(&request, Deed::Admit)?;
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
        let actor = self.allowed(&request, Deed::Write)?;
        let mut request = request.into_inner();
        let gateway = request.gateway.parse().map_err(invalid)?;
        let reason = std::mem::take(&mut request.reason);
        let action = gateway::action(&self.shared, &gateway, request).await?;
        let body = Body::ActOnGateway { gateway, action };
        let decided = self.propose(actor, reason, body).await?;
        Ok(Response::new(wire::ActOnGatewayResponse { index: decided.index }))
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
        let actor = self.allowed(&request, Deed::Write)?;
        let wire::InstructRequest { gateway, member, kind, subject, reason, ttl_ms } =
            request.into_inner();
        let state = self.shared.consensus.state().state;
        let instruct = gateway::instruct(&state, &gateway, &member, &kind, subject, ttl_ms)?;
        let id = instruct.id.clone();
        let decided = self.propose(actor, reason, Body::Instruct(instruct)).await?;
        Ok(Response::new(wire::InstructResponse { id, index: decided.index }))
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
