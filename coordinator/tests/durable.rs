//! An acknowledged write is on the disk: seen from outside, with strace. Between a proposal and its
//! acknowledgement the file of the log is synced.
//!
//! Skipped, with a message, where strace is not installed or may not trace.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use millwright_certs::{connect::Connector, store::CredentialStore};
use millwright_proto::control::{
    ApplyRequest, Resource, control_service_client::ControlServiceClient,
};
use tonic::transport::{Channel, Endpoint};

/// Writes that are looked at one by one.
const WRITES: usize = 5;

/// A time on strace's clock, which is the system's, in seconds.
type Seconds = f64;

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

/// Why nothing can be traced here, if so.
fn untraceable() -> Option<String> {
    match Command::new("strace").args(["-e", "trace=none", "true"]).output() {
        Err(error) => Some(format!("strace cannot be run: {error}")),
        Ok(done) if !done.status.success() => {
            Some(format!("strace may not trace: {}", String::from_utf8_lossy(&done.stderr)))
        }
        Ok(_) => None,
    }
}

/// An address that nobody listens at, outside the range of outgoing connections, which could take it
/// before the node does.
fn free() -> String {
    let mut tries =
        std::iter::repeat_with(|| format!("127.0.0.1:{}", rand::random_range(15_000..32_000)));
    tries.find(|address| TcpListener::bind(address).is_ok()).expect("some port is free")
}

/// Makes a cluster of one node; returns its address for operators.
fn init(dir: &Path) -> String {
    let (api, peer, http) = (free(), free(), free());
    let done = Command::new(env!("CARGO_BIN_EXE_millwright-coordinator"))
        .args(["init", "--node", "n1", "--dir"])
        .arg(dir)
        .args(["--listen", &api, "--peer-listen", &peer, "--http-listen", &http])
        .output()
        .expect("the program runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    api
}

/// Starts the node under strace and waits until it is ready.
fn start(dir: &Path, trace: &Path) -> Child {
    let mut child = Command::new("strace")
        // Descriptors with their paths, times since the epoch, and how long each call took.
        .args(["-f", "-y", "-ttt", "-T", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(trace)
        .arg(env!("CARGO_BIN_EXE_millwright-coordinator"))
        .args(["--until-stdin-closes", "run", "--dir"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace runs");
    let mut told = BufReader::new(child.stderr.take().expect("piped")).lines();
    let ready = told.by_ref().map_while(Result::ok).any(|line| line.contains("is ready"));
    assert!(ready, "the node ended before it was ready");
    // Whoever fills the pipe would wait for a reader.
    std::thread::spawn(move || told.for_each(drop));
    child
}

fn connect(dir: &Path, api: &str) -> ControlServiceClient<Channel> {
    let store = CredentialStore::load_dir(&dir.join("operator")).expect("the first operator");
    let connector = Connector::new(Arc::new(move || store.client_config()));
    let endpoint = Endpoint::from_shared(format!("http://{api}")).expect("an address");
    ControlServiceClient::new(endpoint.connect_with_connector_lazy(connector))
}

fn now() -> Seconds {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// One acknowledged write; returns when it was asked for and when it was acknowledged.
async fn write(control: &mut ControlServiceClient<Channel>, n: usize) -> (Seconds, Seconds) {
    let name = format!("profile{n}");
    let json = serde_json::json!({"apiVersion": "millwright.dev/v1", "kind": "SyncProfile",
        "metadata": {"name": name},
        "spec": {"mappings": [{"source": "a", "destination": "projects/a"}]}});
    let resource = Resource {
        kind: "SyncProfile".to_owned(),
        name,
        json: json.to_string().into_bytes(),
        version: 0,
    };
    let request = ApplyRequest { resources: vec![resource], ..ApplyRequest::default() };
    let asked = now();
    control.apply(request).await.expect("acknowledged");
    (asked, now())
}

/// Begin and end of every successful sync of a file below `folder`.
fn syncs(trace: &str, folder: &Path) -> Vec<(Seconds, Seconds)> {
    let folder = format!("<{}", folder.display());
    let mut open: BTreeMap<&str, bool> = BTreeMap::new();
    let mut found = Vec::new();
    for line in trace.lines() {
        let mut words = line.split_whitespace();
        let (Some(thread), Some(at)) = (words.next(), words.next()) else { continue };
        let Ok(at) = at.parse::<Seconds>() else { continue };
        let ours = line.contains(&folder);
        if line.ends_with("<unfinished ...>") {
            open.insert(thread, ours);
            continue;
        }
        let took = line.rsplit_once(" = 0 <").and_then(|(_, took)| took.strip_suffix('>'));
        let Some(took) = took.and_then(|took| took.parse::<Seconds>().ok()) else { continue };
        if line.contains(" resumed>") {
            if open.remove(thread) == Some(true) {
                found.push((at - took, at));
            }
        } else if ours {
            found.push((at, at + took));
        }
    }
    found
}

#[test]
fn a_write_is_synced_before_it_is_acknowledged() {
    if let Some(why) = untraceable() {
        skip(&why);
        return;
    }
    millwright_certs::install_crypto_provider();
    let dir = tempfile::tempdir().expect("a folder");
    let home = fs::canonicalize(dir.path()).expect("a path").join("node");
    let api = init(&home);
    let trace = dir.path().join("trace");
    let mut node = start(&home, &trace);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let windows = runtime.block_on(async {
        let mut control = connect(&home, &api);
        let mut windows = Vec::new();
        for n in 0..WRITES {
            windows.push(write(&mut control, n).await);
        }
        windows
    });
    drop(node.stdin.take());
    assert!(node.wait().expect("it ends").success());
    let text = fs::read_to_string(&trace).expect("the trace");
    let synced = syncs(&text, &home.join("raft/log"));
    // Both clocks are the system's; strace prints microseconds.
    let slack = Duration::from_micros(2).as_secs_f64();
    for (asked, acknowledged) in windows {
        let within = synced
            .iter()
            .any(|(begin, end)| *begin + slack >= asked && *end <= acknowledged + slack);
        assert!(within, "no sync between {asked:.6} and {acknowledged:.6}; syncs: {synced:?}");
    }
}

#[test]
fn a_trace_is_read_with_interrupted_calls() {
    let trace = "\
10 100.5 fdatasync(7</d/raft/log/r-1>) = 0 <0.25>
11 101.0 fdatasync(7</d/raft/log/r-1> <unfinished ...>
12 101.1 fsync(9</d/raft/snapshot/state.new>) = 0 <0.1>
13 101.2 fsync(9</d/other> <unfinished ...>
11 101.5 <... fdatasync resumed>) = 0 <0.5>
13 101.6 <... fsync resumed>) = 0 <0.4>
10 102.0 fdatasync(7</d/raft/log/r-1>) = -1 EIO (Input/output error) <0.1>
";
    assert_eq!(syncs(trace, Path::new("/d/raft/log")), [(100.5, 100.75), (101.0, 101.5)]);
}
