//! Designers, Perspective sessions, Vision clients, and a Designer that saves.

use gateway_sim::{
    Kind,
    designer::{OnConflict, Save},
    sessions::{NewSession, SessionKind},
    signature::{Form, Resource},
};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Rig, project};

#[tokio::test]
async fn designers_are_listed_in_the_envelope_and_pruned_when_dormant() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let empty = rig.get("/data/api/v1/designers").await?;
    assert_eq!(
        empty,
        json!({"items": [], "metadata": {"total": 0, "matching": 0, "limit": -1, "offset": 0}})
    );
    let mut new = NewSession::new(SessionKind::Designer, "admin", "Line1");
    new.since_ms = 600_000;
    let id = rig.sim.open(new);
    let launcher = rig.sim.open(NewSession::new(SessionKind::Designer, "admin", ""));
    let list = rig.get("/data/api/v1/designers").await?;
    let one = &list["items"][0];
    assert_eq!(
        (one["id"].as_str(), one["user"].as_str(), one["project"].as_str()),
        (Some(&*id), Some("admin"), Some("Line1"))
    );
    assert!(
        one["uptime"].as_i64().is_some_and(|ms| (600_000..700_000).contains(&ms)),
        "a duration"
    );
    assert!(one["lastcomm"].as_i64().is_some_and(|ms| ms > 1_600_000_000_000), "a time");
    assert_eq!(list["items"][1]["project"], "", "a launcher counts");
    let path = format!("/data/api/v1/designer/{id}");
    assert_eq!(rig.get(&path).await?["user"], "admin");
    let (status, _, body) = rig.ask("DELETE", &path, "").await?;
    assert_eq!((status, body.as_str()), (409, ""), "it lives");
    rig.run(json!({"do": "live", "id": id, "live": false})).await?;
    let (status, _, body) = rig.ask("DELETE", &path, "").await?;
    assert_eq!((status, body.as_str()), (200, r#"{"message":"The session was pruned."}"#));
    assert_eq!(rig.ask("GET", &path, "").await?.0, 404);
    rig.run(json!({"do": "close", "id": launcher})).await?;
    assert_eq!(rig.get("/data/api/v1/designers").await?["items"], json!([]));
    Ok(())
}

#[tokio::test]
async fn perspective_sessions_are_listed_with_a_slash_and_ended_without() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let list = "/data/perspective/api/v1/sessions/";
    let public = rig.sim.open(NewSession::new(SessionKind::Perspective, "anonymous", "Line1"));
    let mut preview = NewSession::new(SessionKind::Perspective, "admin", "Line1");
    preview.scope = "designer".into();
    let preview = rig.sim.open(preview);
    let items = rig.get(list).await?["items"].clone();
    assert_eq!(items.as_array().map(Vec::len), Some(2));
    let of = |id: &str| {
        items
            .as_array()
            .into_iter()
            .flatten()
            .find(|item| item["id"] == id)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(of(&public)["authorized"], false);
    assert_eq!(of(&public)["sessionScope"], "browser");
    assert_eq!(of(&preview)["sessionScope"], "designer");
    let session = format!("/data/perspective/api/v1/session/{public}");
    assert_eq!(rig.get(&session).await?["username"], "anonymous");
    let pages = rig.get(&format!("{session}/pages")).await?;
    assert_eq!(pages["items"][0]["id"], "Main Page/1");
    assert_eq!(rig.ask("GET", &format!("{session}/page/Main%20Page%2F1/views"), "").await?.0, 200);
    let end = "/data/perspective/api/v1/sessions";
    let (status, _, body) = rig.ask("DELETE", &format!("{end}?sessionId={preview}"), "").await?;
    assert_eq!(
        (status, body.as_str()),
        (404, r#"{"message":"No valid sessions found to close."}"#)
    );
    let query = format!("{end}?sessionId={public}&sessionId=none&message=Update");
    let (status, _, body) = rig.ask("DELETE", &query, "").await?;
    assert_eq!((status, body.as_str()), (200, r#"{"terminated":1}"#));
    Ok(())
}

#[tokio::test]
async fn shapes_may_be_those_of_other_accounts() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    rig.sim.open(NewSession::new(SessionKind::Perspective, "anonymous", "Line1"));
    let last = async || -> anyhow::Result<Value> {
        Ok(rig.get("/data/perspective/api/v1/sessions/").await?["items"][0].clone())
    };
    assert!(last().await?["lastComm"].as_i64().is_some_and(|at| at > 100_000_000_000));
    rig.run(json!({"do": "set", "knobs": {"oddShapes": true}})).await?;
    let odd = last().await?;
    assert_eq!((odd["lastComm"].clone(), odd["sessionScope"].as_str()), (json!(500), Some("G")));
    let info = rig.get("/data/api/v1/gateway-info").await?;
    assert_eq!(info["license"]["validForVersion"], 8.3);
    assert_eq!(rig.ask("GET", "/system/webdev/p/r", "").await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn vision_clients_are_listed_and_ended() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let id = rig.sim.open(NewSession::new(SessionKind::Vision, "op", "Line1"));
    let list = rig.get("/data/vision/api/v1/clients").await?;
    assert_eq!(list["items"][0]["tagCount"], 0);
    let path = format!("/data/vision/api/v1/client/{id}");
    assert_eq!(rig.get(&path).await?["user"], "op");
    assert_eq!(rig.ask("DELETE", &path, "").await?.2, r#"{"message":"Session terminated"}"#);
    let (status, _, body) = rig.ask("DELETE", &path, "").await?;
    assert_eq!((status, body.as_str()), (404, r#"{"message":"Client session not found"}"#));
    Ok(())
}

#[tokio::test]
async fn a_module_that_is_absent_has_no_routes() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for (module, path) in [
        ("com.inductiveautomation.perspective", "/data/perspective/api/v1/sessions/"),
        ("com.inductiveautomation.vision", "/data/vision/api/v1/clients"),
    ] {
        assert_eq!(rig.ask("GET", path, "").await?.0, 200);
        rig.run(json!({"do": "module", "id": module, "state": null})).await?;
        let (status, kind, _) = rig.ask("GET", path, "").await?;
        assert_eq!((status, kind.as_str()), (404, "application/json"), "{path}");
        let healthy = rig.get("/data/api/v1/modules/healthy").await?;
        assert!(
            healthy["items"].as_array().expect("a list").iter().all(|item| item["id"] != module)
        );
    }
    Ok(())
}

fn view(id: &str, text: &str) -> Save {
    Save::new(id, "com.inductiveautomation.perspective/views/Main", &[("view.json", text)])
}

#[tokio::test]
async fn a_save_writes_payloads_thumbnail_and_a_valid_signature() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    rig.scan(Kind::Projects).await?;
    let id = rig.sim.open(NewSession::new(SessionKind::Designer, "ann", "line1"));
    let saved = rig.sim.run(gateway_sim::Command::Save { save: view(&id, "{}") }).await?;
    assert_eq!(saved, json!({"saved": true, "conflict": false, "queued": false}));
    let folder = "projects/line1/com.inductiveautomation.perspective/views/Main";
    let text = rig.text(&format!("{folder}/resource.json"))?;
    let meta: Value = serde_json::from_str(&text)?;
    assert_eq!(meta["attributes"]["lastModification"]["actor"], "ann");
    assert!(!text.ends_with('\n'));
    let resource = Resource::parse(text.as_bytes())?;
    assert_eq!(resource.files, ["thumbnail.png", "view.json"]);
    let dir = rig.dir.path().join(folder);
    let content = |name: &str| std::fs::read(dir.join(name)).ok();
    assert_eq!(resource.signature(), resource.sign(Form::V83, &content));
    assert_eq!(rig.sim.stale_signatures()?, [""; 0]);
    rig.scan(Kind::Projects).await?;
    let counters = rig.sim.counters();
    assert_eq!((counters.restamps, counters.designer_saves), (0, 1));
    assert_eq!(counters.written_unlocked, 3, "the project of the test, not the save");
    Ok(())
}

#[tokio::test]
async fn a_save_takes_its_order_and_its_time() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    rig.scan(Kind::Projects).await?;
    let id = rig.sim.open(NewSession::new(SessionKind::Designer, "ann", "line1"));
    let mut save = view(&id, "{}");
    save.order = vec!["resource.json".into(), "view.json".into()];
    save.delay_ms = 30;
    let dir = rig.dir.path().join("projects/line1/com.inductiveautomation.perspective/views/Main");
    let half = rig.sim.until(PATIENCE, |_| {
        (dir.join("resource.json").exists() && !dir.join("thumbnail.png").exists()).then_some(())
    });
    let (saved, half) = tokio::join!(rig.sim.run(gateway_sim::Command::Save { save }), half);
    half?;
    assert_eq!(saved?["saved"], true);
    assert_eq!(rig.sim.stale_signatures()?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_save_waits_for_the_lock_and_others_learn_of_updates() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "line1", "pass\n")?;
    rig.scan(Kind::Projects).await?;
    let (ann, bob) = (
        rig.sim.open(NewSession::new(SessionKind::Designer, "ann", "line1")),
        rig.sim.open(NewSession::new(SessionKind::Designer, "bob", "line1")),
    );
    rig.post("/data/api/v1/scan-lock/projects", &json!({})).await?;
    let save = rig.sim.run(gateway_sim::Command::Save { save: view(&ann, "{}") });
    let scan = async {
        rig.sim.until(PATIENCE, |sim| (sim.counters().queued_saves == 1).then_some(())).await?;
        assert_eq!(rig.sim.counters().designer_saves, 0);
        rig.scan(Kind::Projects).await
    };
    let (saved, scanned) = tokio::join!(save, scan);
    scanned?;
    assert_eq!(saved?["queued"], true);
    let update = |id: &str| {
        let sessions = rig.sim.state()["sessions"].as_array().cloned().unwrap_or_default();
        sessions.iter().any(|session| session["id"] == id && session["updateAvailable"] == true)
    };
    assert!(update(&bob) && !update(&ann));
    let mut theirs = view(&bob, "{\"mine\":1}");
    theirs.on_conflict = OnConflict::Theirs;
    let answer = rig.sim.run(gateway_sim::Command::Save { save: theirs }).await?;
    assert_eq!(answer, json!({"saved": false, "conflict": true}));
    let text =
        rig.text("projects/line1/com.inductiveautomation.perspective/views/Main/view.json")?;
    assert_eq!(text, "{}");
    let again = rig.sim.run(gateway_sim::Command::Save { save: view(&ann, "{\"a\":1}") }).await?;
    assert_eq!(again["saved"], true, "a save over it is not refused");
    Ok(())
}
