//! A rollout from plan to rollback with real processes: a canary, a person who approves, a commit that does
//! harm and is taken back everywhere, the hold that keeps it away, and the leader killed on the way.

use std::path::Path;

use anyhow::Context;
use gateway_sim::command::Command;
use playground::{
    process::build_programs,
    story::{Company, Plan},
};
use serde_json::Value;

use crate::client::wait_for;

/// What the second commit changes on every gateway.
const CHANGED: &str = "projects/shared/ignition/script-python/plant/module3";

const FLEET: &str = "apiVersion: millwright.dev/v1
kind: Fleet
metadata: {name: plants}
spec:
  repository: plant
  stages:
    - {name: canary, select: canary=true, soak: 1s}
    - {name: rest, maxConcurrent: 50%, approval: {required: true}}
  onFailure: rollbackAll
---
apiVersion: millwright.dev/v1
kind: SyncProfile
metadata: {name: area}
spec:
  mappings:
    - {source: projects/shared, destination: projects/shared}
    - {source: \"projects/{{.Site}}\", destination: \"projects/{{.Site}}\"}
    - {source: \"projects/area-{{.Labels.area}}\", destination: \"projects/area-{{.Labels.area}}\"}
    - source: config/ignition/database-connection
      destination: config/resources/core/ignition/database-connection
  verify: {settle: 50ms}
";

fn phase(rollout: &Value) -> &str {
    rollout["status"]["phase"].as_str().unwrap_or_default()
}

async fn why(company: &Company, kind: &str, name: &str) -> anyhow::Result<Vec<Value>> {
    let found = company.cluster.json(&["why", kind, name]).await?;
    Ok(found.as_array().cloned().unwrap_or_default())
}

fn codes(blockers: &[Value]) -> Vec<&str> {
    blockers.iter().filter_map(|blocker| blocker["code"].as_str()).collect()
}

/// Approves the second stage of the rollout of a commit as soon as it asks for it.
async fn approve(company: &Company, commit: &str) -> anyhow::Result<String> {
    let asks = |rollout: &Value| rollout["status"]["stages"][1]["state"] == "asks";
    let asked = company.cluster.rollout_of(commit, "the question", asks).await?;
    let id = asked["metadata"]["name"].as_str().context("a name")?.to_owned();
    assert_eq!(codes(&why(company, "rollout", &id).await?), ["Approval"]);
    let waits = why(company, "gateway", "gw2").await?;
    assert!(codes(&waits).contains(&"Approval"), "{waits:?}");
    company.cluster.ctl(&["rollout", "approve", &id, "-m", "seen on the canary"]).await?;
    Ok(id)
}

async fn start(dir: &Path) -> anyhow::Result<(Company, String)> {
    build_programs()?;
    let plan = Plan { dir: dir.to_owned(), gateways: 4, sites: 2, foreign: None };
    let company = Company::start(&plan).await?;
    for gateway in &company.gateways {
        // They say at once what they do not load.
        gateway.sim.set(|knobs| (knobs.notice_min_ms, knobs.notice_max_ms) = (0, 0));
    }
    let first = company.repository.head().await?;
    company.arrived(&first).await?;
    let file = dir.join("fleet.yaml");
    std::fs::write(&file, FLEET)?;
    company.cluster.ctl(&["apply", "-f", &file.display().to_string(), "--detach"]).await?;
    approve(&company, &first).await?;
    company.cluster.rollout("the new rules are in force", |one| phase(one) == "Completed").await?;
    Ok((company, first))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_harm_is_taken_back_everywhere_and_kept_away() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut company, first) = start(dir.path()).await?;
    let resource = CHANGED.to_owned();
    company.gateways[2].sim.run(Command::Refuse { resource }).await?;
    company.repository.change()?;
    let bad = company.repository.commit("Speed in metres per minute").await?;
    let id = approve(&company, &bad).await?;
    company.cluster.leader().await?.kill().await?;
    let back = |one: &Value| one["metadata"]["name"] == id.as_str() && phase(one) == "Failed";
    let ended = company.cluster.rollout("everything is back", back).await?;
    let members = ended["status"]["members"].as_array().context("members")?;
    for member in members {
        let state = member["state"].as_str().unwrap_or_default();
        let name = member["gateway"].as_str().unwrap_or_default();
        // Its agent put the previous files back by itself; one that had not begun never changed.
        let wanted: &[&str] = match name {
            "gw1" => &["reverted"],
            "gw3" => &["failed"],
            _ => &["reverted", "pending"],
        };
        assert!(wanted.contains(&state), "{name}: {member}");
    }
    company.check(&first).await?;
    let reason = why(&company, "rollout", &id).await?;
    assert_eq!(codes(&reason), ["RolledBack"], "{reason:?}");

    // The commit is held, and so is what descends from it.
    let holds = company.cluster.json(&["hold", "list"]).await?;
    assert_eq!(holds[0]["commit"], bad.as_str(), "{holds}");
    std::fs::write(company.repository.work.join("README.md"), "More to read.\n")?;
    let next = company.repository.commit("More to read").await?;
    wait_for("the descendant is refused", async || {
        let fleets = company.cluster.json(&["get", "fleets"]).await?;
        let message = fleets[0]["status"]["message"].as_str().unwrap_or_default().to_owned();
        Ok(message.contains(&format!("{} descends from {}", &next[..8], &bad[..8])).then_some(()))
    })
    .await?;
    let reasons = why(&company, "gateway", "gw2").await?;
    assert_eq!(codes(&reasons)[0], "CannotPlan", "{reasons:?}");

    // A commit that says what it mends lifts the hold.
    company.gateways[2].sim.run(Command::ClearRefusals).await?;
    company.gateways[2].sim.set(|knobs| knobs.clock_skew_ms += 10_000);
    std::fs::write(company.repository.work.join("README.md"), "Mended.\n")?;
    let fix = company.repository.commit(&format!("Mend the speed\n\nFixes: {bad}")).await?;
    approve(&company, &fix).await?;
    company.arrived(&fix).await?;
    let holds = company.cluster.json(&["hold", "list"]).await?;
    assert!(holds[0]["lifted"]["reason"].as_str().is_some_and(|why| why.contains("mends it")));
    company.check(&fix).await?;
    Ok(())
}
