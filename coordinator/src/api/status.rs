//! Every error of this program as a gRPC status, in one place.

use millwright_coordinator_domain::command::Rejection;
use tonic::{Code, Status, metadata::MetadataValue};

use crate::consensus::ProposeFailed;

/// Metadata key under which a hint for the person travels.
pub const HINT_KEY: &str = "millwright-hint";

/// A status with a hint: what to do next.
pub fn with_hint(code: Code, message: impl Into<String>, hint: &str) -> Status {
    let mut status = Status::new(code, message);
    if let Ok(value) = MetadataValue::try_from(hint) {
        status.metadata_mut().insert(HINT_KEY, value);
    }
    status
}

/// What a coordinator said, with its hint, for people.
pub fn told(status: &Status) -> String {
    let hint = status.metadata().get(HINT_KEY).and_then(|hint| hint.to_str().ok());
    match hint {
        Some(hint) => format!("{}; {hint}", status.message()),
        None => status.message().to_owned(),
    }
}

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
