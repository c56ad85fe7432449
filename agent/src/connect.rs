//! The one outbound stream: tries all coordinators in random order with jittered, capped back-off,
//! beats, moves when its node drains, and renews the certificate by proof of key.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use millwright_certs::{connect::Connector, store::CredentialStore, tls::pinned_client_config};
use millwright_model::{
    assignment::Assignment,
    facts::GatewayFacts,
    instruction::{Answer, Instruction},
    report::Report,
};
use millwright_proto::{
    agent::{
        AgentMessage, Heartbeat, Hello, Received, RenewRequest, ReportAck,
        agent_message::Message as Out, agent_service_client::AgentServiceClient,
        coordinator_message::Message as In, enrolment_service_client::EnrolmentServiceClient,
    },
    convert::answer_message,
};
use rand::seq::SliceRandom;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::{
    edge::CoordinatorTime,
    secret::Secret,
    state::{Handled, ReportId},
};

/// Client of a coordinator.
pub type AgentClient = AgentServiceClient<Channel>;

/// Back-off between rounds over all coordinators.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_LAST: Duration = Duration::from_secs(30);
/// Largest message: a manifest part or a batch of blobs.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Messages waiting for a stream that is slow.
const OUTBOUND: usize = 16;
/// How long content may wait for a coordinator.
const CLIENT_WAIT: Duration = Duration::from_mins(5);

/// The coordinator in use, for content.
#[derive(Debug, Clone)]
pub struct Coordinators {
    channel: watch::Receiver<Option<Channel>>,
}

impl Coordinators {
    /// A client of the coordinator in use; waits for one, but not for ever.
    pub async fn client(&self) -> Option<AgentClient> {
        let mut channel = self.channel.clone();
        let waited = tokio::time::timeout(CLIENT_WAIT, channel.wait_for(Option::is_some)).await;
        let channel = waited.ok()?.ok()?.clone()?;
        Some(AgentServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// A client of the coordinator in use, if there is one now.
    pub fn client_now(&self) -> Option<AgentClient> {
        let channel = self.channel.borrow().clone()?;
        Some(AgentServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }
}

/// What the runner and the stream tell each other.
#[derive(Debug)]
pub struct Wires {
    /// Newest assignment, from the coordinator.
    pub assignment: watch::Sender<Option<Assignment>>,
    /// Reports not acknowledged yet, from the runner; oldest first.
    pub reports: watch::Receiver<Vec<Report>>,
    /// A report that a coordinator has, to the runner.
    pub acknowledged: mpsc::Sender<ReportId>,
    /// Instructions, to the runner.
    pub instructions: mpsc::Sender<Instruction>,
    /// Answers, from the runner; those of a stream that broke are asked for again.
    pub answers: mpsc::Receiver<Answer>,
    /// What has been handled, from the runner.
    pub handled: watch::Receiver<Handled>,
    /// How active the other node of a pair is, from the coordinator; empty when unknown.
    pub peer: watch::Sender<String>,
    /// What the policies name, from the coordinator.
    pub secret: watch::Sender<Secret>,
    /// A coordinator's clock, from the coordinator.
    pub time: watch::Sender<Option<CoordinatorTime>>,
    /// What the agent sees of its gateway.
    pub facts: watch::Receiver<GatewayFacts>,
}

impl Wires {
    fn heard(&self, now_ms: u64) {
        if let Some(time) = CoordinatorTime::told(now_ms) {
            self.time.send_replace(Some(time));
        }
    }
}

/// The connection loop.
#[derive(Debug)]
pub struct Connection {
    store: CredentialStore,
    identity_dir: Option<PathBuf>,
    coordinators: Vec<String>,
    channel: watch::Sender<Option<Channel>>,
    instance: String,
}

/// Why a stream ended.
#[derive(Debug)]
enum Ended {
    /// The node asked us to move.
    Drained,
    /// It broke, or could not be opened.
    Broken(String),
}

impl Connection {
    /// A connection of this identity, saving renewed certificates to `identity_dir`.
    pub fn new(
        store: CredentialStore,
        identity_dir: Option<PathBuf>,
        coordinators: Vec<String>,
    ) -> (Self, Coordinators) {
        let (channel, seen) = watch::channel(None);
        let instance = format!("{:016x}", rand::random::<u64>());
        let connection = Self { store, identity_dir, coordinators, channel, instance };
        (connection, Coordinators { channel: seen })
    }

    /// Runs until `stop`.
    pub async fn run(mut self, mut wires: Wires, stop: CancellationToken) {
        let mut pause = PAUSE_FIRST;
        loop {
            let mut order = self.coordinators.clone();
            order.shuffle(&mut rand::rng());
            for address in order {
                self.renew_if_due(&address).await;
                let began = tokio::time::Instant::now();
                let ended = tokio::select! {
                    ended = self.stream(&address, &mut wires) => ended,
                    () = stop.cancelled() => return,
                };
                self.channel.send_replace(None);
                wires.peer.send_replace(String::new());
                // A stream that lasted proves that the way is good.
                if began.elapsed() > Duration::from_secs(5) {
                    pause = PAUSE_FIRST;
                }
                match ended {
                    Ended::Drained => tracing::info!(address, "the coordinator goes away, moving"),
                    Ended::Broken(why) => tracing::info!(address, why, "not connected"),
                }
            }
            let jitter = pause.mul_f64(0.5 + rand::random::<f64>() / 2.0);
            tokio::select! {
                () = tokio::time::sleep(jitter) => {}
                () = stop.cancelled() => return,
            }
            pause = (pause * 2).min(PAUSE_LAST);
        }
    }

    async fn open(&self, address: &str) -> Result<Channel, String> {
        let store = self.store.clone();
        Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| error.to_string())?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .connect_with_connector(Connector::new(Arc::new(move || store.client_config())))
            .await
            .map_err(|error| format!("{:#}", anyhow::Error::new(error)))
    }

    /// One stream, from opening to its end.
    async fn stream(&mut self, address: &str, wires: &mut Wires) -> Ended {
        let broken = |why: String| Ended::Broken(why);
        let channel = match self.open(address).await {
            Ok(channel) => channel,
            Err(why) => return broken(why),
        };
        let (tx, rx) = mpsc::channel(OUTBOUND);
        let handled = *wires.handled.borrow();
        let hello = Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            handled_generation: handled.generation,
            handled_attempt: handled.attempt,
            handled_epoch: handled.epoch,
            applied_manifest: Vec::new(),
            facts: Some(wires.facts.borrow_and_update().clone().into()),
            instance: self.instance.clone(),
        };
        if send(&tx, Out::Hello(hello)).await.is_err() {
            return broken("the stream closed at once".to_owned());
        }
        let mut client =
            AgentServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let mut inbound = match client.connect(ReceiverStream::new(rx)).await {
            Ok(inbound) => inbound.into_inner(),
            Err(status) => return broken(status.message().to_owned()),
        };
        self.channel.send_replace(Some(channel));
        wires.reports.mark_changed();
        let mut beat = tokio::time::interval(Duration::from_secs(10));
        let (mut sequence, mut answered) = (0_u64, 0_u64);
        loop {
            let outcome = tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(message)) => {
                        self.received(message.message, &tx, wires, &mut beat, &mut answered).await
                    }
                    Ok(None) => Err(broken("the coordinator closed the stream".to_owned())),
                    Err(status) => Err(broken(status.message().to_owned())),
                },
                _ = beat.tick() => {
                    if sequence.saturating_sub(answered) > 3 {
                        return broken("three heartbeats were not answered".to_owned());
                    }
                    sequence += 1;
                    send(&tx, Out::Heartbeat(Heartbeat { sequence })).await
                }
                Ok(()) = wires.reports.changed() => {
                    let reports = wires.reports.borrow_and_update().clone();
                    send_reports(&tx, reports).await
                }
                Some(answer) = wires.answers.recv() => {
                    send(&tx, Out::Answer(answer_message(answer))).await
                }
                Ok(()) = wires.facts.changed() => {
                    let facts = wires.facts.borrow_and_update().clone();
                    send(&tx, Out::Facts(facts.into())).await
                }
            };
            if let Err(ended) = outcome {
                return ended;
            }
        }
    }

    async fn received(
        &mut self,
        message: Option<In>,
        tx: &mpsc::Sender<AgentMessage>,
        wires: &mut Wires,
        beat: &mut tokio::time::Interval,
        answered: &mut u64,
    ) -> Result<(), Ended> {
        match message {
            None => Ok(()),
            Some(In::Welcome(welcome)) => {
                tracing::info!(node = welcome.node, "connected");
                wires.heard(welcome.now_ms);
                if !welcome.coordinators.is_empty() {
                    self.coordinators = welcome.coordinators;
                }
                let period = Duration::from_millis(u64::from(welcome.heartbeat_ms).max(1_000));
                *beat = tokio::time::interval(period);
                Ok(())
            }
            Some(In::HeartbeatAck(ack)) => {
                *answered = ack.sequence;
                wires.heard(ack.now_ms);
                Ok(())
            }
            Some(In::Assignment(wire)) => {
                let assignment = Assignment::try_from(wire)
                    .map_err(|error| Ended::Broken(format!("a bad assignment: {error}")))?;
                let received =
                    Received { generation: assignment.generation.0, epoch: assignment.epoch.0 };
                wires.assignment.send_replace(Some(assignment));
                send(tx, Out::Received(received)).await
            }
            Some(In::ReportAck(ack)) => {
                let last = ack.phase != i32::from(millwright_proto::common::Phase::Running);
                if last {
                    let ReportAck { generation, attempt, repair, phase: _ } = ack;
                    let acknowledged = ReportId { generation, attempt, repair };
                    // While a job is in hand nobody takes them; what was not noted is sent, and
                    // acknowledged, once more.
                    let _full = wires.acknowledged.try_send(acknowledged);
                }
                Ok(())
            }
            Some(In::Instruction(wire)) => {
                match Instruction::try_from(wire) {
                    // A full queue: the coordinator sends it again on the next stream.
                    Ok(instruction) => drop(wires.instructions.try_send(instruction)),
                    Err(error) => tracing::warn!(%error, "an instruction that cannot be read"),
                }
                Ok(())
            }
            Some(In::Peer(peer)) => {
                wires.peer.send_replace(peer.activity_level);
                Ok(())
            }
            Some(In::Secret(secret)) => {
                wires.secret.send_replace(secret.into());
                Ok(())
            }
            Some(In::Drain(_)) => Err(Ended::Drained),
        }
    }

    async fn renew_if_due(&self, address: &str) {
        if !self.store.renewal_due(SystemTime::now()) {
            return;
        }
        match self.renew(address).await {
            Ok(()) => tracing::info!("renewed the certificate"),
            Err(error) => tracing::warn!(
                address,
                error = format!("{error:#}"),
                "cannot renew the certificate"
            ),
        }
    }

    /// Works with an expired certificate too: the request is signed by the registered key.
    async fn renew(&self, address: &str) -> anyhow::Result<()> {
        let tls = pinned_client_config(self.store.ca_fingerprint());
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(Duration::from_secs(5))
            .connect_with_connector(Connector::new(Arc::new(move || Arc::clone(&tls))))
            .await?;
        let request = RenewRequest {
            csr_der: self.store.csr_der()?,
            identity: self.store.identity().to_string(),
        };
        let answer = EnrolmentServiceClient::new(channel)
            .renew(request)
            .await
            .map_err(|status| anyhow::anyhow!("{}", status.message()))?
            .into_inner();
        self.store.publish(&answer.certificate_pem)?;
        if let Some(dir) = &self.identity_dir {
            self.store.save_dir(dir)?;
        }
        Ok(())
    }
}

async fn send(tx: &mpsc::Sender<AgentMessage>, message: Out) -> Result<(), Ended> {
    tx.send(AgentMessage { message: Some(message) })
        .await
        .map_err(|_| Ended::Broken("the stream is closed".to_owned()))
}

async fn send_reports(tx: &mpsc::Sender<AgentMessage>, reports: Vec<Report>) -> Result<(), Ended> {
    for report in reports {
        send(tx, Out::Report(report.into())).await?;
    }
    Ok(())
}

/// Renews the certificate while a stream lasts; the stream itself goes on with the old one.
pub async fn keep_renewed(
    store: CredentialStore,
    identity_dir: PathBuf,
    coordinators: Vec<String>,
    stop: CancellationToken,
) {
    let (connection, _) = Connection::new(store.clone(), Some(identity_dir), coordinators);
    loop {
        tokio::select! {
            () = tokio::time::sleep(store.refresh_in(SystemTime::now())) => {}
            () = stop.cancelled() => return,
        }
        for address in connection.coordinators.clone() {
            connection.renew_if_due(&address).await;
        }
    }
}
