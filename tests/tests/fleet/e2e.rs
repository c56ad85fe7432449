//! The whole path with real processes: git server, three coordinators, agents, simulated gateways.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context;
use playground::{
    process::{build_programs, run},
    story::{Company, Plan},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::client::wait_for;

fn plan(dir: &std::path::Path, gateways: usize) -> Plan {
    Plan { dir: dir.to_owned(), gateways, sites: 2, foreign: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_reaches_every_gateway_though_the_leader_dies() -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let mut company = Company::start(&plan(dir.path(), 5)).await?;
    let summary = company.play().await?;
    assert_eq!(summary["ok"], true);
    assert!(summary["leaderKilled"].is_string() && summary["care"]["alsoKilled"].is_string());
    assert_eq!(summary["care"]["halts"], serde_json::json!(["Soak", "Approval"]));
    let back = summary["care"]["rolledBack"].as_array().context("who went back")?;
    assert!(back.len() > 1 && back.last().is_some_and(|last| last == "gw1"), "{summary}");
    for gateway in summary["gateways"].as_array().expect("a list") {
        assert_eq!(gateway["restamped"], 0, "the gateway rewrote a signature: {gateway}");
        assert!(gateway["files"].as_u64().is_some_and(|files| files > 100), "{gateway}");
    }
    let status = company.cluster.ctl(&["status"]).await?;
    assert!(status.contains("Every gateway runs what git says."), "{status}");
    Ok(())
}

/// Which coordinators are killed, and when.
const SEED: u64 = 20_261_125;
/// Kills while commits are being rolled out.
const ROUNDS: usize = 3;

/// Commits that change every gateway: each takes one shared script away, so no signature has to be
/// made.
struct Edits {
    work: PathBuf,
    bare: String,
    made: usize,
}

impl Edits {
    async fn of(company: &Company, dir: &Path) -> anyhow::Result<Self> {
        let bare = company.repository.bare.display().to_string();
        let work = dir.join("edits");
        let to = work.display().to_string();
        let args = ["-c", "core.autocrlf=false", "clone", "--quiet", &bare, &to];
        run(Path::new("git"), &args).await?;
        Ok(Self { work, bare, made: 0 })
    }

    async fn push(&mut self) -> anyhow::Result<String> {
        let gone = format!("projects/shared/ignition/script-python/plant/module{}", self.made);
        self.made += 1;
        let work = self.work.display().to_string();
        for step in [
            vec!["rm", "-r", "--quiet", &gone],
            vec!["commit", "--quiet", "-m", &gone],
            vec!["push", "--quiet", &self.bare, "HEAD:refs/heads/main"],
        ] {
            let who = ["-C", &work, "-c", "user.name=Ann", "-c", "user.email=ann@plant.example"];
            run(Path::new("git"), &[&who, step.as_slice()].concat()).await?;
        }
        Ok(run(Path::new("git"), &["-C", &work, "rev-parse", "HEAD"]).await?.trim().to_owned())
    }
}

fn scans(company: &Company) -> Vec<usize> {
    company.gateways.iter().map(|gateway| gateway.sim.scans().len()).collect()
}

/// Waits until every gateway runs a commit; `millctl` must answer each time it is asked.
async fn arrives(company: &Company, commit: &str) -> anyhow::Result<()> {
    wait_for("the commit everywhere", async || {
        let seen = company.cluster.json(&["get", "gateways"]).await;
        let seen = seen.expect("millctl answers while a coordinator is down");
        let there = |gateway: &Value| {
            gateway["status"]["applied"]["commit"] == commit
                && gateway["status"]["state"] == "InSync"
        };
        let all = seen.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(there));
        Ok(all.then_some(()))
    })
    .await
}

/// Waits for the moment of the kill: the rollout has begun and so many gateways have had it.
async fn under_way(
    company: &Company,
    commit: &str,
    before: &[usize],
    gateways: usize,
) -> anyhow::Result<()> {
    wait_for("the rollout under way", async || {
        if gateways == 0 {
            let rollouts = company.cluster.json(&["rollout", "list"]).await?;
            let ours = |rollout: &Value| rollout["spec"]["commit"] == commit;
            return Ok(rollouts.as_array().is_some_and(|all| all.iter().any(ours)).then_some(()));
        }
        let now = scans(company);
        let moved = now.iter().zip(before).filter(|(now, before)| now > before).count();
        Ok((moved >= gateways).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinators_are_killed_during_rollouts_and_nothing_is_applied_twice() -> anyhow::Result<()>
{
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let mut company = Company::start(&plan(dir.path(), 3)).await?;
    let first = company.repository.head().await?;
    company.arrived(&first).await?;
    let mut edits = Edits::of(&company, dir.path()).await?;
    // One commit that nothing disturbs shows what a commit costs a gateway.
    let before = scans(&company);
    let commit = edits.push().await?;
    arrives(&company, &commit).await?;
    let cost: Vec<usize> =
        scans(&company).iter().zip(&before).map(|(after, before)| after - before).collect();
    assert!(cost.iter().all(|cost| *cost > 0), "{cost:?}");

    let mut rng = StdRng::seed_from_u64(SEED);
    let mut last = commit;
    for round in 0..ROUNDS {
        let victim = rng.random_range(0..company.cluster.nodes.len());
        let moment = rng.random_range(0..company.gateways.len());
        let before = scans(&company);
        last = edits.push().await?;
        under_way(&company, &last, &before, moment).await?;
        company.cluster.nodes[victim].kill().await?;
        let what = format!("seed {SEED}, round {round}: node {victim} after {moment} gateways");
        arrives(&company, &last).await.context(what.clone())?;
        company.cluster.nodes[victim].start()?;
        company.cluster.nodes[victim].ready().await?;
        arrives(&company, &last).await?;
        let paid: Vec<usize> =
            scans(&company).iter().zip(&before).map(|(after, before)| after - before).collect();
        assert_eq!(paid, cost, "{what}: a gateway was scanned for nothing, or not at all");
    }
    for gateway in &company.gateways {
        // What a gateway has been seen with never comes back once it is gone.
        let mut states: Vec<_> =
            gateway.sim.scans().into_iter().filter_map(|scan| scan.digest).collect();
        states.dedup();
        let distinct: BTreeSet<_> = states.iter().collect();
        assert_eq!(distinct.len(), states.len(), "{} went back and forth", gateway.name);
    }
    company.check(&last).await?;
    Ok(())
}
