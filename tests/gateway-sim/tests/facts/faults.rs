//! Faults of the web server.

use std::time::{Duration, Instant};

use gateway_sim::{
    Command,
    faults::{Fault, FaultKind},
};

use crate::support::Rig;

const INFO: &str = "/data/api/v1/gateway-info";

async fn with(what: FaultKind) -> anyhow::Result<Rig> {
    let rig = Rig::start().await?;
    rig.sim.run(Command::Fault { fault: Fault::on(INFO, what) }).await?;
    Ok(rig)
}

#[tokio::test]
async fn a_route_may_fail_and_the_others_do_not() -> anyhow::Result<()> {
    let rig = with(FaultKind::Status { code: 500 }).await?;
    let (status, _, body) = rig.ask("GET", INFO, "").await?;
    assert_eq!(status, 500);
    assert!(body.contains("HTTP ERROR 500 Server Error"));
    assert_eq!(rig.ask("GET", "/data/api/v1/designers", "").await?.0, 200);
    rig.sim.run(Command::ClearFaults).await?;
    assert_eq!(rig.ask("GET", INFO, "").await?.0, 200);
    let refusal = FaultKind::Answer { code: 200, body: r#"{"success":false}"#.into() };
    rig.sim.run(Command::Fault { fault: Fault::on(INFO, refusal) }).await?;
    assert_eq!(rig.get(INFO).await?["success"], false);
    Ok(())
}

#[tokio::test]
async fn an_answer_may_be_late_or_never_come() -> anyhow::Result<()> {
    let rig = with(FaultKind::Slow { ms: 80 }).await?;
    let asked = Instant::now();
    assert_eq!(rig.ask("GET", INFO, "").await?.0, 200);
    assert!(asked.elapsed() >= Duration::from_millis(80));
    let rig = with(FaultKind::Hang).await?;
    let waited = tokio::time::timeout(Duration::from_millis(100), rig.ask("GET", INFO, "")).await;
    assert!(waited.is_err());
    Ok(())
}

#[tokio::test]
async fn an_answer_may_be_cut() -> anyhow::Result<()> {
    let rig = with(FaultKind::Truncate { to: 20 }).await?;
    let (status, _, body) = rig.ask("GET", INFO, "").await?;
    assert_eq!((status, body.len()), (200, 20));
    assert!(serde_json::from_str::<serde_json::Value>(&body).is_err());
    let rig = with(FaultKind::Reset { after: 20 }).await?;
    let response = rig.send(reqwest::Method::GET, INFO, "").await?;
    assert_eq!(response.status(), 200);
    let error = response.bytes().await.expect_err("the connection is gone in mid-body");
    let mut causes =
        anyhow::Error::from(error).chain().map(ToString::to_string).collect::<Vec<_>>();
    assert!(causes.pop().is_some_and(|last| last.contains("reset")), "{causes:?}");
    Ok(())
}

#[tokio::test]
async fn a_file_may_be_held() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    rig.put("projects/p/project.json", "{}")?;
    rig.put("staged", "{}")?;
    let (from, to) =
        (rig.dir.path().join("staged"), rig.dir.path().join("projects/p/project.json"));
    match rig.run(serde_json::json!({"do": "hold", "path": "projects/p/project.json"})).await {
        Ok(_) => assert!(std::fs::rename(&from, &to).is_err()),
        Err(error) => assert!(format!("{error:#}").contains("cannot be held"), "{error:#}"),
    }
    rig.run(serde_json::json!({"do": "letGo"})).await?;
    Ok(std::fs::rename(&from, &to)?)
}
