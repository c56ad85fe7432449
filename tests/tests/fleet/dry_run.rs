//! A fleet whose rollouts are tried first: its agent says what it would change, and what would stop it,
//! before anything begins.

use playground::plant::Settings;
use serde_json::Value;

use crate::{
    safe_apply::{Case, VIEW},
    windows::{apply, follow},
};

fn fleet(trigger: &str) -> String {
    format!(
        "apiVersion: millwright.dev/v1\nkind: Fleet\nmetadata: {{name: all}}\n\
         spec: {{repository: plant, dryRun: true, trigger: {trigger}}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_tried_before_it_begins() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut case = Case::of(Settings::default()).await?;
    // A plan that a person begins: what it would change is known before.
    apply(&case, dir.path(), &fleet("manual")).await?;
    let files = case.next();
    let commit = case.plant.commit(&files)?;
    follow(&case, dir.path(), &commit).await?;
    let answered = |one: &Value| one["status"]["members"][0]["dryRun"]["answer"].is_object();
    let planned = case.plant.cluster.rollout_of(&commit, "the agent has looked", answered).await?;
    assert_eq!(planned["status"]["phase"], "Planned");
    let answer = &planned["status"]["members"][0]["dryRun"]["answer"];
    assert_eq!((&answer["ok"], &answer["diff"]["changed"]), (&true.into(), &2.into()), "{answer}");
    assert_eq!(answer["message"], "0 files would be added, 2 changed, 0 removed");
    assert!(case.live()?.contains("text 1"), "nothing is changed yet");
    let id = planned["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    case.plant.cluster.ctl(&["rollout", "start", &id, "-m", "as it should be"]).await?;
    case.plant.ended(&commit, "applied").await?;
    assert!(case.live()?.contains("text 2"));

    // What would stop it stops it before anything is changed, and is said.
    apply(&case, dir.path(), &fleet("automatic")).await?;
    let mut broken = case.next();
    broken.insert(VIEW.to_owned(), b"{\"root\":".to_vec());
    let commit = case.plant.commit(&broken)?;
    follow(&case, dir.path(), &commit).await?;
    let failed = |one: &Value| one["status"]["phase"] == "Failed";
    let ended = case.plant.cluster.rollout_of(&commit, "it fails", failed).await?;
    let cause = ended["status"]["stop"]["cause"].as_str().unwrap_or_default();
    let said = "the dry run found what would stop gateway line1: 1 check failed: ";
    assert!(cause.starts_with(said), "{cause}");
    assert_eq!(ended["status"]["members"][0]["state"], "pending");
    assert!(case.live()?.contains("text 2"));
    Ok(())
}
