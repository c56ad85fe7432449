//! The three ports of a node and what answers on each.
//!
//! ```text
//!  api   TLS; a client certificate for all but enrolment   agents, operators, health, reflection
//!  peer  TLS; a client certificate always                  coordinators
//!  http  plain                                             /healthz /readyz /metrics: no state
//! ```

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use millwright_certs::{
    connect::{self, Counts},
    store::ClientAuth,
};
use millwright_proto::{
    DESCRIPTORS,
    agent::{
        agent_service_server::AgentServiceServer, enrolment_service_server::EnrolmentServiceServer,
    },
    control::control_service_server::ControlServiceServer,
    peer::peer_service_server::PeerServiceServer,
};
use tokio::net::TcpListener;
use tonic::{server::NamedService, service::interceptor::InterceptedService, transport::Server};
use tonic_health::server::{HealthReporter, HealthService};

use crate::{
    api::{agent::AgentApi, auth, control::ControlApi, enrol::EnrolApi, peer::PeerApi},
    config::Config,
    http,
    node::Shared,
    peers::MESSAGE_BYTES_MAX,
};

/// Largest request of an operator: a few thousand resources.
const REQUEST_BYTES_MAX: usize = 16 << 20;
/// A silent connection is probed this often, and given up when it does not answer in time.
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);

/// Connections per port.
#[derive(Debug, Default)]
pub struct Connections {
    /// Of agents and operators.
    pub api: Counts,
    /// Of coordinators.
    pub peer: Counts,
}

/// Bound ports that nobody answers yet.
#[derive(Debug)]
pub struct Listeners {
    api: TcpListener,
    peer: TcpListener,
    http: TcpListener,
}

impl Listeners {
    /// Binds all three.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = async |address: &str| {
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
        };
        Ok(Self {
            api: bind(&config.listen.api).await?,
            peer: bind(&config.listen.peer).await?,
            http: bind(&config.listen.http).await?,
        })
    }

    /// Answers on all three until the node stops.
    pub fn serve(self, shared: &Shared, health: &HealthReporter) -> anyhow::Result<()> {
        serve_api(self.api, shared, health)?;
        serve_peers(self.peer, shared);
        shared.tasks.spawn(http::serve(self.http, shared.clone()));
        Ok(())
    }
}

fn serve_api(
    listener: TcpListener,
    shared: &Shared,
    health: &HealthReporter,
) -> anyhow::Result<()> {
    let tls = shared.store.server_config(ClientAuth::Optional);
    let counts = shared.connections.api.clone();
    let incoming = connect::accept(listener, Arc::new(move || Arc::clone(&tls)), counts);
    let guard = auth::guard(shared.clone());
    let health = tonic_health::pb::health_server::HealthServer::new(
        HealthService::from_health_reporter(health.clone()),
    );
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(EnrolmentServiceServer::<EnrolApi>::NAME)
            .with_service_name(AgentServiceServer::<AgentApi>::NAME)
            .with_service_name(ControlServiceServer::<ControlApi>::NAME)
            .with_service_name(name_of(&health))
    };
    let control = ControlServiceServer::new(ControlApi::new(shared.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let agent = AgentServiceServer::new(AgentApi::new(shared.clone()));
    let (reflection, reflection_old) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        // The one call of somebody without a certificate.
        .add_service(EnrolmentServiceServer::new(EnrolApi::new(shared.clone())))
        .add_service(InterceptedService::new(agent, guard.clone()))
        .add_service(InterceptedService::new(control, guard.clone()))
        .add_service(InterceptedService::new(health, guard.clone()))
        .add_service(InterceptedService::new(reflection, guard.clone()))
        .add_service(InterceptedService::new(reflection_old, guard));
    let stop = shared.stop.clone();
    shared.tasks.spawn(async move {
        let served = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the API has ended");
        }
    });
    Ok(())
}

fn name_of<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

fn serve_peers(listener: TcpListener, shared: &Shared) {
    let tls = shared.store.server_config(ClientAuth::Required);
    let counts = shared.connections.peer.clone();
    let incoming = connect::accept(listener, Arc::new(move || Arc::clone(&tls)), counts);
    let service = PeerServiceServer::new(PeerApi::new(shared.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .add_service(service);
    let stop = shared.stop.clone();
    shared.tasks.spawn(async move {
        let served = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the peer service has ended");
        }
    });
}
