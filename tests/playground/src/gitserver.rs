//! The real `git http-backend` behind a small HTTP server on loopback.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::Context;
use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command, task::JoinSet};

/// Largest request body; a fetch asks with a few kilobytes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A git server of one folder of bare repositories; ends when dropped.
#[derive(Debug)]
pub struct GitServer {
    addr: SocketAddr,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Backend {
    program: PathBuf,
    root: PathBuf,
}

impl GitServer {
    /// Serves the repositories below `root`.
    pub async fn start(root: &Path) -> anyhow::Result<Self> {
        let found = Command::new("git")
            .arg("--exec-path")
            .output()
            .await
            .context("git is not installed")?;
        let path = String::from_utf8(found.stdout)?;
        let program = PathBuf::from(path.trim()).join("git-http-backend");
        let backend = Arc::new(Backend { program, root: root.to_owned() });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let routes = Router::new().fallback(serve).with_state(backend);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Ends only with the task.
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(Self { addr, _tasks: tasks })
    }

    /// URL of a repository.
    pub fn url(&self, repository: &str) -> String {
        format!("http://{}/{repository}.git", self.addr)
    }
}

async fn serve(State(backend): State<Arc<Backend>>, request: Request) -> Response {
    match cgi(&backend, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

async fn cgi(backend: &Backend, request: Request) -> anyhow::Result<Response> {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, BODY_BYTES_MAX).await?;
    let header = |headers: &HeaderMap, name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut child = Command::new(&backend.program)
        .env("GIT_PROJECT_ROOT", &backend.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", header(&parts.headers, "content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header(&parts.headers, "content-encoding"))
        .env("GIT_PROTOCOL", header(&parts.headers, "git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let feed = async move {
        // The program may answer without reading everything.
        let _early = stdin.write_all(&body).await;
        drop(stdin);
    };
    let (done, ()) = tokio::join!(child.wait_with_output(), feed);
    let out = done?.stdout;
    let split = out.windows(4).position(|four| four == b"\r\n\r\n").context("no CGI header")?;
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&out[..split]).lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>()?),
            _ => response.header(name, value),
        };
    }
    Ok(response.body(Bytes::copy_from_slice(&out[split + 4..]).into())?)
}
