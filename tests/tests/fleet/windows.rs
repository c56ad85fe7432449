//! Windows at the agent: what they hold back is put aside, over a restart too, and begun again when they
//! open.

use std::path::Path;

use playground::plant::Settings;
use serde_json::Value;

use super::safe_apply::{Case, VIEW};

/// Nobody but a window with `manual` lets anything begin in it, and it is always open.
const FREEZE: &str = "{name: freeze, kind: deny, schedule: \"* * * * *\", duration: 1h}";

async fn windows(case: &Case, dir: &Path, windows: &str) -> anyhow::Result<()> {
    let text = format!(
        "apiVersion: millwright.dev/v1\nkind: Fleet\nmetadata: {{name: all}}\n\
         spec: {{repository: plant, windows: [{windows}]}}\n"
    );
    let file = dir.join("windows.yaml");
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
