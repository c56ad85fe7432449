//! Reaching a coordinator: the next address is tried before a silent one has timed out, the first
//! good answer wins.

use std::{sync::Arc, time::Duration};

use millwright_certs::{connect::Connector, store::CredentialStore};
use millwright_proto::control::{
    ClusterStatusRequest, control_service_client::ControlServiceClient,
};
use rustls::ClientConfig;
use tokio::task::JoinSet;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use super::{Live, MESSAGE_BYTES_MAX};
use crate::error::{Error, Kind, Result, chain};

/// Time to reach one coordinator.
const CONNECT: Duration = Duration::from_secs(2);
/// A request takes at most this long; an election takes about two seconds.
const REQUEST: Duration = Duration::from_secs(15);
/// Head start of an address over the next one.
const HEAD_START: Duration = Duration::from_millis(200);
/// A coordinator that is gone is noticed within twice this while a watch is silent.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A channel to one address.
pub async fn channel(
    address: &str,
    tls: Arc<dyn Fn() -> Arc<ClientConfig> + Send + Sync>,
) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| {
            let message = format!("{address:?} is no address: {}", chain(&error));
            Error::new(Kind::Usage, message).hint("write it like host:8443")
        })?
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    endpoint
        .connect_with_connector(Connector::new(tls))
        .await
        .map_err(|error| Error::new(Kind::Unavailable, format!("{address}: {}", chain(&error))))
}

async fn attempt(address: String, store: CredentialStore) -> Result<Live> {
    let channel = channel(&address, Arc::new(move || store.client_config())).await?;
    let mut control =
        ControlServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    // TLS 1.3 refuses a client only with its first answer.
    match control.cluster_status(ClusterStatusRequest { stale: true }).await {
        Ok(answer) => Ok(Live { address, control, status: answer.into_inner() }),
        Err(status) if matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated) => {
            Err(status.into())
        }
        Err(status) => {
            let text = match status.message() {
                "" => status.code().to_string(),
                message => message.to_owned(),
            };
            Err(Error::new(Kind::Unavailable, format!("{address}: {text}")))
        }
    }
}

/// The first coordinator that answers.
pub(super) async fn first(addresses: &[String], store: &CredentialStore) -> Result<Live> {
    let mut waiting = addresses.iter();
    let mut running = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            running.spawn(attempt(address.clone(), store.clone()));
        }
        // Without another address there is nothing to start early.
        let patience = if waiting.len() > 0 { HEAD_START } else { CONNECT + REQUEST };
        let done = match tokio::time::timeout(patience, running.join_next()).await {
            Err(_) => continue,
            Ok(None) => return Err(unreachable(addresses, &failed)),
            Ok(Some(done)) => done,
        };
        match done {
            Ok(Ok(live)) => return Ok(live),
            Ok(Err(error)) if error.kind != Kind::Unavailable => return Err(error),
            Ok(Err(error)) => failed.push(error.message),
            Err(panic) => return Err(Error::new(Kind::Bug, panic.to_string())),
        }
    }
}

fn unreachable(addresses: &[String], failed: &[String]) -> Error {
    let message = match addresses.len() {
        0 => "the context names no coordinator".to_owned(),
        1 => format!("the coordinator cannot be reached: {}", failed.join("")),
        all => format!("none of {all} coordinators can be reached:\n  {}", failed.join("\n  ")),
    };
    Error::new(Kind::Unavailable, message)
        .hint("are the coordinators running, and are the addresses right? millctl config explain")
}
