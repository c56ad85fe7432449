//! Projects over REST: records, changes, import and export.

use std::io::{Cursor, Read, Write};

use gateway_sim::Kind;
use reqwest::Method;
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::support::{PATIENCE, Rig, project, signed};

const BASE: &str = "/data/api/v1/projects";

fn zip(files: &[(&str, &str)]) -> anyhow::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default())?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

async fn import(rig: &Rig, name: &str, query: &str, zip: Vec<u8>) -> anyhow::Result<(u16, Value)> {
    let url = format!("{}{BASE}/import/{name}{query}", rig.sim.url());
    let request = rig.client.post(url).header("X-Ignition-API-Token", &rig.token);
    let response = request.header("content-type", "application/zip").body(zip).send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

async fn export(rig: &Rig, name: &str) -> anyhow::Result<Vec<(String, String)>> {
    let response = rig.send(Method::GET, &format!("{BASE}/export/{name}"), "").await?;
    assert_eq!(response.headers()["content-type"], "application/zip");
    let disposition = response.headers()["content-disposition"].to_str()?.to_owned();
    assert_eq!(disposition, format!("attachment; filename=\"{name}.zip\""));
    let mut archive = ZipArchive::new(Cursor::new(response.bytes().await?))?;
    let mut files = Vec::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        files.push((file.name()?.into_owned(), text));
    }
    Ok(files)
}

async fn names(rig: &Rig) -> anyhow::Result<Vec<String>> {
    let list = rig.get(&format!("{BASE}/list")).await?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    Ok(items.iter().filter_map(|item| item["name"].as_str().map(str::to_owned)).collect())
}

#[tokio::test]
async fn projects_are_made_changed_copied_renamed_and_deleted() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let body = json!({"name": "Line 1", "enabled": true, "title": "T", "inheritable": true});
    let (status, answer) = rig.post(BASE, &body).await?;
    assert_eq!(
        (status, answer),
        (200, json!({"success": true, "changes": [{"name": "Line 1"}], "problem": null}))
    );
    let clash = json!({"name": "LINE 1", "enabled": true});
    assert_eq!(rig.post(BASE, &clash).await?.0, 409, "ignoring case");
    assert_eq!(rig.post(BASE, &json!({"name": "a/b", "enabled": true})).await?.0, 400);
    let url = format!("{}{BASE}", rig.sim.url());
    let request = rig.client.post(url).header("X-Ignition-API-Token", &rig.token);
    assert_eq!(request.header("content-type", "text/plain").body("{}").send().await?.status(), 415);
    let record = rig.get(&format!("{BASE}/find/Line%201")).await?;
    assert_eq!((record["title"].as_str(), record["enabled"].clone()), (Some("T"), json!(true)));
    assert!(record.get("invalidParent").is_none());
    let (status, _, _) =
        rig.ask("PUT", &format!("{BASE}/Line%201"), r#"{"enabled":false}"#).await?;
    assert_eq!(status, 200);
    let record = rig.get(&format!("{BASE}/find/Line%201")).await?;
    assert_eq!((record["title"].as_str(), record["enabled"].clone()), (Some("T"), json!(false)));
    let copied =
        rig.post(&format!("{BASE}/copy"), &json!({"fromName": "Line 1", "toName": "B"})).await?;
    assert_eq!(copied.0, 200);
    assert_eq!(rig.post(&format!("{BASE}/rename/B"), &json!({"name": "C"})).await?.0, 200);
    assert_eq!(names(&rig).await?, ["C", "Line 1"]);
    let parents = rig.get(&format!("{BASE}/parents/C")).await?;
    assert_eq!(parents["items"][0]["name"], "Line 1");
    assert_eq!(rig.ask("DELETE", &format!("{BASE}/C"), "").await?.0, 400);
    assert_eq!(rig.ask("DELETE", &format!("{BASE}/C?confirm=true"), "").await?.0, 200);
    assert_eq!(rig.ask("GET", &format!("{BASE}/find/C"), "").await?.0, 404);
    assert!(!rig.dir.path().join("projects/C").exists());
    rig.scan(Kind::Projects).await?;
    let counters = rig.sim.counters();
    assert_eq!((counters.written_unlocked, counters.restamps), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_bad_parent_is_taken_and_told_of() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for (name, parent, inheritable, invalid) in [
        ("top", "", true, false),
        ("child", "top", false, false),
        ("orphan", "none", false, true),
        ("own", "own", true, true),
        ("grand", "child", false, true),
    ] {
        let body =
            json!({"name": name, "enabled": true, "parent": parent, "inheritable": inheritable});
        assert_eq!(rig.post(BASE, &body).await?.0, 200);
        let record = rig.get(&format!("{BASE}/find/{name}")).await?;
        assert_eq!(record.get("invalidParent").is_some(), invalid, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn an_edge_gateway_makes_no_projects() -> anyhow::Result<()> {
    let rig = Rig::with(|config| "edge".clone_into(&mut config.edition)).await?;
    assert_eq!(rig.post(BASE, &json!({"name": "a", "enabled": true})).await?.0, 403);
    Ok(())
}

#[tokio::test]
async fn an_export_is_stamped_sorted_and_knows_only_what_was_scanned() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "p", "pass\n")?;
    let view = "projects/p/com.inductiveautomation.perspective/views/V";
    let meta = json!({"scope": "G", "files": ["view.json", "thumbnail.png"], "attributes": {}});
    rig.put(&format!("{view}/resource.json"), meta.to_string())?;
    rig.put(&format!("{view}/view.json"), "{}")?;
    rig.put(&format!("{view}/thumbnail.png"), "png")?;
    rig.put(&format!("{view}/unlisted"), "x")?;
    rig.put("projects/p/loose/file", "x")?;
    assert_eq!(rig.ask("GET", &format!("{BASE}/export/p"), "").await?.0, 404, "not scanned yet");
    rig.scan(Kind::Projects).await?;
    let files = export(&rig, "p").await?;
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "project.json",
            "com.inductiveautomation.perspective/views/V/resource.json",
            "com.inductiveautomation.perspective/views/V/thumbnail.png",
            "com.inductiveautomation.perspective/views/V/view.json",
            "ignition/script-python/a/b/resource.json",
            "ignition/script-python/a/b/code.py",
        ]
    );
    let meta: Value = serde_json::from_str(&files[1].1)?;
    assert_eq!(meta["files"], json!(["thumbnail.png", "view.json"]));
    assert_eq!(
        (meta["version"].clone(), meta["restricted"].clone(), meta["overridable"].clone()),
        (json!(1), json!(false), json!(true))
    );
    assert!(meta["attributes"]["lastModificationSignature"].is_string());
    let properties: Value = serde_json::from_str(&files[0].1)?;
    assert_eq!(properties["inheritable"], false);
    Ok(())
}

#[tokio::test]
async fn an_import_replaces_everything_and_adopts_only_resources() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let meta = signed(
        &json!({"scope": "A", "version": 1, "restricted": false, "overridable": true, "files": ["code.py"], "attributes": {}}),
        &[("code.py", "one\n")],
    )?;
    let good = zip(&[
        ("project.json", r#"{"title":"P","enabled":true}"#),
        ("ignition/script-python/a/resource.json", &meta),
        ("ignition/script-python/a/code.py", "one\n"),
        ("ignition/script-python/a/unlisted.txt", "x"),
        ("ignition/script-python/a/.hidden", "x"),
        ("loose/file", "x"),
    ])?;
    let (status, body) = import(&rig, "P", "?overwrite=false", good.clone()).await?;
    assert_eq!((status, body), (200, json!({"success": true, "changes": [{"name": "P"}]})));
    let folder = "projects/P/ignition/script-python/a";
    assert_eq!(rig.text(&format!("{folder}/code.py"))?, "one\n");
    let stamped: Value = serde_json::from_str(&rig.text(&format!("{folder}/resource.json"))?)?;
    assert_eq!(stamped["attributes"]["lastModification"]["actor"], "import");
    for path in
        ["ignition/script-python/a/unlisted.txt", "ignition/script-python/a/.hidden", "loose"]
    {
        assert!(!rig.dir.path().join("projects/P").join(path).exists(), "{path}");
    }
    assert_eq!(names(&rig).await?, ["P"]);
    rig.put("projects/P/.git/HEAD", "x")?;
    let (status, body) = import(&rig, "P", "?overwrite=false", good.clone()).await?;
    assert_eq!((status, body["success"].clone()), (200, json!(false)), "a refusal is a 200");
    assert!(
        body["problem"]
            .as_str()
            .is_some_and(|text| text.starts_with("resource already exists: ResourceId{"))
    );
    assert!(rig.dir.path().join("projects/P/.git/HEAD").exists());
    let other = zip(&[("project.json", "{}")])?;
    assert_eq!(import(&rig, "P", "?overwrite=true", other).await?.0, 200);
    assert!(!rig.dir.path().join(folder).exists(), "what the zip lacks is gone");
    assert!(!rig.dir.path().join("projects/P/.git").exists());
    assert_eq!(rig.sim.counters().imports, 2);
    Ok(())
}

#[tokio::test]
async fn a_cut_zip_is_accepted_and_empties_the_project() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    project(rig.dir.path(), "p", "pass\n")?;
    rig.scan(Kind::Projects).await?;
    let whole = zip(&[("project.json", "{}"), ("a/b/c/resource.json", r#"{"files":[]}"#)])?;
    let (status, body) = import(&rig, "p", "?overwrite=true", whole[..20].to_vec()).await?;
    assert_eq!((status, body["success"].clone()), (200, json!(true)));
    assert_eq!(export(&rig, "p").await?.len(), 1, "nothing but project.json");
    Ok(())
}

#[tokio::test]
async fn a_misplaced_folder_is_a_500() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let wrong = zip(&[("ignition/resources/x/resource.json", r#"{"files":[]}"#)])?;
    let (status, body) = import(&rig, "P", "", wrong).await?;
    assert_eq!(status, 500);
    assert!(
        body.as_str().is_some_and(|page| page.contains("module folder must have folder flag set"))
    );
    let fine =
        zip(&[("com.inductiveautomation.webdev/resources/x/resource.json", r#"{"files":[]}"#)])?;
    assert_eq!(import(&rig, "P", "", fine).await?.0, 200, "a genuine type");
    Ok(())
}

#[tokio::test]
async fn exports_of_children_change_for_a_while_after_an_import_of_their_parent()
-> anyhow::Result<()> {
    let rig = Rig::with(|config| config.knobs.settle_ms = 60_000).await?;
    rig.post(BASE, &json!({"name": "top", "enabled": true, "inheritable": true})).await?;
    let meta = json!({"scope": "A", "files": ["code.py"], "attributes": {}}).to_string();
    let child = zip(&[
        ("project.json", r#"{"parent":"top","enabled":true}"#),
        ("ignition/script-python/a/resource.json", &meta),
        ("ignition/script-python/a/code.py", "one\n"),
    ])?;
    import(&rig, "child", "", child).await?;
    let calm = export(&rig, "child").await?;
    assert_eq!(export(&rig, "child").await?, calm);
    let top = zip(&[("project.json", r#"{"inheritable":true,"enabled":true}"#)])?;
    import(&rig, "top", "?overwrite=true", top).await?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while export(&rig, "child").await? == calm {
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "it never changes");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}
