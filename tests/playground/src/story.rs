//! The story: first commit everywhere; a second one, canary first; the leader killed on the way and
//! brought back.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{
    acts,
    cluster::Cluster,
    company::{self, Gateway},
    gitserver::GitServer,
    output::say,
    repository::Repository,
    verify,
    wait::until,
};

/// How long one part of the story may take.
const PART: Duration = Duration::from_mins(3);

/// What to play.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Folder for everything.
    pub dir: PathBuf,
    /// Number of gateways, unless resources are given.
    pub gateways: usize,
    /// Number of sites.
    pub sites: usize,
    /// Somebody else's repository and resources.
    pub foreign: Option<(String, PathBuf)>,
}

/// A company in play.
#[derive(Debug)]
pub struct Company {
    /// The coordinators.
    pub cluster: Cluster,
    /// The gateways.
    pub gateways: Vec<Gateway>,
    /// The repository.
    pub repository: Repository,
    /// Folder of everything.
    pub(crate) dir: PathBuf,
    /// When it all began.
    pub(crate) began: Instant,
    /// The leader that was killed last.
    pub(crate) killed: Option<String>,
    _server: GitServer,
    generated: bool,
    outside: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

impl Company {
    /// Starts everything and applies the resources.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let began = Instant::now();
        let git = plan.dir.join("git");
        std::fs::create_dir_all(&git)?;
        let repository = if let Some((url, _)) = &plan.foreign {
            Repository::mirror(&git, "plant", url).await?
        } else {
            let repository = Repository::create(&git, "plant").await?;
            repository.generate(plan.sites)?;
            repository.commit("First version of the plant").await?;
            repository
        };
        let server = GitServer::start(&git).await?;
        say(began, "starting three coordinators");
        let cluster = Cluster::start(&plan.dir, 3).await?;
        let file = resources(plan, &server.url("plant"))?;
        let file = file.display().to_string();
        // The agents that the rollout needs are started below.
        cluster.ctl(&["apply", "-f", &file, "-m", "playground", "--detach"]).await?;
        let applied = cluster.json(&["get", "gateways"]).await?;
        let names: Vec<String> = applied
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|gateway| gateway["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        say(began, &format!("starting {} gateways with an agent each", names.len()));
        let mut gateways = Vec::new();
        for name in &names {
            gateways.push(company::start(&plan.dir, &cluster, name).await?);
        }
        let mut company = Self {
            cluster,
            gateways,
            repository,
            dir: plan.dir.clone(),
            _server: server,
            began,
            generated: plan.foreign.is_none(),
            outside: BTreeMap::new(),
            killed: None,
        };
        for (name, mappings) in company.mappings().await? {
            let data = company.gateway(&name)?.data_dir.clone();
            company.outside.insert(name, verify::outside(&data, &mappings)?);
        }
        Ok(company)
    }

    fn gateway(&self, name: &str) -> anyhow::Result<&Gateway> {
        self.gateways.iter().find(|gateway| gateway.name == name).context("an unknown gateway")
    }

    async fn mappings(&self) -> anyhow::Result<BTreeMap<String, verify::Mappings>> {
        let gateways = self.cluster.json(&["get", "gateways"]).await?;
        let profiles = self.cluster.json(&["get", "syncprofiles"]).await?;
        let mut all = BTreeMap::new();
        for gateway in gateways.as_array().into_iter().flatten() {
            let profile = profiles
                .as_array()
                .into_iter()
                .flatten()
                .find(|profile| profile["metadata"]["name"] == gateway["spec"]["profile"])
                .context("a gateway without a profile")?;
            let name = gateway["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            all.insert(name, verify::mappings(gateway, profile));
        }
        Ok(all)
    }

    /// Waits until every gateway has applied a commit.
    pub async fn arrived(&self, commit: &str) -> anyhow::Result<()> {
        let mut last = String::new();
        let there = |gateway: &&Value| {
            gateway["status"]["applied"]["commit"] == commit
                && gateway["status"]["state"] == "InSync"
        };
        let arrived = until("the commit everywhere", PART, async || {
            let seen = self.cluster.json(&["get", "gateways"]).await?;
            let done = seen.as_array().into_iter().flatten().filter(there).count();
            let line = format!("{done} of {} gateways run {}", self.gateways.len(), &commit[..8]);
            if line != last {
                say(self.began, &line);
                last = line;
            }
            Ok((done == self.gateways.len()).then_some(()))
        });
        if let Err(error) = arrived.await {
            let status = self.cluster.ctl(&["status"]).await?;
            return Err(error.context(format!("it has not arrived; the cluster says:\n{status}")));
        }
        Ok(())
    }

    /// The second commit with the leader killed on the way.
    pub async fn second_act(&mut self) -> anyhow::Result<String> {
        self.repository.change()?;
        let commit = self.repository.commit("Speed in metres per minute").await?;
        say(self.began, &format!("pushed {}: canary first, then the rest", &commit[..8]));
        self.canary_began(&commit).await?;
        self.kill_leader().await?;
        self.arrived(&commit).await?;
        self.bring_back().await?;
        Ok(commit)
    }

    /// SIGKILL for whoever leads.
    pub(crate) async fn kill_leader(&mut self) -> anyhow::Result<()> {
        let name = self.cluster.kill_leader().await?;
        say(self.began, &format!("killed the leader {name} (SIGKILL)"));
        self.killed = Some(name);
        Ok(())
    }

    /// The leader that was killed starts again.
    pub(crate) async fn bring_back(&mut self) -> anyhow::Result<()> {
        let name = self.killed.clone().context("nobody was killed")?;
        self.cluster.bring_back(&name).await?;
        say(self.began, &format!("{name} is back"));
        Ok(())
    }

    async fn canary_began(&self, commit: &str) -> anyhow::Result<()> {
        self.cluster.rollout_of(commit, "the rollout begins", |_| true).await?;
        Ok(())
    }

    /// The whole story; returns its summary.
    pub async fn play(&mut self) -> anyhow::Result<Value> {
        let first = self.repository.head().await?;
        self.arrived(&first).await?;
        if !self.generated {
            return self.check(&first).await;
        }
        let second = self.second_act().await?;
        let killed = self.killed.clone();
        // With fewer there is nobody whom a commit can harm after others have had it.
        if self.gateways.len() < acts::GATEWAYS_MIN {
            return self.check(&second).await;
        }
        let shown = acts::play(self, &second).await?;
        let mut summary = self.check(&shown.commit).await?;
        summary["leaderKilled"] = json!(killed);
        summary["care"] = shown.summary;
        Ok(summary)
    }

    /// Compares every gateway with git.
    pub async fn check(&self, commit: &str) -> anyhow::Result<Value> {
        let mut gateways = Vec::new();
        for (name, mappings) in self.mappings().await? {
            let gateway = self.gateway(&name)?;
            let compared =
                verify::files(&self.repository.bare, commit, &mappings, &gateway.data_dir)
                    .await
                    .with_context(|| format!("gateway {name}"))?;
            if self.outside.get(&name) != Some(&verify::outside(&gateway.data_dir, &mappings)?) {
                bail!("gateway {name}: files outside the managed roots have changed");
            }
            let scans = gateway.sim.scans();
            let restamped: usize = scans.iter().map(|scan| scan.restamped.len()).sum();
            gateways.push(json!({"name": name, "files": compared, "scans": scans.len(), "restamped": restamped}));
        }
        say(self.began, "every file on every gateway is what git says");
        Ok(json!({
            "ok": true, "commit": commit, "gateways": gateways, "leaderKilled": self.killed,
            "seconds": self.began.elapsed().as_secs_f64(),
        }))
    }
}

fn resources(plan: &Plan, url: &str) -> anyhow::Result<PathBuf> {
    let file = plan.dir.join("resources.yaml");
    let text = match &plan.foreign {
        None => company::resources(url, plan.gateways, plan.sites),
        Some((_, given)) => {
            let mut text = String::new();
            for path in files(given)? {
                text.push_str(&format!("---\n{}\n", std::fs::read_to_string(path)?));
            }
            // The repository is served from here, whatever its own URL is.
            let lines = text.lines().map(|line| match line.trim_start().strip_prefix("url:") {
                Some(_) => format!("{}url: {url}", &line[..line.len() - line.trim_start().len()]),
                None => line.to_owned(),
            });
            lines.collect::<Vec<_>>().join("\n")
        }
    };
    std::fs::write(&file, text)?;
    Ok(file)
}

fn files(given: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !given.is_dir() {
        return Ok(vec![given.to_owned()]);
    }
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(given)?.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    files.sort();
    Ok(files)
}
