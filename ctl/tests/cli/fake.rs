//! The control server: it answers from a script, and the script notes what it was asked.

mod service;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use millwright_certs::{
    ca::Ca,
    connect,
    identity::Identity,
    key,
    store::{ClientAuth, CredentialStore},
};
use millwright_model::{
    audit::{Entry, Head},
    id::ClusterId,
};
use millwright_proto::{
    agent::enrolment_service_server::EnrolmentServiceServer,
    control::{self as wire, control_service_server::ControlServiceServer},
    hint::with_hint,
};
use serde_json::Value;
use tokio::{process::Command, sync::watch};
use tonic::{Code, Status};

/// A command that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the server says.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Resources with their kind in `kind`.
    pub(crate) resources: Vec<Value>,
    /// Index of every read.
    pub(crate) index: u64,
    /// What every call but the first look at the cluster is refused with.
    pub(crate) refusal: Option<(Code, &'static str, &'static str)>,
    /// What a watch yields; resumed by index.
    pub(crate) events: Vec<wire::WatchEvent>,
    /// Events after which a stream breaks, for each stream in turn.
    pub(crate) breaks: Vec<usize>,
    /// Tokens.
    pub(crate) tokens: Vec<wire::Token>,
    /// The cluster.
    pub(crate) cluster: wire::ClusterStatusResponse,
    /// What `apply` answers.
    pub(crate) results: Vec<(&'static str, &'static str, &'static str)>,
    /// Resources that appear with the next `apply`.
    pub(crate) after_apply: Vec<wire::WatchEvent>,
    /// Resources that take the place of those of the same name with the next action or instruction.
    pub(crate) after_ask: Vec<Value>,
    /// Events that come with it.
    pub(crate) then: Vec<wire::WatchEvent>,
    /// What `render` answers.
    pub(crate) render: Vec<wire::RenderPart>,
    /// What `diff` answers.
    pub(crate) diff: Vec<wire::DiffPart>,
    /// Who did what, and the entry before the first.
    pub(crate) audit: Vec<Entry>,
    /// The end before the first of them.
    pub(crate) audit_base: Head,
    /// Entries that were dropped.
    pub(crate) audit_dropped: u64,
    /// Events up to this index are gone.
    pub(crate) events_gone: u64,
    /// What was asked, in words.
    pub(crate) asked: Vec<String>,
}

/// The server, and the home of a person who uses it.
#[derive(Debug)]
pub(crate) struct Fake {
    /// Home of the person.
    pub(crate) home: tempfile::TempDir,
    /// host:port.
    pub(crate) address: String,
    /// What the server says.
    shared: Shared,
    pub(crate) cluster: ClusterId,
    task: tokio::task::JoinSet<()>,
}

#[derive(Debug, Clone)]
struct Shared {
    script: Arc<Mutex<Script>>,
    changed: watch::Sender<u64>,
    ca: Arc<Ca>,
    cluster: ClusterId,
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("nothing panics while holding it")
    }

    /// Notes the question; refuses when the script says so.
    fn asked(&self, what: String) -> Result<MutexGuard<'_, Script>, Status> {
        let mut script = self.script();
        script.asked.push(what);
        match script.refusal {
            None => Ok(script),
            Some((code, message, hint)) => Err(match hint {
                "" => Status::new(code, message),
                hint => with_hint(code, message, hint),
            }),
        }
    }

    fn sign(&self, csr: &[u8], identity: &Identity, life: Duration) -> Result<String, Status> {
        let issued = self.ca.sign(csr, identity, life, SystemTime::now());
        issued.map(|issued| issued.cert_pem).map_err(|error| Status::internal(error.to_string()))
    }
}

fn identity(ca: &Ca, identity: &Identity, life: Duration, now: SystemTime) -> CredentialStore {
    let key = key::generate().expect("a key");
    let csr = key::csr_der(&key).expect("a request");
    let issued = ca.sign(&csr, identity, life, now).expect("a certificate");
    CredentialStore::new(ca.cert_pem(), &issued.cert_pem, &key.serialize_pem())
        .expect("credentials")
}

impl Fake {
    /// Starts with a script.
    pub(crate) async fn start(script: Script) -> Self {
        millwright_certs::install_crypto_provider();
        let cluster: ClusterId = "c0ffee".parse().expect("a cluster id");
        let ca = Arc::new(Ca::new(&cluster).expect("a CA"));
        let (changed, _) = watch::channel(0);
        let shared = Shared {
            script: Arc::new(Mutex::new(script)),
            changed,
            ca: Arc::clone(&ca),
            cluster: cluster.clone(),
        };
        let node =
            Identity::Coordinator { cluster: cluster.clone(), node: "n1".parse().expect("a name") };
        let day = Duration::from_hours(24);
        let server = identity(&ca, &node, day, SystemTime::now());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let tls = Arc::new(move || server.server_config(ClientAuth::Optional));
        let services = tonic::transport::Server::builder()
            .add_service(ControlServiceServer::new(shared.clone()))
            .add_service(EnrolmentServiceServer::new(shared.clone()));
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move {
            let incoming = connect::accept(listener, tls, connect::Counts::default());
            let served = services.serve_with_incoming(incoming).await;
            served.expect("the server runs");
        });
        let home = tempfile::tempdir().expect("a folder");
        let fake = Self { home, address, shared, cluster, task };
        fake.log_in(day, SystemTime::now(), false);
        fake
    }

    /// Makes the contexts file with an operator's certificate.
    pub(crate) fn log_in(&self, life: Duration, now: SystemTime, protected: bool) {
        let ann = Identity::Operator {
            cluster: self.cluster.clone(),
            name: "ann".parse().expect("a name"),
        };
        let store = identity(&self.shared.ca, &ann, life, now);
        store.save_dir(&self.home.path().join("identity")).expect("saved");
        let pin: String = store.ca_fingerprint().iter().map(|b| format!("{b:02x}")).collect();
        let text = format!(
            "current = \"lab\"\n\n[[contexts]]\nname = \"lab\"\ncoordinators = [\"{}\"]\n\
             ca_fingerprint = \"{pin}\"\nidentity_dir = \"identity\"\nprotected = {protected}\n",
            self.address
        );
        key::write_private(&self.config(), text.as_bytes()).expect("written");
    }

    /// SHA-256 of the CA.
    pub(crate) fn ca_fingerprint(&self) -> [u8; 32] {
        self.shared.ca.fingerprint()
    }

    /// The contexts file.
    pub(crate) fn config(&self) -> PathBuf {
        self.home.path().join("millctl.toml")
    }

    /// Changes the script; running watches see new events.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script());
        self.shared.changed.send_modify(|version| *version += 1);
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.script().asked)
    }

    /// The server goes away.
    pub(crate) async fn stop(&mut self) {
        self.task.shutdown().await;
    }

    /// The program, with this person's home and nothing else in the environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millctl"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("LANG", "C.UTF-8")
            .env("MILLWRIGHT_CONFIG", self.config())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        self.run_in(args, &[]).await
    }

    /// Runs it with more in the environment.
    pub(crate) async fn run_in(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        let done = tokio::time::timeout(PATIENCE, command.output()).await;
        let done = done.expect("it ends in time").expect("it runs");
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .replace(&self.address, "COORDINATOR")
                .replace(&self.home.path().display().to_string(), "HOME")
        };
        Ran {
            code: done.status.code().unwrap_or(-1),
            out: text(&done.stdout),
            err: text(&done.stderr),
        }
    }
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Ran {
    /// All of it, for snapshots.
    pub(crate) fn all(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }

    /// The data in the envelope.
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.all());
        let mut value: Value = serde_json::from_str(&self.out).expect("JSON on standard output");
        assert_eq!(value["ok"], true);
        value["data"].take()
    }
}
