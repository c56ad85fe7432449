//! Who is let in: tokens, foreign and self-made certificates, bans, on every port of a real cluster.

use std::sync::Arc;

use millwright_agent::enrol;
use millwright_certs::{
    connect::Connector, store::CredentialStore, tls::pinned_client_config, token::JoinToken,
};
use millwright_proto::{
    agent::{GetManifestRequest, agent_service_client::AgentServiceClient},
    control::{ClusterStatusRequest, control_service_client::ControlServiceClient},
    peer::{ReadIndexRequest, peer_service_client::PeerServiceClient},
};
use playground::{cluster::Cluster, process::build_programs};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

fn channel(address: &str, store: Option<&CredentialStore>, pin: [u8; 32]) -> Channel {
    let config = store.map_or_else(|| pinned_client_config(pin), CredentialStore::client_config);
    Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect_with_connector_lazy(Connector::new(Arc::new(move || Arc::clone(&config))))
}

/// The three ways in, each with a call that its rightful users may make.
async fn knock(
    cluster: &Cluster,
    store: Option<&CredentialStore>,
    pin: [u8; 32],
) -> [Result<(), Status>; 3] {
    let node = &cluster.nodes[0];
    let api = channel(&node.api, store, pin);
    let peer = channel(&node.peer, store, pin);
    let manifest = AgentServiceClient::new(api.clone())
        .get_manifest(GetManifestRequest { digest: vec![0; 32], ..GetManifestRequest::default() })
        .await
        .map(drop);
    let status = ControlServiceClient::new(api)
        .cluster_status(ClusterStatusRequest { stale: true })
        .await
        .map(drop);
    let read = PeerServiceClient::new(peer).read_index(ReadIndexRequest {}).await.map(drop);
    [manifest, status, read]
}

fn refused(what: &str, answers: &[Result<(), Status>]) {
    for (at, answer) in answers.iter().enumerate() {
        let status = answer.as_ref().expect_err(what);
        // A handshake that is refused shows as a connection that closes.
        let codes = [
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::Unavailable,
            Code::Unknown,
            Code::Cancelled,
        ];
        assert!(codes.contains(&status.code()), "{what}, way {at}: {status:?}");
    }
}

async fn token(cluster: &Cluster, args: &[&str]) -> anyhow::Result<JoinToken> {
    let mut all = vec!["token", "create", "agent"];
    all.extend(args);
    Ok(cluster.ctl(&all).await?.trim().parse()?)
}

async fn buy(cluster: &Cluster, token: &JoinToken, name: &str) -> anyhow::Result<CredentialStore> {
    let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.api.clone()).collect();
    Ok(enrol::buy(&addresses, token, name, "single").await?.0)
}

fn says<T: std::fmt::Debug>(result: anyhow::Result<T>, what: &str) {
    let error = format!("{:#}", result.expect_err(what));
    assert!(error.contains(what), "{what:?} is not in {error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_enrolled_identities_of_this_cluster_are_let_in() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let (dir, other_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let cluster = Cluster::start(dir.path(), 1).await?;
    let other = Cluster::start(other_dir.path(), 1).await?;

    let good = token(&cluster, &["gw1"]).await?;
    let pin = *good.ca_fingerprint();
    let agent = buy(&cluster, &good, "gw1").await?;
    says(buy(&cluster, &good, "gw1").await, "has been used");
    let short = token(&cluster, &["gw2", "--ttl", "1ms"]).await?;
    says(buy(&cluster, &short, "gw2").await, "expired");
    let named = token(&cluster, &["gw3"]).await?;
    says(buy(&cluster, &named, "gw4").await, "is for gw3, not gw4");
    let foreign = token(&other, &["gw1"]).await?;
    says(buy(&cluster, &foreign, "gw1").await, "cannot reach a coordinator");

    // The agent's own service knows it (it has no assignment yet); the others refuse it.
    let [manifest, status, read] = knock(&cluster, Some(&agent), pin).await;
    assert_eq!(manifest.expect_err("no assignment").code(), Code::NotFound);
    refused("an agent elsewhere", &[status, read]);

    refused("nobody", &knock(&cluster, None, pin).await);
    let stranger = buy(&other, &token(&other, &["gw9"]).await?, "gw9").await?;
    refused("another cluster's agent", &knock(&cluster, Some(&stranger), pin).await);
    let forged = self_made(&agent)?;
    refused("a self-made certificate", &knock(&cluster, Some(&forged), pin).await);

    cluster.ctl(&["agent", "ban", "gw1", "--yes", "-m", "test"]).await?;
    refused("a banned agent", &knock(&cluster, Some(&agent), pin).await);
    let again = token(&cluster, &["gw1"]).await?;
    says(buy(&cluster, &again, "gw1").await, "banned");
    Ok(())
}

/// Claims the agent's identity, signed by a CA of our own; trusts the real servers.
fn self_made(agent: &CredentialStore) -> anyhow::Result<CredentialStore> {
    use millwright_certs::{ca::Ca, key};
    let ca = Ca::new(agent.cluster())?;
    let key = key::generate()?;
    let life = std::time::Duration::from_secs(600);
    let now = std::time::SystemTime::now();
    let issued = ca.sign(&key::csr_der(&key)?, agent.identity(), life, now)?;
    Ok(CredentialStore::new(agent.ca_pem(), &issued.cert_pem, &key.serialize_pem())?)
}
