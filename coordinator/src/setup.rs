//! `init` makes a cluster with its first node and first operator; `join` prepares a further node.

use std::{fs, path::Path, sync::Arc, time::SystemTime};

use anyhow::{Context, bail};
use millwright_certs::{
    ca::Ca,
    connect::Connector,
    identity::Identity,
    key::{self, write_private},
    seal::{self, ClusterKey},
    store::CredentialStore,
    tls::pinned_client_config,
    token::JoinToken,
};
use millwright_coordinator_domain::command::{Body, Bootstrap, Command, NodeRecord};
use millwright_model::{
    generation::Epoch,
    id::{ClusterId, Name},
    time::Span,
};
use millwright_proto::{
    agent::{EnrolRequest, enrolment_service_client::EnrolmentServiceClient},
    hint,
    peer::GetClusterKeyRequest,
};
use serde::{Deserialize, Serialize};
use tonic::transport::Endpoint;

use crate::{
    api::enrol::CA_KEY_CONTEXT,
    config::{self, Certificates, Listen},
    consensus::{Handle, Timing, types::Node},
    edge,
    node::node_id,
    peers::Peers,
};

/// Version of the folder's layout; a newer one is refused.
const FORMAT: u32 = 1;

/// `store.json`: whose folder this is.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoreMark {
    format: u32,
    cluster: String,
}

impl StoreMark {
    fn write(dir: &Path, cluster: &ClusterId) -> anyhow::Result<()> {
        let mark = StoreMark { format: FORMAT, cluster: cluster.to_string() };
        write_private(&dir.join("store.json"), &serde_json::to_vec(&mark)?)?;
        Ok(())
    }

    /// Refuses a folder of a newer program or another cluster.
    pub fn check(dir: &Path, cluster: &ClusterId) -> anyhow::Result<()> {
        let path = dir.join("store.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mark: StoreMark = serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged", path.display()))?;
        if mark.format > FORMAT {
            bail!(
                "the store in {} has format {}, this program reads up to {FORMAT}: run the version \
                 that wrote it, or a later one; nothing was changed",
                dir.display(),
                mark.format
            );
        }
        if mark.cluster != cluster.as_str() {
            bail!(
                "the store in {} belongs to cluster {}, the certificate in its node folder to \
                 {cluster}: put the certificate of this node back, or join the other cluster from \
                 an empty folder",
                dir.display(),
                mark.cluster
            );
        }
        Ok(())
    }
}

/// What `init` and `join` are told.
#[derive(Debug)]
pub struct Place<'a> {
    /// Folder of the node.
    pub dir: &'a Path,
    /// Its name.
    pub node: Name,
    /// Its addresses.
    pub listen: Listen,
    /// Life of certificates.
    pub life: Span,
}

fn fresh(dir: &Path) -> anyhow::Result<()> {
    if dir.join("store.json").exists() {
        bail!("{} holds a coordinator already", dir.display());
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

/// Makes a cluster. The bootstrap command is in the replicated log when this returns.
pub async fn init(place: &Place<'_>, operator: &Name) -> anyhow::Result<()> {
    let Place { dir, node, listen, life } = place;
    fresh(dir)?;
    let cluster: ClusterId = format!("{:016x}", rand::random::<u64>()).parse()?;
    let ca = Ca::new(&cluster)?;
    let cluster_key = ClusterKey::generate();
    let now = SystemTime::now();
    let identity = Identity::Coordinator { cluster: cluster.clone(), node: node.clone() };
    let key = key::generate()?;
    let issued = ca.sign(&key::csr_der(&key)?, &identity, (*life).into(), now)?;
    let store = CredentialStore::new(ca.cert_pem(), &issued.cert_pem, &key.serialize_pem())?;
    store.save_dir(&dir.join("node"))?;
    let operator_key = write_operator(&dir.join("operator"), &ca, &cluster, operator, listen)?;
    cluster_key.store(&dir.join("cluster.key"))?;
    fs::write(dir.join("coordinator.toml"), config::template(node, listen, &[], *life))?;
    let record = NodeRecord {
        name: node.clone(),
        api_address: listen.api.clone(),
        peer_address: listen.peer.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        key_digest: issued.key_digest,
    };
    let body = Body::Bootstrap(Bootstrap {
        cluster_id: cluster.clone(),
        ca_pem: ca.cert_pem().to_owned(),
        sealed_ca_key: seal::seal(&cluster_key, CA_KEY_CONTEXT, &ca.key_pkcs8()),
        node_id: node_id(node),
        node: record,
        operator: operator.clone(),
        operator_key,
    });
    found(dir, node, listen, Peers::new(store), body).await?;
    StoreMark::write(dir, &cluster)
}

async fn found(
    dir: &Path,
    node: &Name,
    listen: &Listen,
    peers: Peers,
    body: Body,
) -> anyhow::Result<()> {
    // Alone, so nobody is kept waiting by a short silence.
    let timing = Timing {
        heartbeat_ms: 50,
        election_min_ms: 150,
        election_max_ms: 300,
        ..Timing::default()
    };
    let consensus =
        Handle::start(node_id(node), &dir.join("raft"), timing, peers, Arc::new(|_| {})).await?;
    let member = Node {
        name: node.to_string(),
        api_address: listen.api.clone(),
        peer_address: listen.peer.clone(),
    };
    consensus.found(member).await?;
    let command = Command {
        request_id: edge::request_id(),
        at: edge::now(),
        epoch: Epoch(0),
        actor: "init".to_owned(),
        from: String::new(),
        reason: String::new(),
        body,
    };
    consensus.propose(&command).await?;
    consensus.stop().await;
    Ok(())
}

fn write_operator(
    dir: &Path,
    ca: &Ca,
    cluster: &ClusterId,
    operator: &Name,
    listen: &Listen,
) -> anyhow::Result<[u8; 32]> {
    let life = Certificates::default().operator.into();
    let identity = Identity::Operator { cluster: cluster.clone(), name: operator.clone() };
    let key = key::generate()?;
    let issued = ca.sign(&key::csr_der(&key)?, &identity, life, SystemTime::now())?;
    CredentialStore::new(ca.cert_pem(), &issued.cert_pem, &key.serialize_pem())?.save_dir(dir)?;
    let fingerprint: String = ca.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    let context = format!(
        "current = \"{cluster}\"\n\n[[contexts]]\nname = \"{cluster}\"\ncoordinators = [\"{}\"]\n\
         ca_fingerprint = \"{fingerprint}\"\nidentity_dir = \".\"\n",
        listen.api
    );
    write_private(&dir.join("millctl.toml"), context.as_bytes())?;
    Ok(issued.key_digest)
}

/// Buys an identity with a token and fetches the cluster key; the node is admitted when it runs.
pub async fn join(place: &Place<'_>, token: &JoinToken, coordinator: &str) -> anyhow::Result<()> {
    let Place { dir, node, listen, life } = place;
    fresh(dir)?;
    let tls = pinned_client_config(*token.ca_fingerprint());
    let channel = Endpoint::from_shared(format!("http://{coordinator}"))?
        .connect_with_connector(Connector::new(Arc::new(move || Arc::clone(&tls))))
        .await
        .with_context(|| format!("cannot reach the coordinator at {coordinator}"))?;
    let key = key::generate()?;
    let request = EnrolRequest {
        token: token.reveal(),
        csr_der: key::csr_der(&key)?,
        name: node.to_string(),
        member: String::new(),
    };
    let answer = EnrolmentServiceClient::new(channel)
        .enrol(request)
        .await
        .map_err(|status| anyhow::anyhow!("the cluster refused: {}", hint::told(&status)))?
        .into_inner();
    let store =
        CredentialStore::new(&answer.ca_pem, &answer.certificate_pem, &key.serialize_pem())?;
    let peers = Peers::new(store.clone());
    let mut cluster_key = None;
    for address in &answer.peers {
        if let Ok(answer) = peers.client(address).get_cluster_key(GetClusterKeyRequest {}).await {
            cluster_key = ClusterKey::from_bytes(&answer.into_inner().key);
            break;
        }
    }
    let cluster_key = cluster_key.context("no coordinator handed out the cluster key")?;
    cluster_key.store(&dir.join("cluster.key"))?;
    store.save_dir(&dir.join("node"))?;
    fs::write(dir.join("coordinator.toml"), config::template(node, listen, &answer.peers, *life))?;
    StoreMark::write(dir, store.cluster())
}
