//! Channels to the other coordinators: one per address, made when first needed, shared by Raft,
//! forwarded writes and content. Reconnecting and back-off are the channel's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use millwright_certs::{connect::Connector, store::CredentialStore};
use millwright_proto::peer::peer_service_client::PeerServiceClient;
use tonic::transport::{Channel, Endpoint};

/// Client of another coordinator.
pub type PeerClient = PeerServiceClient<Channel>;

/// Largest message between coordinators: an append of many entries or one large command.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// All channels to other coordinators. Cheap to clone.
#[derive(Clone)]
pub struct Peers {
    store: CredentialStore,
    channels: Arc<Mutex<BTreeMap<String, Channel>>>,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Peers")
    }
}

impl Peers {
    /// Uses this node's identity for every channel.
    pub fn new(store: CredentialStore) -> Self {
        Self { store, channels: Arc::default() }
    }

    /// A client of the coordinator at `address` (`host:port`). Connects on first use.
    pub fn client(&self, address: &str) -> PeerClient {
        PeerServiceClient::new(self.channel(address))
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn channel(&self, address: &str) -> Channel {
        let mut channels = self.channels.lock().expect("nothing panics while holding it");
        if let Some(channel) = channels.get(address) {
            return channel.clone();
        }
        let channel = lazy_channel(&self.store, address);
        channels.insert(address.to_owned(), channel.clone());
        channel
    }
}

/// A channel that connects when first used and presents the newest certificate of `store`.
pub fn lazy_channel(store: &CredentialStore, address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .unwrap_or_else(|_| Endpoint::from_static("http://invalid.invalid"))
        .connect_timeout(Duration::from_secs(2))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .tcp_nodelay(true);
    let store = store.clone();
    endpoint.connect_with_connector_lazy(Connector::new(Arc::new(move || store.client_config())))
}
