//! Backups: streamed, of two kinds, cut short; and restored.

use std::io::Cursor;

use reqwest::Method;
use serde_json::json;
use zip::ZipArchive;

use crate::support::{PATIENCE, Rig, UUID, connection, project};

async fn download(rig: &Rig, query: &str) -> anyhow::Result<Vec<u8>> {
    let response = rig.send(Method::GET, &format!("/data/api/v1/backup{query}"), "").await?;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert!(response.headers().get("content-length").is_none(), "streamed");
    Ok(response.bytes().await?.to_vec())
}

fn names(zip: &[u8]) -> anyhow::Result<Vec<String>> {
    let archive = ZipArchive::new(Cursor::new(zip))?;
    Ok(archive
        .file_names()
        .map(|name| name.map(std::borrow::Cow::into_owned))
        .collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn a_backup_has_projects_and_configuration_but_not_external() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "p", "pass\n")?;
    rig.put("config/resources/local/x/y/config.json", "{}")?;
    let all = names(&download(&rig, "?type=all").await?)?;
    let has = |names: &[String], path: &str| names.iter().any(|name| name == path);
    assert!(has(&all, "projects/p/project.json"));
    assert!(has(&all, "config/resources/core/ignition/system-properties/config.json"));
    assert!(has(&all, "config/resources/local/x/y/config.json"));
    assert!(
        !all.iter().any(|name| name.contains("external/ignition") || name.contains(".resources"))
    );
    let roaming = names(&download(&rig, "?type=roaming").await?)?;
    assert!(
        !has(&roaming, "config/resources/local/x/y/config.json") && !has(&roaming, "db/config.idb")
    );
    assert_eq!(rig.sim.counters().backups, 2);
    Ok(())
}

#[tokio::test]
async fn a_cut_backup_has_no_directory() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    rig.sim.set(|knobs| knobs.backup_cut = Some(100));
    let cut = download(&rig, "?type=all").await?;
    assert_eq!(cut.len(), 100);
    assert!(ZipArchive::new(Cursor::new(cut)).is_err());
    assert_eq!(rig.sim.counters().backups, 0);
    Ok(())
}

#[tokio::test]
async fn a_restore_brings_core_back_keeps_external_and_restarts() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "p", "pass\n")?;
    connection(rig.dir.path(), "core", "Old", "jdbc:a", Some(UUID))?;
    let backup = download(&rig, "?type=all").await?;
    std::fs::remove_dir_all(rig.dir.path().join("projects/p"))?;
    connection(rig.dir.path(), "core", "New", "jdbc:a", Some(UUID))?;
    connection(rig.dir.path(), "external", "Ext", "jdbc:a", Some(UUID))?;
    let url = format!("{}/data/api/v1/backup?restoreLocal=false", rig.sim.url());
    let post = |bytes: Vec<u8>| {
        let request = rig.client.post(&url).header("X-Ignition-API-Token", &rig.token);
        request.header("content-type", "application/octet-stream").body(bytes).send()
    };
    assert_eq!(post(b"nonsense".to_vec()).await?.status(), 400);
    assert_eq!(post(backup).await?.status(), 200);
    rig.sim.until(PATIENCE, |sim| (sim.counters().restarts == 1).then_some(())).await?;
    rig.sim.until(PATIENCE, |sim| (sim.state()["phase"] == "running").then_some(())).await?;
    let there = |path: &str| rig.dir.path().join(path).exists();
    assert!(there("projects/p/project.json"));
    assert!(there("config/resources/core/ignition/database-connection/Old/config.json"));
    assert!(!there("config/resources/core/ignition/database-connection/New"));
    assert!(there("config/resources/external/ignition/database-connection/Ext/config.json"));
    assert_eq!(rig.sim.state()["projects"], json!(["p"]));
    rig.get("/data/api/v1/gateway-info").await?;
    Ok(())
}
