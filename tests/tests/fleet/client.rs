//! What tests over real sockets need of a client: enrolment, channels, services, waiting for a
//! condition. It uses the wire only, not the programs.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use millwright_certs::{
    connect::Connector, key, store::CredentialStore, tls::pinned_client_config, token::JoinToken,
};
use millwright_proto::{
    agent::{
        EnrolRequest, EnrolResponse, RenewRequest, enrolment_service_client::EnrolmentServiceClient,
    },
    control::{
        ApplyRequest, ApplyResponse, CreateTokenRequest, Resource,
        control_service_client::ControlServiceClient,
    },
};
use playground::{
    cluster::Cluster,
    wait::{PATIENCE, until},
};
use rustls::ClientConfig;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// Asks until the answer is there.
pub(crate) async fn wait_for<T>(
    what: &str,
    ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    until(what, PATIENCE, ask).await
}

/// A channel that connects when first used.
pub(crate) fn channel(address: &str, config: Arc<ClientConfig>) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect_timeout(Duration::from_secs(10))
        .connect_with_connector_lazy(Connector::new(Arc::new(move || Arc::clone(&config))))
}

/// A channel that shows the newest certificate of a store with each connection.
pub(crate) fn channel_as(address: &str, store: &CredentialStore) -> Channel {
    let store = store.clone();
    Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect_timeout(Duration::from_secs(10))
        .connect_with_connector_lazy(Connector::new(Arc::new(move || store.client_config())))
}

/// The first operator of a cluster.
pub(crate) fn operator(cluster: &Cluster) -> anyhow::Result<CredentialStore> {
    let dir = cluster.context.parent().context("the contexts file has a folder")?;
    Ok(CredentialStore::load_dir(dir)?)
}

/// The control service at a node.
pub(crate) fn control(address: &str, store: &CredentialStore) -> ControlServiceClient<Channel> {
    ControlServiceClient::new(channel_as(address, store))
}

/// Makes a join token as the operator.
pub(crate) async fn token(
    control: &mut ControlServiceClient<Channel>,
    role: &str,
    name: &str,
    ttl_ms: u64,
) -> Result<JoinToken, Status> {
    let request = CreateTokenRequest {
        role: role.to_owned(),
        name: name.to_owned(),
        ttl_ms,
        ..CreateTokenRequest::default()
    };
    let answer = control.create_token(request).await?.into_inner();
    Ok(answer.token.parse().expect("a token"))
}

/// Uses a token.
pub(crate) async fn enrol(
    address: &str,
    token: &JoinToken,
    name: &str,
) -> Result<CredentialStore, Status> {
    let key = key::generate().expect("a key");
    let request = EnrolRequest {
        token: token.reveal(),
        csr_der: key::csr_der(&key).expect("a request"),
        name: name.to_owned(),
        member: String::new(),
    };
    let tls = pinned_client_config(*token.ca_fingerprint());
    let answer = EnrolmentServiceClient::new(channel(address, tls)).enrol(request).await?;
    let EnrolResponse { certificate_pem, ca_pem, .. } = answer.into_inner();
    let store = CredentialStore::new(&ca_pem, &certificate_pem, &key.serialize_pem());
    Ok(store.expect("usable credentials"))
}

/// Renews by proof of key, whatever the certificate's state, and publishes the new one.
pub(crate) async fn renew(address: &str, store: &CredentialStore) -> Result<(), Status> {
    let request = RenewRequest {
        csr_der: store.csr_der().expect("a request"),
        identity: store.identity().to_string(),
    };
    let tls = pinned_client_config(store.ca_fingerprint());
    let answer = EnrolmentServiceClient::new(channel(address, tls)).renew(request).await?;
    store.publish(&answer.into_inner().certificate_pem).expect("a certificate of this key");
    Ok(())
}

/// What gRPC health says of a service; the empty name is the whole node.
pub(crate) async fn health(api: Channel, service: &str) -> Result<ServingStatus, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    Ok(HealthClient::new(api).check(request).await?.into_inner().status())
}

/// Applies one resource.
pub(crate) async fn apply(
    control: &mut ControlServiceClient<Channel>,
    json: &serde_json::Value,
) -> Result<ApplyResponse, Status> {
    apply_all(control, std::slice::from_ref(json)).await
}

/// Applies resources in one command.
pub(crate) async fn apply_all(
    control: &mut ControlServiceClient<Channel>,
    resources: &[serde_json::Value],
) -> Result<ApplyResponse, Status> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let resources = resources.iter().map(|json| Resource {
        kind: text(&json["kind"]),
        name: text(&json["metadata"]["name"]),
        json: json.to_string().into_bytes(),
        version: 0,
    });
    let request =
        ApplyRequest { resources: resources.collect(), dry_run: false, reason: "test".to_owned() };
    Ok(control.apply(request).await?.into_inner())
}

/// Replaces a line of a node's configuration; it counts from the node's next start.
pub(crate) fn configure(dir: &Path, from: &str, to: &str) -> anyhow::Result<()> {
    let path = dir.join("coordinator.toml");
    let text = std::fs::read_to_string(&path)?;
    if !text.contains(from) {
        bail!("{} has no line {from:?}", path.display());
    }
    Ok(std::fs::write(&path, text.replace(from, to))?)
}

/// A hint of a refusal, for people.
pub(crate) fn hint(status: &Status) -> &str {
    millwright_proto::hint::hint_of(status).unwrap_or_default()
}
