//! Liveness, identity, health, and the kinds of 404.

use gateway_sim::Role;
use serde_json::{Value, json};

use crate::support::Rig;

#[tokio::test]
async fn the_status_routes_need_no_token() -> anyhow::Result<()> {
    let mut rig = Rig::start().await?;
    rig.token.clear();
    for path in ["/StatusPing", "/system/StatusPing"] {
        assert_eq!(rig.ask("GET", path, "").await?.2, r#"{"state":"RUNNING"}"#);
    }
    let (status, kind, text) = rig.ask("GET", "/system/gwinfo", "").await?;
    assert_eq!((status, kind.as_str()), (200, "text/plain;charset=utf-8"));
    assert!(
        text.starts_with("ContextStatus=RUNNING;PlatformName=Ignition-gw1;Version=8.3.6;"),
        "{text}"
    );
    assert!(text.ends_with("RedundancyStatus=Independent;RequireSsl=false;"), "terminated: {text}");
    assert_eq!(rig.ask("GET", "/data/api/v1/trial", "").await?.0, 200);
    assert_eq!(rig.ask("GET", "/data/api/v1/gateway-info", "").await?.0, 401);
    Ok(())
}

#[tokio::test]
async fn gateway_info_has_its_odd_shapes() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.mode = Some("staging".into())).await?;
    let info = rig.get("/data/api/v1/gateway-info").await?;
    assert_eq!(info["name"], "gw1");
    assert_eq!(info["port"], "8088", "text");
    assert_eq!(info["redundancyRole"], "Independent");
    assert_eq!(info["deploymentMode"], "staging");
    assert_eq!(info["ignitionVersion"], "8.3.6 (b2026042713)");
    let plain = Rig::start().await?;
    assert_eq!(plain.get("/data/api/v1/gateway-info").await?["deploymentMode"], "");
    Ok(())
}

#[tokio::test]
async fn the_name_is_the_one_that_was_loaded() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    rig.put(
        "config/resources/core/ignition/system-properties/config.json",
        r#"{"systemName":"new"}"#,
    )?;
    assert_eq!(rig.get("/data/api/v1/gateway-info").await?["name"], "gw1");
    rig.scan(gateway_sim::Kind::Config).await?;
    assert_eq!(rig.get("/data/api/v1/gateway-info").await?["name"], "new");
    Ok(())
}

#[tokio::test]
async fn a_single_gateway_has_ten_keys_of_redundancy() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.role = Role::Independent).await?;
    let record = rig.get("/data/api/v1/redundancy").await?;
    let keys: Vec<&str> =
        record.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "role",
            "projectState",
            "activityLevel",
            "localId",
            "peerConnected",
            "hasConfigAccess",
            "syncPending",
            "failoverPending",
            "uptime",
            "lastSyncTimestamp"
        ]
    );
    assert_eq!(record["projectState"], "Unknown");
    assert_eq!(record["activityLevel"], "Active");
    assert_eq!(record["lastSyncTimestamp"], -1);
    Ok(())
}

#[tokio::test]
async fn unknown_routes_are_json_and_slashes_count() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for (method, path) in [
        ("GET", "/data/api/v1/nothing"),
        ("GET", "/data/api/v1/scan/config/"),
        ("GET", "/data/api/v1/scan/other"),
        ("GET", "/data/api/v1/system/metrics"),
        ("GET", "/main/system/StatusPing"),
        ("GET", "/data/perspective/api/v1/sessions"),
        ("PATCH", "/data/api/v1/designers"),
    ] {
        let (status, kind, body) = rig.ask(method, path, "").await?;
        assert_eq!((status, kind.as_str()), (404, "application/json"), "{method} {path}");
        assert_eq!(
            body,
            json!({"message": format!("No route match for path: {path}")}).to_string()
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_head_is_a_get_without_body_and_browser_pages_want_a_login() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let response = rig.send(reqwest::Method::HEAD, "/data/api/v1/gateway-info", "").await?;
    assert_eq!((response.status().as_u16(), response.bytes().await?.len()), (200, 0));
    let response = rig.send(reqwest::Method::GET, "/data/app/session", "").await?;
    assert_eq!(response.status(), 302);
    assert!(response.headers()["location"].to_str()?.starts_with("/idp/"));
    Ok(())
}

#[tokio::test]
async fn modules_can_be_missing_toggled_and_quarantined() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let find = async |id: &str| -> anyhow::Result<Option<Value>> {
        let all = rig.get("/data/api/v1/modules/healthy").await?;
        let items = all["items"].as_array().cloned().unwrap_or_default();
        Ok(items.into_iter().find(|item| item["id"] == id))
    };
    let sfc = "com.inductiveautomation.sfc";
    let module = find(sfc).await?.expect("it is there");
    assert_eq!(module["state"], "ACTIVE");
    assert_eq!(module["licenseState"], "ACTIVATED");
    assert!(module["startupTime"].is_string());
    let pending = "/data/api/v1/restart-tasks/pending";
    assert_eq!(rig.get(pending).await?, json!({"pending": []}));
    let body = json!({"disable": [sfc]}).to_string();
    assert_eq!(rig.ask("PUT", "/data/api/v1/modules/toggle-state", &body).await?.0, 200);
    assert_eq!(rig.get(pending).await?, json!({"pending": [format!("Module Disabled: {sfc}")]}));
    assert_eq!(find(sfc).await?.expect("there")["state"], "ACTIVE", "until the restart");
    rig.run(json!({"do": "down"})).await?;
    rig.run(json!({"do": "up"})).await?;
    assert_eq!(rig.get(pending).await?, json!({"pending": []}));
    assert_eq!(find(sfc).await?.expect("there")["state"], "DISABLED");
    rig.run(json!({"do": "quarantine", "id": "org.example.mod", "reason": "Certificate"})).await?;
    assert_eq!(
        rig.get("/data/api/v1/modules/quarantined").await?["items"][0]["reason"],
        "Certificate"
    );
    rig.run(json!({"do": "module", "id": sfc, "state": null})).await?;
    assert_eq!(find(sfc).await?, None);
    let body = json!({"uninstall": ["org.example.none"]}).to_string();
    let (status, _, text) = rig.ask("DELETE", "/data/api/v1/modules/uninstall", &body).await?;
    assert_eq!((status, text.contains(r#""success":false"#)), (200, true), "always 200: {text}");
    Ok(())
}

#[tokio::test]
async fn the_trial_is_reset_only_when_it_is_over() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let path = "/data/api/v1/trial";
    assert_eq!(rig.get(path).await?["expired"], false);
    assert_eq!(rig.ask("POST", path, "").await?.0, 403);
    rig.run(json!({"do": "trial", "secondsLeft": 0})).await?;
    assert_eq!(rig.get(path).await?["expired"], true);
    assert_eq!(rig.ask("GET", "/system/webdev/p/r", "").await?.0, 402, "modules stop");
    let (status, fresh) = rig.post(path, &Value::Null).await?;
    assert_eq!((status, fresh["expired"].clone()), (200, json!(false)));
    assert_eq!(rig.ask("GET", "/system/webdev/p/r", "").await?.0, 405);
    rig.run(json!({"do": "webDev", "path": "p/r", "status": 200, "body": "[]"})).await?;
    assert_eq!(rig.ask("GET", "/system/webdev/p/r", "").await?.2, "[]");
    assert!(rig.get("/data/api/v1/licenses").await?["effective"]["lastUpdated"].is_number());
    Ok(())
}
