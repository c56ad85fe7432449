//! A redundant pair: one name, fixed roles, moving activity, replication.

use gateway_sim::{Activity, Command, Kind, Role, Sim, join};
use serde_json::{Value, json};

use crate::{
    control::Process,
    support::{PATIENCE, Rig, UUID, client, connection, project, put},
};

async fn pair() -> anyhow::Result<(Rig, Rig)> {
    let master = Rig::with(|config| config.role = Role::Master).await?;
    let backup = Rig::with(|config| {
        config.role = Role::Backup;
        "gw1-other".clone_into(&mut config.name);
    })
    .await?;
    join(&master.sim, &backup.sim).await?;
    for sim in [&master.sim, &backup.sim] {
        let synced = |sim: &Sim| {
            let record = &sim.state()["redundancy"];
            // The backup takes the master's name with its first sync and tells it with the next view.
            let named = record["peerId"].as_str().is_some_and(|peer| !peer.contains("other"));
            let synced = record["lastSyncTimestamp"] != -1;
            (named && synced && record["peerConnected"] == true).then_some(())
        };
        sim.until(PATIENCE, synced).await?;
    }
    Ok((master, backup))
}

async fn redundancy(rig: &Rig) -> anyhow::Result<Value> {
    rig.get("/data/api/v1/redundancy").await
}

async fn synced_after(rig: &Rig, before: &Value) -> anyhow::Result<()> {
    let before = before.as_i64().unwrap_or(-1);
    let moved = |sim: &Sim| {
        let now = sim.state()["redundancy"]["lastSyncTimestamp"].as_i64()?;
        (now > before).then_some(())
    };
    rig.sim.until(PATIENCE, moved).await
}

#[tokio::test]
async fn both_nodes_tell_one_name_and_eleven_keys() -> anyhow::Result<()> {
    let (master, backup) = pair().await?;
    let (m, b) = (redundancy(&master).await?, redundancy(&backup).await?);
    for record in [&m, &b] {
        assert_eq!(record.as_object().map(serde_json::Map::len), Some(11));
        assert_eq!(record["projectState"], "Good");
        assert_eq!(record["hasConfigAccess"], true);
        assert_eq!(record["syncPending"], false);
    }
    assert_eq!((m["role"].as_str(), m["activityLevel"].as_str()), (Some("Master"), Some("Active")));
    assert_eq!((b["role"].as_str(), b["activityLevel"].as_str()), (Some("Backup"), Some("Cold")));
    assert_eq!(
        (m["peerId"].as_str(), b["peerId"].as_str()),
        (Some("gw1-Backup"), Some("gw1-Master"))
    );
    assert_eq!(b["uptime"], -1);
    assert_ne!(m["lastSyncTimestamp"], b["lastSyncTimestamp"]);
    for rig in [&master, &backup] {
        assert_eq!(rig.get("/data/api/v1/gateway-info").await?["name"], "gw1", "the master's");
    }
    let text = backup.ask("GET", "/system/gwinfo", "").await?.2;
    assert!(
        text.contains("RedundancyStatus=Backup;")
            && text.contains("RedundantNodeActiveStatus=Cold;")
    );
    let text = master.ask("GET", "/system/gwinfo", "").await?.2;
    assert!(
        text.contains("RedundantState=Good;") && text.contains("RedundantBackupAddresses="),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_file_deployment_arrives_on_the_backup_but_for_what_is_per_node() -> anyhow::Result<()> {
    let (master, backup) = pair().await?;
    let before = redundancy(&backup).await?["lastSyncTimestamp"].clone();
    let dir = master.dir.path();
    project(dir, "line1", "pass\r\n")?;
    connection(dir, "core", "DB", "jdbc:a", Some(UUID))?;
    connection(dir, "external", "EX", "jdbc:a", Some(UUID))?;
    put(dir, "config/resources/local/ignition/x/config.json", "{}")?;
    put(dir, "config/local/x", "x")?;
    master.scan(Kind::Projects).await?;
    master.scan(Kind::Config).await?;
    let script = "projects/line1/ignition/script-python/a/b";
    let there = |_: &Sim| {
        let at = |path: &str| backup.dir.path().join(path).exists();
        (at(&format!("{script}/resource.json"))
            && at("config/resources/core/ignition/database-connection/DB/config.json"))
        .then_some(())
    };
    backup.sim.until(PATIENCE, there).await?;
    synced_after(&backup, &before).await?;
    assert_eq!(backup.text(&format!("{script}/code.py"))?, "pass\r\n", "payloads byte for byte");
    let (ours, theirs) = (
        master.text(&format!("{script}/resource.json"))?,
        backup.text(&format!("{script}/resource.json"))?,
    );
    assert_ne!(ours, theirs, "stamped anew");
    let bare = |text: &str| -> anyhow::Result<Value> {
        let mut value: Value = serde_json::from_str(text)?;
        let attributes = value["attributes"].as_object_mut().expect("an object");
        attributes.remove("lastModification");
        attributes.remove("lastModificationSignature");
        Ok(value)
    };
    assert_eq!(bare(&ours)?, bare(&theirs)?);
    assert_eq!(backup.sim.stale_signatures()?, [""; 0]);
    for path in [
        "config/resources/external/ignition/database-connection/EX",
        "config/local/x",
        "config/resources/local/ignition",
    ] {
        assert!(!backup.dir.path().join(path).exists(), "{path} is per node");
    }
    backup
        .sim
        .until(PATIENCE, |sim| (sim.state()["projects"] == json!(["line1"])).then_some(()))
        .await?;
    backup.line("PushException: MODIFY illegal: signature mismatch").await?;
    std::fs::remove_dir_all(dir.join("projects/line1"))?;
    master.scan(Kind::Projects).await?;
    let gone = |_: &Sim| (!backup.dir.path().join("projects/line1").exists()).then_some(());
    backup.sim.until(PATIENCE, gone).await
}

#[tokio::test]
async fn tags_in_a_mode_wedge_the_pair_until_they_are_gone() -> anyhow::Result<()> {
    let (master, backup) = pair().await?;
    put(master.dir.path(), "config/resources/staging/config-mode.json", "{}")?;
    std::fs::create_dir_all(
        master.dir.path().join("config/resources/staging/ignition/tag-definition/P"),
    )?;
    master.scan(Kind::Config).await?;
    let gave_up = "[config-resource] State sync request failed. Sync operation has failed 5 time(s), which exceeds the max attempt count. No further synchronization attempts will be made.";
    let line = backup.line("No further synchronization").await?;
    assert_eq!(
        (line.message.as_str(), line.logger_name.as_str(), line.level.as_str()),
        (gave_up, "R.S.SyncManager", "ERROR")
    );
    for rig in [&master, &backup] {
        let wedged =
            |sim: &Sim| (sim.state()["redundancy"]["projectState"] == "SyncError").then_some(());
        rig.sim.until(PATIENCE, wedged).await?;
    }
    std::fs::remove_dir_all(master.dir.path().join("config/resources/staging/ignition"))?;
    master.scan(Kind::Config).await?;
    let before = redundancy(&backup).await?["lastSyncTimestamp"].clone();
    let (status, body) =
        master.post("/data/api/v1/redundancy/gwaction/resync", &Value::Null).await?;
    assert_eq!((status, body), (200, json!({"resync_state": "started"})));
    synced_after(&backup, &before).await?;
    assert_eq!(redundancy(&backup).await?["projectState"], "Good");
    Ok(())
}

#[tokio::test]
async fn a_backup_may_never_converge_and_a_resync_of_the_wrong_node_does_nothing()
-> anyhow::Result<()> {
    let (master, backup) = pair().await?;
    backup.sim.set(|knobs| knobs.pair.never_converges = true);
    let before = redundancy(&backup).await?["lastSyncTimestamp"].clone();
    project(master.dir.path(), "line1", "pass\n")?;
    master.scan(Kind::Projects).await?;
    let path = "/data/api/v1/redundancy/gwaction/resync";
    backup.sim.set(|knobs| knobs.pair.delay_ms = 600_000);
    backup.sim.set(|knobs| knobs.pair.never_converges = false);
    assert_eq!(backup.post(path, &Value::Null).await?.0, 200);
    backup.line("PushException").await?;
    assert_eq!(redundancy(&backup).await?["lastSyncTimestamp"], before);
    assert_eq!(master.post(path, &Value::Null).await?.0, 200);
    synced_after(&backup, &before).await
}

#[tokio::test]
async fn activity_moves_and_roles_do_not() -> anyhow::Result<()> {
    let (master, backup) = pair().await?;
    assert_eq!(
        master.post("/data/api/v1/redundancy/gwaction/failover", &Value::Null).await?.0,
        200
    );
    let (m, b) = (redundancy(&master).await?, redundancy(&backup).await?);
    assert_eq!((m["role"].as_str(), m["activityLevel"].as_str()), (Some("Master"), Some("Cold")));
    assert_eq!((b["role"].as_str(), b["activityLevel"].as_str()), (Some("Backup"), Some("Active")));
    assert_eq!(m["uptime"], -1);
    assert!(b["uptime"].as_i64().is_some_and(|uptime| uptime >= 0));
    Ok(())
}

#[tokio::test]
async fn both_or_none_may_be_active_for_as_long_as_a_test_wants() -> anyhow::Result<()> {
    let (master, backup) = pair().await?;
    backup.sim.run(Command::Activity { level: Some(Activity::Active) }).await?;
    assert_eq!(redundancy(&master).await?["activityLevel"], "Active");
    assert_eq!(redundancy(&backup).await?["activityLevel"], "Active");
    master.sim.run(Command::Activity { level: Some(Activity::Cold) }).await?;
    backup.sim.run(Command::Activity { level: Some(Activity::Warm) }).await?;
    assert_eq!(redundancy(&master).await?["activityLevel"], "Cold");
    assert_eq!(redundancy(&backup).await?["activityLevel"], "Warm");
    backup.run(json!({"do": "projectState", "state": "Out_of_Date"})).await?;
    assert_eq!(redundancy(&backup).await?["projectState"], "Out_of_Date");
    Ok(())
}

#[tokio::test]
async fn withdrawn_approval_splits_the_brain_and_a_cut_cable_takes_longer() -> anyhow::Result<()> {
    let (master, backup) = pair().await?;
    let list = master.get("/data/api/v1/resources/list/ignition/gateway-network-incoming").await?;
    assert_eq!(list["items"][0]["config"]["securityStatus"], "Approved");
    let id = list["items"][0]["config"]["connectionId"].as_str().expect("an id").to_owned();
    let path = format!("/data/api/v1/gateway-network-incoming/toggleApproval/{id}");
    assert_eq!(backup.ask("PUT", &format!("{path}/false"), "").await?.0, 403);
    assert_eq!(master.ask("PUT", &format!("{path}/false"), "").await?.0, 200);
    let level = |sim: &Sim, wanted: &str| {
        (sim.state()["redundancy"]["activityLevel"] == wanted).then_some(())
    };
    backup.sim.until(PATIENCE, |sim| level(sim, "Active")).await?;
    assert_eq!(redundancy(&master).await?["activityLevel"], "Active");
    master
        .sim
        .until(PATIENCE, |sim| (sim.state()["redundancy"]["peerConnected"] == false).then_some(()))
        .await?;
    assert_eq!(master.ask("PUT", &format!("{path}/true"), "").await?.0, 200);
    backup.sim.until(PATIENCE, |sim| level(sim, "Cold")).await?;
    backup.sim.set(|knobs| knobs.pair.failover_ms = 600_000);
    master.run(json!({"do": "link", "up": false})).await?;
    backup
        .sim
        .until(PATIENCE, |sim| (sim.state()["redundancy"]["peerConnected"] == false).then_some(()))
        .await?;
    assert_eq!(redundancy(&backup).await?["activityLevel"], "Cold");
    backup.sim.set(|knobs| knobs.pair.failover_ms = 0);
    backup.sim.until(PATIENCE, |sim| level(sim, "Active")).await?;
    Ok(())
}

#[tokio::test]
async fn modes_that_differ_are_told_of() -> anyhow::Result<()> {
    let master = Rig::with(|config| {
        config.role = Role::Master;
        config.mode = Some("a".into());
    })
    .await?;
    let backup = Rig::with(|config| config.role = Role::Backup).await?;
    join(&master.sim, &backup.sim).await?;
    backup.line("Active deployment mode differs from peer node!").await?;
    Ok(())
}

#[tokio::test]
async fn a_killed_master_hands_over_and_takes_back() -> anyhow::Result<()> {
    let (a, b) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut master = Process::start(a.path(), &["--name", "gw1", "--role", "master"]).await?;
    let gan = master.at("gan");
    let backup =
        Process::start(b.path(), &["--name", "gw1", "--role", "backup", "--peer", &gan]).await?;
    master.order(&json!({"do": "peer", "address": backup.at("gan")})).await?;
    let level = async |process: &Process, wanted: &str| -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let request = || async {
            let url = format!("{}/data/api/v1/redundancy", process.at("url"));
            let request = client()?.get(url).header("X-Ignition-API-Token", process.at("token"));
            anyhow::Ok(request.send().await?.json::<Value>().await?)
        };
        while request().await?["activityLevel"] != wanted {
            anyhow::ensure!(tokio::time::Instant::now() < deadline, "it never is {wanted}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(())
    };
    level(&master, "Active").await?;
    level(&backup, "Cold").await?;
    backup.order(&json!({"do": "set", "knobs": {"pair": {"failoverMs": 100}}})).await?;
    master.child.kill().await?;
    level(&backup, "Active").await?;
    let back = backup.at("gan");
    let master =
        Process::start(a.path(), &["--name", "gw1", "--role", "master", "--peer", &back]).await?;
    backup.order(&json!({"do": "peer", "address": master.at("gan")})).await?;
    level(&master, "Active").await?;
    level(&backup, "Cold").await
}
