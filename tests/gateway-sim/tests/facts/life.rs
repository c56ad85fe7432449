//! Uncommissioned, starting, running, restarting; what a boot writes.

use gateway_sim::SimConfig;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Rig, project};

#[tokio::test]
async fn an_uncommissioned_gateway_redirects_all_but_its_status() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.commissioned = false).await?;
    let (_, _, ping) = rig.ask("GET", "/StatusPing", "").await?;
    assert_eq!(ping, r#"{"state":"RUNNING","details":"COMMISSIONING"}"#);
    assert!(
        rig.ask("GET", "/system/gwinfo", "")
            .await?
            .2
            .contains("ContextStatus=NEEDS_COMMISSIONING;")
    );
    for path in ["/data/api/v1/gateway-info", "/data/api/v1/nothing", "/"] {
        let response = rig.send(reqwest::Method::GET, path, "").await?;
        assert_eq!(response.status(), 302, "{path}");
        assert_eq!(response.headers()["location"], "/welcome");
    }
    rig.run(json!({"do": "commissioned", "yes": true})).await?;
    assert_eq!(rig.ask("GET", "/data/api/v1/gateway-info", "").await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_restart_answers_at_once_lingers_is_away_and_comes_back() -> anyhow::Result<()> {
    let rig = Rig::with(|config| {
        config.knobs.restart.linger_ms = 100;
        config.knobs.restart.down_ms = 100;
        config.knobs.restart.dark_ms = 0;
    })
    .await?;
    let path = "/data/api/v1/restart-tasks/restart";
    assert_eq!(rig.ask("POST", path, "").await?.0, 400, "without confirm");
    rig.run(json!({"do": "pendingRestart", "what": "Module Installed: x"})).await?;
    rig.run(json!({"do": "open", "session": {"kind": "designer", "user": "a", "project": "p"}}))
        .await?;
    rig.post("/data/api/v1/scan-lock/config", &json!({})).await?;
    let (status, _, body) = rig.ask("POST", &format!("{path}?confirm=true"), "").await?;
    assert_eq!((status, body.as_str()), (200, "true"));
    assert_eq!(rig.ask("GET", "/StatusPing", "").await?.2, r#"{"state":"RUNNING"}"#);
    rig.sim.until(PATIENCE, |sim| (sim.state()["phase"] == "starting").then_some(())).await?;
    rig.sim.set(|knobs| knobs.restart.linger_ms = 0);
    let (status, _, page) = rig.ask("GET", "/data/api/v1/gateway-info", "").await?;
    assert_eq!(status, 503);
    assert!(page.contains("HTTP ERROR 503 Service Unavailable"));
    assert_eq!(rig.ask("GET", "/system/gwinfo", "").await?.0, 503);
    assert_eq!(rig.ask("GET", "/StatusPing", "").await?.2, r#"{"state":"STARTING"}"#);
    rig.sim.until(PATIENCE, |sim| (sim.state()["phase"] == "running").then_some(())).await?;
    assert_eq!(rig.get("/data/api/v1/designers").await?["items"], json!([]));
    assert_eq!(rig.ask("GET", "/data/api/v1/scan-lock/config", "").await?.0, 204);
    rig.sim.until(PATIENCE, |sim| (sim.counters().restarts == 1).then_some(())).await
}

#[tokio::test]
async fn while_the_process_is_replaced_connections_are_reset() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    rig.run(json!({"do": "dark"})).await?;
    assert!(rig.ask("GET", "/StatusPing", "").await.is_err());
    rig.run(json!({"do": "up"})).await?;
    assert_eq!(rig.ask("GET", "/StatusPing", "").await?.2, r#"{"state":"RUNNING"}"#);
    rig.sim.set(|knobs| (knobs.restart.linger_ms, knobs.restart.dark_ms) = (0, 600_000));
    rig.run(json!({"do": "restart"})).await?;
    rig.sim.until(PATIENCE, |sim| (sim.state()["phase"] == "dark").then_some(())).await?;
    assert!(rig.ask("GET", "/StatusPing", "").await.is_err());
    Ok(())
}

#[tokio::test]
async fn commissioning_writes_the_security_settings_once() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.commissioned = false).await?;
    let path = "config/resources/core/ignition/security-properties/config.json";
    let own =
        r#"{"readPermissions":{"securityLevels":[]},"writePermissions":{"securityLevels":[]}}"#;
    rig.put(path, own)?;
    rig.run(json!({"do": "commissioned", "yes": true})).await?;
    assert_ne!(rig.text(path)?, own);
    rig.put(path, own)?;
    rig.run(json!({"do": "commissioned", "yes": true})).await?;
    assert_eq!(rig.text(path)?, own);
    Ok(())
}

#[tokio::test]
async fn a_boot_stamps_two_singletons_and_writes_its_own_files() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for kind in ["quickstart", "system-properties"] {
        let text = rig.text(&format!("config/resources/core/ignition/{kind}/resource.json"))?;
        let meta: Value = serde_json::from_str(&text)?;
        assert_eq!(meta["attributes"]["lastModification"]["actor"], "unknown", "{kind}");
        assert!(meta["attributes"]["lastModificationSignature"].is_string());
    }
    assert!(!rig.text("config/resources/core/ignition/quickstart/config.json")?.contains('\n'));
    let before = rig.text("logs/wrapper.log")?;
    rig.run(json!({"do": "down"})).await?;
    rig.run(json!({"do": "up"})).await?;
    assert!(rig.text("logs/wrapper.log")?.len() > before.len());
    assert!(rig.sim.counters().never_touched.is_empty(), "its own writes are its own");
    Ok(())
}

#[tokio::test]
async fn noise_goes_on_while_it_runs() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.knobs.noise = true).await?;
    let log = rig.dir.path().join("logs/wrapper.log");
    let long =
        |_: &gateway_sim::Sim| std::fs::read_to_string(&log).ok()?.contains("tick").then_some(());
    rig.sim.until(PATIENCE, long).await?;
    assert!(rig.sim.counters().never_touched.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_mode_is_read_from_the_jvms_arguments_at_a_start() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    rig.put(
        "ignition.conf",
        "#-Dignition.config.mode=no\nwrapper.java.additional.9=-Dignition.config.mode=prod-1\n",
    )?;
    assert_eq!(rig.get("/data/api/v1/gateway-info").await?["deploymentMode"], "");
    rig.run(json!({"do": "down"})).await?;
    rig.run(json!({"do": "up"})).await?;
    assert_eq!(rig.get("/data/api/v1/gateway-info").await?["deploymentMode"], "prod-1");
    Ok(())
}

#[tokio::test]
async fn an_8_1_gateway_has_its_status_and_the_scan_module_at_most() -> anyhow::Result<()> {
    let v81 = |config: &mut SimConfig, module: bool| {
        *config = SimConfig::v81(config.data_dir.clone(), "old");
        config.scan_module = module;
    };
    let rig = Rig::with(|config| v81(config, false)).await?;
    assert_eq!(rig.ask("GET", "/StatusPing", "").await?.2, r#"{"state":"RUNNING"}"#);
    assert!(rig.ask("GET", "/system/gwinfo", "").await?.2.contains("Version=8.1.48;"));
    for path in [
        "/data/api/v1/gateway-info",
        "/data/api/v1/designers",
        "/data/project-scan-endpoint/confirm-support",
    ] {
        assert_eq!(rig.ask("GET", path, "").await?.0, 404, "{path}");
    }
    assert!(!rig.dir.path().join("config/resources").exists());
    let mut rig = Rig::with(|config| v81(config, true)).await?;
    rig.token.clear();
    assert_eq!(
        rig.get("/data/project-scan-endpoint/confirm-support").await?,
        json!({"supported": true})
    );
    project(rig.dir.path(), "line1", "pass\n")?;
    let path = "/main/data/project-scan-endpoint/scan?updateDesigners=true";
    let (status, body) = rig.post(path, &Value::Null).await?;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({"gatewayProjectScanSuccess": true, "sentDesignerUpdateNotification": true})
    );
    assert_eq!(rig.sim.state()["projects"], json!(["line1"]), "answered after the scan");
    Ok(())
}

#[tokio::test]
async fn an_8_1_gateway_stamps_in_its_own_form() -> anyhow::Result<()> {
    use gateway_sim::signature::{Form, Resource};
    let rig = Rig::with(|config| {
        *config = SimConfig::v81(config.data_dir.clone(), "old");
        config.scan_module = true;
    })
    .await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    let folder = "projects/line1/ignition/script-python/a/b";
    rig.put(&format!("{folder}/code.py"), "fail\n")?;
    rig.post("/data/project-scan-endpoint/scan", &Value::Null).await?;
    let meta = Resource::parse(rig.text(&format!("{folder}/resource.json"))?.as_bytes())?;
    let content = |_: &str| Some(b"fail\n".to_vec());
    assert_eq!(meta.signature(), meta.sign(Form::V81, &content));
    Ok(())
}
