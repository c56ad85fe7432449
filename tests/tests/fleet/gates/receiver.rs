//! Somebody else's gate server: it allows, denies, puts off, hangs, lies, floods or does not open its
//! door, each path as it was told last, and keeps what it heard.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Uri},
    response::{IntoResponse, Response},
    serve::Listener,
};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    #[default]
    Allow,
    Deny,
    /// For five seconds, the shortest time that is followed.
    Defer,
    /// Until it is told otherwise.
    Hang,
    /// A login page.
    Lie,
    /// Ten megabytes.
    Flood,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a request is JSON")
    }

    pub(crate) fn is_about(&self, commit: &str) -> bool {
        self.json()["commit"]["id"] == commit
    }
}

#[derive(Debug, Default)]
struct Mind {
    modes: BTreeMap<String, Mode>,
    heard: Vec<Heard>,
    closed: bool,
}

type Shared = Arc<(Mutex<Mind>, watch::Sender<u64>)>;

fn look(mind: &Shared) -> MutexGuard<'_, Mind> {
    mind.0.lock().expect("nobody panics while holding it")
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    mind: Shared,
    _tasks: JoinSet<()>,
}

/// A door that may be shut: who comes is sent away before he is heard.
struct Door {
    listener: TcpListener,
    mind: Shared,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let Ok(come) = self.listener.accept().await else { continue };
            if !look(&self.mind).closed {
                return come;
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Receiver {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mind: Shared = Arc::new((Mutex::default(), watch::channel(0).0));
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&mind));
        let door = Door { listener, mind: Arc::clone(&mind) };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(door, routes).await.expect("it serves until it is dropped");
        });
        Ok(Self { address, mind, _tasks: tasks })
    }

    /// What a path answers from now on, also to those that hang.
    pub(crate) fn set(&self, path: &str, mode: Mode) {
        look(&self.mind).modes.insert(path.to_owned(), mode);
        self.mind.1.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn close(&self, closed: bool) {
        look(&self.mind).closed = closed;
    }

    /// Requests of a path about a commit.
    pub(crate) fn heard(&self, path: &str, commit: &str) -> Vec<Heard> {
        let mind = look(&self.mind);
        mind.heard.iter().filter(|one| one.path == path && one.is_about(commit)).cloned().collect()
    }
}

async fn answer(State(mind): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let path = uri.path().to_owned();
    let heard = Heard {
        path: path.clone(),
        key: header("idempotency-key"),
        signature: header("millwright-signature"),
        body: body.to_vec(),
    };
    let mut changes = mind.1.subscribe();
    look(&mind).heard.push(heard);
    loop {
        let mode = look(&mind).modes.get(&path).copied().unwrap_or_default();
        match mode {
            Mode::Allow => return r#"{"decision": "allow"}"#.into_response(),
            Mode::Deny => {
                return r#"{"decision": "deny", "reason": "the line is being cleaned"}"#
                    .into_response();
            }
            Mode::Defer => {
                return r#"{"decision": "defer", "reason": "a batch is running", "retryAfter": "5s"}"#
                    .into_response();
            }
            Mode::Lie => return "<html>Please log in</html>".into_response(),
            Mode::Flood => return vec![b' '; 10 << 20].into_response(),
            Mode::Hang => {}
        }
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
