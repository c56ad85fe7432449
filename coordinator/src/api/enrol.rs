//! Enrolment and renewal: the only calls that need no client certificate.
//!
//! A token is spent in the log before the CA signs, so it cannot be used twice, on whichever nodes
//! the attempts arrive. Renewal is by proof of key: the CSR is signed by the key that the state
//! knows, so an agent whose certificate expired while its plant was dark comes back by itself.

use std::time::SystemTime;

use millwright_certs::{
    ca::{self, Ca},
    identity::Identity,
    seal,
    token::JoinToken,
};
use millwright_coordinator_domain::{
    State,
    command::{Body, Outcome, UseToken},
};
use millwright_model::id::Member;
use millwright_proto::{
    agent::{self, enrolment_service_server::EnrolmentService},
    hint,
};
use tonic::{Code, Request, Response, Status};

use super::{auth, status};
use crate::{edge, node::Shared};

/// Context under which the CA key is sealed.
pub const CA_KEY_CONTEXT: &str = "millwright ca key";
/// Largest CSR; ours have about 300 bytes.
const CSR_BYTES_MAX: usize = 4096;

/// Serves newcomers.
#[derive(Debug)]
pub struct EnrolApi {
    shared: Shared,
}

impl EnrolApi {
    /// Works on the parts of this node.
    pub fn new(shared: Shared) -> Self {
        Self { shared }
    }

    fn ca(&self, state: &State) -> Result<Ca, Status> {
        let sealed = state.sealed_ca_key();
        let key = seal::open(&self.shared.cluster_key, CA_KEY_CONTEXT, sealed)
            .map_err(|_| Status::internal("the cluster key of this node does not open the CA"))?;
        Ca::from_parts(state.ca_pem(), &key).map_err(|error| Status::internal(error.to_string()))
    }

    fn sign(
        &self,
        state: &State,
        csr: &[u8],
        identity: &Identity,
    ) -> Result<agent::EnrolResponse, Status> {
        let life = self.shared.config.certificates.life_of(identity);
        let issued = self
            .ca(state)?
            .sign(csr, identity, life, SystemTime::now())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(agent::EnrolResponse {
            certificate_pem: issued.cert_pem,
            ca_pem: state.ca_pem().to_owned(),
            cluster_id: state.cluster_id().to_string(),
            coordinators: state.api_addresses(),
            peers: match identity.is_coordinator() {
                true => state.nodes().values().map(|node| node.peer_address.clone()).collect(),
                false => Vec::new(),
            },
        })
    }
}

fn refused(message: impl Into<String>) -> Status {
    hint::with_hint(Code::Unauthenticated, message, "ask for a new one: millctl token create")
}

fn checked_csr(csr: &[u8]) -> Result<[u8; 32], Status> {
    if csr.len() > CSR_BYTES_MAX {
        return Err(Status::invalid_argument("the certificate request is too large"));
    }
    ca::csr_key_digest(csr).map_err(|error| Status::invalid_argument(error.to_string()))
}

#[tonic::async_trait]
impl EnrolmentService for EnrolApi {
    async fn enrol(
        &self,
        request: Request<agent::EnrolRequest>,
    ) -> Result<Response<agent::EnrolResponse>, Status> {
        let from = auth::address(&request);
        let agent::EnrolRequest { token, csr_der, name, member } = request.into_inner();
        let token: JoinToken =
            token.parse().map_err(|_| refused("this is not a Millwright join token"))?;
        let key_digest = checked_csr(&csr_der)?;
        if *token.cluster() != self.shared.cluster_id {
            return Err(refused("the join token belongs to another cluster"));
        }
        let body = Body::UseToken(UseToken {
            id: token.id().to_owned(),
            secret_digest: token.secret_digest(),
            name,
            member: parse_member(&member)?,
            key_digest,
        });
        let asker = edge::Asker { actor: format!("token:{}", token.id()), from };
        let command = edge::command_of(&self.shared, asker, String::new(), body);
        let decided = self
            .shared
            .consensus
            .propose(&command)
            .await
            .map_err(|error| status::propose_failed(&error))?;
        let identity = match decided.outcome.as_ref() {
            Outcome::Accepted(accepted) => accepted
                .identity()
                .ok_or_else(|| Status::internal("the token bought no identity"))?,
            Outcome::Rejected(rejection) => return Err(refused(rejection.message())),
        };
        let identity: Identity =
            identity.parse().map_err(|_| Status::internal("not an identity"))?;
        let published = self.shared.consensus.linearized().await;
        let published = published.map_err(|error| status::propose_failed(&error))?;
        tracing::info!(%identity, "enrolled");
        Ok(Response::new(self.sign(&published.state, &csr_der, &identity)?))
    }

    async fn renew(
        &self,
        request: Request<agent::RenewRequest>,
    ) -> Result<Response<agent::EnrolResponse>, Status> {
        let agent::RenewRequest { csr_der, identity } = request.into_inner();
        let identity: Identity = identity
            .parse()
            .map_err(|_| Status::invalid_argument("the request names no identity"))?;
        let key_digest = checked_csr(&csr_der)?;
        let published = self.shared.consensus.state();
        // Deleting an operator leaves its key behind; the name alone must not bring it back.
        let gone = match &identity {
            Identity::Operator { name, .. } => !published.state.operators().contains_key(name),
            Identity::Agent { .. } | Identity::Coordinator { .. } => false,
        };
        if gone || !published.state.key_allowed(&identity.to_string(), &key_digest) {
            return Err(hint::with_hint(
                Code::PermissionDenied,
                format!(
                    "{identity} is not registered with this key, or was evicted, banned or deleted"
                ),
                "enrol again with a new join token: millctl token create",
            ));
        }
        Ok(Response::new(self.sign(&published.state, &csr_der, &identity)?))
    }
}

fn parse_member(text: &str) -> Result<Member, Status> {
    match text {
        "" => Ok(Member::Single),
        other => other
            .parse()
            .map_err(|_| Status::invalid_argument("member is single, master or backup")),
    }
}
