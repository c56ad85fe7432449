//! The leader dies between the record of an assignment and its end: whoever comes next neither forgets it
//! nor gives it again. What the gateways themselves saw tells.

use gateway_sim::{Command, Kind};
use playground::{
    company::Gateway,
    process::build_programs,
    story::{Company, Plan},
};
use serde_json::Value;

use crate::client::wait_for;

const FLEET: &str = "apiVersion: millwright.dev/v1
kind: Fleet
metadata: {name: plants}
spec:
  repository: plant
  stages: [{name: all, maxConcurrent: 2}]
";

struct Story {
    company: Company,
    changes: u32,
}

impl Story {
    /// Something changes on every gateway.
    async fn commit(&mut self) -> anyhow::Result<String> {
        self.changes += 1;
        self.company.repository.write_script("module3", &format!("speed = {}\n", self.changes))?;
        self.company.repository.commit(&format!("Speed {}", self.changes)).await
    }

    async fn assigned(&self, commit: &str) -> anyhow::Result<()> {
        let all = |one: &Value| {
            let members = one["status"]["members"].as_array();
            members.is_some_and(|all| all.iter().all(|member| member["state"] == "assigned"))
        };
        self.company.cluster.rollout_of(commit, "both are assigned", all).await?;
        Ok(())
    }

    async fn completed(&self, commit: &str) -> anyhow::Result<()> {
        let completed = |one: &Value| one["status"]["phase"] == "Completed";
        self.company.cluster.rollout_of(commit, "it is completed", completed).await?;
        Ok(())
    }

    /// How often each gateway has read the files that it has now: once, by the scan after they were
    /// written. The one that asks for the agent's rights reads those before.
    fn scans(&self) -> Vec<usize> {
        let of = |gateway: &Gateway| {
            let scans = gateway.sim.scans();
            let projects = || scans.iter().filter(|scan| scan.kind == Kind::Projects);
            let now = projects().next_back().and_then(|scan| scan.digest.clone());
            projects().filter(|scan| scan.digest == now).count()
        };
        self.company.gateways.iter().map(of).collect()
    }

    /// Every gateway has carried it out, and once.
    async fn once(&self, commit: &str) -> anyhow::Result<()> {
        self.completed(commit).await?;
        assert_eq!(self.scans(), [1, 1]);
        assert_eq!(self.attempts(commit).await?, [1, 1]);
        Ok(())
    }

    /// Attempts of a commit that each gateway has told of.
    async fn attempts(&self, commit: &str) -> anyhow::Result<Vec<usize>> {
        let gateways = self.company.cluster.json(&["get", "gateways"]).await?;
        let of = |gateway: &Value| {
            let history = gateway["status"]["history"].as_array();
            history.into_iter().flatten().filter(|one| one["commit"] == commit).count()
        };
        Ok(gateways.as_array().into_iter().flatten().map(of).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_is_carried_out_once_whatever_becomes_of_the_leader() -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let plan = Plan { dir: dir.path().to_owned(), gateways: 2, sites: 2, foreign: None };
    let company = Company::start(&plan).await?;
    company.arrived(&company.repository.head().await?).await?;
    let file = dir.path().join("fleet.yaml");
    std::fs::write(&file, FLEET)?;
    company.cluster.ctl(&["apply", "-f", &file.display().to_string(), "--detach"]).await?;
    let mut story = Story { company, changes: 0 };
    story.completed(&story.company.repository.head().await?).await?;
    // Both are at work: they wait for a lock that somebody else has.
    for gateway in &story.company.gateways {
        let (kind, actor) = (Kind::Projects, "api-token:other:10.0.0.9".to_owned());
        gateway.sim.run(Command::Lock { kind, actor, hold_ms: 60_000 }).await?;
    }
    let conflicts = |story: &Story| -> Vec<u64> {
        story.company.gateways.iter().map(|one| one.sim.counters().lock_conflicts).collect()
    };
    let known = conflicts(&story);
    let at_work = story.commit().await?;
    story.assigned(&at_work).await?;
    wait_for("both agents want the lock", async || {
        let now = conflicts(&story);
        Ok(now.iter().zip(&known).all(|(now, then)| now > then).then_some(()))
    })
    .await?;
    let gone = story.company.cluster.kill_leader().await?;
    story.assigned(&at_work).await?;
    for gateway in &story.company.gateways {
        gateway.sim.run(Command::Unlock { kind: Kind::Projects }).await?;
    }
    story.once(&at_work).await?;
    story.company.cluster.bring_back(&gone).await?;

    // It is recorded, and no agent has heard of it.
    for gateway in &story.company.gateways {
        gateway.agent.freeze(true)?;
    }
    let unheard = story.commit().await?;
    story.assigned(&unheard).await?;
    let gone = story.company.cluster.kill_leader().await?;
    story.assigned(&unheard).await?;
    for gateway in &story.company.gateways {
        gateway.agent.freeze(false)?;
    }
    story.once(&unheard).await?;
    story.company.cluster.bring_back(&gone).await?;
    Ok(())
}
