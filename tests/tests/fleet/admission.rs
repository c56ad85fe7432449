//! Who is let in: every kind of credential at every port and service of a real cluster, and every way
//! a token may be wrong.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use millwright_certs::{
    ca::Ca, key, refusal::Refusal, store::CredentialStore, tls::pinned_client_config,
    token::JoinToken,
};
use millwright_proto::{
    agent::{
        EnrolRequest, FetchRequest, GetManifestRequest, agent_service_client::AgentServiceClient,
        enrolment_service_client::EnrolmentServiceClient,
    },
    control::{
        ClusterStatusRequest, ListTokensRequest, RevokeAgentRequest, RevokeTokenRequest,
        control_service_client,
    },
    peer::{GetClusterKeyRequest, ReadIndexRequest, peer_service_client::PeerServiceClient},
};
use playground::{
    cluster::{Cluster, Node},
    process::build_programs,
};
use rustls::ClientConfig;
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::client::{self, channel, enrol, health, hint, wait_for};

/// What somebody found at one door.
#[derive(Clone, PartialEq)]
enum Seen {
    /// Let in.
    In,
    /// Refused in the handshake.
    Handshake(Refusal),
    /// Refused by the service, in words.
    Told(Code, String),
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::In => f.write_str("in"),
            Seen::Handshake(refusal) => write!(f, "handshake: {refusal}"),
            Seen::Told(code, text) => write!(f, "{code:?}: {text}"),
        }
    }
}

fn seen<T>(answer: Result<T, Status>) -> Seen {
    match answer {
        Ok(_) => Seen::In,
        // Whoever has no assignment is told so only after having been let in.
        Err(status) if status.code() == Code::NotFound => Seen::In,
        Err(status) => match Refusal::behind(&status) {
            Some(refusal) => Seen::Handshake(refusal),
            None => Seen::Told(status.code(), format!("{} | {}", status.message(), hint(&status))),
        },
    }
}

/// The doors, in the order of the table's columns.
const DOORS: [&str; 6] = ["agent", "fetch", "control", "health", "reflection", "peer"];

async fn reflection(api: Channel) -> Result<Vec<String>, Status> {
    let request = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut client = ServerReflectionClient::new(api);
    let answers = client.server_reflection_info(tokio_stream::once(request)).await?;
    match answers.into_inner().message().await?.and_then(|answer| answer.message_response) {
        Some(MessageResponse::ListServicesResponse(list)) => {
            Ok(list.service.into_iter().map(|service| service.name).collect())
        }
        other => Err(Status::internal(format!("not a list: {other:?}"))),
    }
}

/// Knocks at every door with the same TLS settings.
async fn knock(node: &Node, tls: &Arc<ClientConfig>) -> [Seen; 6] {
    let api = || channel(&node.api, Arc::clone(tls));
    let manifest = GetManifestRequest { digest: vec![0; 32], ..GetManifestRequest::default() };
    let fetch = FetchRequest { digests: vec![vec![0; 32]] };
    let status = ClusterStatusRequest { stale: true };
    [
        seen(AgentServiceClient::new(api()).get_manifest(manifest).await),
        seen(AgentServiceClient::new(api()).fetch(fetch).await),
        seen(control_service_client::ControlServiceClient::new(api()).cluster_status(status).await),
        seen(health(api(), "").await),
        seen(reflection(api()).await),
        seen(
            PeerServiceClient::new(channel(&node.peer, Arc::clone(tls)))
                .read_index(ReadIndexRequest {})
                .await,
        ),
    ]
}

/// Signed by an authority of our own for the same name; trusts the real servers.
fn self_made(agent: &CredentialStore) -> anyhow::Result<CredentialStore> {
    let ca = Ca::new(agent.cluster())?;
    let key = key::generate()?;
    let life = Duration::from_mins(10);
    let issued = ca.sign(&key::csr_der(&key)?, agent.identity(), life, SystemTime::now())?;
    Ok(CredentialStore::new(agent.ca_pem(), &issued.cert_pem, &key.serialize_pem())?)
}

/// The other cluster's credentials with trust in this cluster's servers: only the server can refuse.
fn trusting(stranger: &CredentialStore, ours: &CredentialStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&pinned_client_config(ours.ca_fingerprint()));
    config.client_auth_cert_resolver =
        Arc::clone(&stranger.client_config().client_auth_cert_resolver);
    Arc::new(config)
}

/// An agent's credentials that have expired: signed while the node gives them three seconds.
async fn expired(cluster: &mut Cluster) -> anyhow::Result<CredentialStore> {
    let node = &mut cluster.nodes[0];
    client::configure(&node.dir, "# agent_life = \"24h\"", "agent_life = \"3s\"")?;
    node.kill().await?;
    node.start()?;
    node.ready().await?;
    let operator = client::operator(cluster)?;
    let node = &mut cluster.nodes[0];
    let mut control = client::control(&node.api, &operator);
    let token = client::token(&mut control, "agent", "gw-old", 0).await?;
    let store = enrol(&node.api, &token, "gw-old").await?;
    client::configure(&node.dir, "agent_life = \"3s\"", "# agent_life = \"24h\"")?;
    node.kill().await?;
    node.start()?;
    node.ready().await?;
    wait_for("the certificate's end", async || {
        // The check counts whole seconds, and the last one belongs to the life.
        let over = store.expires_at() + Duration::from_secs(1);
        Ok((SystemTime::now() > over).then_some(()))
    })
    .await?;
    Ok(store)
}

/// Everybody who knocks, and a connection of the banned agent from before the ban.
struct Cast {
    agent: CredentialStore,
    operator: CredentialStore,
    coordinator: CredentialStore,
    old: CredentialStore,
    banned: CredentialStore,
    stranger: CredentialStore,
    early: Channel,
}

async fn cast(cluster: &mut Cluster, other: &Cluster) -> anyhow::Result<Cast> {
    let old = expired(cluster).await?;
    let node = &cluster.nodes[0];
    let operator = client::operator(cluster)?;
    let mut control = client::control(&node.api, &operator);
    let token = client::token(&mut control, "agent", "gw1", 0).await?;
    let agent = enrol(&node.api, &token, "gw1").await?;
    let token = client::token(&mut control, "agent", "gw-bad", 0).await?;
    let banned = enrol(&node.api, &token, "gw-bad").await?;
    let early = channel(&node.api, banned.client_config());
    assert_eq!(health(early.clone(), "").await?, ServingStatus::Serving);
    let ban = RevokeAgentRequest {
        gateway: "gw-bad".to_owned(),
        ban: true,
        ..RevokeAgentRequest::default()
    };
    control.revoke_agent(ban).await?;
    let mut strange = client::control(&other.nodes[0].api, &client::operator(other)?);
    let token = client::token(&mut strange, "agent", "gw1", 0).await?;
    let stranger = enrol(&other.nodes[0].api, &token, "gw1").await?;
    let coordinator = CredentialStore::load_dir(&node.dir.join("node"))?;
    Ok(Cast { agent, operator, coordinator, old, banned, stranger, early })
}

fn without_certificate() -> Seen {
    let words = "this call needs a client certificate of this cluster | enrol first: millctl token \
                 create, then enrol with the token";
    Seen::Told(Code::Unauthenticated, words.to_owned())
}

fn wrong_role(store: &CredentialStore, service: &str, role: &str) -> Seen {
    let words = format!(
        "{} may not use the {service} service: it is for {role}s only | enrol as one with a join \
         token: millctl token create {role} NAME",
        store.identity()
    );
    Seen::Told(Code::PermissionDenied, words)
}

type Row = (&'static str, Arc<ClientConfig>, [Seen; 6]);

/// Who shall find what at which door.
fn table(cast: &Cast) -> anyhow::Result<Vec<Row>> {
    let agents = |store| wrong_role(store, "agent", "agent");
    let operators = |store| wrong_role(store, "control", "operator");
    let coordinators = |store| wrong_role(store, "peer", "coordinator");
    let all = |refusal: Refusal| [(); 6].map(|()| Seen::Handshake(refusal));
    let none = without_certificate;
    let no_certificate = Seen::Handshake(Refusal::NoCertificate);
    let (a, o, c) = (&cast.agent, &cast.operator, &cast.coordinator);
    #[rustfmt::skip]
    let rows = vec![
        ("no certificate", pinned_client_config(a.ca_fingerprint()),
            [none(), none(), none(), none(), none(), no_certificate]),
        ("self-made", self_made(a)?.client_config(), all(Refusal::Foreign)),
        ("another cluster's", trusting(&cast.stranger, a), all(Refusal::Foreign)),
        ("expired", cast.old.client_config(), all(Refusal::Expired)),
        ("banned agent", cast.banned.client_config(), all(Refusal::Revoked)),
        ("agent", a.client_config(),
            [Seen::In, Seen::In, operators(a), Seen::In, Seen::In, coordinators(a)]),
        ("operator", o.client_config(),
            [agents(o), agents(o), Seen::In, Seen::In, Seen::In, coordinators(o)]),
        ("coordinator", c.client_config(),
            [agents(c), agents(c), operators(c), Seen::In, Seen::In, Seen::In]),
    ];
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_lets_in_only_whom_it_is_for() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let (dir, other_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut cluster = Cluster::start(dir.path(), 1).await?;
    let other = Cluster::start(other_dir.path(), 1).await?;
    let cast = cast(&mut cluster, &other).await?;
    let node = &cluster.nodes[0];
    let mut wrong = Vec::new();
    for (who, tls, expected) in table(&cast)? {
        for ((door, got), expected) in DOORS.iter().zip(knock(node, &tls).await).zip(expected) {
            if got != expected {
                wrong
                    .push(format!("{who} at {door}:\n  got      {got:?}\n  expected {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let told = health(cast.early, "").await.expect_err("a ban counts for open connections too");
    assert_eq!(told.code(), Code::PermissionDenied);
    assert!(hint(&told).contains("banned: ask an admin"), "{told:?}");
    let told = client::renew(&node.api, &cast.banned).await.expect_err("a ban");
    assert_eq!(told.code(), Code::PermissionDenied);
    assert!(hint(&told).contains("millctl token create"), "{told:?}");
    // The key is the identity: who was away for too long comes back by proof of it.
    client::renew(&node.api, &cast.old).await?;
    let back = health(client::channel_as(&node.api, &cast.old), "").await?;
    assert_eq!(back, ServingStatus::Serving);
    let key = PeerServiceClient::new(client::channel_as(&node.peer, &cast.agent))
        .get_cluster_key(GetClusterKeyRequest {})
        .await;
    assert_eq!(key.expect_err("for coordinators only").code(), Code::PermissionDenied);
    let names = reflection(client::channel_as(&node.api, &cast.agent)).await?;
    assert!(!names.iter().any(|name| name.contains("Peer")), "{names:?}");
    assert!(names.contains(&"millwright.agent.v1.AgentService".to_owned()), "{names:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_buys_one_identity_of_its_own_name_once() -> anyhow::Result<()> {
    build_programs()?;
    millwright_certs::install_crypto_provider();
    let (dir, other_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let cluster = Cluster::start(dir.path(), 1).await?;
    let other = Cluster::start(other_dir.path(), 1).await?;
    let node = &cluster.nodes[0];
    let mut control = client::control(&node.api, &client::operator(&cluster)?);
    let mut strange = client::control(&other.nodes[0].api, &client::operator(&other)?);
    let good = client::token(&mut control, "agent", "gw1", 0).await?;
    let fingerprint = *good.ca_fingerprint();
    enrol(&node.api, &good, "gw1").await?;

    let short = client::token(&mut control, "agent", "gw2", 1).await?;
    wait_for("the token's end", async || {
        let tokens = control.list_tokens(ListTokensRequest { stale: true }).await?.into_inner();
        let ours = tokens.tokens.into_iter().find(|token| token.id == short.id());
        Ok(ours.filter(|token| token.state == "expired"))
    })
    .await?;
    let revoked = client::token(&mut control, "agent", "gw3", 0).await?;
    control
        .revoke_token(RevokeTokenRequest {
            id: revoked.id().to_owned(),
            ..RevokeTokenRequest::default()
        })
        .await?;
    let named = client::token(&mut control, "agent", "gw4", 0).await?;
    let foreign = client::token(&mut strange, "agent", "gw1", 0).await?;
    let unknown = JoinToken::generate(good.cluster().clone(), fingerprint);
    let of_other = JoinToken::generate(foreign.cluster().clone(), fingerprint);
    for (what, token, name, words) in [
        ("used", &good, "gw1", "the join token has been used"),
        ("expired", &short, "gw2", "the join token expired at "),
        ("revoked", &revoked, "gw3", "the join token was revoked"),
        ("wrong name", &named, "gw5", "the join token is for gw4, not gw5"),
        ("unknown", &unknown, "gw1", "the join token is not known to this cluster"),
        ("another cluster's", &of_other, "gw1", "the join token belongs to another cluster"),
    ] {
        let told = enrol(&node.api, token, name).await.expect_err(what);
        assert_eq!(told.code(), Code::Unauthenticated, "{what}: {told:?}");
        assert!(told.message().starts_with(words), "{what}: {told:?}");
        assert_eq!(hint(&told), "ask for a new one: millctl token create", "{what}");
    }
    // It pins the other cluster's authority, so our server is not even told the secret.
    let told = enrol(&node.api, &foreign, "gw1").await.expect_err("a foreign token");
    let chain = format!("{:#}", anyhow::Error::new(told));
    assert!(chain.contains("the server belongs to another cluster than the token"), "{chain}");
    // The wrong name did not spend it.
    enrol(&node.api, &named, "gw4").await?;

    let tls = pinned_client_config(fingerprint);
    let mut service = EnrolmentServiceClient::new(channel(&node.api, tls));
    let request = EnrolRequest { token: "hello".to_owned(), ..EnrolRequest::default() };
    let told = service.enrol(request).await.expect_err("not a token");
    assert_eq!(told.message(), "this is not a Millwright join token");
    let request = EnrolRequest { token: unknown.reveal(), csr_der: vec![1], ..Default::default() };
    let told = service.enrol(request).await.expect_err("not a request");
    assert_eq!(told.code(), Code::InvalidArgument, "{told:?}");
    Ok(())
}
