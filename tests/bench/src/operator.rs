//! The control service as `millctl` uses it: mTLS with the first operator's certificate.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use millwright_certs::{connect::Connector, store::CredentialStore};
use millwright_proto::control::{
    ApplyRequest, Resource, control_service_client::ControlServiceClient,
};
use playground::cluster::Cluster;
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

/// Client of one coordinator.
pub type Control = ControlServiceClient<Channel>;

/// Largest answer: a list of a thousand gateways.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The first operator.
#[derive(Debug, Clone)]
pub struct Operator {
    store: CredentialStore,
}

impl Operator {
    /// Of a cluster that was made here.
    pub fn of(cluster: &Cluster) -> anyhow::Result<Self> {
        let first = cluster.nodes.first().context("a cluster without nodes")?;
        let store = CredentialStore::load_dir(&first.dir.join("operator"))?;
        Ok(Self { store })
    }

    /// A connection of its own to one coordinator.
    pub async fn connect(&self, address: &str) -> anyhow::Result<Control> {
        let store = self.store.clone();
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .connect_with_connector(Connector::new(Arc::new(move || store.client_config())))
            .await
            .with_context(|| format!("cannot reach the coordinator at {address}"))?;
        Ok(ControlServiceClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }
}

fn wire(resource: &Value) -> Resource {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Resource {
        kind: text(&resource["kind"]),
        name: text(&resource["metadata"]["name"]),
        json: resource.to_string().into_bytes(),
        version: 0,
    }
}

/// Applies resources; returns the log index.
pub async fn apply(control: &mut Control, resources: &[Value]) -> anyhow::Result<u64> {
    let request = ApplyRequest {
        resources: resources.iter().map(wire).collect(),
        dry_run: false,
        reason: "benchmark".to_owned(),
    };
    Ok(control.apply(request).await?.into_inner().index)
}

/// A gateway of profile `area` with one label that changes.
pub fn gateway(name: &str, label: &str) -> Value {
    json!({
        "apiVersion": "millwright.dev/v1", "kind": "Gateway",
        "metadata": {"name": name, "labels": {"area": "packing", "revision": label}},
        "spec": {"site": "site-1", "profile": "area"},
    })
}

/// The profile that [`gateway`] names.
pub fn profile() -> Value {
    json!({
        "apiVersion": "millwright.dev/v1", "kind": "SyncProfile",
        "metadata": {"name": "area"},
        "spec": {"mappings": [{"source": "projects/shared", "destination": "projects/shared"}]},
    })
}
