//! A fleet that follows a tag of a repository whose branch goes on.

use std::path::Path;

use playground::{
    process::build_programs,
    story::{Company, Plan},
};
use serde_json::Value;

use crate::client::wait_for;

async fn put(company: &Company, dir: &Path, r#ref: &str) -> anyhow::Result<()> {
    let text = format!(
        "apiVersion: millwright.dev/v1
kind: Fleet
metadata: {{name: plants}}
spec: {{repository: plant{ref}}}
"
    );
    let file = dir.join("fleet.yaml");
    std::fs::write(&file, text)?;
    company.cluster.ctl(&["apply", "-f", &file.display().to_string(), "--detach"]).await?;
    Ok(())
}

/// A resource of the cluster, once it is as it should be.
async fn until(
    company: &Company,
    kind: &str,
    what: &str,
    good: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    wait_for(what, async || {
        let all = company.cluster.json(&["get", kind]).await?;
        Ok(Some(all[0].clone()).filter(&good))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_may_follow_a_tag_while_the_branch_goes_on() -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let plan = Plan { dir: dir.path().to_owned(), gateways: 1, sites: 1, foreign: None };
    let company = Company::start(&plan).await?;
    let first = company.repository.head().await?;
    company.arrived(&first).await?;

    put(&company, dir.path(), ", ref: {tag: stable}").await?;
    let lost = |fleet: &Value| fleet["status"]["reason"] == "ResolveFailed";
    let fleet = until(&company, "fleets", "the fleet says that its tag is not there", lost).await?;
    let message = fleet["status"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("stable"), "{message}");

    company.repository.tag("stable").await?;
    let tagged = |fleet: &Value| fleet["status"]["reference"] == "tag stable";
    until(&company, "fleets", "the tag is seen", tagged).await?;
    company.repository.change()?;
    let second = company.repository.commit("The next season").await?;
    let moved = |repository: &Value| repository["status"]["commit"] == second.as_str();
    until(&company, "repositories", "the branch has gone on", moved).await?;
    let fleet = until(&company, "fleets", "the fleet stands", tagged).await?;
    assert_eq!(fleet["status"]["commit"], first.as_str());
    company.arrived(&first).await?;

    // A tag that moves brings the commit; without a ref of its own the fleet follows the branch again.
    company.repository.tag("stable").await?;
    company.arrived(&second).await?;
    put(&company, dir.path(), "").await?;
    company.repository.write_script("module1", "def last():\n    return 3\n")?;
    let third = company.repository.commit("Once more").await?;
    company.arrived(&third).await?;
    Ok(())
}
