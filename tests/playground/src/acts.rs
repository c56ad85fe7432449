//! The acts about care: a canary that soaks, a person who approves, a commit that one gateway does not load,
//! the way back in the reverse order with the leader killed, the hold, and the commit that mends it. At each
//! halt the cluster is asked why.

use anyhow::{Context, ensure};
use gateway_sim::command::Command;
use serde_json::{Value, json};

use crate::{output::say, story::Company};

/// What the bad commit changes, and one gateway does not load.
const CHANGED: &str = "projects/shared/ignition/script-python/plant/module5";
/// Which gateway that is: of the second stage, so that others have the files before it.
const UNLUCKY: usize = 2;
/// Gateways that the acts need.
pub(crate) const GATEWAYS_MIN: usize = 4;

const RULES: &str = "apiVersion: millwright.dev/v1
kind: Fleet
metadata: {name: plants}
spec:
  repository: plant
  stages:
    - {name: canary, select: canary=true, soak: 2s}
    - {name: rest, maxConcurrent: 2, approval: {required: true}}
  onFailure: rollbackAll
";

/// What the acts have shown.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The commit that everybody has at the end.
    pub(crate) commit: String,
    /// For the summary.
    pub(crate) summary: Value,
}

/// Plays them. Nothing is left to chance but who leads.
pub(crate) async fn play(company: &mut Company, last: &str) -> anyhow::Result<Shown> {
    for gateway in &company.gateways {
        // They say at once what they do not load.
        gateway.sim.set(|knobs| (knobs.notice_min_ms, knobs.notice_max_ms) = (0, 0));
    }
    rules(company).await?;
    let halts = approved(company, last).await?;
    company.arrived(last).await?;
    let (bad, back) = harm(company, last).await?;
    let (fix, killed) = mended(company, &bad).await?;
    let summary = json!({"halts": halts, "rolledBack": back, "held": bad, "alsoKilled": killed});
    Ok(Shown { commit: fix, summary })
}

async fn rules(company: &Company) -> anyhow::Result<()> {
    let file = company.dir.join("rules.yaml");
    std::fs::write(&file, RULES)?;
    let file = file.display().to_string();
    company.cluster.ctl(&["apply", "-f", &file, "-m", "more care", "--detach"]).await?;
    say(
        company.began,
        "new rules: a canary that soaks, an approval, two at a time, all back on harm",
    );
    Ok(())
}

fn name(rollout: &Value) -> anyhow::Result<&str> {
    rollout["metadata"]["name"].as_str().context("a rollout without a name")
}

/// What holds something, as a person reads it; the code of what holds it most.
async fn why(company: &Company, kind: &str, name: &str) -> anyhow::Result<String> {
    let told = company.cluster.ctl(&["why", kind, name]).await?;
    say(company.began, &format!("$ millctl why {kind} {name}"));
    told.lines().for_each(|line| say(company.began, &format!("    {line}")));
    let found = company.cluster.json(&["why", kind, name]).await?;
    let code = found[0]["code"].as_str().map(str::to_owned);
    code.with_context(|| format!("nothing holds {kind} {name}"))
}

/// The canary has it and soaks, then a person is asked; both halts say so.
async fn approved(company: &Company, commit: &str) -> anyhow::Result<Vec<String>> {
    let stage = |at: usize, word: &'static str| {
        move |one: &Value| one["status"]["stages"][at]["state"] == word
    };
    let rollout = company.cluster.rollout_of(commit, "the soak", stage(0, "soaking")).await?;
    let soak = why(company, "rollout", name(&rollout)?).await?;
    let rollout = company.cluster.rollout_of(commit, "the question", stage(1, "asks")).await?;
    let id = name(&rollout)?;
    let halts = vec![soak, why(company, "rollout", id).await?];
    ensure!(halts == ["Soak", "Approval"], "the halts were {halts:?}");
    company.cluster.ctl(&["rollout", "approve", id, "-m", "seen on the canary"]).await?;
    say(company.began, &format!("$ millctl rollout approve {id} -m 'seen on the canary'"));
    Ok(halts)
}

/// A commit that one gateway does not load: all go back, the last first. Returns the commit, and who went
/// back in which order.
async fn harm(company: &mut Company, before: &str) -> anyhow::Result<(String, Vec<String>)> {
    let unlucky = &company.gateways[UNLUCKY];
    unlucky.sim.run(Command::Refuse { resource: CHANGED.to_owned() }).await?;
    let unlucky = unlucky.name.clone();
    company
        .repository
        .write_script("module5", "def speed(line):\n    return line.drive.speed\n")?;
    let bad = company.repository.commit("Ask the drive for the speed").await?;
    say(company.began, &format!("pushed {}, which {unlucky} does not load", &bad[..8]));
    approved(company, &bad).await?;
    let turned =
        |one: &Value| matches!(one["status"]["phase"].as_str(), Some("RollingBack" | "Failed"));
    company.cluster.rollout_of(&bad, "the way back", turned).await?;
    company.kill_leader().await?;
    let ended = company
        .cluster
        .rollout_of(&bad, "the end of the way back", |one| one["status"]["phase"] == "Failed");
    let ended = ended.await?;
    let code = why(company, "rollout", name(&ended)?).await?;
    ensure!(code == "RolledBack", "the rollout waits for {code}");
    let mut back: Vec<(u64, String, String)> = ended["status"]["members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|member| member["state"] == "reverted")
        .map(|member| {
            let word = |key: &str| member[key].as_str().unwrap_or_default().to_owned();
            (member["since"].as_u64().unwrap_or_default(), word("stage"), word("gateway"))
        })
        .collect();
    back.sort();
    let stages: Vec<&str> = back.iter().map(|(_, stage, _)| stage.as_str()).collect();
    ensure!(
        stages.last() == Some(&"canary")
            && stages.iter().filter(|one| **one == "canary").count() == 1,
        "the canary was not the last to go back: {stages:?}"
    );
    let back: Vec<String> = back.into_iter().map(|(_, _, gateway)| gateway).collect();
    say(company.began, &format!("back in this order: {}", back.join(", ")));
    company.check(before).await?;
    company.bring_back().await?;
    Ok((bad, back))
}

/// The commit is held, and so is what comes after it, until a commit says that it mends it.
async fn mended(company: &mut Company, bad: &str) -> anyhow::Result<(String, Option<String>)> {
    let holds = company.cluster.json(&["hold", "list"]).await?;
    ensure!(holds[0]["commit"] == bad, "commit {bad} is not held: {holds}");
    let code = why(company, "gateway", &company.gateways[0].name).await?;
    ensure!(code == "CannotPlan", "it waits for {code}");
    let unlucky = &company.gateways[UNLUCKY];
    unlucky.sim.run(Command::ClearRefusals).await?;
    // Its next scan falls into another second than the refused one, which its log window reaches back to.
    unlucky.sim.set(|knobs| knobs.clock_skew_ms += 10_000);
    company.repository.write_script("module5", "def speed(line):\n    return line.speed\n")?;
    let fix = company.repository.commit(&format!("Ask the line again\n\nFixes: {bad}")).await?;
    say(company.began, &format!("pushed {}, which says that it mends {}", &fix[..8], &bad[..8]));
    approved(company, &fix).await?;
    company.arrived(&fix).await?;
    Ok((fix, company.killed.clone()))
}
