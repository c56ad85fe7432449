//! One gateway with everything behind it: a coordinator, a repository on disk, a simulated gateway
//! and its agent, which can be killed and started again; or a redundant pair with an agent each. For
//! tests and measurements that look closely at one agent.

mod files;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use gateway_sim::{Role, Sim, SimConfig};
use serde_json::Value;

pub use self::files::{configuration, project, resource};
use crate::{
    cluster::Cluster,
    process::{Process, binary, run},
    wait,
};

/// Name of the gateway.
pub const NAME: &str = "line1";

/// Files of a commit by path in the repository.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What is special about a plant.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Lines of the profile's spec, indented by two spaces.
    pub profile: String,
    /// Documents that are applied with it.
    pub resources: String,
    /// Lines added to the `[gateway]` table of the agent.
    pub agent: String,
    /// The agent's program.
    pub program: &'static str,
    /// Variables of the agent's environment.
    pub env: Vec<(&'static str, String)>,
    /// Changes how the gateway is simulated.
    pub sim: fn(&mut SimConfig),
    /// Where the gateway and the agent have their folders; below the plant's own when absent.
    pub disk: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: "  verify: {settle: 50ms}\n  snapshots: {minFreeBytes: 0}\n".to_owned(),
            resources: String::new(),
            agent: "wait = \"5s\"\nscan_timeout = \"5s\"\nsessions_poll = \"100ms\"\n\
                    facts_poll = \"500ms\"\nconverge_poll = \"100ms\"\n"
                .to_owned(),
            program: "millwright-agent",
            env: Vec::new(),
            sim: |_| (),
            disk: None,
        }
    }
}

/// The plant.
#[derive(Debug)]
pub struct Plant {
    /// Its one coordinator.
    pub cluster: Cluster,
    /// Its gateway.
    pub sim: Sim,
    /// The gateway's data directory.
    pub data_dir: PathBuf,
    /// The agent's folder.
    pub agent_dir: PathBuf,
    /// The other node, on a pair.
    pub backup: Option<Backup>,
    settings: Settings,
    home: PathBuf,
    repository: PathBuf,
    agent: Option<Process>,
}

/// The backup of a pair.
#[derive(Debug)]
pub struct Backup {
    /// Its gateway.
    pub sim: Sim,
    /// The gateway's data directory.
    pub data_dir: PathBuf,
    /// Its agent's folder.
    pub agent_dir: PathBuf,
    agent: Option<Process>,
}

/// What is needed to enrol one agent.
struct Enrol<'a> {
    member: &'a str,
    sim: &'a Sim,
    data_dir: &'a Path,
    agent_dir: &'a Path,
}

impl Plant {
    /// Starts all of it below `dir`, the agent enrolled but not running.
    pub async fn start(dir: &Path, settings: Settings) -> anyhow::Result<Self> {
        Self::start_as(dir, settings, Role::Independent).await
    }

    /// The same with a redundant pair, both agents enrolled but not running.
    pub async fn start_pair(dir: &Path, settings: Settings) -> anyhow::Result<Self> {
        let mut plant = Self::start_as(dir, settings, Role::Master).await?;
        let data_dir = dir.join("backup-data");
        std::fs::create_dir_all(&data_dir)?;
        let mut config = SimConfig::new(data_dir.clone(), NAME);
        (plant.settings.sim)(&mut config);
        config.role = Role::Backup;
        let sim = Sim::start(config).await?;
        gateway_sim::join(&plant.sim, &sim).await?;
        for node in [&plant.sim, &sim] {
            let joined = |node: &Sim| {
                let told = &node.state()["redundancy"];
                let synced = told["lastSyncTimestamp"].as_i64().is_some_and(|at| at > 0);
                (synced && told["peerConnected"] == true).then_some(())
            };
            node.until(wait::PATIENCE, joined).await?;
        }
        let agent_dir = dir.join("backup-agent");
        let enrol =
            Enrol { member: "backup", sim: &sim, data_dir: &data_dir, agent_dir: &agent_dir };
        plant.enrol(&enrol).await?;
        plant.backup = Some(Backup { sim, data_dir, agent_dir, agent: None });
        Ok(plant)
    }

    async fn start_as(dir: &Path, settings: Settings, role: Role) -> anyhow::Result<Self> {
        let cluster = Cluster::start(dir, 1).await?;
        let disk = settings.disk.clone().unwrap_or_else(|| dir.to_owned());
        let data_dir = disk.join("data");
        std::fs::create_dir_all(&data_dir)?;
        let mut config = SimConfig::new(data_dir.clone(), NAME);
        (settings.sim)(&mut config);
        config.role = role;
        let sim = Sim::start(config).await?;
        let plant = Self {
            cluster,
            sim,
            data_dir,
            agent_dir: disk.join("agent"),
            backup: None,
            settings,
            home: dir.to_owned(),
            repository: dir.join("repository"),
            agent: None,
        };
        let member = if role == Role::Master { "master" } else { "single" };
        let (sim, data_dir, agent_dir) = (&plant.sim, &plant.data_dir, &plant.agent_dir);
        plant.enrol(&Enrol { member, sim, data_dir, agent_dir }).await?;
        plant.git(&["init", "-q", "-b", "main", "."])?;
        Ok(plant)
    }

    /// Where the agent of a node finds its gateway's token.
    pub fn token_file(&self, member: &str) -> PathBuf {
        self.home.join(format!("gateway-token-{member}"))
    }

    async fn enrol(&self, enrol: &Enrol<'_>) -> anyhow::Result<()> {
        let Enrol { member, sim, data_dir, agent_dir } = enrol;
        let token_file = self.token_file(member);
        std::fs::write(&token_file, sim.token_header())?;
        let made = ["token", "create", "agent", NAME, "--member", member];
        let token = self.cluster.ctl(&made).await?;
        let text = |path: &Path| path.display().to_string();
        let (home, data, file) = (text(agent_dir), text(data_dir), text(&token_file));
        let url = sim.url();
        let mut args = vec!["enrol", "--dir", &home, "--token", token.trim(), "--gateway", NAME];
        args.extend(["--data-dir", &data, "--gateway-url", &url, "--gateway-token-file", &file]);
        args.extend(["--coordinator", &self.cluster.nodes[0].api, "--member", member]);
        run(&binary(self.settings.program)?, &args).await?;
        let config = agent_dir.join("agent.toml");
        let text = std::fs::read_to_string(&config)? + &self.settings.agent;
        Ok(std::fs::write(&config, text)?)
    }

    fn git(&self, args: &[&str]) -> anyhow::Result<String> {
        std::fs::create_dir_all(&self.repository)?;
        let done = std::process::Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(["-c", "core.autocrlf=false", "-c", "commit.gpgsign=false"])
            .args(args)
            .current_dir(&self.repository)
            .output()
            .context("git")?;
        if !done.status.success() {
            bail!("git {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }

    /// Commits exactly these files and returns the commit.
    pub fn commit(&self, files: &Files) -> anyhow::Result<String> {
        self.git(&["rm", "-r", "-q", "--ignore-unmatch", "."])?;
        for (path, content) in files {
            let at = self.repository.join(path);
            std::fs::create_dir_all(at.parent().context("a path has a folder")?)?;
            std::fs::write(at, content)?;
        }
        self.git(&["add", "-A", "."])?;
        self.git(&["commit", "-q", "--allow-empty", "-m", "Change"])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes the newest commit the only one: whoever has none of the others gets none of them.
    pub fn forget_history(&self) -> anyhow::Result<String> {
        self.git(&["checkout", "-q", "--orphan", "anew"])?;
        self.git(&["commit", "-q", "-m", "Anew"])?;
        self.git(&["branch", "-q", "-M", "anew", "main"])?;
        self.git(&["reflog", "expire", "--expire=now", "--all"])?;
        self.git(&["gc", "-q", "--prune=now"])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Other lines of the profile's spec from the next commit on.
    pub fn set_profile(&mut self, profile: &str) {
        profile.clone_into(&mut self.settings.profile);
    }

    /// Lets the fleet follow a commit.
    pub async fn follow(&self, commit: &str) -> anyhow::Result<()> {
        let url = self.repository.display();
        let text = format!(
            "apiVersion: millwright.dev/v1\nkind: SyncProfile\nmetadata: {{name: line}}\nspec:\n\
             \x20 mappings:\n\x20   - {{source: projects, destination: projects}}\n\
             \x20   - {{source: config, destination: config/resources/core/ignition/database-connection, required: false}}\n\
             {}\
             ---\n\
             apiVersion: millwright.dev/v1\nkind: Repository\nmetadata: {{name: plant}}\n\
             spec: {{url: \"file://{url}\", ref: {{commit: {commit}}}, poll: 200ms, jitter: 1ms}}\n\
             ---\n\
             apiVersion: millwright.dev/v1\nkind: Fleet\nmetadata: {{name: all}}\n\
             spec: {{repository: plant}}\n\
             ---\n\
             apiVersion: millwright.dev/v1\nkind: Gateway\nmetadata: {{name: {NAME}}}\n\
             spec: {{site: here, profile: line}}\n---\n{}",
            self.settings.profile, self.settings.resources
        );
        let file = self.agent_dir.with_extension("yaml");
        std::fs::write(&file, text)?;
        self.cluster.ctl(&["apply", "-f", &file.display().to_string(), "--detach"]).await?;
        Ok(())
    }

    /// Starts the agent; it kills itself at the n-th fault point when one is given.
    pub fn start_agent(&mut self, fault: Option<u64>, points: Option<&Path>) -> anyhow::Result<()> {
        let dir = self.agent_dir.display().to_string();
        let mut env = self.settings.env.clone();
        if let Some(at) = fault {
            env.push(("MILLWRIGHT_FAULT_AT", at.to_string()));
        }
        if let Some(log) = points {
            env.push(("MILLWRIGHT_FAULT_LOG", log.display().to_string()));
        }
        let args = ["run", "--dir", &dir];
        let log = self.agent_dir.join("agent.log");
        self.agent = Some(Process::start_in(NAME, self.settings.program, &args, &log, &env)?);
        Ok(())
    }

    /// Starts the agent of the backup.
    pub fn start_backup_agent(&mut self) -> anyhow::Result<()> {
        let program = self.settings.program;
        let backup = self.backup.as_mut().context("this plant is no pair")?;
        let dir = backup.agent_dir.display().to_string();
        let log = backup.agent_dir.join("agent.log");
        let args = ["run", "--dir", &dir];
        backup.agent = Some(Process::start_in("backup", program, &args, &log, &self.settings.env)?);
        Ok(())
    }

    /// SIGKILL to the agent.
    pub async fn kill_agent(&mut self) -> anyhow::Result<()> {
        match self.agent.take() {
            Some(mut agent) => agent.kill().await,
            None => Ok(()),
        }
    }

    /// Whether the agent has ended by itself.
    pub fn agent_is_dead(&mut self) -> bool {
        self.agent.as_mut().is_none_or(Process::has_ended)
    }

    /// Waits until the agent has killed itself, or has come to the end of this commit.
    pub async fn killed_or_ended(&mut self, commit: &str) -> anyhow::Result<bool> {
        let mut looks = 0_u32;
        loop {
            if self.agent_is_dead() {
                return Ok(true);
            }
            looks += 1;
            if looks.is_multiple_of(15) {
                let status = self.status().await?;
                let last = &status["history"][0];
                if status["desired"]["commit"] == commit
                    && last["generation"] == status["desired"]["generation"]
                {
                    return Ok(false);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The gateway as `millctl get` shows it.
    pub async fn status(&self) -> anyhow::Result<Value> {
        let shown = self.cluster.json(&["get", "gateway", NAME]).await?;
        let one =
            [&shown, &shown["items"][0], &shown[0]].into_iter().find(|v| v["status"].is_object());
        Ok(one.map(|gateway| gateway["status"].clone()).unwrap_or_default())
    }

    /// Waits until the gateway's status is as it should be.
    pub async fn until(
        &self,
        what: &str,
        mut good: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        let found = wait::until(what, wait::PATIENCE, async || {
            last = self.status().await?;
            Ok(good(&last).then(|| last.clone()))
        });
        let found = found.await;
        found.with_context(|| {
            let log = std::fs::read_to_string(self.agent_dir.join("agent.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            format!("status {last:#}\nagent, the newest line first: {}", tail.join("\n"))
        })
    }

    /// Waits until the newest attempt is of this commit and has ended in this way.
    pub async fn ended(&self, commit: &str, result: &str) -> anyhow::Result<Value> {
        let status = self
            .until(&format!("{result} {commit}"), |status| {
                let last = &status["history"][0];
                status["desired"]["commit"] == commit
                    && last["generation"] == status["desired"]["generation"]
                    && last["attempt"].as_u64() >= status["desired"]["attempt"].as_u64()
            })
            .await?;
        let last = status["history"][0].clone();
        if last["result"] != result {
            bail!("the attempt ended otherwise than {result}: {last:#}");
        }
        Ok(last)
    }

    /// Follows a commit and waits for its end.
    pub async fn bring(&self, commit: &str, result: &str) -> anyhow::Result<Value> {
        self.follow(commit).await?;
        self.ended(commit, result).await
    }
}
