//! Turns what many agents say into few log entries: whatever has come in while the last entry was
//! being committed goes into the next one.

use std::{collections::BTreeMap, time::Duration};

use millwright_coordinator_domain::command::{AgentRef, Body};
use millwright_model::{instruction::Answer, report::Report};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::AgentKey;
use crate::{edge, node::Shared};

/// Reports waiting to be logged; a full queue makes the links wait, which makes the agents keep
/// their reports.
const QUEUE: usize = 4096;
/// Items in one entry: keeps an entry well below a megabyte.
const BATCH: usize = 256;
/// Before another try when there is no leader.
const RETRY: Duration = Duration::from_millis(500);

/// Something for the log.
#[derive(Debug)]
pub enum Item {
    /// A report; the sender is told once it is committed.
    Report(Report, oneshot::Sender<()>),
    /// What became of an instruction.
    Answer(Answer),
    /// An agent is connected here.
    Connected(AgentRef),
    /// An agent has been gone from here for longer than the grace period.
    Lost(AgentKey),
}

/// The way into the batcher.
#[derive(Debug, Clone)]
pub struct BatchHandle {
    items: mpsc::Sender<Item>,
}

impl BatchHandle {
    /// Queues an item; waits when the queue is full.
    pub async fn send(&self, item: Item) {
        // The receiver ends only when the whole node stops.
        let _stopping = self.items.send(item).await;
    }
}

/// Receiving end, to be run by [`run`].
#[derive(Debug)]
pub struct BatchTask {
    items: mpsc::Receiver<Item>,
}

/// A new queue.
pub fn channel() -> (BatchHandle, BatchTask) {
    let (tx, rx) = mpsc::channel(QUEUE);
    (BatchHandle { items: tx }, BatchTask { items: rx })
}

/// Runs until `stop`.
pub async fn run(shared: Shared, mut task: BatchTask, stop: CancellationToken) {
    announce_start(&shared, &stop).await;
    let mut items = Vec::with_capacity(BATCH);
    loop {
        let count = tokio::select! {
            count = task.items.recv_many(&mut items, BATCH) => count,
            () = stop.cancelled() => return,
        };
        if count == 0 {
            return;
        }
        record(&shared, std::mem::take(&mut items), &stop).await;
    }
}

/// This process holds no stream yet: what the state says of its predecessor's is void.
async fn announce_start(shared: &Shared, stop: &CancellationToken) {
    let body = Body::RecordPresence {
        node: shared.node_id,
        full: true,
        connected: Vec::new(),
        lost: Vec::new(),
    };
    propose(shared, body, stop).await;
}

async fn record(shared: &Shared, items: Vec<Item>, stop: &CancellationToken) {
    let (mut reports, mut acks, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    let mut connected = BTreeMap::new();
    let mut lost = Vec::new();
    for item in items {
        match item {
            Item::Report(report, ack) => {
                reports.push(report);
                acks.push(ack);
            }
            Item::Answer(answer) => answers.push(answer),
            Item::Connected(agent) => {
                connected.insert((agent.gateway.clone(), agent.member), agent);
            }
            Item::Lost(agent) if shared.links.holds(&agent) => {}
            Item::Lost(agent) => lost.push(agent),
        }
    }
    if !connected.is_empty() || !lost.is_empty() {
        let connected = connected.into_values().collect();
        let body = Body::RecordPresence { node: shared.node_id, full: false, connected, lost };
        propose(shared, body, stop).await;
    }
    if !answers.is_empty() {
        propose(shared, Body::RecordAnswers { answers }, stop).await;
    }
    if !reports.is_empty() && propose(shared, Body::RecordReports { reports }, stop).await {
        for ack in acks {
            // The link may be gone: the agent sends the report again, which changes nothing.
            let _gone = ack.send(());
        }
    }
}

/// Proposes until it is decided; `false` when the node stops first.
async fn propose(shared: &Shared, body: Body, stop: &CancellationToken) -> bool {
    let command = edge::command(shared, body);
    loop {
        let tried = tokio::select! {
            tried = shared.consensus.propose(&command) => tried,
            () = stop.cancelled() => return false,
        };
        match tried {
            Ok(_) => return true,
            Err(error) => {
                tracing::warn!(%error, "cannot record what agents say; trying again");
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = stop.cancelled() => return false,
                }
            }
        }
    }
}
