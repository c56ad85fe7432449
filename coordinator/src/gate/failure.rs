//! Why there is no answer, for people and for the decision whether to repeat the request. Nothing in
//! here repeats a URL or what a gate sent: both may hold secrets.

use std::{fmt, time::Duration};

use millwright_model::{
    gate::{ANSWER_BYTES_MAX, BadAnswer, Gate, origin},
    id::Name,
    time::Span,
};

/// Longest explanation of a fault of the connection: it is kept in the state.
const DETAIL_CHARS_MAX: usize = 300;

/// A gate that gave no valid answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateFailure {
    /// Which.
    pub gate: Name,
    /// Its scheme, host and port.
    pub origin: String,
    /// Requests that were made.
    pub attempts: u32,
    /// Why, as of the last one.
    pub cause: Cause,
}

/// Why there is no valid answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The URL cannot be used.
    #[error("has a url that cannot be used: {0}")]
    Url(&'static str),
    /// The secret is not there, or empty.
    #[error("was not asked: there is no secret {0} to sign with")]
    NoSecret(Name),
    /// The request could not be made.
    #[error("was not asked: {0}")]
    Request(String),
    /// No connection: name, network or TLS.
    #[error("cannot be reached: {0}")]
    Connect(String),
    /// No whole answer in time.
    #[error("gave no answer within {0}")]
    Timeout(Span),
    /// The connection ended before the answer did.
    #[error("broke the connection: {0}")]
    Broken(String),
    /// Not 2xx.
    #[error("answered with status {0}{hint}", hint = hint(*.0))]
    Status(u16),
    /// More than is read.
    #[error("sent more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    /// Not what was asked for.
    #[error("sent no valid answer: {0}")]
    Answer(BadAnswer),
}

fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => ", a redirect, which is not followed: write the final address",
        401 | 403 => ": does it know the signature or password?",
        _ => "",
    }
}

impl GateFailure {
    pub(super) fn new(gate: &Gate, attempts: u32, cause: Cause) -> Self {
        let origin = origin(&gate.url).unwrap_or_else(|_| "no valid url".to_owned());
        Self { gate: gate.name.clone(), origin, attempts, cause }
    }
}

impl std::error::Error for GateFailure {}

impl fmt::Display for GateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gate {} ({}) {}", self.gate, self.origin, self.cause)?;
        match self.attempts {
            0 | 1 => Ok(()),
            many => write!(f, ", asked {many} times"),
        }
    }
}

impl Cause {
    pub(super) fn of(error: reqwest::Error, within: Duration) -> Self {
        let error = error.without_url();
        if error.is_builder() {
            return Cause::Request(detail(&error));
        }
        if error.is_connect() {
            return Cause::Connect(detail(&error));
        }
        if error.is_timeout() {
            return Cause::Timeout(super::span(within));
        }
        Cause::Broken(detail(&error))
    }

    /// Whether the same request may have an answer a moment later. A broken connection counts: that
    /// is how a service looks that is just being restarted, and the key in the request makes
    /// repeating harmless.
    pub fn is_transient(&self) -> bool {
        match self {
            Cause::Connect(_) | Cause::Timeout(_) | Cause::Broken(_) => true,
            Cause::Status(status) => *status == 429 || (500..=599).contains(status),
            Cause::Url(_)
            | Cause::NoSecret(_)
            | Cause::Request(_)
            | Cause::TooLarge
            | Cause::Answer(_) => false,
        }
    }
}

/// The innermost two errors: those outside say only that something failed.
fn detail(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.dedup();
    let inner = &texts[texts.len().saturating_sub(2)..];
    inner.join(": ").chars().take(DETAIL_CHARS_MAX).collect()
}
