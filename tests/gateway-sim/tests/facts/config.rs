//! Configuration resources over REST: views, precedence, changes and their many refusals.

use gateway_sim::{Kind, knobs::QueuedSave};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Rig, UUID, connection};

const DB: &str = "ignition/database-connection";

async fn find(rig: &Rig, name: &str) -> anyhow::Result<Value> {
    rig.get(&format!("/data/api/v1/resources/find/{DB}/{name}")).await
}

async fn create(rig: &Rig, name: &str, url: &str) -> anyhow::Result<(u16, Value)> {
    let body = json!([{"name": name, "config": {"connectURL": url}}]);
    rig.post(&format!("/data/api/v1/resources/{DB}"), &body).await
}

async fn put(rig: &Rig, body: &Value) -> anyhow::Result<(u16, Value)> {
    let (status, _, text) =
        rig.ask("PUT", &format!("/data/api/v1/resources/{DB}"), &body.to_string()).await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

#[tokio::test]
async fn files_are_seen_after_a_config_scan_with_defaults_and_without_nulls() -> anyhow::Result<()>
{
    let rig = Rig::start().await?;
    connection(rig.dir.path(), "core", "Plant DB", "jdbc:a", Some(UUID))?;
    let path = format!("/data/api/v1/resources/find/{DB}/Plant%20DB");
    let (status, kind, body) = rig.ask("GET", &path, "").await?;
    assert_eq!((status, kind.as_str()), (404, "text/html;charset=iso-8859-1"));
    assert!(
        body.contains("HTTP ERROR 404 Resource not found: ignition/database-connection/Plant DB"),
        "{body}"
    );
    rig.scan(Kind::Config).await?;
    let record = rig.get(&path).await?;
    assert_eq!(record["config"], json!({"connectURL": "jdbc:a", "slowQueryLogThreshold": 60000}));
    assert_eq!(record["type"], DB);
    assert_eq!(
        (record["collection"].as_str(), record["collections"].clone()),
        (Some("core"), json!(["core"]))
    );
    assert_eq!(record["data"], json!(["config.json"]));
    assert_eq!(
        record["attributes"],
        json!({"enabled": true, "uuid": UUID}),
        "no stamps in the file"
    );
    assert_eq!(record["signature"].as_str().map(str::len), Some(64));
    let again = rig.get(&path).await?;
    rig.scan(Kind::Config).await?;
    assert_eq!(rig.get(&path).await?["signature"], again["signature"], "nothing was written");
    // Over-encoding is accepted.
    assert_eq!(
        rig.get(&path.replace("database-connection", "database%2Dconnection")).await?,
        record
    );
    Ok(())
}

#[tokio::test]
async fn the_mode_overrides_core_and_core_overrides_external_whole() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.mode = Some("prod".into())).await?;
    let dir = rig.dir.path();
    for (collection, url) in
        [("external", "jdbc:e"), ("core", "jdbc:c"), ("prod", "jdbc:p"), ("other", "jdbc:o")]
    {
        connection(dir, collection, "X", url, Some(UUID))?;
    }
    connection(dir, "external", "E", "jdbc:e", Some(UUID))?;
    rig.scan(Kind::Config).await?;
    let record = find(&rig, "X").await?;
    assert_eq!(
        (record["config"]["connectURL"].as_str(), record["collection"].as_str()),
        (Some("jdbc:p"), Some("prod"))
    );
    assert_eq!(record["collections"], json!(["external", "core", "prod"]));
    let core = find(&rig, "X?collection=core").await?;
    assert_eq!(core["config"]["connectURL"], "jdbc:c");
    assert_ne!(core["signature"], record["signature"]);
    let list = rig.get(&format!("/data/api/v1/resources/list/{DB}")).await?;
    assert_eq!(list["metadata"]["total"], 2, "one item per name");
    let names = rig.get(&format!("/data/api/v1/resources/names/{DB}")).await?;
    assert_eq!(
        names["items"][1],
        json!({"name": "X", "enabled": true, "modes": ["core", "external", "other", "prod"]})
    );
    std::fs::remove_dir_all(dir.join("config/resources/prod/ignition"))?;
    rig.scan(Kind::Config).await?;
    assert_eq!(find(&rig, "X").await?["config"]["connectURL"], "jdbc:c");
    Ok(())
}

#[tokio::test]
async fn singletons_have_a_route_of_their_own_and_types_may_have_none() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let base = "/data/api/v1/resources";
    let record = rig.get(&format!("{base}/singleton/ignition/system-properties")).await?;
    assert_eq!(record["config"]["systemName"], "gw1");
    assert!(record.get("name").is_none());
    let alarm = format!("{base}/singleton/ignition/general-alarm-settings");
    assert_eq!(rig.ask("GET", &alarm, "").await?.0, 404);
    let default = rig.get(&format!("{alarm}?defaultIfUndefined=true")).await?;
    assert_eq!(
        (default["collection"].as_str(), default["config"].clone()),
        (Some("system"), json!({"liveEventLimit": 5}))
    );
    rig.put("config/resources/core/ignition/images/a.png/resource.json", "{}")?;
    rig.scan(Kind::Config).await?;
    for path in [
        "list/ignition/images",
        "list/ignition/tag-definition",
        "list/com.inductiveautomation.opcua/one-time",
        "list/ignition/none",
        "ignition/database-connection",
    ] {
        let (status, kind, _) = rig.ask("GET", &format!("{base}/{path}"), "").await?;
        assert_eq!((status, kind.as_str()), (404, "application/json"), "{path}");
    }
    assert_eq!(rig.get(&format!("{base}/type/{DB}")).await?["singleton"], false);
    Ok(())
}

#[tokio::test]
async fn a_resource_that_did_not_load_is_still_listed() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    connection(rig.dir.path(), "core", "Bare", "jdbc:a", None)?;
    rig.scan(Kind::Config).await?;
    rig.line("will not be loaded").await?;
    assert_eq!(find(&rig, "Bare").await?["config"]["connectURL"], "jdbc:a");
    Ok(())
}

#[tokio::test]
async fn creating_writes_files_with_stamps_and_a_companion() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let (status, body) = create(&rig, "New", "jdbc:n").await?;
    assert_eq!(status, 200);
    assert_eq!((body["success"].clone(), body["problem"].clone()), (json!(true), Value::Null));
    let change = &body["changes"][0];
    assert_eq!(
        (change["name"].as_str(), change["type"].as_str(), change["collection"].as_str()),
        (Some("New"), Some(DB), Some("core"))
    );
    let record = find(&rig, "New").await?;
    assert_eq!(change["newSignature"], record["signature"]);
    assert_eq!(record["attributes"]["lastModification"]["actor"], "api-token:agent:127.0.0.1");
    assert!(record["attributes"]["uuid"].is_string());
    assert_ne!(record["attributes"]["lastModificationSignature"], record["signature"]);
    let folder = "config/resources/core/ignition/database-connection/New";
    assert_eq!(rig.text(&format!("{folder}/config.json"))?, "{\n  \"connectURL\": \"jdbc:n\"\n}");
    assert!(
        rig.text("config/resources/core/ignition/store-and-forward-engine/New/resource.json")
            .is_ok()
    );
    rig.scan(Kind::Config).await?;
    assert_eq!(rig.sim.counters().written_unlocked, 0, "its own writes");
    assert_eq!(find(&rig, "New").await?["config"]["connectURL"], "jdbc:n");
    Ok(())
}

#[tokio::test]
async fn a_duplicate_is_a_409_with_a_trace() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    create(&rig, "New", "jdbc:n").await?;
    let (status, body) = create(&rig, "New", "jdbc:m").await?;
    assert_eq!(
        (status, body["success"].clone(), body["changes"].clone()),
        (409, json!(false), json!([]))
    );
    assert_eq!(
        body["problem"]["message"],
        "CREATE conflict: 'ResourceId{resourcePath=ignition/database-connection/New, collectionName=core}' already exists"
    );
    assert_eq!(body["problem"]["stacktrace"].as_array().map(Vec::len), Some(55));
    assert_eq!(find(&rig, "New").await?["config"]["connectURL"], "jdbc:n");
    Ok(())
}

#[tokio::test]
async fn modifying_needs_the_signature_of_now() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    create(&rig, "New", "jdbc:n").await?;
    let signature = find(&rig, "New").await?["signature"].clone();
    let body = |signature: &Value| json!([{"name": "New", "signature": signature, "config": {"connectURL": "jdbc:m"}}]);
    let (status, answer) = put(&rig, &body(&Value::Null)).await?;
    assert_eq!(status, 422);
    assert_eq!(
        answer,
        json!({"messages": [], "fieldMessages": [{"fieldName": "signature", "messages": ["Missing 'signature' parameter"]}]})
    );
    let (_, kind, text) = rig
        .ask("PUT", &format!("/data/api/v1/resources/{DB}"), &body(&json!("")).to_string())
        .await?;
    assert_eq!(kind, "application/json");
    assert!(text.contains(r"Missing \u0027signature\u0027 parameter"), "Gson's escapes: {text}");
    let (status, answer) = put(&rig, &body(&json!("00"))).await?;
    assert_eq!(status, 500, "not a 409");
    assert!(answer["problem"]["message"].as_str().is_some_and(|text| {
        text.starts_with("MODIFY illegal: signature mismatch for 'ResourceId{")
    }));
    let (status, answer) = put(&rig, &body(&signature)).await?;
    assert_eq!((status, answer["success"].clone()), (200, json!(true)));
    assert_ne!(answer["changes"][0]["newSignature"], signature);
    assert_eq!(put(&rig, &body(&signature)).await?.0, 500, "it has moved on");
    let unknown = json!([{"name": "None", "signature": "00", "config": {}}]);
    assert_eq!(put(&rig, &unknown).await?, (404, json!("")));
    Ok(())
}

#[tokio::test]
async fn bodies_are_validated() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let path = format!("/data/api/v1/resources/{DB}");
    let (status, body) = rig.post(&path, &json!([{"name": "X", "config": null}])).await?;
    assert_eq!(
        (status, body),
        (422, json!({"messages": ["Settings cannot be null"], "fieldMessages": []}))
    );
    assert_eq!(rig.post(&path, &json!({"name": "X"})).await?.0, 422);
    for name in ["a/b", "-a", " a", ".a", "a:b", ""] {
        let (status, body) = rig.post(&path, &json!([{"name": name, "config": {}}])).await?;
        assert_eq!(
            (status, body["fieldMessages"][0]["fieldName"].as_str()),
            (422, Some("name")),
            "{name}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn deleting_names_the_signature_and_only_the_right_collection() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    create(&rig, "New", "jdbc:n").await?;
    let signature = find(&rig, "New").await?["signature"].as_str().expect("text").to_owned();
    let path = |signature: &str| format!("/data/api/v1/resources/{DB}/New/{signature}");
    let (status, _, text) = rig.ask("DELETE", &path("00"), "").await?;
    let body: Value = serde_json::from_str(&text)?;
    assert_eq!((status, body["references"].clone()), (500, Value::Null));
    assert!(
        body["problem"]["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("DELETE illegal: "))
    );
    let wrong = format!("{}?collection=external", path(&signature));
    assert_eq!(rig.ask("DELETE", &wrong, "").await?.0, 404);
    let (status, _, text) =
        rig.ask("DELETE", &format!("{}?confirm=true", path(&signature)), "").await?;
    let body: Value = serde_json::from_str(&text)?;
    assert_eq!(
        (status, body["success"].clone(), body["references"].clone()),
        (200, json!(true), json!([]))
    );
    assert!(
        rig.text("config/resources/core/ignition/database-connection/New/config.json").is_err()
    );
    assert_eq!(rig.ask("GET", &format!("/data/api/v1/resources/find/{DB}/New"), "").await?.0, 404);
    rig.scan(Kind::Config).await?;
    Ok(())
}

#[tokio::test]
async fn resources_are_renamed_copied_moved_and_deleted_in_bulk() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.mode = Some("prod".into())).await?;
    create(&rig, "A", "jdbc:a").await?;
    let base = "/data/api/v1/resources";
    let (status, _) = rig.post(&format!("{base}/rename/{DB}/A"), &json!({"name": "B"})).await?;
    assert_eq!(status, 200);
    let b = find(&rig, "B").await?;
    assert_eq!(rig.ask("GET", &format!("{base}/find/{DB}/A"), "").await?.0, 404);
    let signature = b["signature"].as_str().expect("text");
    let query = format!(
        "resourceType={DB}&name=B&signature={signature}&fromCollection=core&toCollection=prod"
    );
    assert_eq!(rig.ask("POST", &format!("{base}/copy?{query}"), "").await?.0, 200);
    let both = find(&rig, "B").await?;
    assert_eq!(both["collections"], json!(["core", "prod"]));
    assert_ne!(both["attributes"]["uuid"], b["attributes"]["uuid"], "copies have their own");
    let entries = json!([{"name": "B", "collection": "core", "signature": signature}]);
    assert_eq!(rig.post(&format!("{base}/delete/{DB}"), &entries).await?.0, 200);
    assert_eq!(find(&rig, "B").await?["collections"], json!(["prod"]));
    let file = format!("{base}/datafile/{DB}/B/extra.txt");
    assert_eq!(rig.ask("PUT", &file, "hello").await?.0, 200);
    assert_eq!(rig.ask("GET", &file, "").await?.2, "hello");
    assert_eq!(find(&rig, "B").await?["data"], json!(["config.json", "extra.txt"]));
    assert_eq!(rig.ask("DELETE", &file, "").await?.0, 200);
    assert_eq!(rig.ask("GET", &file, "").await?.0, 404);
    Ok(())
}

/// Saves while the lock is held, changes the file under it, and scans.
async fn queued(outcome: QueuedSave, touch: bool) -> anyhow::Result<(u16, String)> {
    let rig = Rig::start().await?;
    rig.sim.set(|knobs| knobs.queued_save = outcome);
    create(&rig, "New", "jdbc:n").await?;
    let signature = find(&rig, "New").await?["signature"].clone();
    rig.post("/data/api/v1/scan-lock/config", &json!({"acquireTimeout": 1, "holdTimeout": 60}))
        .await?;
    let body =
        json!([{"name": "New", "signature": signature, "config": {"connectURL": "jdbc:save"}}]);
    let save = put(&rig, &body);
    let rest = async {
        rig.sim.until(PATIENCE, |sim| (sim.counters().queued_saves == 1).then_some(())).await?;
        if touch {
            connection(rig.dir.path(), "core", "New", "jdbc:file", Some(UUID))?;
        }
        rig.scan(Kind::Config).await
    };
    let (saved, scanned) = tokio::join!(save, rest);
    scanned?;
    let url =
        find(&rig, "New").await?["config"]["connectURL"].as_str().unwrap_or_default().to_owned();
    Ok((saved?.0, url))
}

#[tokio::test]
async fn a_queued_save_overwrites_or_is_stale_as_a_test_wants() -> anyhow::Result<()> {
    assert_eq!(queued(QueuedSave::Overwrite, true).await?, (200, "jdbc:save".to_owned()));
    assert_eq!(queued(QueuedSave::Stale, true).await?, (500, "jdbc:file".to_owned()));
    assert_eq!(
        queued(QueuedSave::Stale, false).await?,
        (200, "jdbc:save".to_owned()),
        "nothing changed"
    );
    Ok(())
}

#[tokio::test]
async fn a_save_while_a_scan_runs_is_not_hidden_by_it() -> anyhow::Result<()> {
    let rig = Rig::with(|config| {
        config.knobs.scan.min_ms = 100;
        config.knobs.scan.max_ms = 100;
    })
    .await?;
    rig.post("/data/api/v1/scan/config", &Value::Null).await?;
    rig.sim.until(PATIENCE, |sim| sim.scans()[0].digest.clone()).await?;
    assert_eq!(create(&rig, "New", "jdbc:n").await?.0, 200);
    assert_eq!(rig.get("/data/api/v1/scan/config").await?["scanActive"], false);
    assert_eq!(find(&rig, "New").await?["config"]["connectURL"], "jdbc:n");
    Ok(())
}

#[tokio::test]
async fn modes_are_defined_over_rest_and_have_no_effect_until_a_start() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let path = "/data/api/v1/mode";
    let body = json!({"name": "staging", "title": "Staging", "description": ""});
    let (status, kind, text) = rig.ask("POST", path, &body.to_string()).await?;
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    assert!(text.starts_with("{\n  \"name\": \"staging\""), "pretty: {text}");
    assert!(
        rig.text("config/resources/staging/config-mode.json")?.contains("\"parent\": \"core\"")
    );
    let (status, _, text) = rig.ask("POST", path, &body.to_string()).await?;
    assert!(status == 409 && text.contains("HTTP ERROR 409 Mode already exists"), "{text}");
    let (status, _, text) = rig.ask("POST", path, r#"{"name":"a b"}"#).await?;
    assert!(status == 400 && text.contains("HTTP ERROR 400 Invalid mode name"), "{text}");
    let names: Vec<Value> = rig.get(path).await?["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|mode| mode["name"].clone())
        .collect();
    assert_eq!(names, [json!("core"), json!("external"), json!("staging")]);
    assert_eq!(rig.get("/data/api/v1/gateway-info").await?["deploymentMode"], "");
    assert_eq!(rig.ask("PUT", &format!("{path}/staging"), r#"{"title":"S"}"#).await?.0, 200);
    assert_eq!(rig.ask("DELETE", &format!("{path}/staging"), "").await?.0, 200);
    assert!(rig.text("config/resources/staging/config-mode.json").is_err());
    assert!(rig.sim.counters().never_touched.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_token_made_over_rest_counts_at_once() -> anyhow::Result<()> {
    let mut rig = Rig::start().await?;
    let config = json!({
        "profile": {"type": "basic-token", "secureChannelRequired": false, "securityLevels":
            [{"name": "Authenticated", "children": [{"name": "Deploy", "children": []}]}]},
        "settings": {"tokenHash": "c4cNxcsHexJ5mlGPoinRgppto_nEj8mSnacF-ppNCjM"},
    });
    let (status, _) = rig
        .post(
            "/data/api/v1/resources/ignition/api-token",
            &json!([{"name": "t", "config": config}]),
        )
        .await?;
    assert_eq!(status, 200);
    rig.token = "t:p3wRdNxufWgMbovC14yPkr9o_GKJlno-K7c99LKexSo".into();
    rig.get("/data/api/v1/gateway-info").await?;
    let generated = rig.post("/data/api/v1/api-token/generate", &Value::Null).await?.1;
    let key = generated["key"].as_str().expect("a key");
    assert_eq!(gateway_sim::seed::key_hash(key).as_deref(), generated["hash"].as_str());
    Ok(())
}
