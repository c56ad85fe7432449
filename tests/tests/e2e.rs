//! The whole path with real processes: git server, three coordinators, agents, simulated gateways.

use playground::{
    process::build_programs,
    story::{Company, Plan},
};

fn plan(dir: &std::path::Path, gateways: usize) -> Plan {
    Plan { dir: dir.to_owned(), gateways, sites: 2, foreign: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_reaches_every_gateway_though_the_leader_dies() -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let mut company = Company::start(&plan(dir.path(), 3)).await?;
    let summary = company.play().await?;
    assert_eq!(summary["ok"], true);
    assert!(summary["leaderKilled"].is_string());
    for gateway in summary["gateways"].as_array().expect("a list") {
        assert_eq!(gateway["restamped"], 0, "the gateway rewrote a signature: {gateway}");
        assert!(gateway["files"].as_u64().is_some_and(|files| files > 100), "{gateway}");
    }
    let status = company.cluster.ctl(&["status"]).await?;
    assert!(status.contains("Every gateway runs what git says."), "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_coordinator_may_be_killed_and_nothing_is_applied_twice() -> anyhow::Result<()> {
    build_programs()?;
    let dir = tempfile::tempdir()?;
    let mut company = Company::start(&plan(dir.path(), 2)).await?;
    let first = company.repository.head().await?;
    company.arrived(&first).await?;
    for round in 0..3 {
        let before: Vec<usize> = company.gateways.iter().map(|g| g.sim.scans().len()).collect();
        company.cluster.nodes[round].kill().await?;
        company.cluster.ctl(&["get", "gateways"]).await?;
        company.arrived(&first).await?;
        company.cluster.nodes[round].start()?;
        company.cluster.nodes[round].ready().await?;
        let after: Vec<usize> = company.gateways.iter().map(|g| g.sim.scans().len()).collect();
        assert_eq!(before, after, "a gateway was scanned again without a change");
    }
    Ok(())
}
