//! Windows at the agent: what they hold back is put aside, over a restart too, and begun again when they
//! open.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use playground::plant::Settings;
use serde_json::{Value, json};

use super::safe_apply::{Case, VIEW, designer};

/// Nobody but a window with `manual` lets anything begin in it, and it is always open.
const FREEZE: &str = "{name: freeze, kind: deny, schedule: \"* * * * *\", duration: 1h}";

async fn windows(case: &Case, dir: &Path, windows: &str) -> anyhow::Result<()> {
    apply(
        case,
        dir,
        &format!(
            "apiVersion: millwright.dev/v1\nkind: Fleet\nmetadata: {{name: all}}\n\
         spec: {{repository: plant, windows: [{windows}]}}\n"
        ),
    )
    .await
}

/// One more commit, and nothing else.
pub(super) async fn follow(case: &Case, dir: &Path, commit: &str) -> anyhow::Result<()> {
    let repository = case.plant.agent_dir.with_file_name("repository");
    apply(case, dir, &format!(
        "apiVersion: millwright.dev/v1\nkind: Repository\nmetadata: {{name: plant}}\nspec: {{url: \"file://{}\", \
         ref: {{commit: {commit}}}, poll: 200ms, jitter: 1ms}}\n",
        repository.display()
    ))
    .await
}

pub(super) async fn apply(case: &Case, dir: &Path, text: &str) -> anyhow::Result<()> {
    let file = dir.join("resources.yaml");
    std::fs::write(&file, text)?;
    case.plant.cluster.ctl(&["apply", "-f", &file.display().to_string(), "--detach"]).await?;
    Ok(())
}

fn waits(status: &Value) -> bool {
    let message = status["facts"]["waiting"]["message"].as_str().unwrap_or_default();
    message.starts_with("denied by freeze")
}

fn edit(case: &Case) -> anyhow::Result<()> {
    Ok(std::fs::write(case.plant.data_dir.join(VIEW), "{\"edited\": true}")?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_freeze_holds_back_is_put_aside_over_a_restart() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut case = Case::of(Settings::default()).await?;
    windows(&case, dir.path(), FREEZE).await?;
    edit(&case)?;
    case.plant.cluster.ctl(&["gateway", "sync", "line1", "--detach", "-m", "now"]).await?;
    let status = case.plant.until("it is put aside", waits).await?;
    assert_eq!((&status["state"], &status["reason"]), (&"Waiting".into(), &"WindowClosed".into()));
    let why = case.plant.cluster.json(&["why", "gateway", "line1"]).await?;
    assert_eq!(why[0]["code"], "Window", "{why:#}");

    case.plant.kill_agent().await?;
    case.plant.until("it is gone", |status| status["state"] == "Offline").await?;
    case.plant.start_agent(None, None)?;
    case.plant.until("it is put aside again", |s| waits(s) && s["state"] == "Waiting").await?;
    assert_eq!(case.live()?, "{\"edited\": true}");

    windows(&case, dir.path(), "").await?;
    let commit = case.plant.status().await?["desired"]["commit"].clone();
    case.plant.ended(commit.as_str().unwrap_or_default(), "applied").await?;
    case.runs(1)?;
    case.plant.until("nothing is put aside", |s| s["facts"]["waiting"].is_null()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_put_back_within_windows_alone() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut settings = Settings::default();
    settings.profile.push_str("  drift: restore\n");
    let case = Case::of(settings).await?;
    windows(&case, dir.path(), FREEZE).await?;
    edit(&case)?;
    let status = case.plant.until("the repair is put aside", waits).await?;
    assert_eq!(status["drift"]["count"], 1, "{status:#}");
    assert_eq!(case.live()?, "{\"edited\": true}");

    windows(&case, dir.path(), "").await?;
    case.plant.until("the repair is done", |s| s["history"][0]["repair"] == 1).await?;
    case.runs(1)
}

fn now_s() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// A window that is open and closes after so many seconds.
fn closing(now_s: u64, left_s: u64) -> String {
    let (minute, hour) = (now_s / 60 % 60, now_s / 3_600 % 24);
    let lasts = now_s % 60 + left_s;
    format!("{{name: shift, kind: allow, schedule: \"{minute} {hour} * * *\", duration: {lasts}s}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_closes_while_people_are_waited_for_holds_the_commit_back()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut case = Case::of(Settings::default()).await?;
    let began = now_s()?;
    windows(&case, dir.path(), &closing(began, 24)).await?;
    let id = case.plant.sim.open(designer("line"));
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    follow(&case, dir.path(), &commit).await?;
    case.plant.until("it is assigned", |status| status["state"] == "Syncing").await?;
    // Ten seconds are the shortest hold that is asked for: by then it would not end in time.
    let too_late = |_: &Value| now_s().is_ok_and(|now| now >= began + 16);
    case.plant.until("the window is about to close", too_late).await?;
    assert_eq!(case.plant.status().await?["state"], "Syncing");
    case.sim(json!({"do": "close", "id": id})).await?;
    let status = case.plant.until("it is put aside", |s| s["state"] == "Waiting").await?;
    let why = status["message"].as_str().unwrap_or_default();
    assert!(why.contains("outside of shift"), "{status:#}");
    case.runs(1)?;
    let lock = case.plant.sim.state();
    assert!(lock["locks"]["projects"].is_null(), "{lock:#}");

    windows(&case, dir.path(), "").await?;
    case.plant.ended(&commit, "applied").await?;
    case.runs(2)
}
