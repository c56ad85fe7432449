//! The log: cursor, prefix, levels, paging; what is said of resources that do not load.

use gateway_sim::{Kind, LogLine};
use serde_json::json;

use crate::support::{Rig, UUID, connection, project};

#[tokio::test]
async fn the_log_is_unlimited_inclusive_and_filtered() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for (level, times) in [("INFO", 300), ("WARN", 2), ("ERROR", 1)] {
        rig.run(json!({"do": "log", "level": level, "logger": "a.b.C", "message": level, "times": times}))
            .await?;
    }
    let ask = async |query: &str| rig.get(&format!("/data/api/v1/logs?{query}")).await;
    let all = ask("").await?;
    let total = all["metadata"]["total"].as_u64().expect("a number");
    assert!(total >= 303 && all["metadata"]["limit"] == -1);
    assert_eq!(all["items"].as_array().map(|items| items.len() as u64), Some(total));
    assert_eq!(ask("logger=a.b").await?["metadata"]["total"], 303, "a prefix");
    assert_eq!(ask("logger=b.C").await?["metadata"]["total"], 0);
    assert_eq!(ask("logger=a.b&minLevel=WARN").await?["metadata"]["total"], 3);
    let page = ask("logger=a.b&limit=2&offset=1&sortBy=desc(timestamp)").await?;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(page["metadata"], json!({"total": 303, "matching": 303, "limit": 2, "offset": 1}));
    let last = ask("logger=a.b&minLevel=ERROR").await?["items"][0].clone();
    assert_eq!(
        (last["loggerName"].as_str(), last["message"].as_str()),
        (Some("a.b.C"), Some("ERROR"))
    );
    let at = last["timestamp"].as_i64().expect("a number");
    let from = ask(&format!("logger=a.b&minLevel=ERROR&startTime={at}")).await?;
    assert_eq!(from["metadata"]["total"], 1, "inclusive");
    let after = ask(&format!("logger=a.b&minLevel=ERROR&startTime={}", at + 1)).await?;
    assert_eq!(after["metadata"]["total"], 0);
    let before = ask(&format!("logger=a.b&minLevel=ERROR&endTime={}", at - 1)).await?;
    assert_eq!(before["metadata"]["total"], 0);
    let loggers = rig.get("/data/api/v1/logs/loggers").await?;
    assert!(loggers.to_string().contains("a.b.C"));
    Ok(())
}

#[tokio::test]
async fn a_resource_without_uuid_is_told_of_once_and_late() -> anyhow::Result<()> {
    let rig = Rig::with(|config| {
        config.knobs.notice_min_ms = 200;
        config.knobs.notice_max_ms = 220;
    })
    .await?;
    connection(rig.dir.path(), "core", "Bare", "jdbc:a", None)?;
    connection(rig.dir.path(), "core", "Good", "jdbc:a", Some(UUID))?;
    rig.scan(Kind::Config).await?;
    let line = rig.line("will not be loaded").await?;
    let text = "Resource ignition/database-connection/Bare does not have required UUID attribute, will not be loaded";
    assert_eq!(line.message, text);
    assert_eq!(line.level, "WARN");
    assert_eq!(line.logger_name, "NamedResourceHandler-ignition/database-connection");
    let scan = rig.sim.scans()[0].clone();
    assert!(line.timestamp >= scan.ended_ms.expect("it ended") + 50, "late");
    assert_eq!(scan.refused, ["ignition/database-connection/Bare"]);
    let path = format!("/data/api/v1/logs?minLevel=WARN&startTime={}", scan.started_ms);
    assert_eq!(rig.get(&path).await?["items"][0]["message"], text);
    rig.scan(Kind::Config).await?;
    rig.run(json!({"do": "refuse", "resource": "ignition/database-connection/Good"})).await?;
    rig.scan(Kind::Config).await?;
    rig.line("database-connection/Good").await?;
    let told = |lines: Vec<LogLine>, part: &str| {
        lines.iter().filter(|line| line.message.contains(part)).count()
    };
    assert_eq!(told(rig.sim.log(), "connection/Bare"), 1, "once");
    Ok(())
}

#[tokio::test]
async fn a_listed_file_that_is_missing_is_an_error() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    connection(rig.dir.path(), "core", "Half", "jdbc:a", Some(UUID))?;
    std::fs::remove_file(
        rig.dir.path().join("config/resources/core/ignition/database-connection/Half/config.json"),
    )?;
    rig.scan(Kind::Config).await?;
    assert_eq!(rig.line("database-connection/Half").await?.level, "ERROR");
    project(rig.dir.path(), "line1", "pass\n")?;
    std::fs::remove_file(rig.dir.path().join("projects/line1/ignition/script-python/a/b/code.py"))?;
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.line("script-python/a/b").await?.level, "ERROR");
    assert_eq!(rig.sim.scans()[1].refused, ["projects/line1/ignition/script-python/a/b"]);
    Ok(())
}

#[tokio::test]
async fn a_project_resource_may_be_refused() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let folder = "projects/line1/ignition/script-python/a/b";
    rig.run(json!({"do": "refuse", "resource": folder})).await?;
    rig.scan(Kind::Projects).await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    rig.scan(Kind::Projects).await?;
    rig.line(&format!("Resource {folder} is invalid, will not be loaded")).await?;
    let refused: Vec<_> = rig.sim.scans().into_iter().map(|scan| scan.refused).collect();
    assert_eq!(refused, [vec![], vec![folder.to_owned()]]);
    rig.run(json!({"do": "clearRefusals"})).await?;
    rig.scan(Kind::Projects).await?;
    assert!(rig.sim.scans()[2].refused.is_empty());
    Ok(())
}

#[tokio::test]
async fn mutations_are_audited_and_reads_are_not() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let path = "/data/api/v1/audit/log/default";
    rig.get("/data/api/v1/designers").await?;
    assert_eq!(rig.get(path).await?["items"], json!([]));
    rig.scan(Kind::Config).await?;
    assert_eq!(rig.get(path).await?["metadata"]["total"].to_string(), "1.0", "a float");
    let entry = rig.get(path).await?["items"][0].clone();
    assert_eq!(entry["actor"], "api-token:agent:127.0.0.1");
    assert_eq!(entry["actionTarget"], "/data/api/v1/scan/config");
    Ok(())
}
