//! The services: canned answers to operators only, and enrolment for anybody.

use std::{pin::Pin, time::Duration};

use futures_util::Stream;
use millwright_certs::{connect, identity::Identity};
use millwright_proto::{
    agent::{
        EnrolRequest, EnrolResponse, RenewRequest, enrolment_service_server::EnrolmentService,
    },
    control::{self as wire, control_service_server::ControlService},
};
use serde_json::Value;
use tonic::{Request, Response, Status};

use super::Shared;

mod audit;
mod watch;

type Reply<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn answers<T: Send + 'static>(parts: Vec<T>) -> Reply<Answers<T>> {
    let parts = futures_util::stream::iter(parts.into_iter().map(Ok));
    Ok(Response::new(Box::pin(parts)))
}

fn side(side: Option<wire::Side>) -> String {
    let wire::Side { gateway, reference, running } = side.unwrap_or_default();
    format!("{gateway}@{}", if running { "running" } else { &reference })
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn resource(value: &Value, version: u64) -> wire::Resource {
    wire::Resource {
        kind: text(value, "/kind").to_owned(),
        name: text(value, "/metadata/name").to_owned(),
        json: value.to_string().into_bytes(),
        version,
    }
}

fn operator<T>(request: &Request<T>) -> Result<(), Status> {
    let info = request.extensions().get::<connect::PeerInfo>();
    match info.and_then(|info| info.peer.as_ref()) {
        Some(peer) if matches!(peer.identity, Identity::Operator { .. }) => Ok(()),
        Some(_) | None => Err(Status::unauthenticated("no operator")),
    }
}

#[tonic::async_trait]
impl ControlService for Shared {
    async fn apply(&self, request: Request<wire::ApplyRequest>) -> Reply<wire::ApplyResponse> {
        operator(&request)?;
        let wire::ApplyRequest { resources, dry_run, reason } = request.into_inner();
        let mut script =
            self.asked(format!("apply {} dry={dry_run} reason={reason}", resources.len()))?;
        let result = |(kind, name, action): &(&str, &str, &str)| wire::apply_response::Result {
            kind: (*kind).to_owned(),
            name: (*name).to_owned(),
            action: (*action).to_owned(),
        };
        let results = script.results.iter().map(result).collect();
        let appear = std::mem::take(&mut script.after_apply);
        script.events.extend(appear);
        let index = script.index;
        drop(script);
        self.changed.send_modify(|version| *version += 1);
        Ok(Response::new(wire::ApplyResponse { results, index }))
    }

    async fn delete(&self, request: Request<wire::DeleteRequest>) -> Reply<wire::DeleteResponse> {
        operator(&request)?;
        let wire::DeleteRequest { kind, name, reason } = request.into_inner();
        let index = self.asked(format!("delete {kind} {name} reason={reason}"))?.index;
        Ok(Response::new(wire::DeleteResponse { index }))
    }

    async fn get(&self, request: Request<wire::GetRequest>) -> Reply<wire::GetResponse> {
        operator(&request)?;
        let wire::GetRequest { kind, name, selector, stale } = request.into_inner();
        let asked = format!("get {kind} {name} selector={selector} stale={stale}");
        let script = self.asked(asked)?;
        let resources: Vec<wire::Resource> = script
            .resources
            .iter()
            .filter(|value| text(value, "/kind") == kind)
            .filter(|value| name.is_empty() || text(value, "/metadata/name") == name)
            .map(|value| resource(value, script.index))
            .collect();
        if !name.is_empty() && resources.is_empty() {
            return Err(Status::not_found(format!("{kind} {name} does not exist")));
        }
        Ok(Response::new(wire::GetResponse { resources, index: script.index }))
    }

    type RenderStream = Answers<wire::RenderPart>;

    async fn render(&self, request: Request<wire::RenderRequest>) -> Reply<Self::RenderStream> {
        operator(&request)?;
        let wire::RenderRequest { of, path, list, stale: _ } = request.into_inner();
        let asked = format!("render {} path={path} list={list}", side(of));
        let mut parts = self.asked(asked)?.render.clone();
        for piece in parts.iter_mut().flat_map(|part| &mut part.pieces).filter(|_| list) {
            (piece.digest, piece.data) = Default::default();
        }
        answers(parts)
    }

    type DiffStream = Answers<wire::DiffPart>;

    async fn diff(&self, request: Request<wire::DiffRequest>) -> Reply<Self::DiffStream> {
        operator(&request)?;
        let wire::DiffRequest { base, target, paths, stale: _ } = request.into_inner();
        let asked = format!("diff {} {} paths={paths:?}", side(base), side(target));
        answers(self.asked(asked)?.diff.clone())
    }

    type WatchStream = Answers<wire::WatchEvent>;

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Reply<Self::WatchStream> {
        operator(&request)?;
        let wire::WatchRequest { kind, name, since, since_sub, once, .. } = request.into_inner();
        let sub = if since_sub == 0 { String::new() } else { format!(".{since_sub}") };
        let word = if once { "events" } else { "watch" };
        let asked = format!("{word} {kind} {name} since={since}{sub}");
        let seen = (since, if since_sub == 0 { u32::MAX } else { since_sub });
        let mut script = self.asked(asked)?;
        if since > 0 && since < script.events_gone {
            return Err(Status::out_of_range("no longer kept"));
        }
        if once {
            return watch::kept(&script, &kind, &name, seen);
        }
        let breaks = if script.breaks.is_empty() { usize::MAX } else { script.breaks.remove(0) };
        drop(script);
        Ok(Response::new(watch::follow(self, kind, name, seen, breaks)))
    }

    type ListAuditStream = Answers<wire::AuditPart>;

    async fn list_audit(
        &self,
        request: Request<wire::ListAuditRequest>,
    ) -> Reply<Self::ListAuditStream> {
        operator(&request)?;
        audit::list(self, request.into_inner())
    }

    async fn create_token(
        &self,
        request: Request<wire::CreateTokenRequest>,
    ) -> Reply<wire::CreateTokenResponse> {
        operator(&request)?;
        let wire::CreateTokenRequest { role, name, member, ttl_ms, reason } = request.into_inner();
        drop(self.asked(format!("token {role} {name} {member} ttl={ttl_ms} reason={reason}"))?);
        Ok(Response::new(wire::CreateTokenResponse {
            token: "mwj1.shown-once".to_owned(),
            id: "3fa85f64c1d2".to_owned(),
            expires_at_ms: 1_791_815_654_089,
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<wire::ListTokensRequest>,
    ) -> Reply<wire::ListTokensResponse> {
        operator(&request)?;
        let tokens = self.asked("tokens".to_owned())?.tokens.clone();
        Ok(Response::new(wire::ListTokensResponse { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<wire::RevokeTokenRequest>,
    ) -> Reply<wire::RevokeTokenResponse> {
        operator(&request)?;
        let wire::RevokeTokenRequest { id, reason } = request.into_inner();
        drop(self.asked(format!("revoke token {id} reason={reason}"))?);
        Ok(Response::new(wire::RevokeTokenResponse {}))
    }

    async fn revoke_agent(
        &self,
        request: Request<wire::RevokeAgentRequest>,
    ) -> Reply<wire::RevokeAgentResponse> {
        operator(&request)?;
        let wire::RevokeAgentRequest { gateway, member, ban, reason } = request.into_inner();
        drop(self.asked(format!("revoke agent {gateway} {member} ban={ban} reason={reason}"))?);
        Ok(Response::new(wire::RevokeAgentResponse {}))
    }

    async fn cluster_status(
        &self,
        request: Request<wire::ClusterStatusRequest>,
    ) -> Reply<wire::ClusterStatusResponse> {
        operator(&request)?;
        let stale = request.into_inner().stale;
        // The first look of every connection is stale; it is answered even without a leader.
        if stale {
            return Ok(Response::new(self.script().cluster.clone()));
        }
        let cluster = self.asked("cluster".to_owned())?.cluster.clone();
        Ok(Response::new(cluster))
    }

    async fn act_on_gateway(
        &self,
        request: Request<wire::ActOnGatewayRequest>,
    ) -> Reply<wire::ActOnGatewayResponse> {
        operator(&request)?;
        let wire::ActOnGatewayRequest { gateway, action, to, project, reason, allow_deletions } =
            request.into_inner();
        let mut asked = format!("{action} {gateway} to={to} project={project} reason={reason}");
        if allow_deletions {
            asked.push_str(" allow-deletions");
        }
        let index = self.after_ask(asked)?;
        Ok(Response::new(wire::ActOnGatewayResponse { index }))
    }

    async fn act_on_rollout(
        &self,
        request: Request<wire::ActOnRolloutRequest>,
    ) -> Reply<wire::ActOnRolloutResponse> {
        operator(&request)?;
        let wire::ActOnRolloutRequest { rollout, action, stage, gateway, plan_hash, reason } =
            request.into_inner();
        let asked = format!(
            "rollout {action} {rollout} stage={stage} gateway={gateway} plan={plan_hash} reason={reason}"
        );
        let index = self.after_ask(asked)?;
        Ok(Response::new(wire::ActOnRolloutResponse { index }))
    }

    async fn plan_fleet(
        &self,
        request: Request<wire::PlanFleetRequest>,
    ) -> Reply<wire::PlanFleetResponse> {
        operator(&request)?;
        let wire::PlanFleetRequest { fleet, reference, simulate, deadline_ms, stale: _ } =
            request.into_inner();
        let index = self.asked(format!("plan {fleet} {reference} {deadline_ms}"))?.index;
        let json = crate::planning::plan(simulate).to_string().into_bytes();
        Ok(Response::new(wire::PlanFleetResponse { json, index }))
    }

    async fn why(&self, request: Request<wire::WhyRequest>) -> Reply<wire::WhyResponse> {
        operator(&request)?;
        let wire::WhyRequest { kind, name, stale: _ } = request.into_inner();
        drop(self.asked(format!("why {kind} {name}"))?);
        let blockers = match name.as_str() {
            "line1" => vec![
                wire::Blocker {
                    code: "Stage".to_owned(),
                    subject: "stage canary".to_owned(),
                    message: "waits for stage canary: 1/2 applied, 1 running".to_owned(),
                    owner: "the rollout".to_owned(),
                    since_ms: 0,
                    next_ms: 0,
                    clear: "millctl why rollout plants-2".to_owned(),
                },
                wire::Blocker {
                    code: "Window".to_owned(),
                    subject: "line1".to_owned(),
                    message: "window night opens".to_owned(),
                    owner: "the clock".to_owned(),
                    since_ms: 1_000_000,
                    next_ms: 12_600_000,
                    clear: String::new(),
                },
            ],
            _ => Vec::new(),
        };
        Ok(Response::new(wire::WhyResponse { blockers, index: 7, at_ms: 1_061_000 }))
    }

    async fn hold_commit(
        &self,
        request: Request<wire::HoldCommitRequest>,
    ) -> Reply<wire::HoldCommitResponse> {
        operator(&request)?;
        let wire::HoldCommitRequest { repository, commit, lift, reason } = request.into_inner();
        let index =
            self.after_ask(format!("hold {repository} {commit} lift={lift} reason={reason}"))?;
        Ok(Response::new(wire::HoldCommitResponse { index, commit }))
    }

    async fn list_holds(
        &self,
        request: Request<wire::ListHoldsRequest>,
    ) -> Reply<wire::ListHoldsResponse> {
        operator(&request)?;
        drop(self.asked("holds".to_owned())?);
        let hold = |commit: &str, lifted: &str| wire::Hold {
            repository: "plant".to_owned(),
            commit: commit.repeat(5),
            by: "rollout plants-2".to_owned(),
            reason: "2 sites failed, the limit is 2".to_owned(),
            at_ms: 1_000,
            lifted_by: lifted.to_owned(),
            lifted_reason: lifted.to_owned(),
            lifted_at_ms: 0,
        };
        let holds = vec![hold("4bf57a65", ""), hold("e58a73fa", "ann")];
        Ok(Response::new(wire::ListHoldsResponse { holds, index: 7 }))
    }

    async fn instruct(
        &self,
        request: Request<wire::InstructRequest>,
    ) -> Reply<wire::InstructResponse> {
        operator(&request)?;
        let wire::InstructRequest { gateway, member: _, kind, subject, reason, ttl_ms } =
            request.into_inner();
        let asked = format!("{kind} {gateway} subject={subject} ttl={ttl_ms} reason={reason}");
        let index = self.after_ask(asked)?;
        Ok(Response::new(wire::InstructResponse { id: "i1".to_owned(), index }))
    }
}

impl Shared {
    /// What happens after a gateway was acted on: reads see it, and watches.
    fn after_ask(&self, asked: String) -> Result<u64, Status> {
        let mut script = self.asked(asked)?;
        for new in std::mem::take(&mut script.after_ask) {
            let same = |old: &Value| {
                text(old, "/kind") == text(&new, "/kind")
                    && text(old, "/metadata/name") == text(&new, "/metadata/name")
            };
            script.resources.retain(|old| !same(old));
            script.resources.push(new);
        }
        let then = std::mem::take(&mut script.then);
        script.events.extend(then);
        let index = script.index;
        drop(script);
        self.changed.send_modify(|version| *version += 1);
        Ok(index)
    }
}

#[tonic::async_trait]
impl EnrolmentService for Shared {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Reply<EnrolResponse> {
        let EnrolRequest { token: _, csr_der, name, member: _ } = request.into_inner();
        drop(self.asked(format!("enrol {name}"))?);
        if name != "ann" {
            return Err(Status::unauthenticated(format!("the join token is for ann, not {name}")));
        }
        let ann = Identity::Operator {
            cluster: self.cluster.clone(),
            name: name.parse().map_err(|_| Status::invalid_argument("no name"))?,
        };
        let certificate_pem = self.sign(&csr_der, &ann, Duration::from_hours(1))?;
        Ok(Response::new(EnrolResponse {
            certificate_pem,
            ca_pem: self.ca.cert_pem().to_owned(),
            cluster_id: self.cluster.to_string(),
            coordinators: vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()],
            peers: Vec::new(),
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Reply<EnrolResponse> {
        let RenewRequest { csr_der, identity } = request.into_inner();
        drop(self.asked(format!("renew {identity}"))?);
        let identity = identity.parse().map_err(|_| Status::invalid_argument("no identity"))?;
        let certificate_pem = self.sign(&csr_der, &identity, Duration::from_hours(1))?;
        Ok(Response::new(EnrolResponse {
            certificate_pem,
            ca_pem: self.ca.cert_pem().to_owned(),
            cluster_id: self.cluster.to_string(),
            coordinators: Vec::new(),
            peers: Vec::new(),
        }))
    }
}
