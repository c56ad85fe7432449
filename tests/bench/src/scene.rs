//! A coordinator, a large repository behind a git server, and one gateway after another.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use gateway_sim::SimConfig;
use millwright_proto::control::{DeleteRequest, GetRequest};
use playground::{cluster::Cluster, gitserver::GitServer, repository::Repository};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    gitrepo::GitRepo,
    operator::{self, Control, Operator},
    site::Site,
};

/// How long one apply may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Where the repository's root lies in a data directory.
pub const ROOT: &str = "projects/plant";

/// The scene.
#[derive(Debug)]
pub struct Scene {
    /// One coordinator.
    pub cluster: Cluster,
    /// The repository.
    pub repo: GitRepo,
    /// A connection to the coordinator.
    pub control: Control,
    /// Where the repository is served.
    pub url: String,
    /// The agent's program, by name or path.
    pub agent: String,
    _server: GitServer,
}

impl Scene {
    /// Starts it below `dir` with a repository or bundle and these files besides.
    pub async fn start(
        dir: &Path,
        given: &Path,
        besides: &[(&str, &[u8])],
    ) -> anyhow::Result<Self> {
        let git = dir.join("git");
        std::fs::create_dir_all(&git)?;
        let repository = Repository::mirror(&git, "plant", &given.display().to_string()).await?;
        let repo = GitRepo::open(&repository.bare).await?;
        for (path, content) in besides {
            repo.commit("One more file", Some((path, content))).await?;
        }
        let server = GitServer::start(&git).await?;
        let url = server.url("plant");
        let cluster = Cluster::start(dir, 1).await?;
        let operator = Operator::of(&cluster)?;
        let mut control = operator.connect(&cluster.nodes[0].api).await?;
        let branch = repo.branch();
        let base = [
            json!({"apiVersion": "millwright.dev/v1", "kind": "Repository", "metadata": {"name": "plant"},
                "spec": {"url": url, "ref": {"branch": branch}, "poll": "1s", "jitter": "0s"}}),
            json!({"apiVersion": "millwright.dev/v1", "kind": "SyncProfile", "metadata": {"name": "area"},
                "spec": {"mappings": [{"source": ".", "destination": ROOT}],
                    "verify": {"settle": "0s"}}}),
            json!({"apiVersion": "millwright.dev/v1", "kind": "Fleet", "metadata": {"name": "plants"},
                "spec": {"repository": "plant", "stages": [{"name": "all", "maxConcurrent": 100}]}}),
        ];
        operator::apply(&mut control, &base).await?;
        let agent = "millwright-agent".to_owned();
        Ok(Self { cluster, repo, control, url, agent, _server: server })
    }

    /// One gateway that has applied the newest commit, and that attempt.
    pub async fn site(
        &mut self,
        dir: &Path,
        set: fn(&mut SimConfig),
    ) -> anyhow::Result<(Site, Value)> {
        let name = "gw1";
        operator::apply(&mut self.control, &[operator::gateway(name, "0")]).await?;
        let site = Site::start(dir, &self.cluster, name, set, &self.agent).await?;
        let head = self.repo.head().await?;
        let first = self.applied(name, &head).await?;
        Ok((site, first))
    }

    /// Waits until a gateway has applied a commit; its newest attempt.
    pub async fn applied(&mut self, gateway: &str, commit: &str) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = GetRequest {
                kind: "Gateway".to_owned(),
                name: gateway.to_owned(),
                selector: String::new(),
                stale: true,
            };
            let answer = self.control.get(request).await?.into_inner();
            let json = &answer.resources.first().context("the gateway is gone")?.json;
            let value: Value = serde_json::from_slice(json)?;
            let last = &value["status"]["history"][0];
            if last["commit"] == commit {
                if last["failures"].as_array().is_some_and(|failures| !failures.is_empty()) {
                    bail!("the agent failed: {}", last["failures"]);
                }
                return Ok(last.clone());
            }
            if Instant::now() >= deadline {
                bail!("{gateway} has not applied {commit}: {}", value["status"]);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The gateway leaves, so that no rollout waits for it.
    pub async fn leave(&mut self, site: Site) -> anyhow::Result<()> {
        let request = DeleteRequest {
            kind: "Gateway".to_owned(),
            name: site.name.clone(),
            reason: "benchmark".to_owned(),
        };
        self.control.delete(request).await?;
        site.end().await
    }
}
