//! A lightweight agent: enrols with a token, holds one real mTLS stream, takes assignments over and
//! reports them applied at once. It has no gateway and fetches no content.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use millwright_certs::{
    connect::Connector, key, store::CredentialStore, tls::pinned_client_config, token::JoinToken,
};
use millwright_proto::{
    agent::{
        AgentMessage, EnrolRequest, Heartbeat, Hello, Received, agent_message::Message as Out,
        agent_service_client::AgentServiceClient, coordinator_message::Message as In,
        enrolment_service_client::EnrolmentServiceClient,
    },
    common::{Assignment, GatewayFacts, Phase, Report},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, interval_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

use crate::wire::{CountingConnector, Wire};

/// Messages waiting for the stream.
const OUTBOUND: usize = 4;

/// Milliseconds since 1970: coordinators and agents share this machine's clock.
pub fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

/// What an agent has seen.
#[derive(Debug)]
pub enum Seen {
    /// The stream is open and greeted.
    Welcomed,
    /// An assignment of this commit arrived.
    Assigned {
        /// Which.
        commit: String,
        /// Milliseconds since 1970.
        at_ms: f64,
    },
    /// Its report is in the replicated log.
    Recorded {
        /// Of which commit.
        commit: String,
        /// Milliseconds since 1970.
        at_ms: f64,
    },
    /// The stream ended.
    Ended(String),
}

/// One enrolled agent.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its gateway.
    pub gateway: String,
    store: CredentialStore,
    /// Epoch and generation.
    handled: (u64, u64),
    /// Commit of the assignment whose report is on its way.
    reported: String,
}

impl Agent {
    /// Buys an identity.
    pub async fn enrol(gateway: String, token: &str, address: &str) -> anyhow::Result<Self> {
        let token: JoinToken = token.parse()?;
        let tls = pinned_client_config(*token.ca_fingerprint());
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(Duration::from_secs(30))
            .connect_with_connector(Connector::new(Arc::new(move || Arc::clone(&tls))))
            .await
            .context("cannot reach a coordinator to enrol")?;
        let key = key::generate()?;
        let request = EnrolRequest {
            token: token.reveal(),
            csr_der: key::csr_der(&key)?,
            name: gateway.clone(),
            member: String::new(),
        };
        let answer = EnrolmentServiceClient::new(channel).enrol(request).await?.into_inner();
        let store =
            CredentialStore::new(&answer.ca_pem, &answer.certificate_pem, &key.serialize_pem())?;
        Ok(Self { gateway, store, handled: (0, 0), reported: String::new() })
    }

    /// Holds one stream until told to stop; returns itself for the next one.
    pub async fn run(
        mut self,
        address: String,
        wire: Arc<Wire>,
        seen: mpsc::UnboundedSender<Seen>,
        stop: oneshot::Receiver<()>,
    ) -> Self {
        let ended = tokio::select! {
            ended = self.stream(&address, wire, &seen) => ended,
            _ = stop => return self,
        };
        let why = ended.err().map_or_else(|| "closed".to_owned(), |error| format!("{error:#}"));
        // The collector has gone when the benchmark is over.
        let _over = seen.send(Seen::Ended(why));
        self
    }

    async fn stream(
        &mut self,
        address: &str,
        wire: Arc<Wire>,
        seen: &mpsc::UnboundedSender<Seen>,
    ) -> anyhow::Result<()> {
        // As the real agent sets its channel up.
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(Duration::from_mins(1))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .connect_with_connector(CountingConnector { tls: self.store.client_config(), wire })
            .await?;
        let (tx, rx) = mpsc::channel(OUTBOUND);
        tx.send(message(Out::Hello(self.hello()))).await?;
        let mut client = AgentServiceClient::new(channel);
        let mut inbound = client.connect(ReceiverStream::new(rx)).await?.into_inner();
        let mut beat = interval_at(Instant::now() + Duration::from_mins(1), Duration::from_mins(1));
        let mut sequence = 0;
        loop {
            tokio::select! {
                received = inbound.message() => {
                    let received = received?.context("the coordinator closed the stream")?;
                    match received.message {
                        Some(In::Welcome(welcome)) => {
                            let period = Duration::from_millis(welcome.heartbeat_ms.max(1_000).into());
                            beat = interval_at(Instant::now() + period.mul_f64(rand::random()), period);
                            seen.send(Seen::Welcomed)?;
                        }
                        Some(In::Assignment(assignment)) => self.take(assignment, &tx, seen).await?,
                        Some(In::ReportAck(_)) => {
                            let commit = self.reported.clone();
                            seen.send(Seen::Recorded { commit, at_ms: now_ms() })?;
                        }
                        Some(In::HeartbeatAck(_) | In::Instruction(_)) | None => {}
                        // No fleet of this measurement has a pair or a secret.
                        Some(In::Peer(_) | In::Secret(_)) => {}
                        Some(In::Drain(_)) => anyhow::bail!("the coordinator goes away"),
                    }
                }
                _ = beat.tick() => {
                    sequence += 1;
                    tx.send(message(Out::Heartbeat(Heartbeat { sequence }))).await?;
                }
            }
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            handled_generation: self.handled.1,
            handled_epoch: self.handled.0,
            applied_manifest: Vec::new(),
            facts: Some(GatewayFacts {
                system_name: self.gateway.clone(),
                ignition_version: "8.3.6 (b2026042713)".to_owned(),
                state: "RUNNING".to_owned(),
                redundancy_role: "Independent".to_owned(),
                activity_level: "Active".to_owned(),
                os: "Linux".to_owned(),
                ..GatewayFacts::default()
            }),
            handled_attempt: 1,
            instance: format!("{:016x}", rand::random::<u64>()),
        }
    }

    async fn take(
        &mut self,
        assignment: Assignment,
        tx: &mpsc::Sender<AgentMessage>,
        seen: &mpsc::UnboundedSender<Seen>,
    ) -> anyhow::Result<()> {
        let at_ms = now_ms();
        let Assignment { generation, epoch, attempt, commit, manifest, .. } = assignment;
        seen.send(Seen::Assigned { commit: commit.clone(), at_ms })?;
        self.handled = (epoch, generation);
        self.reported.clone_from(&commit);
        tx.send(message(Out::Received(Received { generation, epoch }))).await?;
        let report = Report {
            gateway: self.gateway.clone(),
            member: "single".to_owned(),
            generation,
            epoch,
            attempt,
            phase: Phase::Applied.into(),
            manifest,
            commit,
            ..Report::default()
        };
        tx.send(message(Out::Report(report))).await?;
        Ok(())
    }
}

fn message(message: Out) -> AgentMessage {
    AgentMessage { message: Some(message) }
}
