//! Scans: started is not done; what is read when; what the log of scans says.

use gateway_sim::{
    Kind,
    knobs::{OnMismatch, ScanOutcome},
};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Rig, UUID, connection, project, put};

#[tokio::test]
async fn a_trigger_answers_the_old_timestamp_and_the_new_one_is_greater() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for kind in [Kind::Projects, Kind::Config] {
        let path = format!("/data/api/v1/scan/{}", kind.name());
        let mut last = -1;
        for _ in 0..3 {
            let before = rig.get(&path).await?;
            assert_eq!(before["scanActive"], false);
            let (status, body) = rig.post(&path, &Value::Null).await?;
            assert_eq!(status, 200);
            assert_eq!(body["scanActive"], true);
            assert_eq!(body["lastScanTimestamp"], before["lastScanTimestamp"]);
            assert_eq!(body["lastScanDuration"], before["lastScanDuration"]);
            rig.scan(kind).await?;
            let now = rig.get(&path).await?["lastScanTimestamp"].as_i64().expect("a number");
            assert!(now > last);
            last = now;
        }
    }
    let (_, kind, body) = rig.ask("GET", "/data/api/v1/scan/config", "").await?;
    assert_eq!(kind, "application/json");
    assert!(body.starts_with("{\n  \"scanActive\": false,\n  \"lastScanTimestamp\": "), "{body}");
    Ok(())
}

#[tokio::test]
async fn timestamps_are_of_the_gateways_clock() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.knobs.clock_skew_ms = -86_400_000).await?;
    let stamp = async || -> anyhow::Result<i64> {
        rig.scan(Kind::Config).await?;
        let state = rig.get("/data/api/v1/scan/config").await?;
        Ok(state["lastScanTimestamp"].as_i64().expect("a number"))
    };
    let yesterday = stamp().await?;
    // The clock jumps back: timestamps go on rising.
    rig.sim.set(|knobs| knobs.clock_skew_ms = -2 * 86_400_000);
    assert_eq!(stamp().await?, yesterday + 1);
    rig.sim.set(|knobs| knobs.clock_skew_ms = 0);
    assert!(stamp().await? > yesterday + 80_000_000);
    Ok(())
}

#[tokio::test]
async fn files_are_not_seen_without_a_scan_of_their_kind() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    connection(rig.dir.path(), "core", "DB", "jdbc:a", Some(UUID))?;
    assert_eq!(rig.sim.state()["projects"], json!([]));
    rig.scan(Kind::Config).await?;
    assert_eq!(rig.sim.state()["projects"], json!([]));
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.sim.state()["projects"], json!(["line1"]));
    std::fs::remove_dir_all(rig.dir.path().join("projects/line1"))?;
    assert_eq!(rig.sim.state()["projects"], json!(["line1"]));
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.sim.state()["projects"], json!([]));
    Ok(())
}

#[tokio::test]
async fn the_log_of_scans_has_the_digest_of_the_tree_at_the_trigger() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    let first = rig.sim.tree_digest()?;
    rig.scan(Kind::Projects).await?;
    put(rig.dir.path(), "config/resources/core/ignition/x/y/config.json", "{}")?;
    let second = rig.sim.tree_digest()?;
    assert_ne!(first, second);
    rig.scan(Kind::Config).await?;
    let scans = rig.sim.scans();
    let digests: Vec<_> = scans.iter().map(|scan| scan.digest.clone()).collect();
    assert_eq!(digests, [Some(first.clone()), Some(second.clone())]);
    assert!(rig.sim.scans_of_other_trees(&[first.clone(), second]).is_empty());
    assert_eq!(rig.sim.scans_of_other_trees(&[first])[0].number, 2);
    assert_eq!(scans[0].projects_digest, scans[1].projects_digest);
    assert_ne!(scans[0].config_digest, scans[1].config_digest);
    assert_eq!((scans[0].kind, scans[1].kind), (Kind::Projects, Kind::Config));
    assert_eq!((scans[0].number, scans[1].number), (1, 2));
    assert!(scans.iter().all(|scan| scan.ended_ms >= Some(scan.started_ms) && scan.loaded));
    assert!(scans[0].by.starts_with("api-token:agent:127.0.0.1"), "{}", scans[0].by);
    assert_eq!(scans[0].files, 3);
    let counters = rig.sim.counters();
    assert_eq!((counters.project_scans, counters.config_scans), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_trigger_while_one_runs_joins_it_and_does_not_see_newer_files() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    rig.sim.set(|knobs| knobs.scan.outcome = ScanOutcome::Never);
    rig.post("/data/api/v1/scan/projects", &Value::Null).await?;
    rig.sim.until(PATIENCE, |sim| sim.scans()[0].digest.clone()).await?;
    project(rig.dir.path(), "late", "pass\n")?;
    let (_, body) = rig.post("/data/api/v1/scan/projects", &Value::Null).await?;
    assert_eq!(body["scanActive"], true);
    assert_eq!(rig.sim.counters().joined_scans, 1);
    rig.sim.set(|knobs| knobs.scan.outcome = ScanOutcome::Normal);
    rig.sim.until(PATIENCE, |sim| sim.scans()[0].ended_ms).await?;
    assert_eq!(rig.sim.state()["projects"], json!([]));
    assert_eq!(rig.sim.scans().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_scan_may_hang_fail_or_lie() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    rig.sim.set(|knobs| knobs.scan.outcome = ScanOutcome::Fail);
    let (status, _, body) = rig.ask("POST", "/data/api/v1/scan/projects", "").await?;
    assert_eq!(status, 500);
    assert!(body.contains("HTTP ERROR 500 Server Error"));
    assert!(rig.sim.scans().is_empty());
    rig.sim.set(|knobs| knobs.scan.outcome = ScanOutcome::Lie);
    rig.scan(Kind::Projects).await?;
    assert!(!rig.sim.scans()[0].loaded);
    assert_eq!(rig.sim.state()["projects"], json!([]));
    rig.sim.set(|knobs| knobs.scan.outcome = ScanOutcome::Blank);
    rig.scan(Kind::Projects).await?;
    let blank = rig.sim.scans()[1].clone();
    assert_eq!((blank.loaded, blank.digest), (false, None));
    rig.sim.set(|knobs| knobs.scan.outcome = ScanOutcome::Never);
    rig.post("/data/api/v1/scan/projects", &Value::Null).await?;
    rig.sim.until(PATIENCE, |sim| sim.scans()[2].digest.clone()).await?;
    assert_eq!(rig.get("/data/api/v1/scan/projects").await?["scanActive"], true);
    // A restart forgets it.
    rig.run(json!({"do": "down"})).await?;
    rig.sim.set(|knobs| knobs.scan.outcome = ScanOutcome::Normal);
    rig.run(json!({"do": "up"})).await?;
    assert_eq!(rig.get("/data/api/v1/scan/projects").await?["scanActive"], false);
    assert_eq!(rig.sim.state()["projects"], json!(["line1"]), "a boot reads everything");
    Ok(())
}

#[tokio::test]
async fn stale_signatures_are_restamped_kept_or_skipped() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let folder = "projects/line1/ignition/script-python/a/b";
    project(rig.dir.path(), "line1", "pass\n")?;
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.sim.counters().restamps, 0, "a good signature is left alone");
    let good = rig.text(&format!("{folder}/resource.json"))?;

    rig.sim.set(|knobs| knobs.projects_mismatch = OnMismatch::Keep);
    rig.put(&format!("{folder}/code.py"), "fail\n")?;
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.text(&format!("{folder}/resource.json"))?, good);

    rig.sim.set(|knobs| knobs.projects_mismatch = OnMismatch::Restamp);
    assert_eq!(rig.sim.stale_signatures()?, ["line1/ignition/script-python/a/b/resource.json"]);
    rig.scan(Kind::Projects).await?;
    let stamped: Value = serde_json::from_str(&rig.text(&format!("{folder}/resource.json"))?)?;
    assert_eq!(stamped["attributes"]["lastModification"]["actor"], "external");
    assert_eq!(rig.sim.stale_signatures()?, [""; 0]);
    assert_eq!(rig.sim.counters().restamps, 1);
    let scans = rig.sim.scans();
    assert_eq!(scans.last().expect("a scan").restamped, [folder]);
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.sim.counters().restamps, 1, "once");
    Ok(())
}

#[tokio::test]
async fn configuration_with_a_stale_signature_loads_and_is_left_alone() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let folder = "config/resources/core/ignition/quickstart";
    rig.put(&format!("{folder}/config.json"), "{\"steps\":[1]}")?;
    let before = rig.text(&format!("{folder}/resource.json"))?;
    rig.scan(Kind::Config).await?;
    assert_eq!(rig.text(&format!("{folder}/resource.json"))?, before);
    assert_eq!(rig.sim.counters().restamps, 0);
    Ok(())
}

#[tokio::test]
async fn writes_without_a_lock_and_touches_of_the_gateways_own_are_counted() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.sim.counters().written_unlocked, 3);
    let body = json!({"acquireTimeout": 1, "holdTimeout": 60});
    assert_eq!(rig.post("/data/api/v1/scan-lock/projects", &body).await?.0, 200);
    project(rig.dir.path(), "line2", "pass\n")?;
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.sim.counters().written_unlocked, 3, "those were written under the lock");
    assert!(rig.sim.counters().never_touched.is_empty());
    rig.put("db/config.idb", "x")?;
    rig.put("projects/line1/.git/config", "x")?;
    assert_eq!(rig.sim.counters().never_touched, ["db/config.idb", "projects/line1/.git/config"]);
    Ok(())
}

#[tokio::test]
async fn a_gateway_of_8_1_scans_by_itself() -> anyhow::Result<()> {
    let rig = Rig::with(|config| {
        let (dir, name) = (config.data_dir.clone(), config.name.clone());
        *config = gateway_sim::SimConfig::v81(dir, &name);
        assert_eq!(config.knobs.scan.automatic_ms, 300_000);
        config.knobs.scan.automatic_ms = 30;
    })
    .await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    rig.sim.until(PATIENCE, |sim| (sim.state()["projects"] == json!(["line1"])).then_some(())).await
}
