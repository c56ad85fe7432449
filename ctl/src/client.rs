//! Talks to whichever coordinator answers: all are tried, and all that the cluster knows of are
//! remembered for the next try.

use std::{sync::Arc, time::Duration};

use millwright_certs::connect::Connector;
use millwright_proto::control::{
    ClusterStatusRequest, GetRequest, Resource, control_service_client::ControlServiceClient,
};
use tonic::transport::{Channel, Endpoint};

use crate::{
    context::Context,
    error::{Error, Kind, Result},
};

/// Client of one coordinator.
pub type Control = ControlServiceClient<Channel>;

/// Time to reach one coordinator.
const CONNECT: Duration = Duration::from_secs(2);
/// A request takes at most this long; an election takes about two seconds.
const REQUEST: Duration = Duration::from_secs(15);
/// Largest answer.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The cluster of a context.
#[derive(Debug)]
pub struct Client {
    context: Context,
    /// Read what one node has, even without a leader.
    pub stale: bool,
}

impl Client {
    /// Uses a context.
    pub fn new(context: Context, stale: bool) -> Self {
        Self { context, stale }
    }

    /// A coordinator that can be reached.
    pub async fn connect(&mut self) -> Result<Control> {
        let mut last = String::new();
        for address in self.context.coordinators.clone() {
            let store = self.context.store.clone();
            let endpoint = Endpoint::from_shared(format!("http://{address}"))
                .map_err(|error| Error::new(Kind::Usage, format!("{address}: {error}")))?
                .connect_timeout(CONNECT)
                .timeout(REQUEST);
            let connector = Connector::new(Arc::new(move || store.client_config()));
            match endpoint.connect_with_connector(connector).await {
                Ok(channel) => {
                    let mut control = ControlServiceClient::new(channel)
                        .max_decoding_message_size(MESSAGE_BYTES_MAX);
                    // TLS 1.3 refuses a client only with its first answer.
                    match control.cluster_status(ClusterStatusRequest { stale: true }).await {
                        Ok(answer) => {
                            self.learn(&answer.into_inner());
                            return Ok(control);
                        }
                        Err(status) if status.code() == tonic::Code::PermissionDenied => {
                            return Err(status.into());
                        }
                        Err(status) => last = format!("{address}: {}", status.message()),
                    }
                }
                Err(error) => {
                    let mut text = error.to_string();
                    let mut cause = std::error::Error::source(&error);
                    while let Some(next) = cause {
                        text.push_str(&format!(": {next}"));
                        cause = next.source();
                    }
                    last = format!("{address}: {text}");
                }
            }
        }
        Err(Error::new(
            Kind::Unavailable,
            format!("no coordinator can be reached; last tried {last}"),
        )
        .hint("are the coordinators running, and is the address in the context right?"))
    }

    /// Addresses that the context file does not have yet are tried too, when a node is down.
    fn learn(&mut self, status: &millwright_proto::control::ClusterStatusResponse) {
        for node in &status.nodes {
            if !self.context.coordinators.contains(&node.api_address) {
                self.context.coordinators.push(node.api_address.clone());
            }
        }
    }

    /// Resources with status.
    pub async fn get(
        &mut self,
        kind: &str,
        name: &str,
        selector: &str,
    ) -> Result<Vec<serde_json::Value>> {
        let request = GetRequest {
            kind: kind.to_owned(),
            name: name.to_owned(),
            selector: selector.to_owned(),
            stale: self.stale,
        };
        let answer = self.connect().await?.get(request).await?.into_inner();
        answer.resources.iter().map(value).collect()
    }
}

fn value(resource: &Resource) -> Result<serde_json::Value> {
    serde_json::from_slice(&resource.json)
        .map_err(|error| Error::new(Kind::Error, format!("a resource that is no JSON: {error}")))
}
