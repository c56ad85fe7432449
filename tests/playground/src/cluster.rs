//! Coordinators as processes, and `millctl` to drive them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use serde_json::Value;

use crate::{
    process::{Process, binary, free_port, run},
    wait::{PATIENCE, until},
};

/// How long a node may take to be ready; a debug build on a busy machine is slow.
const READY: Duration = Duration::from_mins(1);

/// One coordinator.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
    /// `host:port` for agents and operators.
    pub api: String,
    /// `host:port` for coordinators.
    pub peer: String,
    /// Address of its health and metrics port.
    pub http: String,
    process: Option<Process>,
}

impl Node {
    fn place(dir: &Path, name: &str) -> anyhow::Result<Self> {
        let address = || free_port().map(|port| format!("127.0.0.1:{port}"));
        Ok(Self {
            name: name.to_owned(),
            dir: dir.join(name),
            api: address()?,
            peer: address()?,
            http: address()?,
            process: None,
        })
    }

    fn args(&self) -> Vec<String> {
        let dir = self.dir.display().to_string();
        [
            "--dir",
            &dir,
            "--node",
            &self.name,
            "--listen",
            &self.api,
            "--peer-listen",
            &self.peer,
            "--http-listen",
            &self.http,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Starts the process.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let dir = self.dir.display().to_string();
        let log = self.dir.join("log.txt");
        let args = ["run", "--dir", &dir];
        self.process = Some(Process::start(&self.name, "millwright-coordinator", &args, &log)?);
        Ok(())
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Waits until the node knows a leader.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let url = format!("http://{}/readyz", self.http);
        let what = format!("{} knows a leader", self.name);
        let ready = until(&what, READY, async || {
            Ok(reqwest::get(&url).await?.status().is_success().then_some(()))
        });
        ready.await.with_context(|| {
            let log = std::fs::read_to_string(self.dir.join("log.txt")).unwrap_or_default();
            // A stack trace would hide what it is about.
            let (said, _) = log.split_once("Stack backtrace:").unwrap_or((&log, ""));
            let mut tail: Vec<&str> = said.lines().rev().take(5).collect();
            tail.reverse();
            format!("{} is not ready; its log ends with:\n{}", self.name, tail.join("\n"))
        })
    }
}

/// The coordinators of a company.
#[derive(Debug)]
pub struct Cluster {
    /// Every node, the first one first.
    pub nodes: Vec<Node>,
    /// Contexts file of the first operator.
    pub context: PathBuf,
}

impl Cluster {
    /// Makes a cluster of `size` nodes below `dir` and waits until all are ready.
    pub async fn start(dir: &Path, size: usize) -> anyhow::Result<Self> {
        let program = binary("millwright-coordinator")?;
        let mut first = Node::place(dir, "n1")?;
        let args = first.args();
        let mut all = vec!["init"];
        all.extend(args.iter().map(String::as_str));
        run(&program, &all).await?;
        first.start()?;
        first.ready().await?;
        let context = first.dir.join("operator/millctl.toml");
        let mut cluster = Self { nodes: vec![first], context };
        for n in 2..=size {
            let mut node = Node::place(dir, &format!("n{n}"))?;
            let token = cluster.ctl(&["token", "create", "coordinator", &node.name]).await?;
            let args = node.args();
            let mut all =
                vec!["join", "--token", token.trim(), "--coordinator", &cluster.nodes[0].api];
            all.extend(args.iter().map(String::as_str));
            run(&program, &all).await?;
            node.start()?;
            node.ready().await?;
            cluster.nodes.push(node);
            cluster.voters(n).await?;
        }
        cluster.all_in_context()?;
        Ok(cluster)
    }

    /// The contexts file names every node, so that any one may be down.
    fn all_in_context(&self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(&self.context)?;
        let list: Vec<String> = self.nodes.iter().map(|node| format!("\"{}\"", node.api)).collect();
        let lines: Vec<String> = text
            .lines()
            .map(|line| match line.starts_with("coordinators") {
                true => format!("coordinators = [{}]", list.join(", ")),
                false => line.to_owned(),
            })
            .collect();
        Ok(std::fs::write(&self.context, lines.join("\n") + "\n")?)
    }

    /// Runs `millctl` and returns what it printed.
    pub async fn ctl(&self, args: &[&str]) -> anyhow::Result<String> {
        let context = self.context.display().to_string();
        let mut all = vec!["--config", &context];
        all.extend(args);
        run(&binary("millctl")?, &all).await
    }

    /// Runs `millctl … -o json` and returns its data.
    pub async fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let mut all = args.to_vec();
        all.extend(["-o", "json"]);
        let mut value: Value = serde_json::from_str(&self.ctl(&all).await?)?;
        Ok(value["data"].take())
    }

    async fn voters(&self, count: usize) -> anyhow::Result<()> {
        until(&format!("{count} voters"), READY, async || {
            let status = self.json(&["cluster", "status"]).await?;
            let nodes = status["nodes"].as_array().context("nodes")?;
            let voters = nodes.iter().filter(|node| node["voter"] == true).count();
            Ok((voters == count).then_some(()))
        })
        .await
    }

    /// The newest rollout, once it is as it should be.
    pub async fn rollout(
        &self,
        what: &str,
        good: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        until(what, PATIENCE, async || {
            Ok(Some(self.json(&["rollout", "status"]).await?).filter(|newest| good(newest)))
        })
        .await
    }

    /// The newest rollout, once it brings this commit and is as it should be.
    pub async fn rollout_of(
        &self,
        commit: &str,
        what: &str,
        good: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        self.rollout(what, |newest| newest["spec"]["commit"] == commit && good(newest)).await
    }

    /// SIGKILL for whoever leads; returns its name.
    pub async fn kill_leader(&mut self) -> anyhow::Result<String> {
        let leader = self.leader().await?;
        leader.kill().await?;
        Ok(leader.name.clone())
    }

    /// Starts a node that was killed, and waits until it knows a leader.
    pub async fn bring_back(&mut self, name: &str) -> anyhow::Result<()> {
        let node = self.nodes.iter_mut().find(|node| node.name == name);
        let node = node.with_context(|| format!("there is no node {name}"))?;
        node.start()?;
        node.ready().await
    }

    /// The node that leads.
    pub async fn leader(&mut self) -> anyhow::Result<&mut Node> {
        let status = self.json(&["cluster", "status"]).await?;
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        let name = nodes
            .iter()
            .find(|node| node["state"] == "leader")
            .and_then(|node| node["name"].as_str())
            .context("no leader")?
            .to_owned();
        self.nodes.iter_mut().find(|node| node.name == name).context("an unknown leader")
    }
}
