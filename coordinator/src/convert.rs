//! Between the domain's commands, outcomes and state and what is stored or sent.
//!
//! Commands are protobuf. The state inside a snapshot is JSON in one canonical order (maps are
//! sorted, fields have a fixed order), so equal states have equal bytes.

mod command_in;
mod command_out;
mod rollout;

use millwright_coordinator_domain::{
    State,
    command::{Accepted, Outcome, Rejection},
};
use millwright_proto::peer;

pub use self::{command_in::command_from_wire, command_out::command_to_wire};

/// Bytes that mean no command, outcome or state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {what}: {why}")]
pub struct InvalidBytes {
    what: &'static str,
    why: String,
}

pub(crate) fn invalid(what: &'static str, why: impl ToString) -> InvalidBytes {
    InvalidBytes { what, why: why.to_string() }
}

/// The whole state.
pub fn state_to_bytes(state: &State) -> Vec<u8> {
    serde_json::to_vec(state).expect("the state has text keys only")
}

/// The whole state, read back.
pub fn state_from_bytes(bytes: &[u8]) -> Result<State, InvalidBytes> {
    serde_json::from_slice(bytes).map_err(|error| invalid("the state", error))
}

/// An outcome for the node that passed the command on.
pub fn outcome_to_wire(index: u64, outcome: &Outcome) -> peer::ForwardResponse {
    use peer::forward_response::Outcome as Wire;
    let outcome = match outcome {
        Outcome::Accepted(accepted) => {
            Wire::Accepted(serde_json::to_vec(accepted).expect("an outcome has text keys only"))
        }
        Outcome::Rejected(rejection) => Wire::Rejected(peer::Rejected {
            code: rejection.code().to_owned(),
            message: rejection.message().to_owned(),
        }),
    };
    peer::ForwardResponse { index, outcome: Some(outcome), more: Vec::new() }
}

/// An outcome from the leader.
pub fn outcome_from_wire(wire: peer::ForwardResponse) -> Result<(u64, Outcome), InvalidBytes> {
    use peer::forward_response::Outcome as Wire;
    let peer::ForwardResponse { index, outcome, more: _ } = wire;
    let outcome = match outcome.ok_or_else(|| invalid("an outcome", "it is empty"))? {
        Wire::Accepted(bytes) => {
            let accepted: Accepted =
                serde_json::from_slice(&bytes).map_err(|error| invalid("an outcome", error))?;
            Outcome::Accepted(accepted)
        }
        Wire::Rejected(peer::Rejected { code, message }) => {
            Outcome::Rejected(match code.as_str() {
                "not_found" => Rejection::NotFound { message },
                "stale" => Rejection::Stale { message },
                "denied" => Rejection::Denied { message },
                "limit" => Rejection::Limit { message },
                "epoch" => Rejection::Epoch { message },
                _ => Rejection::Invalid { message },
            })
        }
    };
    Ok((index, outcome))
}
