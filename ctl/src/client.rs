//! Talks to whichever coordinator answers: all are tried, and all that the cluster knows of are
//! remembered for the next try. Reads are repeated at another coordinator; changes are not, because
//! nobody knows whether the first try arrived.

pub mod dial;
pub mod enrol;
pub mod watch;

use std::time::SystemTime;

use millwright_proto::control::{
    ClusterStatusRequest, ClusterStatusResponse, GetRequest, Resource,
    control_service_client::ControlServiceClient,
};
use serde_json::Value;
use tonic::{Code, Response, Status, transport::Channel};

use crate::{
    context::Context,
    error::{Error, Kind, Result},
    output,
};

/// Client of one coordinator.
pub type Control = ControlServiceClient<Channel>;

/// Largest answer.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The coordinator that answered last.
#[derive(Debug, Clone)]
struct Live {
    address: String,
    control: Control,
    status: ClusterStatusResponse,
}

/// The cluster of a context.
#[derive(Debug)]
pub struct Client {
    context: Context,
    stale: bool,
    live: Option<Live>,
}

/// Resources, and the log index at which they were read.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// With status, as JSON.
    pub values: Vec<Value>,
    /// Log index.
    pub index: u64,
}

impl Client {
    /// Uses a context; `stale` reads what one node has, even without a leader.
    pub fn new(context: Context, stale: bool) -> Self {
        Self { context, stale, live: None }
    }

    /// The context in use.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Whether reads may be old.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// A coordinator that can be reached.
    pub async fn control(&mut self) -> Result<Control> {
        Ok(self.live().await?.control.clone())
    }

    async fn live(&mut self) -> Result<&Live> {
        if self.live.is_none() {
            self.renew().await?;
            let live = dial::first(&self.context.coordinators, &self.context.store).await?;
            self.learn(&live.status);
            self.live = Some(live);
        }
        self.live.as_ref().ok_or_else(|| Error::new(Kind::Bug, "a connection got lost"))
    }

    /// Renews the operator's certificate when two thirds of its life have passed. A failure matters
    /// only when the certificate has ended.
    async fn renew(&mut self) -> Result<()> {
        let store = &self.context.store;
        let now = SystemTime::now();
        if !store.renewal_due(now) {
            return Ok(());
        }
        let renewed = enrol::renew(&self.context.coordinators, store).await;
        let renewed = renewed.and_then(|()| {
            store.save_dir(&self.context.identity_dir).map_err(|error| {
                Error::new(Kind::Error, format!("cannot keep the new certificate: {error}"))
            })
        });
        match renewed {
            Ok(()) => Ok(()),
            Err(error) if store.expires_at() <= now => Err(Error {
                message: format!(
                    "the certificate of {} has expired and cannot be renewed: {}",
                    store.identity(),
                    error.message
                ),
                ..error
            }),
            Err(error) => {
                output::note(&format!("note: the certificate is not renewed: {}", error.message));
                Ok(())
            }
        }
    }

    /// Addresses that the contexts file does not have yet are tried too, when a node is down.
    fn learn(&mut self, status: &ClusterStatusResponse) {
        for node in &status.nodes {
            let known = self.context.coordinators.contains(&node.api_address);
            if !known && !node.api_address.is_empty() {
                self.context.coordinators.push(node.api_address.clone());
            }
        }
    }

    /// Forgets the coordinator in use; it is tried last from now on.
    pub fn leave(&mut self) {
        let Some(live) = self.live.take() else { return };
        let list = &mut self.context.coordinators;
        if let Some(at) = list.iter().position(|address| *address == live.address) {
            let address = list.remove(at);
            list.push(address);
        }
    }

    /// Asks the node at this address from now on, if it can be reached.
    pub async fn turn_to(&mut self, address: &str) {
        let addresses = [address.to_owned()];
        if let Ok(live) = dial::first(&addresses, &self.context.store).await {
            self.live = Some(live);
        }
    }

    /// Name of the node that answers, or its address.
    pub fn answered_by(&self) -> String {
        let Some(live) = &self.live else { return "no node".to_owned() };
        let node = live.status.nodes.iter().find(|node| node.id == live.status.answered_by);
        node.map_or_else(|| live.address.clone(), |node| node.name.clone())
    }

    /// Index that the node had applied when it was asked first: what a stale read is at least as
    /// new as, where the answer itself does not say.
    pub fn applied(&self) -> u64 {
        self.live.as_ref().map_or(0, |live| live.status.last_applied)
    }

    /// Asks one coordinator after the other until one answers.
    pub async fn read<T>(
        &mut self,
        call: impl AsyncFn(Control) -> std::result::Result<Response<T>, Status>,
    ) -> Result<T> {
        let mut refused: Option<Error> = None;
        let mut tried = Vec::new();
        loop {
            let live = self.live().await;
            let (address, control) = match (live, &refused) {
                (Ok(live), _) => (live.address.clone(), live.control.clone()),
                (Err(_), Some(refused)) => return Err(refused.clone()),
                (Err(error), None) => return Err(error),
            };
            // Everybody who can be reached has been asked.
            if let (true, Some(refused)) = (tried.contains(&address), &refused) {
                return Err(refused.clone());
            }
            match call(control).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if status.code() == Code::Unavailable => {
                    tried.push(address);
                    refused = Some(status.into());
                    self.leave();
                }
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// Resources with status. A name that does not exist is an error that names the nearest.
    pub async fn get(&mut self, kind: &str, name: &str, selector: &str) -> Result<Listing> {
        let request = GetRequest {
            kind: kind.to_owned(),
            name: name.to_owned(),
            selector: selector.to_owned(),
            stale: self.stale,
        };
        let read = self.read(async |mut control| control.get(request.clone()).await).await;
        let answer = match read {
            Err(error) if error.kind == Kind::NotFound && !name.is_empty() => {
                return Err(self.with_nearest(error, kind, name).await);
            }
            other => other?,
        };
        let values = answer.resources.iter().map(value).collect::<Result<_>>()?;
        Ok(Listing { values, index: answer.index })
    }

    async fn with_nearest(&mut self, error: Error, kind: &str, name: &str) -> Error {
        let request = GetRequest { kind: kind.to_owned(), stale: true, ..GetRequest::default() };
        let read = self.read(async |mut control| control.get(request.clone()).await).await;
        let Ok(answer) = read else { return error };
        let names = answer.resources.iter().map(|resource| resource.name.as_str());
        match millwright_model::template::nearest(name, names) {
            Some(meant) => error.hint(format!("did you mean {meant:?}?")),
            None => error,
        }
    }

    /// The coordinators.
    pub async fn cluster(&mut self) -> Result<ClusterStatusResponse> {
        let request = ClusterStatusRequest { stale: self.stale };
        self.read(async |mut control| control.cluster_status(request).await).await
    }

    /// Says at which index a stale read was made.
    pub fn note_index(&self, index: u64) {
        if self.stale {
            output::note(&format!("as of index {index}, read from {}", self.answered_by()));
        }
    }
}

fn value(resource: &Resource) -> Result<Value> {
    serde_json::from_slice(&resource.json).map_err(|error| {
        let message = format!("{} {} is no JSON: {error}", resource.kind, resource.name);
        Error::new(Kind::Error, message).hint("compare the versions: millctl version")
    })
}
