//! Stands between an agent and a store: notes every request, and can stop answering in the middle of
//! an upload. It changes nothing of what passes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use anyhow::Context;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, task::JoinSet};

/// Largest body that passes: a part of a large object.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) status: u16,
}

#[derive(Debug, Default)]
struct Notes {
    passed: VecDeque<Passed>,
    /// Writes that are still answered; all when absent.
    writes_left: Option<usize>,
    /// Writes that were held up.
    held: usize,
    /// Writes that went on and are not answered yet.
    under_way: usize,
}

/// The proxy; ends when dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) url: String,
    notes: Arc<Mutex<Notes>>,
    _task: JoinSet<()>,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    notes: Arc<Mutex<Notes>>,
}

impl Proxy {
    pub(super) async fn start(upstream: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let notes = Arc::new(Mutex::new(Notes::default()));
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            notes: Arc::clone(&notes),
        });
        let routes = Router::new().fallback(pass).with_state(shared);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Ends only with the test.
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(Self { url, notes, _task: task })
    }

    /// Answers this many more writes, and leaves all later ones without an answer.
    pub(super) fn hold_after(&self, writes: Option<usize>) {
        let mut notes = self.notes.lock().expect("nothing panics while holding it");
        notes.writes_left = writes;
        notes.held = 0;
    }

    /// Whether a write waits in vain and all others are answered.
    pub(super) fn holds(&self) -> bool {
        let notes = self.notes.lock().expect("nothing panics while holding it");
        notes.held > 0 && notes.under_way == 0
    }

    /// Takes the notes out.
    pub(super) fn passed(&self) -> Vec<Passed> {
        let mut notes = self.notes.lock().expect("nothing panics while holding it");
        notes.passed.drain(..).collect()
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let writes = ["PUT", "POST"].contains(&request.method().as_str());
    if writes && shared.holds_up() {
        std::future::pending::<()>().await;
    }
    let answer = shared.forward(request).await;
    if writes {
        shared.notes.lock().expect("nothing panics while holding it").under_way -= 1;
    }
    match answer {
        Ok(response) => response,
        Err(error) => (axum::http::StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

impl Shared {
    fn holds_up(&self) -> bool {
        let mut notes = self.notes.lock().expect("nothing panics while holding it");
        if notes.writes_left == Some(0) {
            notes.held += 1;
            return true;
        }
        notes.writes_left = notes.writes_left.map(|left| left - 1);
        notes.under_way += 1;
        false
    }

    async fn forward(&self, request: Request) -> anyhow::Result<Response> {
        let (mut parts, body) = request.into_parts();
        // Each server is known by its own address.
        parts.headers.remove("host");
        let target = parts.uri.path_and_query().context("a request without a path")?.to_string();
        // Some clients escape the slashes of a name.
        let noted = target.replace("%2F", "/");
        let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await?;
        let answer = self
            .client
            .request(parts.method.clone(), format!("{}{target}", self.upstream))
            .headers(parts.headers)
            .body(body)
            .send()
            .await?;
        let status = answer.status();
        let mut response = Response::builder().status(status);
        for (name, value) in answer.headers() {
            if name != "transfer-encoding" {
                response = response.header(name, value);
            }
        }
        let bytes = answer.bytes().await?;
        let method = parts.method.to_string();
        self.notes.lock().expect("nothing panics while holding it").passed.push_back(Passed {
            method,
            target: noted,
            status: status.as_u16(),
        });
        Ok(response.body(Body::from(bytes))?)
    }
}
