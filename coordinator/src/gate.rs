//! Asks gates: one signed POST, repeated while there is no answer, and what came of it.
//!
//! ```text
//!  Gate, secret, GateRequest ─▶ ask ─▶ Asked { attempts, took, Ok(GateAnswer) | Err(GateFailure) }
//! ```
//!
//! It decides nothing: what an answer or a failure means is
//! [`verdict`](millwright_model::gate::verdict), when to ask is the driver's, and that an answer is
//! recorded and not asked for again is the state's. A request goes to the address that a person
//! wrote and nowhere else, so redirects are not followed; a proxy of the environment is used, as for
//! git. Messages show host and port of a gate only, and nothing that it sent but the word of a
//! wrong decision.

mod failure;
mod pace;
pub mod request;
mod sign;

use std::time::{Duration, Instant};

use bytes::Bytes;
use millwright_model::{
    gate::{ANSWER_BYTES_MAX, Gate, GateAnswer, GateRequest, origin, parse_answer},
    time::{Span, Timestamp},
};
use reqwest::{ClientBuilder, Response, header, redirect::Policy};

pub use self::{
    failure::{Cause, GateFailure},
    sign::{SIGNATURE_HEADER, signature},
};

/// The same for each repetition of a request.
pub const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";
/// Half of the default timeout, so that an address that swallows packets is told from a
/// service that thinks.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Requests that were made.
    pub attempts: u32,
    /// From the first request to the end, pauses included.
    pub took: Span,
    /// The answer.
    pub result: Result<GateAnswer, GateFailure>,
}

/// TLS cannot be set up, for example because the machine has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare requests to gates")]
pub struct ClientFailed(#[from] reqwest::Error);

/// Asks gates.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
}

impl std::fmt::Debug for Client {
    /// Without the HTTP client, which would show a proxy's password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// What all requests of one question have in common.
struct Question<'a> {
    gate: &'a Gate,
    secret: Option<&'a [u8]>,
    body: Bytes,
    key: String,
}

impl Client {
    /// Makes no request.
    pub fn new() -> Result<Self, ClientFailed> {
        Self::with(reqwest::Client::builder())
    }

    fn with(builder: ClientBuilder) -> Result<Self, ClientFailed> {
        let http = builder
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            // Gates are asked minutes apart: a kept connection would be a dead one.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("millwright-coordinator/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http })
    }

    /// Asks one gate. `now` is the time in the signatures; it goes on with the repetitions.
    pub async fn ask(
        &self,
        gate: &Gate,
        secret: Option<&[u8]>,
        request: &GateRequest,
        now: Timestamp,
    ) -> Asked {
        let started = Instant::now();
        let mut attempts = 0;
        let outcome = match prepare(gate, secret, request) {
            Ok(question) => self.repeat(&question, now, started, &mut attempts).await,
            Err(cause) => Err(cause),
        };
        let result = outcome.map_err(|cause| GateFailure::new(gate, attempts, cause));
        Asked { attempts, took: span(started.elapsed()), result }
    }

    async fn repeat(
        &self,
        question: &Question<'_>,
        now: Timestamp,
        started: Instant,
        attempts: &mut u32,
    ) -> Result<GateAnswer, Cause> {
        loop {
            let spent = started.elapsed();
            let within = Duration::from(question.gate.timeout).min(pace::left(spent));
            *attempts += 1;
            let cause = match self.once(question, now.plus(span(spent)), within).await {
                Ok(answer) => return Ok(answer),
                Err(cause) => cause,
            };
            if !cause.is_transient() || *attempts > question.gate.retries {
                return Err(cause);
            }
            match pace::pause(*attempts, started.elapsed(), rand::random()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(cause),
            }
        }
    }

    async fn once(
        &self,
        question: &Question<'_>,
        at: Timestamp,
        within: Duration,
    ) -> Result<GateAnswer, Cause> {
        let mut post = self
            .http
            .post(&question.gate.url)
            .timeout(within)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(IDEMPOTENCY_HEADER, &question.key);
        if let Some(secret) = question.secret {
            post = post.header(SIGNATURE_HEADER, signature(secret, at, &question.body));
        }
        let sent = post.body(question.body.clone()).send().await;
        let response = sent.map_err(|error| Cause::of(error, within))?;
        if !response.status().is_success() {
            return Err(Cause::Status(response.status().as_u16()));
        }
        let body = read(response, within).await?;
        parse_answer(&body).map_err(Cause::Answer)
    }
}

/// Checks what can be known before a request. An unsigned request where a signature is wanted would
/// at best be refused, and at worst teach a gate to do without.
fn prepare<'a>(
    gate: &'a Gate,
    secret: Option<&'a [u8]>,
    request: &GateRequest,
) -> Result<Question<'a>, Cause> {
    origin(&gate.url).map_err(Cause::Url)?;
    // Anybody can sign with an empty key.
    let secret = secret.filter(|secret| !secret.is_empty());
    if let (Some(name), None) = (&gate.secret_ref, secret) {
        return Err(Cause::NoSecret(name.clone()));
    }
    let body = Bytes::from(request.to_json());
    Ok(Question { gate, secret, body, key: request.idempotency_key() })
}

/// The body, unless it is too large: no more than the limit and one chunk is ever held.
async fn read(mut response: Response, within: Duration) -> Result<Vec<u8>, Cause> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Cause::of(error, within))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Cause::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn span(duration: Duration) -> Span {
    Span(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
