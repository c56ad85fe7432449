//! The gateway's web server: state, identity, scans. Redirects are never followed, bodies are
//! capped, the token goes into no message.

use std::{path::Path, time::Duration};

use millwright_model::report::{Failure, FailureKind, GatewayFacts, Retry, Step};
use reqwest::{Method, StatusCode, redirect::Policy};
use serde::Deserialize;
use tokio::time::Instant;

/// Largest answer that is read.
const BODY_BYTES_MAX: usize = 1 << 20;
/// A scan that was triggered is asked for again after these pauses, growing to the last.
const POLL_FIRST: Duration = Duration::from_millis(50);
const POLL_LAST: Duration = Duration::from_secs(1);

/// A kind of scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanKind {
    /// Project files.
    Projects,
    /// Configuration files.
    Config,
}

impl ScanKind {
    fn path(self) -> &'static str {
        match self {
            ScanKind::Projects => "/data/api/v1/scan/projects",
            ScanKind::Config => "/data/api/v1/scan/config",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScanState {
    scan_active: bool,
    last_scan_timestamp: f64,
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
}

impl Trouble {
    /// As a failure of a step.
    pub fn failure(self, step: Step) -> Failure {
        let never = [FailureKind::Unauthorized, FailureKind::WrongGateway].contains(&self.kind);
        let retry = if never { Retry::Never } else { Retry::Later };
        Failure { step, kind: self.kind, retry, message: self.message }
    }
}

fn trouble(kind: FailureKind, message: impl Into<String>) -> Trouble {
    Trouble { kind, message: message.into() }
}

/// One gateway's web server.
#[derive(Clone)]
pub struct Gateway {
    client: reqwest::Client,
    url: String,
    token: String,
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
        Ok(Self { client, url, token: token.trim().to_owned() })
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Vec<u8>, Trouble> {
        let request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header("X-Ignition-API-Token", &self.token);
        let unreachable = |error: reqwest::Error| {
            let message = format!("no answer from {}: {}", self.url, error.without_url());
            trouble(FailureKind::GatewayUnreachable, message)
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(trouble(
                    FailureKind::Internal,
                    format!("{path}: the answer is too large"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        self.judge(status, path).map(|()| body)
    }

    fn judge(&self, status: StatusCode, path: &str) -> Result<(), Trouble> {
        match status.as_u16() {
            200..=299 => Ok(()),
            302 => Err(trouble(
                FailureKind::GatewayNotRunning,
                format!("{} is not commissioned (it redirects)", self.url),
            )),
            401 => Err(trouble(
                FailureKind::Unauthorized,
                "the gateway does not know the token: is the file name:key, was the token replaced by a restore?",
            )),
            403 => Err(trouble(
                FailureKind::Unauthorized,
                format!(
                    "the token may not use {path}: its security level is too low, the gateway's read or write permissions do not include it, or it needs https"
                ),
            )),
            503 => Err(trouble(
                FailureKind::GatewayNotRunning,
                format!("{} is starting (503)", self.url),
            )),
            other => Err(trouble(FailureKind::Internal, format!("{path} answered {other}"))),
        }
    }

    async fn json(&self, method: Method, path: &str) -> Result<serde_json::Value, Trouble> {
        let body = self.ask(method, path).await?;
        serde_json::from_slice(&body)
            .map_err(|_| trouble(FailureKind::Internal, format!("{path}: the answer is no JSON")))
    }

    /// `RUNNING` or what else `/StatusPing` says.
    pub async fn state(&self) -> Result<String, Trouble> {
        let ping = self.json(Method::GET, "/StatusPing").await?;
        let word = |key: &str| ping[key].as_str().map(str::to_owned);
        // Uncommissioned gateways are RUNNING with details.
        Ok(word("details").or_else(|| word("state")).unwrap_or_default())
    }

    /// The gateway's own name and version.
    pub async fn info(&self) -> Result<(String, String), Trouble> {
        let info = self.json(Method::GET, "/data/api/v1/gateway-info").await?;
        let text = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
        Ok((text("name"), text("ignitionVersion")))
    }

    /// What the agent reports of its gateway; never fails, trouble is a state too.
    pub async fn facts(&self) -> GatewayFacts {
        let mut facts =
            GatewayFacts { os: std::env::consts::OS.to_owned(), ..GatewayFacts::default() };
        facts.state = match self.state().await {
            Ok(state) => state,
            Err(trouble) if trouble.kind == FailureKind::GatewayUnreachable => "UNREACHABLE".into(),
            Err(_) => "STARTING".into(),
        };
        match self.info().await {
            Ok((name, version)) => {
                facts.system_name = name;
                facts.ignition_version = version;
            }
            Err(trouble) if trouble.kind == FailureKind::Unauthorized => {
                facts.state = "UNAUTHORIZED".into();
            }
            Err(_) => {}
        }
        if let Ok(redundancy) = self.json(Method::GET, "/data/api/v1/redundancy").await {
            let text = |key: &str| redundancy[key].as_str().unwrap_or_default().to_owned();
            facts.redundancy_role = text("role");
            facts.activity_level = text("activityLevel");
        }
        facts
    }

    async fn scan_state(&self, kind: ScanKind, method: Method) -> Result<ScanState, Trouble> {
        let body = self.ask(method, kind.path()).await?;
        serde_json::from_slice(&body)
            .map_err(|_| trouble(FailureKind::ScanFailed, "the scan's answer cannot be read"))
    }

    /// Triggers a scan and waits until a newer one than before has ended. A 200 alone means only
    /// that it began; a scan that was running before is waited out first.
    pub async fn scan(&self, kind: ScanKind, within: Duration) -> Result<(), Trouble> {
        let deadline = Instant::now() + within;
        let before = self.idle(kind, deadline, None).await?;
        self.scan_state(kind, Method::POST).await?;
        self.idle(kind, deadline, Some(before)).await.map(drop)
    }

    /// Waits until no scan runs, and until the last one is newer than `newer_than`.
    async fn idle(
        &self,
        kind: ScanKind,
        deadline: Instant,
        newer_than: Option<f64>,
    ) -> Result<f64, Trouble> {
        let mut pause = POLL_FIRST;
        loop {
            match self.scan_state(kind, Method::GET).await {
                Ok(state) => {
                    let newer = newer_than.is_none_or(|before| state.last_scan_timestamp > before);
                    if !state.scan_active && newer {
                        return Ok(state.last_scan_timestamp);
                    }
                }
                Err(trouble) if trouble.kind == FailureKind::Unauthorized => return Err(trouble),
                // Within a poll the gateway may be away for a moment.
                Err(trouble) if Instant::now() >= deadline => return Err(trouble),
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                let message =
                    format!("the {kind:?} scan did not end in time; its state is unknown");
                return Err(trouble(FailureKind::ScanTimeout, message));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(POLL_LAST);
        }
    }
}
