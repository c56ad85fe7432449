//! The gateway's web server. Redirects are never followed, bodies are capped, the token and the
//! bodies of errors go into no message: they may hold secrets.

mod backup;
mod facts;
mod lock;
mod logs;
mod pair;
mod probe;
mod scan;
mod sessions;
mod status;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use millwright_model::report::{Failure, FailureKind, Retry, Step};
use reqwest::{Method, StatusCode, redirect::Policy};
use serde_json::Value;

pub use self::{
    lock::Locked,
    logs::LogWindow,
    scan::{ScanKind, Scanned},
    status::{Module, Trial, Version},
};

/// Largest answer that is read.
const BODY_BYTES_MAX: usize = 4 << 20;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
}

impl Trouble {
    /// As a failure of a step.
    pub fn failure(self, step: Step) -> Failure {
        let (retry, remedy) = match self.kind {
            FailureKind::Unauthorized => (
                Retry::Never,
                "give the agent a token file that holds name:key of a token with read and write access",
            ),
            FailureKind::WrongGateway => (Retry::Never, "correct gateway.url in agent.toml"),
            FailureKind::GatewayUnreachable => {
                (Retry::Later, "start the gateway, or correct gateway.url in agent.toml")
            }
            _ => (Retry::Later, ""),
        };
        Failure::new(step, self.kind, self.message).retry(retry).remedy(remedy)
    }

    /// Whether the route is not there: an older version, or a module that is missing.
    pub fn is_absent(&self) -> bool {
        self.status == Some(404)
    }

    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None }
    }
}

/// One gateway's web server.
#[derive(Clone)]
pub struct Gateway {
    client: reqwest::Client,
    url: String,
    token_file: PathBuf,
    /// As read last.
    token: Arc<Mutex<String>>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gateway({})", self.url)
    }
}

impl Gateway {
    /// Reads the token; makes no request.
    pub fn new(url: &str, token_file: &Path) -> anyhow::Result<Self> {
        use anyhow::Context;
        let token = std::fs::read_to_string(token_file)
            .with_context(|| format!("cannot read the token file {}", token_file.display()))?;
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(30))
            .build()?;
        let url = url.trim_end_matches('/').to_owned();
        let token = Arc::new(Mutex::new(token.trim().to_owned()));
        Ok(Self { client, url, token_file: token_file.to_owned(), token })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn token(&self) -> String {
        self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Whether the token file has another token now, which is used from here on.
    async fn has_new_token(&self) -> bool {
        let Ok(text) = tokio::fs::read_to_string(&self.token_file).await else { return false };
        let mut token = self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_new = *token != text.trim();
        text.trim().clone_into(&mut token);
        is_new
    }

    /// Sends a request; the answer's status has not been judged. A token that was replaced since the
    /// agent began is found in its file.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Vec<u8>), Trouble> {
        let answer = self.send_once(method.clone(), path, body.clone()).await?;
        match answer.0 {
            StatusCode::UNAUTHORIZED if self.has_new_token().await => {
                self.send_once(method, path, body).await
            }
            _ => Ok(answer),
        }
    }

    async fn send_once(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Vec<u8>), Trouble> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header("X-Ignition-API-Token", self.token());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let unreachable = |error: reqwest::Error| {
            let why = chain(&error.without_url());
            let message = format!("no answer from {}: {why}", self.url);
            Trouble::new(FailureKind::GatewayUnreachable, message)
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = read(response, BODY_BYTES_MAX).await.map_err(|error| match error {
            ReadFailed::Broken(error) => unreachable(error),
            ReadFailed::TooLarge => {
                Trouble::new(FailureKind::Internal, format!("{path}: the answer is too large"))
            }
        })?;
        Ok((status, body))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Vec<u8>, Trouble> {
        let (status, body) = self.send(method, path, None).await?;
        self.judge(status, path).map(|()| body)
    }

    fn judge(&self, status: StatusCode, path: &str) -> Result<(), Trouble> {
        let plain = path.split('?').next().unwrap_or_default();
        let (kind, message) = match status.as_u16() {
            200..=299 => return Ok(()),
            302 => (
                FailureKind::GatewayNotRunning,
                format!("{} is not commissioned (it redirects)", self.url),
            ),
            401 => (
                FailureKind::Unauthorized,
                "the gateway does not know the token: is the file name:key, was the token replaced by a restore?".to_owned(),
            ),
            403 => (
                FailureKind::Unauthorized,
                format!(
                    "the token may not use {plain}: its security level is too low, the gateway's read or write permissions do not include it, or it needs https"
                ),
            ),
            503 => {
                (FailureKind::GatewayNotRunning, format!("{} is starting (503)", self.url))
            }
            other => (FailureKind::Internal, format!("{plain} answered {other}")),
        };
        Err(Trouble { kind, message, status: Some(status.as_u16()) })
    }

    async fn json(&self, method: Method, path: &str) -> Result<Value, Trouble> {
        let body = self.ask(method, path).await?;
        serde_json::from_slice(&body).map_err(|_| {
            let plain = path.split('?').next().unwrap_or_default();
            Trouble::new(FailureKind::Internal, format!("{plain}: the answer is no JSON"))
        })
    }

    /// The items of a list envelope. An answer without items is trouble, never an empty list.
    async fn items(&self, path: &str) -> Result<Vec<Value>, Trouble> {
        let mut answer = self.json(Method::GET, path).await?;
        match answer.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            Some(_) | None => {
                let message = format!("{path}: the answer is no list");
                Err(Trouble::new(FailureKind::Internal, message))
            }
        }
    }
}

enum ReadFailed {
    Broken(reqwest::Error),
    TooLarge,
}

async fn read(mut response: reqwest::Response, max: usize) -> Result<Vec<u8>, ReadFailed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadFailed::Broken)? {
        if body.len() + chunk.len() > max {
            return Err(ReadFailed::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A number, however it is spelled: some integers arrive as floats, some as text.
fn number(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "epoch milliseconds fit")]
    let whole = |float: f64| float.is_finite().then_some(float as i64);
    value
        .as_i64()
        .or_else(|| value.as_f64().and_then(whole))
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
