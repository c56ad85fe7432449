//! One task per agent stream: obtains events, lets [`Session`] answer, carries the answers out.

use std::time::Duration;

use futures::{Stream, StreamExt, stream::FuturesUnordered};
use millwright_coordinator_domain::{
    State,
    assignment::{assignment_of, instructions_of, is_unannounced, peer_activity},
    command::AgentRef,
};
use millwright_model::{facts::GatewayFacts, id::Name, report::Report};
use millwright_proto::{
    agent::{self, agent_message::Message as In, coordinator_message::Message as Out},
    convert,
};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::{
    AgentKey, Closed, Seat,
    batch::Item,
    session::{Event, Output, Session},
};
use crate::{edge, node::Shared, secret};

/// Heartbeat period told to agents: ten seconds costs an idle agent about 1 MB a day.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// Silence after which a stream counts as dead: three heartbeats.
const SILENCE: Duration = Duration::from_secs(30);
/// After the end of a stream, an agent is *lost* only if it has not come back for this long.
const GRACE: Duration = Duration::from_secs(10);

/// Where answers go: the stream's sending half.
pub type Sender = mpsc::Sender<Result<agent::CoordinatorMessage, Status>>;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct AgentEnd {
    /// Gateway and member of the certificate.
    pub key: AgentKey,
    /// Where it calls from.
    pub address: String,
}

/// Serves one stream until it ends, then reports the agent lost if it stays away.
pub async fn run<S>(shared: Shared, end: AgentEnd, seat: Seat, inbound: S, outbound: Sender)
where
    S: Stream<Item = Result<agent::AgentMessage, Status>> + Unpin + Send,
{
    let mut link = Link {
        shared: shared.clone(),
        end: end.clone(),
        session: Session::default(),
        version: String::new(),
        instance: String::new(),
        peer: String::new(),
        secret: None,
        acks: FuturesUnordered::new(),
        outbound,
    };
    let close = link.serve(inbound, &seat).await;
    if let Err(status) = close {
        tracing::info!(gateway = %end.key.0, member = %end.key.1, reason = status.message(), "stream ended");
        let _gone = link.outbound.send(Err(status)).await;
    }
    drop(link);
    if !shared.links.leave(&end.key, seat.serial) {
        return;
    }
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {}
        () = shared.stop.cancelled() => return,
    }
    if !shared.links.holds(&end.key) {
        shared.batch.send(Item::Lost(end.key)).await;
    }
}

type Ack = std::pin::Pin<Box<dyn Future<Output = Option<Report>> + Send + Sync>>;

struct Link {
    shared: Shared,
    end: AgentEnd,
    session: Session,
    version: String,
    instance: String,
    /// What this agent was told of the other node of its pair.
    peer: String,
    /// Which secret this agent has, and in which version.
    secret: Option<(Name, u64)>,
    acks: FuturesUnordered<Ack>,
    outbound: Sender,
}

impl Link {
    /// `Err` tells the agent why the stream ends.
    async fn serve<S>(&mut self, mut inbound: S, seat: &Seat) -> Result<(), Status>
    where
        S: Stream<Item = Result<agent::AgentMessage, Status>> + Unpin + Send,
    {
        let mut draining = self.shared.draining.clone();
        let drain = async move {
            if draining.wait_for(|draining| *draining).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(drain);
        let mut drained = false;
        loop {
            let event = tokio::select! {
                message = tokio::time::timeout(SILENCE, inbound.next()) => match message {
                    Ok(Some(Ok(message))) => Some(self.received(message)?),
                    Ok(Some(Err(_)) | None) => return Ok(()),
                    Err(_) => return Err(Status::deadline_exceeded("no heartbeat for 30 s")),
                },
                () = seat.wake.notified() => {
                    self.look_again().await?;
                    let state = self.shared.consensus.state().state;
                    let (gateway, member) = &self.end.key;
                    is_unannounced(&state, gateway, *member).then_some(Event::Unannounced)
                }
                Some(report) = self.acks.next() => {
                    if let Some(report) = report {
                        self.send(Out::ReportAck(ack_of(&report))).await?;
                    }
                    None
                }
                () = &mut drain, if !drained => {
                    drained = true;
                    let reason = "this coordinator is going away".to_owned();
                    self.send(Out::Drain(agent::Drain { reason })).await?;
                    None
                }
                () = seat.close.cancelled() => return Err(closed(seat.reason())),
            };
            let Some(event) = event else { continue };
            let greeted = matches!(event, Event::Hello { .. });
            for output in self.session.step(event) {
                self.carry_out(output).await?;
            }
            if greeted {
                self.welcome().await?;
                self.look_again().await?;
            }
        }
    }

    /// Sends what is new in the state for this agent.
    async fn look_again(&mut self) -> Result<(), Status> {
        let state = self.shared.consensus.state().state;
        let (gateway, member) = &self.end.key;
        // Before the assignment, so that it is known when the agent begins.
        let peer = peer_activity(&state, gateway, *member);
        if peer != self.peer {
            self.peer.clone_from(&peer);
            self.send(Out::Peer(agent::Peer { activity_level: peer })).await?;
        }
        self.send_secret(&state).await?;
        let (gateway, member) = &self.end.key;
        let events = [
            Event::Desired(assignment_of(&state, gateway, *member)),
            Event::Instructions(instructions_of(&state, gateway, *member)),
        ];
        for event in events {
            for output in self.session.step(event) {
                self.carry_out(output).await?;
            }
        }
        Ok(())
    }

    /// Sends the secret that the gateway's policies name, when it is not what the agent has.
    async fn send_secret(&mut self, state: &State) -> Result<(), Status> {
        let (gateway, member) = &self.end.key;
        let stored = state.secret_for(gateway, *member);
        let wanted = stored.map(|stored| (stored.resource.metadata.name.clone(), stored.version));
        if wanted == self.secret {
            return Ok(());
        }
        self.secret = wanted;
        let secret = match stored.map(|stored| secret::open(&self.shared, &stored.resource)) {
            None => agent::Secret::default(),
            Some(Ok(secret)) => secret,
            Some(Err(error)) => {
                tracing::error!(gateway = %self.end.key.0, %error, "cannot send a secret");
                return Ok(());
            }
        };
        self.send(Out::Secret(secret)).await
    }

    fn received(&mut self, message: agent::AgentMessage) -> Result<Event, Status> {
        let invalid = |error: String| Status::invalid_argument(error);
        let message = message.message.ok_or_else(|| invalid("an empty message".to_owned()))?;
        Ok(match message {
            In::Hello(hello) => {
                let agent::Hello {
                    version,
                    handled_generation,
                    handled_epoch,
                    handled_attempt,
                    applied_manifest: _,
                    facts,
                    instance,
                } = hello;
                self.version = bounded(version);
                self.instance = bounded(instance);
                Event::Hello {
                    handled: (
                        millwright_model::generation::Epoch(handled_epoch),
                        millwright_model::generation::Generation(handled_generation),
                        handled_attempt,
                    ),
                    facts: facts_of(facts)?,
                }
            }
            In::Heartbeat(agent::Heartbeat { sequence }) => Event::Heartbeat(sequence),
            In::Report(report) => {
                let report =
                    Report::try_from(report).map_err(|error| invalid(error.to_string()))?;
                if report.gateway != self.end.key.0 || report.member != self.end.key.1 {
                    return Err(Status::permission_denied("a report of another gateway"));
                }
                Event::Reported(report)
            }
            In::Facts(facts) => Event::Facts(facts_of(Some(facts))?),
            In::Answer(answer) => {
                let (gateway, member) = &self.end.key;
                let answer = convert::answer(answer, gateway, *member);
                Event::Answered(answer.map_err(|error| invalid(error.to_string()))?)
            }
            In::Received(agent::Received { generation, epoch }) => Event::Received(
                millwright_model::generation::Epoch(epoch),
                millwright_model::generation::Generation(generation),
            ),
        })
    }

    async fn carry_out(&mut self, output: Output) -> Result<(), Status> {
        match output {
            Output::Assign(assignment) => {
                tracing::debug!(gateway = %self.end.key.0, generation = assignment.generation.0, "assigned");
                self.send(Out::Assignment(assignment.into())).await
            }
            Output::Beat(sequence) => {
                let now_ms = edge::now().0;
                self.send(Out::HeartbeatAck(agent::HeartbeatAck { sequence, now_ms })).await
            }
            Output::Acknowledge(report) => self.send(Out::ReportAck(ack_of(&report))).await,
            Output::Record(report) => {
                let (tx, rx) = oneshot::channel();
                let acknowledged = report.clone();
                self.acks.push(Box::pin(async move { rx.await.ok().map(|()| acknowledged) }));
                self.shared.batch.send(Item::Report(report, tx)).await;
                Ok(())
            }
            Output::Announce(facts) => {
                let agent = AgentRef {
                    gateway: self.end.key.0.clone(),
                    member: self.end.key.1,
                    version: self.version.clone(),
                    address: self.end.address.clone(),
                    facts,
                    instance: self.instance.clone(),
                };
                self.shared.batch.send(Item::Connected(agent)).await;
                Ok(())
            }
            Output::Instruct(instruction) => {
                tracing::debug!(gateway = %self.end.key.0, kind = %instruction.kind, "instructed");
                self.send(Out::Instruction(instruction.into())).await
            }
            Output::RecordAnswer(answer) => {
                self.shared.batch.send(Item::Answer(answer)).await;
                Ok(())
            }
            Output::Taken(generation) => {
                tracing::debug!(gateway = %self.end.key.0, generation = generation.0, "taken over");
                Ok(())
            }
        }
    }

    async fn welcome(&self) -> Result<(), Status> {
        let published = self.shared.consensus.state();
        self.send(Out::Welcome(agent::Welcome {
            epoch: published.state.epoch().0,
            heartbeat_ms: u32::try_from(HEARTBEAT.as_millis()).expect("ten seconds fit"),
            coordinators: published.state.api_addresses(),
            node: self.shared.node_name.to_string(),
            now_ms: edge::now().0,
        }))
        .await
    }

    async fn send(&self, message: Out) -> Result<(), Status> {
        let message = agent::CoordinatorMessage { message: Some(message) };
        self.outbound
            .send(Ok(message))
            .await
            .map_err(|_| Status::cancelled("the agent has closed the stream"))
    }
}

fn ack_of(report: &Report) -> agent::ReportAck {
    let wire = millwright_proto::common::Report::from(report.clone());
    let millwright_proto::common::Report { generation, phase, attempt, repair, .. } = wire;
    agent::ReportAck { generation, phase, attempt, repair }
}

fn closed(reason: Closed) -> Status {
    match reason {
        Closed::Replaced => Status::aborted("the same agent opened a newer stream"),
        Closed::Revoked => Status::permission_denied("this agent was evicted or banned"),
    }
}

fn facts_of(wire: Option<millwright_proto::common::GatewayFacts>) -> Result<GatewayFacts, Status> {
    let facts = wire.map(GatewayFacts::try_from).transpose();
    facts.map(Option::unwrap_or_default).map_err(|e| Status::invalid_argument(e.to_string()))
}

/// Text from an agent that ends up in replicated state.
fn bounded(mut text: String) -> String {
    let end = (0..=text.len().min(64)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    text
}
