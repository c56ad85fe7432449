//! Every error of this program as a gRPC status, in one place.

use millwright_coordinator_domain::command::Rejection;
use millwright_proto::hint::with_hint;
use tonic::{Code, Status};

use crate::consensus::ProposeFailed;

/// A failed proposal or read.
pub fn propose_failed(error: &ProposeFailed) -> Status {
    match error {
        ProposeFailed::NoLeader => with_hint(
            Code::Unavailable,
            error.to_string(),
            "stale reads still work (--stale); bring a majority of the coordinators back",
        ),
        ProposeFailed::TooLarge(_) => Status::invalid_argument(error.to_string()),
        ProposeFailed::Stopped(_) => Status::unavailable(error.to_string()),
    }
}

/// A refusal by the state.
pub fn rejected(rejection: &Rejection) -> Status {
    let message = rejection.message();
    match rejection {
        Rejection::Invalid { .. } => Status::invalid_argument(message),
        Rejection::NotFound { .. } => Status::not_found(message),
        Rejection::Stale { .. } => with_hint(
            Code::Aborted,
            message,
            "something changed meanwhile: read it again and repeat",
        ),
        Rejection::Denied { .. } => Status::permission_denied(message),
        Rejection::Limit { .. } => Status::resource_exhausted(message),
        Rejection::Epoch { .. } => Status::aborted(message),
    }
}
