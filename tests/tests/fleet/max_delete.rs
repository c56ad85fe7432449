//! Many deletions wait for a person, whoever asks for them: a rollout and a rollback to a commit. Where
//! nobody can tell what would be deleted, a person is asked too.

use playground::{
    plant::{Files, Plant, Settings, project},
    process::build_programs,
};
use serde_json::Value;

const VIEWS: usize = 60;

fn views(count: usize) -> Files {
    let names: Vec<String> = (0..count).map(|n| format!("v{n}")).collect();
    let views: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    project("line", &views)
}

fn views_there(plant: &Plant) -> anyhow::Result<usize> {
    let dir = plant.data_dir.join("projects/line/com.inductiveautomation.perspective/views");
    Ok(std::fs::read_dir(dir)?.count())
}

async fn question(plant: &Plant) -> anyhow::Result<String> {
    let asked = |status: &Value| status["question"]["text"].as_str().map(str::to_owned);
    let status = plant.until("a question", |status| asked(status).is_some()).await?;
    Ok(asked(&status).unwrap_or_default())
}

async fn start(dir: &std::path::Path) -> anyhow::Result<(Plant, String)> {
    build_programs()?;
    let mut plant = Plant::start(dir, Settings::default()).await?;
    plant.start_agent(None, None)?;
    let many = plant.commit(&views(VIEWS))?;
    plant.bring(&many, "applied").await?;
    assert_eq!(views_there(&plant)?, VIEWS);
    Ok((plant, many))
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deletions_wait_for_a_person() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (plant, many) = start(dir.path()).await?;
    let few = plant.commit(&views(10))?;
    plant.follow(&few).await?;
    assert_eq!(question(&plant).await?, "100 of 121 files (82 %) would be deleted");
    assert_eq!(views_there(&plant)?, VIEWS, "nothing goes before somebody agrees");
    plant.cluster.ctl(&["gateway", "confirm", "line1", "--yes", "-m", "they go"]).await?;
    plant.ended(&few, "applied").await?;
    assert_eq!(views_there(&plant)?, 10);

    // Back to many adds; from there a rollback to few is asked about as well.
    plant.bring(&many, "applied").await?;
    let back = ["gateway", "rollback", "line1", "--to", &few, "-m", "back", "--yes"];
    let refused = plant.cluster.ctl(&back).await.expect_err("nobody agreed");
    let told = format!("{refused:#}");
    assert!(told.contains("100 of 121 files (82 %) would be deleted"), "{told}");
    assert!(told.contains("add --allow-deletions"), "{told}");
    assert_eq!(views_there(&plant)?, VIEWS);
    plant.cluster.ctl(&[&back[..], &["--allow-deletions"]].concat()).await?;
    assert_eq!(views_there(&plant)?, 10);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_asked() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut plant, many) = start(dir.path()).await?;
    // The history is rewritten, and the coordinator has lost its copy of it.
    plant.commit(&views(VIEWS + 1))?;
    let anew = plant.forget_history()?;
    let node = &mut plant.cluster.nodes[0];
    node.kill().await?;
    std::fs::remove_dir_all(node.dir.join("content"))?;
    node.start()?;
    node.ready().await?;
    plant.follow(&anew).await?;
    let asked = question(&plant).await?;
    assert!(asked.starts_with("how many files would be deleted cannot be told"), "{asked}");
    assert!(asked.contains(&many[..8]), "{asked}");
    assert_eq!(views_there(&plant)?, VIEWS);
    plant.cluster.ctl(&["gateway", "confirm", "line1", "--yes", "-m", "it only adds"]).await?;
    plant.ended(&anew, "applied").await?;
    assert_eq!(views_there(&plant)?, VIEWS + 1);
    Ok(())
}
