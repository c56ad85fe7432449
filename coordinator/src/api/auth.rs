//! Who is calling: the identity of the client certificate, checked by TLS, and whether that
//! identity may use this service.

use std::net::SocketAddr;

use millwright_certs::{connect::PeerInfo, identity::Identity};
use millwright_model::id::{GatewayName, Member, Name};
use millwright_proto::hint::with_hint;
use tonic::{Code, Request, Status};

use crate::node::Shared;

/// A caller with a valid certificate.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its identity.
    pub identity: Identity,
    /// SHA-256 of its public key.
    pub key_digest: [u8; 32],
    /// Where it calls from.
    pub address: Option<SocketAddr>,
}

/// The caller of a request, if it showed a certificate.
pub fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let info = request.extensions().get::<PeerInfo>();
    let address = info.map(|info| info.addr);
    match info.and_then(|info| info.peer.clone()) {
        Some(peer) => Ok(Caller { identity: peer.identity, key_digest: peer.spki_digest, address }),
        None => Err(with_hint(
            Code::Unauthenticated,
            "this call needs a client certificate of this cluster",
            "enrol first: millctl token create, then enrol with the token",
        )),
    }
}

/// Where a request comes from, whoever sent it; empty when that is not known.
pub fn address<T>(request: &Request<T>) -> String {
    let info = request.extensions().get::<PeerInfo>();
    info.map(|info| info.addr.to_string()).unwrap_or_default()
}

/// Stands before every service that needs a certificate, whoever may use it then. The handshake has
/// checked the certificate; a connection outlives it, so a ban is looked up for each call.
pub fn guard(
    shared: Shared,
) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + Send + Sync + 'static {
    move |request| {
        let caller = caller(&request)?;
        if shared.store.revoked(&caller.identity, &caller.key_digest) {
            return Err(with_hint(
                Code::PermissionDenied,
                format!("{} was evicted or banned", caller.identity),
                "evicted: enrol again with a new join token; banned: ask an admin of the cluster",
            ));
        }
        Ok(request)
    }
}

fn wrong(identity: &Identity, service: &str) -> Status {
    let role = match service {
        "agent" => "agent",
        "control" => "operator",
        _ => "coordinator",
    };
    with_hint(
        Code::PermissionDenied,
        format!("{identity} may not use the {service} service: it is for {role}s only"),
        &format!("enrol as one with a join token: millctl token create {role} NAME"),
    )
}

/// The caller as an agent.
pub fn agent<T>(request: &Request<T>) -> Result<(Caller, GatewayName, Member), Status> {
    let caller = caller(request)?;
    match &caller.identity {
        Identity::Agent { gateway, member, .. } => {
            let (gateway, member) = (gateway.clone(), *member);
            Ok((caller, gateway, member))
        }
        Identity::Coordinator { .. } | Identity::Operator { .. } => {
            Err(wrong(&caller.identity, "agent"))
        }
    }
}

/// The caller as an operator.
pub fn operator<T>(request: &Request<T>) -> Result<(Caller, Name), Status> {
    let caller = caller(request)?;
    match &caller.identity {
        Identity::Operator { name, .. } => {
            let name = name.clone();
            Ok((caller, name))
        }
        Identity::Coordinator { .. } | Identity::Agent { .. } => {
            Err(wrong(&caller.identity, "control"))
        }
    }
}

/// The caller as a coordinator.
pub fn coordinator<T>(request: &Request<T>) -> Result<(Caller, Name), Status> {
    let caller = caller(request)?;
    match &caller.identity {
        Identity::Coordinator { node, .. } => {
            let node = node.clone();
            Ok((caller, node))
        }
        Identity::Agent { .. } | Identity::Operator { .. } => Err(wrong(&caller.identity, "peer")),
    }
}
