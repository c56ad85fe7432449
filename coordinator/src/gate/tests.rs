//! The client against a real server that allows, refuses, hangs, lies and floods.

use std::{
    convert::Infallible,
    io::Write,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Uri},
    response::{IntoResponse, Redirect},
};
use futures::{StreamExt, stream};
use millwright_model::{
    digest::{Digest, GitId},
    gate::{
        AboutCommit, AboutRepository, BadAnswer, Bounded, Decision, DiffSummary, GateVerdict,
        Subject, verdict,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::*;

const SECRET: &[u8] = b"a key of some length";
const NOW: Timestamp = Timestamp(1_700_000_000_123);

/// A request as the gate saw it.
struct Seen {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A server whose paths behave differently.
struct Server {
    authority: String,
    seen: Log,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let seen = Log::default();
        let routes = Router::new().fallback(answer).with_state(seen.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { authority, seen, _tasks: tasks }
    }

    fn gate(&self, path: &str, extra: Value) -> Gate {
        gate(&format!("http://{}{path}", self.authority), extra)
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn answer(
    State(log): State<Log>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let path = uri.path().to_owned();
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|seen| seen.path == path).count();
        log.push(Seen { path: path.clone(), headers, body });
        before
    };
    let status = |code: u16| axum::http::StatusCode::from_u16(code).unwrap();
    let filler = || Ok::<_, Infallible>(Bytes::from_static(&[b' '; 8192]));
    match (path.as_str(), before) {
        ("/allow", _) => r#"{"decision":"allow","warnings":["low on staff"]}"#.into_response(),
        ("/deny", _) => r#"{"decision":"deny","reason":"night shift"}"#.into_response(),
        ("/defer", _) => {
            r#"{"decision":"defer","reason":"batch","retryAfter":"30s"}"#.into_response()
        }
        ("/hang", _) => std::future::pending().await,
        ("/stall", _) => {
            let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
            Body::from_stream(begun.chain(stream::pending())).into_response()
        }
        ("/html", _) => "<html>log in: hunter3</html>".into_response(),
        ("/other-json", _) => r#"{"allowed":true}"#.into_response(),
        ("/maybe", _) => r#"{"decision":"maybe"}"#.into_response(),
        ("/nothing", _) => status(204).into_response(),
        ("/large", _) => vec![b' '; 10 << 20].into_response(),
        ("/endless", _) => Body::from_stream(stream::repeat_with(filler)).into_response(),
        ("/redirect", _) => Redirect::temporary("/allow").into_response(),
        ("/500-once", 0) => status(500).into_response(),
        ("/429-twice", 0 | 1) => status(429).into_response(),
        ("/500-once" | "/429-twice", _) => r#"{"decision":"allow"}"#.into_response(),
        ("/down", _) => status(503).into_response(),
        // A decision beside a status that says otherwise is not believed.
        _ => (status(404), r#"{"decision":"allow"}"#).into_response(),
    }
}

fn gate(url: &str, extra: Value) -> Gate {
    let mut all =
        json!({"name": "cab", "phase": "preStage", "url": url, "timeout": "5s", "retries": 0});
    all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn request() -> GateRequest {
    let name = |text: &str| text.parse().unwrap();
    GateRequest {
        gate: name("cab"),
        phase: millwright_model::gate::Phase::PreStage,
        subject: Subject::Stage { name: name("canary") },
        attempt: 1,
        dry_run: false,
        rollback: false,
        fleet: name("plants"),
        rollout: Some("r1".parse().unwrap()),
        plan_hash: Digest::of(b"plan"),
        repository: AboutRepository {
            name: name("hmi"),
            url: "https://git.example/hmi".to_owned(),
            reference: "branch main".to_owned(),
        },
        commit: AboutCommit::new(GitId::default(), "Ann".to_owned(), "Größere Anzeige"),
        diff: DiffSummary::default(),
        gateways: Bounded::default(),
        open_sessions: Bounded::default(),
        dry_runs: None,
    }
}

/// A proxy of the environment is none of the tests' business.
fn client() -> Client {
    Client::with(reqwest::Client::builder().no_proxy()).unwrap()
}

async fn ask(gate: &Gate) -> Asked {
    client().ask(gate, None, &request(), NOW).await
}

async fn cause(gate: &Gate) -> (u32, Cause) {
    let asked = ask(gate).await;
    let failure = asked.result.unwrap_err();
    assert_eq!(failure.attempts, asked.attempts);
    (asked.attempts, failure.cause)
}

#[tokio::test]
async fn a_readable_answer_is_asked_for_once() {
    let server = Server::start().await;
    for (path, decision, reason, retry_after, warnings) in [
        ("/allow", Decision::Allow, "", None, vec!["low on staff".to_owned()]),
        ("/deny", Decision::Deny, "night shift", None, vec![]),
        ("/defer", Decision::Defer, "batch", Some(Span(30_000)), vec![]),
    ] {
        let asked = ask(&server.gate(path, json!({"retries": 5}))).await;
        let reason = reason.to_owned();
        assert_eq!(asked.result, Ok(GateAnswer { decision, reason, retry_after, warnings }));
        assert_eq!((asked.attempts, server.take().len()), (1, 1), "{path}");
    }
}

#[tokio::test]
async fn the_question_arrives_as_it_is() {
    let server = Server::start().await;
    let url = format!("http://user:pass@{}/allow?room=7", server.authority);
    ask(&gate(&url, json!({}))).await.result.unwrap();
    let seen = server.take();
    assert_eq!(seen[0].body, request().to_json());
    assert_eq!(seen[0].header("content-type"), "application/json");
    assert_eq!(seen[0].header("idempotency-key"), request().idempotency_key());
    assert_eq!(seen[0].header("authorization"), "Basic dXNlcjpwYXNz");
    assert_eq!(seen[0].header("millwright-signature"), "");
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure_and_not_asked_for_again() {
    let server = Server::start().await;
    for (path, expected) in [
        ("/html", Cause::Answer(BadAnswer::Html)),
        ("/other-json", Cause::Answer(BadAnswer::NoDecision)),
        ("/maybe", Cause::Answer(BadAnswer::Decision("maybe".to_owned()))),
        ("/nothing", Cause::Answer(BadAnswer::Empty)),
        ("/large", Cause::TooLarge),
        ("/endless", Cause::TooLarge),
        ("/absent", Cause::Status(404)),
        ("/redirect", Cause::Status(307)),
    ] {
        assert_eq!(cause(&server.gate(path, json!({"retries": 3}))).await, (1, expected));
        let seen = server.take();
        assert_eq!(seen.len(), 1, "{path}");
        assert_eq!(seen[0].path, path);
    }
}

#[tokio::test]
async fn a_gate_that_hangs_costs_its_timeout() {
    let server = Server::start().await;
    for path in ["/hang", "/stall"] {
        let asked = ask(&server.gate(path, json!({"timeout": "1s"}))).await;
        assert!((Span(900)..Span(4_000)).contains(&asked.took), "{}", asked.took);
        assert_eq!(asked.result.unwrap_err().cause, Cause::Timeout(Span(1_000)));
    }
}

#[tokio::test]
async fn a_request_without_an_answer_is_repeated_and_is_the_same() {
    let server = Server::start().await;
    for (path, attempts) in [("/500-once", 2), ("/429-twice", 3)] {
        let gate = server.gate(path, json!({"retries": 2, "secretRef": "key"}));
        let asked = client().ask(&gate, Some(SECRET), &request(), NOW).await;
        assert_eq!(asked.attempts, attempts);
        assert_eq!(asked.result.unwrap().decision, Decision::Allow);
        let seen = server.take();
        assert_eq!(seen.len(), attempts as usize);
        for one in &seen {
            assert_eq!(one.header("idempotency-key"), request().idempotency_key());
            assert_eq!(one.body, request().to_json());
        }
    }
    let asked = ask(&server.gate("/down", json!({"retries": 1}))).await;
    assert_eq!((asked.attempts, server.take().len()), (2, 2));
    assert_eq!(asked.result.unwrap_err().cause, Cause::Status(503));
}

#[tokio::test]
async fn a_port_without_a_server_is_a_failure_that_a_policy_judges() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let closed = gate(&url, json!({"retries": 1}));
    let failure = ask(&closed).await.result.unwrap_err();
    assert!(matches!(failure.cause, Cause::Connect(_)), "{failure}");
    let text = failure.to_string();
    assert!(text.starts_with(&format!("gate cab ({url}) cannot be reached: ")), "{text}");
    assert!(text.contains("refused") && text.ends_with(", asked 2 times"), "{text}");
    let outcome = Err(text.clone());
    assert_eq!(verdict(&closed, &outcome), GateVerdict::Denied { reason: text.clone() });
    let open = gate(&url, json!({"failurePolicy": "ignore"}));
    let allowed = GateVerdict::Allowed { warnings: vec![], failed_open: Some(text) };
    assert_eq!(verdict(&open, &outcome), allowed);
}

#[tokio::test]
async fn a_broken_connection_is_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let (attempts, cause) = cause(&gate(&url, json!({"retries": 1}))).await;
    assert_eq!(attempts, 2);
    assert!(matches!(cause, Cause::Broken(_)), "{cause}");
}

#[tokio::test]
async fn nothing_is_sent_without_the_secret_or_to_no_url() {
    let server = Server::start().await;
    let signed = server.gate("/allow", json!({"secretRef": "key"}));
    for secret in [None, Some(&b""[..])] {
        let asked = client().ask(&signed, secret, &request(), NOW).await;
        assert_eq!(asked.attempts, 0);
        assert_eq!(asked.result.unwrap_err().cause, Cause::NoSecret("key".parse().unwrap()));
    }
    for url in ["ftp://hunter2@a", "http://a b", "http://999.1.1.1/hunter2"] {
        let failure = ask(&gate(url, json!({}))).await.result.unwrap_err();
        assert!(matches!(failure.cause, Cause::Url(_) | Cause::Request(_)), "{failure}");
        assert!(!failure.to_string().contains("hunter2"), "{failure}");
    }
    assert!(server.take().is_empty());
}

#[tokio::test]
async fn messages_hold_no_secret() {
    let server = Server::start().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let paths = ["html", "maybe", "large", "redirect", "down", "hang", "hunter2"];
    let urls = paths.iter().map(|path| format!("{}/{path}", server.authority));
    for place in urls.chain([format!("{closed}/hunter2")]) {
        let url = format!("http://hunter2:hunter3@{place}?key=hunter4");
        let gate = gate(&url, json!({"timeout": "1s", "secretRef": "key"}));
        let asked = client().ask(&gate, Some(b"hunter5"), &request(), NOW).await;
        let failure = asked.result.unwrap_err();
        for text in [failure.to_string(), format!("{failure:?}")] {
            assert!(!text.contains("hunter"), "{text}");
            assert!(text.contains("cab"), "{text}");
        }
    }
}

/// What a receiver does, in another language and with another implementation of the algorithm.
const CHECK: &str = r#"
import hashlib, hmac, sys
fields = dict(part.split("=", 1) for part in sys.argv[2].split(","))
signed = fields["t"].encode() + b"." + sys.stdin.buffer.read()
wanted = hmac.new(sys.argv[1].encode(), signed, hashlib.sha256).hexdigest()
sys.exit(0 if hmac.compare_digest(wanted, fields["v1"]) else 3)
"#;

#[expect(clippy::print_stderr, reason = "who reads the output shall know what was left out")]
fn python_accepts(header: &str, body: &[u8]) -> Option<bool> {
    let secret = std::str::from_utf8(SECRET).unwrap();
    let started =
        Command::new("python3").args(["-c", CHECK, secret, header]).stdin(Stdio::piped()).spawn();
    let Ok(mut python) = started else {
        eprintln!("skipped: there is no python3 to check the signature with");
        return None;
    };
    python.stdin.take().unwrap().write_all(body).unwrap();
    match python.wait().unwrap().code() {
        Some(0) => Some(true),
        Some(3) => Some(false),
        other => panic!("python3 ended with {other:?}"),
    }
}

#[tokio::test]
async fn another_implementation_accepts_the_signature() {
    let server = Server::start().await;
    let gate = server.gate("/allow", json!({"secretRef": "key"}));
    client().ask(&gate, Some(SECRET), &request(), NOW).await.result.unwrap();
    let seen = server.take();
    let header = seen[0].header("millwright-signature");
    assert!(header.starts_with("t=1700000000,v1="), "{header}");
    let body = seen[0].body.to_vec();
    let Some(accepted) = python_accepts(header, &body) else { return };
    assert!(accepted);
    let later = header.replace("t=1700000000", "t=1700000001");
    assert_eq!(python_accepts(&later, &body), Some(false));
    assert_eq!(python_accepts(header, &[&body[..], b" "].concat()), Some(false));
}
