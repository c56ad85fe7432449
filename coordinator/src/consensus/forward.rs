//! Writes on their way to the leader: whatever waits while earlier ones are on the wire goes as one
//! request, so that a busy follower does not pay for a call per write.
//!
//! There is no task of its own: one of the callers carries what has gathered. A caller that goes away
//! takes nothing with it but the answers of that one request, and whoever misses an answer proposes
//! again under the same request id.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use millwright_proto::peer;
use tokio::sync::{Semaphore, oneshot};

use super::Decided;
use crate::{convert, peers::Peers};

/// Requests on the wire to one leader: the next gathers while these are being committed.
const IN_FLIGHT: usize = 4;
/// Writes in one request.
const BATCH: usize = 256;
/// Bytes in one request, unless a single write is larger.
const BATCH_BYTES: usize = 4 << 20;

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    command: Bytes,
    answer: oneshot::Sender<Decided>,
}

#[derive(Debug, Default)]
struct Queue {
    next_ticket: u64,
    waiting: VecDeque<Waiting>,
}

impl Queue {
    fn enter(&mut self, command: Bytes) -> (u64, oneshot::Receiver<Decided>) {
        let (answer, answered) = oneshot::channel();
        self.next_ticket += 1;
        self.waiting.push_back(Waiting { ticket: self.next_ticket, command, answer });
        (self.next_ticket, answered)
    }

    /// The oldest writes, as many as one request holds; nothing when `ticket` has been taken along
    /// by another caller already.
    fn take(&mut self, ticket: u64) -> Vec<Waiting> {
        if self.waiting.iter().all(|one| one.ticket != ticket) {
            return Vec::new();
        }
        let (mut count, mut bytes) = (0, 0);
        for one in self.waiting.iter().take(BATCH) {
            bytes += one.command.len();
            if count > 0 && bytes > BATCH_BYTES {
                break;
            }
            count += 1;
        }
        self.waiting.drain(..count).collect()
    }
}

/// The way to one leader.
#[derive(Debug)]
struct Lane {
    queue: Mutex<Queue>,
    in_flight: Semaphore,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while holding it")
    }
}

/// The ways to all leaders there have been. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Forwarder {
    peers: Peers,
    lanes: Arc<Mutex<BTreeMap<String, Arc<Lane>>>>,
}

impl Forwarder {
    /// Uses the shared channels of `peers`.
    pub fn new(peers: Peers) -> Self {
        Self { peers, lanes: Arc::default() }
    }

    fn lane(&self, address: &str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().expect("nothing panics while holding it");
        if let Some(lane) = lanes.get(address) {
            return Arc::clone(lane);
        }
        let lane = Lane { queue: Mutex::default(), in_flight: Semaphore::new(IN_FLIGHT) };
        let lane = Arc::new(lane);
        lanes.insert(address.to_owned(), Arc::clone(&lane));
        lane
    }

    /// The outcome of a write at the leader; `None` when its fate is not known.
    pub async fn send(&self, address: &str, command: Bytes, limit: Duration) -> Option<Decided> {
        let lane = self.lane(address);
        let (ticket, mut answered) = lane.lock().enter(command);
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut answered => return answer.ok(),
                turn = lane.in_flight.acquire() => turn.ok()?,
            };
            let batch = lane.lock().take(ticket);
            if batch.is_empty() {
                drop(turn);
                return answered.await.ok();
            }
            self.carry(address, batch, limit).await;
        }
    }

    /// Sends one request and hands out its answers; whoever gets none sees its sender dropped.
    async fn carry(&self, address: &str, batch: Vec<Waiting>, limit: Duration) {
        let (mut commands, mut answers) = (Vec::new(), Vec::new());
        for Waiting { command, answer, .. } in batch {
            commands.push(command);
            answers.push(answer);
        }
        let more = commands.split_off(1);
        let command = commands.pop().unwrap_or_default();
        let mut request = tonic::Request::new(peer::ForwardRequest { command, more });
        request.set_timeout(limit);
        let Ok(response) = self.peers.client(address).forward(request).await else { return };
        let mut first = response.into_inner();
        let more = std::mem::take(&mut first.more);
        for (answer, wire) in answers.into_iter().zip(std::iter::once(first).chain(more)) {
            if let Ok((index, outcome)) = convert::outcome_from_wire(wire) {
                // The caller may have gone.
                let _gone = answer.send(Decided { index, outcome: Arc::new(outcome) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_takes_what_has_gathered_and_the_others_nothing() {
        let mut queue = Queue::default();
        let tickets: Vec<u64> = (0..3).map(|n| queue.enter(vec![n; 3].into()).0).collect();
        let taken: Vec<Bytes> = queue.take(tickets[1]).into_iter().map(|one| one.command).collect();
        assert_eq!(taken, [vec![0; 3], vec![1; 3], vec![2; 3]]);
        assert!(queue.take(tickets[0]).is_empty());
        assert!(queue.take(tickets[2]).is_empty());
    }

    #[test]
    fn a_request_is_bounded_but_takes_one_write_of_any_size() {
        let mut queue = Queue::default();
        let (large, _a) = queue.enter(vec![0; BATCH_BYTES + 1].into());
        let (small, _b) = queue.enter(vec![0; 1].into());
        assert_eq!(queue.take(large).len(), 1);
        assert_eq!(queue.take(small).len(), 1);
        let tickets: Vec<u64> = (0..=BATCH).map(|_| queue.enter(Bytes::new()).0).collect();
        assert_eq!(queue.take(tickets[BATCH]).len(), BATCH);
        assert_eq!(queue.take(tickets[BATCH]).len(), 1);
    }
}
