//! What a coordinator refuses to start with, in its exact words: each says what to do, and none
//! changes the store.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millwright-coordinator"));
    command.stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// An address that nobody listens at, outside the range of outgoing connections, which could take it
/// before the node does.
fn free() -> String {
    let mut tries =
        std::iter::repeat_with(|| format!("127.0.0.1:{}", rand::random_range(15_000..32_000)));
    tries.find(|address| TcpListener::bind(address).is_ok()).expect("some port is free")
}

/// Makes a cluster of one node, which does not run.
fn init(dir: &Path) {
    let (api, peer, http) = (free(), free(), free());
    let done = program()
        .args(["init", "--node", "n1", "--dir"])
        .arg(dir)
        .args(["--listen", &api, "--peer-listen", &peer, "--http-listen", &http])
        .output()
        .expect("the program runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Long enough for a debug build on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// Runs the node of a folder until it ends, and asks it to end once it is ready. Returns how it ended
/// and what it said.
fn run(dir: &Path) -> (ExitStatus, String) {
    let mut child = program()
        .args(["--until-stdin-closes", "run", "--dir"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let stderr = child.stderr.take().expect("piped");
    let mut stdin = child.stdin.take();
    let (lines, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // The receiver gives up only when the deadline has passed.
            let _late = lines.send(line);
        }
    });
    let (deadline, mut all) = (Instant::now() + DEADLINE, String::new());
    loop {
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if line.contains("the coordinator is ready") {
                    drop(stdin.take());
                }
                all.push_str(&line);
                all.push('\n');
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().expect("it can be killed");
                panic!("it neither ended nor was ready:\n{all}");
            }
        }
    }
    reader.join().expect("the reader ends with the pipe");
    (child.wait().expect("it has ended"), all)
}

/// The node refuses to start with these words, which may be followed by causes.
fn refuses(dir: &Path, words: &str) {
    let (status, told) = run(dir);
    assert!(!status.success(), "it started: {told}");
    assert!(told.contains(words), "{words:?} is not in:\n{told}");
    assert!(!told.contains("panicked"), "{told}");
}

fn cluster_of(dir: &Path) -> String {
    let mark = fs::read_to_string(dir.join("store.json")).expect("store.json");
    let mark: serde_json::Value = serde_json::from_str(&mark).expect("JSON");
    mark["cluster"].as_str().expect("a cluster").to_owned()
}

#[test]
fn a_sound_store_starts() {
    let dir = tempfile::tempdir().expect("a folder");
    init(dir.path());
    let (status, told) = run(dir.path());
    assert!(status.success() && told.contains("the coordinator is ready"), "{told}");
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    init(dir.path());
    let path = dir.path().join("store.json");
    let mark = fs::read_to_string(&path).expect("store.json");
    fs::write(&path, mark.replace("\"format\":1", "\"format\":2")).expect("written");
    refuses(
        dir.path(),
        &format!(
            "the store in {} has format 2, this program reads up to 1: run the version that wrote \
             it, or a later one; nothing was changed",
            dir.path().display()
        ),
    );
}

#[test]
fn a_store_of_another_cluster_is_refused() {
    let (dir, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    init(dir.path());
    init(other.path());
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        let from = other.path().join("node").join(file);
        fs::copy(from, dir.path().join("node").join(file)).expect("copied");
    }
    refuses(
        dir.path(),
        &format!(
            "the store in {} belongs to cluster {}, the certificate in its node folder to {}: put \
             the certificate of this node back, or join the other cluster from an empty folder",
            dir.path().display(),
            cluster_of(dir.path()),
            cluster_of(other.path())
        ),
    );
}

const RESTORE: &str = "restore it from a backup or from another coordinator of this cluster, or join \
                       this node again from an empty folder with a new token";

#[test]
fn a_lost_cluster_key_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    init(dir.path());
    let path = dir.path().join("cluster.key");
    fs::remove_file(&path).expect("removed");
    refuses(dir.path(), &format!("cannot use the cluster key {}: {RESTORE}", path.display()));
}

#[test]
fn the_key_of_another_cluster_is_told() {
    let (dir, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    init(dir.path());
    init(other.path());
    let path = dir.path().join("cluster.key");
    fs::copy(other.path().join("cluster.key"), &path).expect("copied");
    refuses(
        dir.path(),
        &format!(
            "the cluster key {} does not open the secrets of this cluster: {RESTORE}",
            path.display()
        ),
    );
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a folder");
    init(dir.path());
    let path = dir.path().join("cluster.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    refuses(
        dir.path(),
        &format!("{} has mode 0644: others may read it; run chmod 600 on it", path.display()),
    );
}

#[test]
fn a_snapshot_of_a_newer_program_or_a_damaged_one_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    init(dir.path());
    let folder = dir.path().join("raft/snapshot");
    // The header of format 99 with an empty state: length 2, field 4, 99.
    let mut newer = b"MWSNAP1\n".to_vec();
    newer.extend([0, 0, 0, 2, 0x20, 99]);
    fs::write(folder.join("state.mws"), newer).expect("written");
    refuses(dir.path(), "the snapshot has format 99, this program reads up to 1: upgrade it first");
    fs::write(folder.join("state.mws"), b"MWSNAP1\n\0\0").expect("written");
    refuses(dir.path(), "not a Millwright snapshot, or cut short");
}

#[test]
fn a_port_in_use_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    init(dir.path());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let path = dir.path().join("coordinator.toml");
    let config = fs::read_to_string(&path).expect("the file");
    let lines = config.lines().map(|line| match line.starts_with("api = ") {
        true => format!("api = {address:?}"),
        false => line.to_owned(),
    });
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).expect("written");
    refuses(dir.path(), &format!("cannot listen on {address}"));
}

#[test]
fn every_fault_of_the_configuration_is_told_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    init(dir.path());
    let path = dir.path().join("coordinator.toml");
    let config = fs::read_to_string(&path).expect("the file");
    let broken =
        config.replace("[raft]", "[raft]\nhartbeat_ms = 5").replace("join = []", "join = 3");
    fs::write(&path, broken).expect("written");
    let places = [
        "line 8, column 8: node.join: is a number, not a list of strings",
        "raft.hartbeat_ms: unknown key; did you mean heartbeat_ms?",
    ];
    for place in places {
        refuses(dir.path(), place);
        let done = program().args(["config", "check"]).arg(&path).output().expect("it runs");
        assert!(!done.status.success());
        assert!(String::from_utf8_lossy(&done.stderr).contains(place), "{place}");
    }
}

#[test]
fn the_default_configuration_is_printed_and_valid() {
    let printed = program().args(["config", "default"]).output().expect("it runs").stdout;
    assert_eq!(String::from_utf8_lossy(&printed), millwright_coordinator::config::DEFAULT);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("coordinator.toml");
    fs::write(&path, printed).expect("written");
    let done = program().args(["config", "check"]).arg(&path).status().expect("it runs");
    assert!(done.success());
}
