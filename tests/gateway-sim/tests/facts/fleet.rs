//! What a fleet tool may ask besides: overview, gauges, lists, the API document, EAM.

use serde_json::{Value, json};

use crate::support::{PATIENCE, Rig};

#[tokio::test]
async fn dashboards_get_their_numbers() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let overview = rig.get("/data/api/v1/overview").await?;
    assert_eq!(overview["redundancy"]["activityLevel"], "ACTIVE");
    assert_eq!(overview["license"]["state"], "trial");
    assert!(overview["cpu"].as_f64().is_some_and(|part| part < 1.0), "a fraction");
    let gauges = rig.get("/data/api/v1/systemPerformance/currentGauges").await?;
    assert!(gauges["cpu"].as_f64().is_some_and(|percent| percent > 1.0), "percent");
    assert!(gauges["heapMemory"].is_f64());
    assert_eq!(rig.get("/data/api/v1/overview/name").await?["gatewayName"], "gw1");
    let response =
        rig.client.get(format!("{}/data/api/v1/overview/banners", rig.sim.url())).send().await?;
    let banners: Value = response.json().await?;
    assert_eq!(banners["banners"][0]["type"], "trial", "without a token");
    assert_eq!(rig.get("/data/api/v1/systemPerformance/threads").await?["blocked"], 0);
    Ok(())
}

#[tokio::test]
async fn the_index_of_routes_answers_ordinarily() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for path in [
        "overview/problems",
        "overview/connections",
        "executors/private",
        "scripts",
        "launcher/list",
        "locales",
        "logs/properties",
        "opcConnections",
        "sync/items",
        "gateway-network/gateways",
        "redundancy/events?limit=25",
        "audit/profiles",
        "audit/log/x",
        "entity/browse",
        "logs/loggers",
    ] {
        let answer = rig.get(&format!("/data/api/v1/{path}")).await?;
        assert!(
            answer["items"].is_array() && answer["metadata"]["total"].is_number(),
            "{path}: {answer}"
        );
    }
    for path in ["scim/p/v2/Users", "encryption/none", "connections/x"] {
        assert_eq!(rig.ask("GET", &format!("/data/api/v1/{path}"), "").await?.0, 404, "{path}");
    }
    let config = rig.get("/data/api/v1/redundancy/config").await?;
    assert_eq!(
        (config["syncTimoutSecs"].clone(), config["gatewayNetworkSetup"]["port"].clone()),
        (json!(60), json!(8060))
    );
    let charts = rig.get("/data/api/v1/systemPerformance/charts").await?;
    assert!(charts["memoryChartDatapoints"]["heapMemoryDatapoints"].is_array());
    assert_eq!(
        rig.get("/data/api/v1/diagnostics/threads/deadlocks").await?,
        json!({"deadlocks": []})
    );
    let log = rig.send(reqwest::Method::GET, "/data/api/v1/logs/download", "").await?;
    assert_eq!(log.headers()["content-type"], "application/x-sqlite3");
    assert!(log.headers()["content-disposition"].to_str()?.contains("gw1_Ignition_logs_"));
    Ok(())
}

#[tokio::test]
async fn a_diagnostics_bundle_is_made_on_request() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let path = "/data/api/v1/diagnostics/bundle";
    assert_eq!(rig.get(&format!("{path}/status")).await?["state"], "Invalid");
    assert_eq!(rig.ask("GET", &format!("{path}/download"), "").await?.0, 404);
    let (_, made) = rig.post(&format!("{path}/generate"), &Value::Null).await?;
    assert_eq!(made, json!({"state": "Generating"}));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while rig.get(&format!("{path}/status")).await?["state"] != "Valid" {
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "it is never made");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(rig.ask("GET", &format!("{path}/download"), "").await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn the_api_document_needs_a_token() -> anyhow::Result<()> {
    let mut rig = Rig::start().await?;
    let document = rig.get("/openapi.json").await?;
    assert!(document["paths"]["/data/api/v1/scan/config"]["post"].is_object());
    assert!(document.get("components").is_none());
    rig.token.clear();
    assert_eq!(rig.ask("GET", "/openapi.json", "").await?.0, 401);
    Ok(())
}

#[tokio::test]
async fn eam_is_no_controller_until_it_is_configured() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let path = "/data/eam/api/v1/eam-tasks/history";
    let (status, _, page) = rig.ask("GET", path, "").await?;
    assert!(
        status == 403
            && page.contains(
                "This operation can only be performed when EAM is configured as a controller."
            )
    );
    let body = json!([{"config": {"installMode": "Controller"}}]);
    let (status, _) = rig
        .post("/data/api/v1/resources/com.inductiveautomation.eam/module-settings", &body)
        .await?;
    assert_eq!(status, 200);
    assert_eq!(rig.get(path).await?["items"], json!([]));
    let (status, _, page) = rig.ask("POST", "/data/eam/api/v1/eam-tasks/suspend/none", "").await?;
    assert!(status == 500 && page.contains("Task could not be suspended"));
    Ok(())
}

#[tokio::test]
async fn secrets_are_listed_by_name() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for (name, config) in [
        (
            "files",
            json!({"profile": {"type": "file"}, "settings": {"files": {"DB_PASSWORD": "/x", "db_password": "/y"}}}),
        ),
        ("far", json!({"profile": {"type": "remote"}, "settings": {"targetServer": "a"}})),
    ] {
        let body = json!([{"name": name, "config": config}]);
        assert_eq!(
            rig.post("/data/api/v1/resources/ignition/secret-provider", &body).await?.0,
            200
        );
    }
    let path = |name: &str| format!("/data/api/v1/secret-providers/{name}/secrets");
    assert_eq!(rig.get(&path("files")).await?, json!({"secrets": ["DB_PASSWORD", "db_password"]}));
    assert_eq!(rig.ask("GET", &path("far"), "").await?.0, 500);
    assert_eq!(rig.ask("GET", &path("none"), "").await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn a_backup_node_refuses_changes() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.role = gateway_sim::Role::Backup).await?;
    for (method, path, body) in [
        ("POST", "/data/api/v1/resources/ignition/holiday", r#"[{"name":"a","config":{}}]"#),
        ("POST", "/data/api/v1/projects", r#"{"name":"a","enabled":true}"#),
        ("POST", "/data/api/v1/projects/import/a", ""),
        ("POST", "/data/api/v1/mode", r#"{"name":"a"}"#),
        ("POST", "/data/api/v1/backup", ""),
        ("POST", "/data/api/v1/tags/import?provider=P", "{}"),
    ] {
        assert_eq!(rig.ask(method, path, body).await?.0, 403, "{method} {path}");
    }
    let running = |sim: &gateway_sim::Sim| (sim.state()["phase"] == "running").then_some(());
    rig.sim.until(PATIENCE, running).await
}
