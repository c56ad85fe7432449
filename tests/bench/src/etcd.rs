//! Three etcd nodes on loopback and a minimal client of their key-value service: one message, so
//! that no generated code is needed and the client costs no more than ours.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use playground::process::free_port;
use serde_json::Value;
use tokio::process::{Child, Command};
use tonic::{
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::raft::Writer;

/// How long the three may take to elect a leader.
const READY: Duration = Duration::from_secs(30);
const PUT: &str = "/etcdserverpb.KV/Put";

/// `etcdserverpb.PutRequest`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `etcdserverpb.PutResponse`: that it comes is enough.
#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

/// Whether the program is there.
pub fn installed() -> bool {
    let found = std::process::Command::new("etcd")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// A running cluster; killed when dropped.
#[derive(Debug)]
pub struct Etcd {
    clients: Vec<String>,
    _nodes: Vec<Child>,
}

impl Etcd {
    /// Starts three nodes with etcd's own defaults for durability (an fsync before each answer).
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        let mut ports = Vec::new();
        for _ in 0..3 {
            ports.push((free_port()?, free_port()?));
        }
        let list: Vec<String> = ports
            .iter()
            .enumerate()
            .map(|(n, (_, peer))| format!("e{n}=http://127.0.0.1:{peer}"))
            .collect();
        let list = list.join(",");
        let mut nodes = Vec::new();
        for (n, (client, peer)) in ports.iter().enumerate() {
            nodes.push(node(dir, n, *client, *peer, &list)?);
        }
        let clients = ports.iter().map(|(client, _)| format!("http://127.0.0.1:{client}"));
        let etcd = Self { clients: clients.collect(), _nodes: nodes };
        etcd.ready().await?;
        Ok(etcd)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY;
        for n in 0..self.clients.len() {
            loop {
                let tried = async { self.writer(n, |_| Value::Null).await?.write(0).await };
                match tried.await {
                    Ok(()) => break,
                    Err(error) if Instant::now() >= deadline => {
                        bail!("etcd is not ready: {error:#}")
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
        Ok(())
    }

    /// A client with its own connection to node `n` modulo three.
    pub async fn writer<V>(&self, n: usize, value: V) -> anyhow::Result<Put<V>>
    where
        V: Fn(u64) -> Value + Send + 'static,
    {
        let channel = Endpoint::from_shared(self.clients[n % self.clients.len()].clone())?
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .connect()
            .await
            .context("cannot reach etcd")?;
        Ok(Put { grpc: Grpc::new(channel), key: format!("gateways/gw{n}").into_bytes(), value })
    }
}

fn node(dir: &Path, n: usize, client: u16, peer: u16, list: &str) -> anyhow::Result<Child> {
    let data = dir.join(format!("etcd{n}"));
    let log = std::fs::File::create(dir.join(format!("etcd{n}.log")))?;
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    // setpriv makes it die with us even if we are killed.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "etcd", "--name", &format!("e{n}"), "--data-dir"])
        .arg(&data)
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", list, "--log-level", "error"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start etcd")
}

/// One client.
pub struct Put<V> {
    grpc: Grpc<Channel>,
    key: Vec<u8>,
    value: V,
}

impl<V> std::fmt::Debug for Put<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Put").finish_non_exhaustive()
    }
}

impl<V: Fn(u64) -> Value + Send + 'static> Writer for Put<V> {
    async fn write(&mut self, value: u64) -> anyhow::Result<()> {
        let value = (self.value)(value).to_string().into_bytes();
        let request = PutRequest { key: self.key.clone(), value };
        self.grpc.ready().await?;
        let codec: ProstCodec<PutRequest, PutResponse> = ProstCodec::default();
        let path = PathAndQuery::from_static(PUT);
        self.grpc.unary(tonic::Request::new(request), path, codec).await?;
        Ok(())
    }
}
