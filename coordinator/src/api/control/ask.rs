//! Who asks: what an operator may do. What a person may not do is refused here, before it comes into
//! the log, and noted there all the same.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use millwright_coordinator_domain::{
    access::{self, Deed},
    command::{Body, NoteRefusal, Outcome},
};
use millwright_model::time::Timestamp;
use tonic::{Request, Status};

use super::{ControlApi, auth, status};
use crate::{
    consensus::Decided,
    edge::{self, Asker},
};

/// Longest reason.
const REASON_CHARS_MAX: usize = 500;
/// Refusals of one identity that are noted in a minute; what comes on top is nobody's mistake.
const NOTED_MAX: u32 = 20;
const MINUTE_MS: u64 = 60_000;

/// What is asked for, as the audit says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) what: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) reason: &'a str,
}

/// How many refusals of whom were noted in this minute.
#[derive(Debug, Default)]
pub(super) struct Noted {
    counts: Mutex<(u64, BTreeMap<String, u32>)>,
}

impl Noted {
    /// Whether one more may be noted.
    fn take(&self, actor: &str, now: Timestamp) -> bool {
        let minute = now.0 / MINUTE_MS;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.0 != minute {
            *counts = (minute, BTreeMap::new());
        }
        let count = counts.1.entry(actor.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count <= NOTED_MAX
    }
}

impl ControlApi {
    /// Who asks, and whether he may.
    fn asker<T>(
        &self,
        request: &Request<T>,
        deed: Deed,
    ) -> Result<(Asker, Result<(), Status>), Status> {
        let caller = auth::caller(request)?;
        let asker = Asker { actor: caller.identity.to_string(), from: auth::address(request) };
        let may = auth::operator(request).and_then(|(_, name)| {
            let state = self.shared.consensus.state().state;
            access::may(&state, &name, deed).map_err(Status::permission_denied)
        });
        Ok((asker, may))
    }

    /// The asker, after checking that it may.
    pub(super) fn allowed<T>(&self, request: &Request<T>, deed: Deed) -> Result<Asker, Status> {
        let (asker, may) = self.asker(request, deed)?;
        may.map(|()| asker)
    }

    /// The asker of a change, after checking that it may; that it may not is noted.
    pub(super) async fn admitted<T: Sync>(
        &self,
        request: &Request<T>,
        deed: Deed,
        ask: Ask<'_>,
    ) -> Result<Asker, Status> {
        let (asker, may) = self.asker(request, deed)?;
        match may {
            Ok(()) => Ok(asker),
            Err(status) => Err(self.refused(&asker, ask, status).await),
        }
    }

    /// Notes a refusal, and gives it back.
    pub(super) async fn refused(&self, asker: &Asker, ask: Ask<'_>, status: Status) -> Status {
        let Asker { actor, from } = asker;
        let Ask { what, kind, name, reason } = ask;
        tracing::info!(actor, from, what, kind, name, why = status.message(), "refused");
        if !self.noted.take(actor, edge::now()) {
            return status;
        }
        let body = Body::NoteRefusal(NoteRefusal {
            what: what.to_owned(),
            kind: kind.to_owned(),
            name: bounded(name),
            message: bounded(status.message()),
        });
        let command = edge::command_of(&self.shared, asker.clone(), bounded(reason), body);
        if let Err(error) = self.shared.consensus.propose(&command).await {
            tracing::warn!(%error, "a refusal is not in the audit");
        }
        status
    }

    pub(super) async fn propose(
        &self,
        asker: Asker,
        reason: String,
        body: Body,
    ) -> Result<Decided, Status> {
        let command = edge::command_of(&self.shared, asker, bounded(&reason), body);
        let decided = self
            .shared
            .consensus
            .propose(&command)
            .await
            .map_err(|error| status::propose_failed(&error))?;
        match decided.outcome.as_ref() {
            Outcome::Accepted(_) => Ok(decided),
            Outcome::Rejected(rejection) => Err(status::rejected(rejection)),
        }
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_one_are_noted_within_bounds() {
        let noted = Noted::default();
        let at = |actor: &str, ms: u64| noted.take(actor, Timestamp(ms));
        assert!((0..NOTED_MAX).all(|_| at("eve", 60_000)));
        assert!(!at("eve", 61_000), "enough");
        assert!(at("bob", 61_000), "another");
        assert!(at("eve", 120_000), "the next minute");
    }
}
