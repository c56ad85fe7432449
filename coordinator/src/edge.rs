//! The only place of the coordinator that reads the clock and randomness for replicated state:
//! every command gets its time and request id here.

use std::time::{SystemTime, UNIX_EPOCH};

use millwright_coordinator_domain::command::{Body, Command};
use millwright_model::{id::RequestId, time::Timestamp};

use crate::node::Shared;

/// Milliseconds since the epoch, by this node's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A fresh request id.
pub fn request_id() -> RequestId {
    RequestId(rand::random())
}

/// A command of this node itself.
pub fn command(shared: &Shared, body: Body) -> Command {
    let actor = format!("spiffe://{}/coordinator/{}", shared.cluster_id, shared.node_name);
    command_of(shared, Asker { actor, from: String::new() }, String::new(), body)
}

/// Who asks, and from where.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Identity.
    pub actor: String,
    /// Address; empty when nobody called.
    pub from: String,
}

/// A command that somebody asked for.
pub fn command_of(shared: &Shared, asker: Asker, reason: String, body: Body) -> Command {
    let Asker { actor, from } = asker;
    Command {
        request_id: request_id(),
        at: now(),
        epoch: shared.consensus.state().state.epoch(),
        actor,
        from,
        reason,
        body,
    }
}

/// A fresh id for something that people name.
pub fn random_id() -> String {
    format!("{:012x}", rand::random::<u64>() & 0xffff_ffff_ffff)
}
