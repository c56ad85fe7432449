//! One running coordinator: its parts, how they start in order, how they stop.

use std::{
    ops::Deref,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, bail};
use millwright_certs::{
    ca::Ca,
    connect,
    identity::Identity,
    seal::{self, ClusterKey},
    store::{ClientAuth, CredentialStore},
};
use millwright_coordinator_domain::{
    Touched,
    command::{Body, NodeRecord},
};
use millwright_model::id::{ClusterId, Name};
use millwright_proto::{
    agent::{
        agent_service_server::AgentServiceServer, enrolment_service_server::EnrolmentServiceServer,
    },
    control::control_service_server::ControlServiceServer,
    peer::{self, peer_service_server::PeerServiceServer},
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api::{
        agent::AgentApi,
        control::ControlApi,
        enrol::{CA_KEY_CONTEXT, EnrolApi},
        peer::PeerApi,
    },
    config::Config,
    consensus::Handle,
    content::Content,
    driver, edge, http,
    link::{
        Registry,
        batch::{self, BatchHandle},
    },
    peers::{MESSAGE_BYTES_MAX, Peers},
    setup::StoreMark,
};

/// After this, agents that have not moved away are cut off.
const DRAIN: Duration = Duration::from_secs(3);
/// Pause between two tries to be admitted.
const JOIN_PAUSE: Duration = Duration::from_millis(300);

/// The parts that tasks and services share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Parts>);

/// See [`Shared`].
#[derive(Debug)]
pub struct Parts {
    /// As read.
    pub config: Config,
    /// Id of the cluster.
    pub cluster_id: ClusterId,
    /// Name of this node.
    pub node_name: Name,
    /// Its id in the Raft group.
    pub node_id: u64,
    /// Its certificate.
    pub store: CredentialStore,
    /// Opens sealed values.
    pub cluster_key: ClusterKey,
    /// The replicated log.
    pub consensus: Handle,
    /// Manifests and blobs.
    pub content: Content,
    /// Streams of agents.
    pub links: Registry,
    /// Into the log, many at a time.
    pub batch: BatchHandle,
    /// To other coordinators.
    pub peers: Peers,
    /// Every task of this node.
    pub tasks: TaskTracker,
    /// Cancelled when the node stops.
    pub stop: CancellationToken,
    /// True once the node sends agents away.
    pub draining: watch::Receiver<bool>,
    drain: watch::Sender<bool>,
}

impl Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The id of a node in the Raft group: from its name, so that it is the same after a re-install.
pub fn node_id(name: &Name) -> u64 {
    let hash = blake3::hash(name.as_str().as_bytes());
    let bytes: [u8; 8] = hash.as_bytes()[..8].try_into().expect("eight of thirty-two bytes");
    // Below 2^53, so that JSON readers keep it exact; never 0.
    (u64::from_be_bytes(bytes) >> 11).max(1)
}

/// A started node.
#[derive(Debug)]
pub struct Running {
    shared: Shared,
}

impl Running {
    /// Starts the node of a folder. It serves when this returns, as soon as it is a member.
    pub async fn start(dir: &Path, config: Config) -> anyhow::Result<Self> {
        let store = CredentialStore::load_dir(&dir.join("node")).context("node certificate")?;
        let Identity::Coordinator { cluster, node } = store.identity().clone() else {
            bail!("the certificate in {} is no coordinator's", dir.join("node").display());
        };
        if node != config.node.name {
            bail!(
                "the certificate is for node {node}, the configuration says {}",
                config.node.name
            );
        }
        StoreMark::check(dir, &cluster)?;
        let cluster_key = ClusterKey::load(&dir.join("cluster.key")).context("cluster key")?;
        let listeners = Listeners::bind(&config).await?;
        let peers = Peers::new(store.clone());
        let links = Registry::default();
        let id = node_id(&node);
        let waker = links.clone();
        let listener = Arc::new(move |touched: &Touched| {
            for agent in &touched.revoked {
                waker.revoke(agent);
            }
            waker.wake(touched);
        });
        let consensus =
            Handle::start(id, &dir.join("raft"), config.timing(), peers.clone(), listener)
                .await
                .context("cannot open the replicated log")?;
        check_cluster_key(&consensus, &cluster_key)?;
        watch_revocations(&store, &consensus);
        let (batch, batch_task) = batch::channel();
        let (drain, draining) = watch::channel(false);
        let shared = Shared(Arc::new(Parts {
            config,
            cluster_id: cluster,
            node_name: node,
            node_id: id,
            store,
            cluster_key,
            consensus,
            content: Content::open(&dir.join("content")).context("content folder")?,
            links,
            batch,
            peers,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            draining,
            drain,
        }));
        listeners.serve(&shared);
        shared.tasks.spawn(batch::run(shared.clone(), batch_task, shared.stop.clone()));
        shared.tasks.spawn(driver::run(shared.clone()));
        shared.tasks.spawn(driver::releases::run(shared.clone()));
        shared.tasks.spawn(renew(shared.clone()));
        join(&shared).await?;
        register(&shared).await?;
        Ok(Self { shared })
    }

    /// The parts.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Sends agents away, hands leadership over, ends every task.
    pub async fn stop(self) {
        let shared = self.shared;
        shared.drain.send_replace(true);
        let emptied = async {
            while !shared.links.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(DRAIN, emptied).await.is_err() {
            tracing::info!(agents = shared.links.len(), "some agents did not move in time");
        }
        shared.consensus.stop().await;
        shared.stop.cancel();
        shared.tasks.close();
        if tokio::time::timeout(DRAIN, shared.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
    }
}

fn check_cluster_key(consensus: &Handle, key: &ClusterKey) -> anyhow::Result<()> {
    let state = consensus.state().state;
    if state.is_founded() && seal::open(key, CA_KEY_CONTEXT, state.sealed_ca_key()).is_err() {
        bail!(
            "cluster.key does not open the cluster's secrets: restore the file of this cluster, or \
             remove this node and join it again with a new token"
        );
    }
    Ok(())
}

fn watch_revocations(store: &CredentialStore, consensus: &Handle) {
    let published = consensus.watch();
    store.set_revocation(Arc::new(move |identity, key| {
        let state = Arc::clone(&published.borrow().state);
        // A node that has just joined knows nobody yet: the certificate alone counts.
        if !state.is_founded() || state.key_allowed(&identity.to_string(), key) {
            return false;
        }
        // A coordinator may join before this node has applied its admission.
        !identity.is_coordinator()
    }));
}

struct Listeners {
    api: TcpListener,
    peer: TcpListener,
    http: TcpListener,
}

impl Listeners {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = async |address: &str| {
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
        };
        Ok(Self {
            api: bind(&config.listen.api).await?,
            peer: bind(&config.listen.peer).await?,
            http: bind(&config.listen.http).await?,
        })
    }

    fn serve(self, shared: &Shared) {
        let store = shared.store.clone();
        let optional = store.server_config(ClientAuth::Optional);
        let api = connect::accept(self.api, Arc::new(move || Arc::clone(&optional)));
        let required = store.server_config(ClientAuth::Required);
        let peer = connect::accept(self.peer, Arc::new(move || Arc::clone(&required)));
        let (parts, stop) = (shared.clone(), shared.stop.clone());
        shared.tasks.spawn(async move {
            let served = tonic::transport::Server::builder()
                .http2_keepalive_interval(Some(Duration::from_secs(20)))
                .http2_keepalive_timeout(Some(Duration::from_secs(10)))
                .add_service(EnrolmentServiceServer::new(EnrolApi::new(parts.clone())))
                .add_service(AgentServiceServer::new(AgentApi::new(parts.clone())))
                .add_service(
                    ControlServiceServer::new(ControlApi::new(parts))
                        .max_decoding_message_size(16 << 20)
                        .max_encoding_message_size(MESSAGE_BYTES_MAX),
                )
                .serve_with_incoming_shutdown(api, stop.cancelled_owned())
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the API has ended");
            }
        });
        let (parts, stop) = (shared.clone(), shared.stop.clone());
        shared.tasks.spawn(async move {
            let service = PeerServiceServer::new(PeerApi::new(parts))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX);
            let served = tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming_shutdown(peer, stop.cancelled_owned())
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the peer service has ended");
            }
        });
        shared.tasks.spawn(http::serve(self.http, shared.clone()));
    }
}

fn own_info(shared: &Shared) -> millwright_proto::log::NodeInfo {
    millwright_proto::log::NodeInfo {
        id: shared.node_id,
        name: shared.node_name.to_string(),
        api_address: shared.config.listen.api.clone(),
        peer_address: shared.config.listen.peer.clone(),
    }
}

/// Asks to be a member until a leader says yes. Nothing to do for a node that is one.
async fn join(shared: &Shared) -> anyhow::Result<()> {
    if shared.config.node.join.is_empty() || shared.consensus.raft().is_initialized().await? {
        return Ok(());
    }
    tracing::info!("asking to be a member of the cluster");
    loop {
        for address in &shared.config.node.join {
            let request = peer::JoinRequest {
                node: Some(own_info(shared)),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            match shared.peers.client(address).join(request).await {
                Ok(_) => return Ok(()),
                Err(status) => {
                    tracing::debug!(address, message = status.message(), "not admitted yet");
                }
            }
        }
        tokio::time::sleep(JOIN_PAUSE).await;
    }
}

/// Tells the cluster of this node's addresses and version.
async fn register(shared: &Shared) -> anyhow::Result<()> {
    let key = shared.store.csr_der().context("own key")?;
    let node = NodeRecord {
        name: shared.node_name.clone(),
        api_address: shared.config.listen.api.clone(),
        peer_address: shared.config.listen.peer.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        key_digest: millwright_certs::ca::csr_key_digest(&key)?,
    };
    loop {
        if shared.consensus.state().state.nodes().get(&shared.node_id) == Some(&node) {
            return Ok(());
        }
        if !shared.consensus.state().state.is_founded() {
            tokio::time::sleep(JOIN_PAUSE).await;
            continue;
        }
        let body = Body::PutNode { id: shared.node_id, node: node.clone() };
        if let Err(error) = shared.consensus.propose(&edge::command(shared, body)).await {
            tracing::warn!(%error, "cannot register this node yet");
        }
    }
}

/// Renews this node's own certificate: it holds the cluster key, so it signs for itself.
async fn renew(shared: Shared) {
    loop {
        let wait = shared.store.refresh_in(SystemTime::now());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => return,
        }
        if !shared.store.renewal_due(SystemTime::now()) {
            continue;
        }
        match renew_once(&shared) {
            Ok(()) => tracing::info!("renewed this node's certificate"),
            Err(error) => tracing::warn!(%error, "cannot renew this node's certificate"),
        }
    }
}

fn renew_once(shared: &Shared) -> anyhow::Result<()> {
    let state = shared.consensus.state().state;
    let key = seal::open(&shared.cluster_key, CA_KEY_CONTEXT, state.sealed_ca_key())?;
    let ca = Ca::from_parts(state.ca_pem(), &key)?;
    let life = shared.config.certificates.life();
    let csr = shared.store.csr_der()?;
    let issued = ca.sign(&csr, shared.store.identity(), life, SystemTime::now())?;
    shared.store.publish(&issued.cert_pem)?;
    Ok(())
}
