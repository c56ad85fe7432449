//! One running coordinator: its parts, how they start in order, how they stop.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use millwright_certs::{
    identity::Identity,
    seal::{self, ClusterKey},
    store::CredentialStore,
};
use millwright_coordinator_domain::{
    Touched,
    command::{Body, NodeRecord, Outcome},
};
use millwright_model::id::{ClusterId, Name};
use millwright_proto::peer;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api::enrol::CA_KEY_CONTEXT,
    audit,
    config::Config,
    consensus::Handle,
    content::Content,
    driver, edge,
    link::{
        Registry,
        batch::{self, BatchHandle},
    },
    peers::Peers,
    readiness, renewal,
    serve::{Connections, Listeners},
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
    /// Folder of the node.
    pub dir: PathBuf,
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
    /// What came in.
    pub connections: Connections,
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
        let cluster_key = ClusterKey::load(&dir.join("cluster.key")).with_context(|| {
            format!(
                "cannot use the cluster key {}: {RESTORE_KEY}",
                dir.join("cluster.key").display()
            )
        })?;
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
        let consensus = Handle::start(id, &dir.join("raft"), config.raft, peers.clone(), listener)
            .await
            .context("cannot open the replicated log")?;
        check_cluster_key(&consensus, &cluster_key, dir)?;
        watch_revocations(&store, &consensus);
        let (batch, batch_task) = batch::channel();
        let (drain, draining) = watch::channel(false);
        let shared = Shared(Arc::new(Parts {
            dir: dir.to_owned(),
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
            connections: Connections::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            draining,
            drain,
        }));
        renewal::at_start(&shared);
        let health = readiness::reporter().await;
        listeners.serve(&shared, &health)?;
        shared.tasks.spawn(readiness::report(shared.clone(), health));
        shared.tasks.spawn(batch::run(shared.clone(), batch_task, shared.stop.clone()));
        shared.tasks.spawn(driver::run(shared.clone()));
        shared.tasks.spawn(driver::releases::run(shared.clone()));
        shared.tasks.spawn(renewal::run(shared.clone()));
        shared.tasks.spawn(audit::run(shared.clone()));
        join(&shared).await?;
        founded(&shared).await;
        // Again: a node that has just joined did not know the secrets before.
        check_cluster_key(&shared.consensus, &shared.cluster_key, dir)?;
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

/// What to do without the key that opens the cluster's secrets. Every coordinator has the same one.
const RESTORE_KEY: &str = "restore it from a backup or from another coordinator of this cluster, or \
                           join this node again from an empty folder with a new token";

fn check_cluster_key(consensus: &Handle, key: &ClusterKey, dir: &Path) -> anyhow::Result<()> {
    let state = consensus.state().state;
    if state.is_founded() && seal::open(key, CA_KEY_CONTEXT, state.sealed_ca_key()).is_err() {
        bail!(
            "the cluster key {} does not open the secrets of this cluster: {RESTORE_KEY}",
            dir.join("cluster.key").display()
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

/// Waits until this node has applied what makes its cluster.
async fn founded(shared: &Shared) {
    let mut watch = shared.consensus.watch();
    // Its sender lives as long as the node.
    let _ended = watch.wait_for(|published| published.state.is_founded()).await;
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
    let mut watch = shared.consensus.watch();
    while watch.borrow_and_update().state.nodes().get(&shared.node_id) != Some(&node) {
        let body = Body::PutNode { id: shared.node_id, node: node.clone() };
        match shared.consensus.propose(&edge::command(shared, body)).await {
            Ok(decided) => {
                // Its sender lives as long as the node.
                let _ended = watch.wait_for(|published| published.index >= decided.index).await;
                if let Outcome::Rejected(rejection) = decided.outcome.as_ref() {
                    let message = rejection.message();
                    tracing::warn!(message, "the cluster does not take this node's addresses yet");
                    tokio::time::sleep(JOIN_PAUSE).await;
                }
            }
            Err(error) => tracing::warn!(%error, "cannot register this node yet"),
        }
    }
    Ok(())
}
