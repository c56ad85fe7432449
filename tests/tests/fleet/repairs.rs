//! What is put back, and what is not begun any more: drift of what went back, drift after a restart, and work
//! that something newer has replaced.

use serde_json::{Value, json};

use super::{
    client::wait_for,
    safe_apply::{Case, VIEW, designer, kinds},
};

/// The folder of the view.
fn view() -> &'static str {
    VIEW.trim_end_matches("/view.json")
}

fn edit(case: &Case) -> anyhow::Result<()> {
    Ok(std::fs::write(case.plant.data_dir.join(VIEW), "{\"edited\": true}")?)
}

async fn put_back(case: &Case) -> anyhow::Result<Value> {
    case.plant
        .until("the edit is put back", |status| {
            let last = &status["history"][0];
            last["trigger"].as_str().is_some_and(|t| t.starts_with("drift"))
                && last["result"] == "applied"
        })
        .await
}

/// Results of all attempts of a commit.
fn results(status: &Value, commit: &str) -> Vec<String> {
    let all = status["history"].as_array().cloned().unwrap_or_default();
    let of = all.iter().filter(|one| one["commit"] == commit);
    of.filter_map(|one| one["result"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_back_does_not_come_again_as_a_repair() -> anyhow::Result<()> {
    let mut case = Case::new("  drift: restore\n").await?;
    case.sim(json!({"do": "refuse", "resource": view()})).await?;
    let files = case.next();
    let bad = case.plant.commit(&files)?;
    case.plant.bring(&bad, "rolledBack").await?;
    case.runs(1)?;
    // It would be loaded now, but nobody has said that it shall.
    case.sim(json!({"do": "clearRefusals"})).await?;
    edit(&case)?;
    let status = put_back(&case).await?;
    case.runs(1)?;
    assert_eq!(results(&status, &bad), ["rolledBack"], "{status:#}");
    assert_ne!(status["applied"]["commit"], bad.as_str());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_put_back_by_an_agent_that_was_started_again() -> anyhow::Result<()> {
    let mut case = Case::new("  drift: restore\n").await?;
    case.plant.kill_agent().await?;
    edit(&case)?;
    case.plant.start_agent(None, None)?;
    put_back(&case).await?;
    case.runs(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_given_up_for_what_is_newer() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let id = case.plant.sim.open(designer("line"));
    let files = case.next();
    let second = case.plant.commit(&files)?;
    case.plant.follow(&second).await?;
    case.plant.until("the agent waits", |status| status["state"] == "Syncing").await?;
    let files = case.next();
    let third = case.plant.commit(&files)?;
    case.plant.follow(&third).await?;
    let newer = |status: &Value| status["desired"]["commit"] == third.as_str();
    case.plant.until("something newer is wanted", newer).await?;
    let given_up = |status: &Value| results(status, &second) == ["failed"];
    let status = case.plant.until("what is old is given up", given_up).await?;
    assert_eq!(kinds(&status["history"][0]), ["stale"], "{status:#}");
    case.sim(json!({"do": "close", "id": id})).await?;
    case.plant.ended(&third, "applied").await?;
    case.runs(3)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_not_begun_after_a_restart() -> anyhow::Result<()> {
    let mut case = Case::new("").await?;
    let id = case.plant.sim.open(designer("line"));
    let files = case.next();
    let second = case.plant.commit(&files)?;
    case.plant.follow(&second).await?;
    case.plant.until("the agent waits", |status| status["state"] == "Syncing").await?;
    case.plant.kill_agent().await?;
    let files = case.next();
    let third = case.plant.commit(&files)?;
    case.plant.follow(&third).await?;
    let newer = |status: &Value| status["desired"]["commit"] == third.as_str();
    case.plant.until("something newer is wanted", newer).await?;
    case.sim(json!({"do": "close", "id": id})).await?;
    let scans = case.plant.sim.scans().len();
    case.plant.start_agent(None, None)?;
    case.plant.ended(&third, "applied").await?;
    case.runs(3)?;
    let status = case.plant.status().await?;
    assert!(results(&status, &second).is_empty(), "{status:#}");
    // One asks for the agent's rights, one reads the change.
    assert!(case.plant.sim.scans().len() <= scans + 2, "it was read more than once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_without_a_coordinator_is_told_in_order() -> anyhow::Result<()> {
    let mut case = Case::new("  drift: restore\n").await?;
    // What it puts back it must have.
    case.plant.cluster.ctl(&["snapshot", "create", "line1", "-m", "before"]).await?;
    case.plant.cluster.nodes[0].kill().await?;
    let reports = case.plant.agent_dir.join("state/reports.json");
    for wanted in 1..=2 {
        edit(&case)?;
        wait_for("the edit is put back, and a report waits", async || {
            let kept: Vec<Value> = serde_json::from_slice(&std::fs::read(&reports)?)?;
            Ok((kept.len() == wanted && case.runs_now(1)?).then_some(()))
        })
        .await?;
    }
    case.plant.kill_agent().await?;
    case.plant.start_agent(None, None)?;
    case.plant.cluster.nodes[0].start()?;
    case.plant.cluster.nodes[0].ready().await?;
    let repairs = |status: &Value| -> Vec<u64> {
        let all = status["history"].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|one| one["repair"].as_u64()).collect()
    };
    let told = case.plant.until("both are told", |status| repairs(status).len() == 3).await?;
    // The newest first.
    assert_eq!(repairs(&told), [2, 1, 0], "{told:#}");
    Ok(())
}
