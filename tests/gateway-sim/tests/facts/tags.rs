//! Tags: units per folder, documents, late and silent behaviour.

use gateway_sim::Kind;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Rig, UUID, put};

const MARKER: &str = r#"{"scope":"G","version":1,"restricted":false,"overridable":true,"files":["tags.json","udts.json"],"attributes":{"config":{}}}"#;

fn unit(rig: &Rig, collection: &str, path: &str, file: &str, text: &str) -> anyhow::Result<()> {
    let folder = format!("config/resources/{collection}/ignition/{path}");
    put(rig.dir.path(), &format!("{folder}/{file}"), text)?;
    put(rig.dir.path(), &format!("{folder}/unary-resource.json"), MARKER)
}

async fn export(rig: &Rig, query: &str) -> anyhow::Result<String> {
    let path = format!(
        "/data/api/v1/tags/export?provider=P&type=json&recursive=true&includeUdts=true{query}"
    );
    let (status, kind, text) = rig.ask("GET", &path, "").await?;
    anyhow::ensure!((status, kind.as_str()) == (200, "application/json"), "{status} {text}");
    Ok(text)
}

async fn import(rig: &Rig, query: &str, document: &str) -> anyhow::Result<Value> {
    let path = format!("/data/api/v1/tags/import?provider=P&type=json{query}");
    let (status, _, text) = rig.ask("POST", &path, document).await?;
    anyhow::ensure!(status == 200, "{status} {text}");
    Ok(serde_json::from_str(&text)?)
}

async fn provider(rig: &Rig, permissions: Value) -> anyhow::Result<()> {
    let config =
        json!({"profile": {"type": "STANDARD"}, "settings": {"editPermissions": permissions}});
    let body = json!([{"name": "P", "type": "ignition/tag-provider", "collection": "core", "enabled": true, "config": config}]);
    let (status, _) = rig.post("/data/api/v1/resources/ignition/tag-provider", &body).await?;
    anyhow::ensure!(status == 200);
    Ok(())
}

#[tokio::test]
async fn units_become_a_document_and_numbers_keep_their_spelling() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    unit(
        &rig,
        "core",
        "tag-definition/P",
        "tags.json",
        r#"[{"name":"big","value":9007199254740993,"tagType":"AtomicTag"}]"#,
    )?;
    unit(
        &rig,
        "core",
        "tag-definition/P/Area",
        "tags.json",
        r#"[{"name": "e", "value": 1.0E10, "tagType": "AtomicTag"}]"#,
    )?;
    unit(
        &rig,
        "core",
        "tag-type-definition/P/A",
        "udts.json",
        r#"[{"name":"T","tagType":"UdtType","tags":[]}]"#,
    )?;
    let path = "/data/api/v1/tags/export?provider=P";
    assert_eq!(rig.ask("GET", path, "").await?.0, 404, "not scanned yet");
    rig.scan(Kind::Config).await?;
    assert_eq!(
        export(&rig, "").await?,
        concat!(
            r#"{"name":"","tagType":"Provider","tags":[{"name":"big","value":9007199254740993,"tagType":"AtomicTag"},"#,
            r#"{"name":"Area","tagType":"Folder","tags":[{"name":"e","value":1.0E10,"tagType":"AtomicTag"}]},"#,
            r#"{"name":"_types_","tagType":"Folder","tags":[{"name":"A","tagType":"Folder","tags":[{"name":"T","tagType":"UdtType","tags":[]}]}]}]}"#,
        )
    );
    let types = export(&rig, "&path=_types_/A").await?;
    assert_eq!(
        types,
        r#"{"name":"A","tagType":"Folder","tags":[{"name":"T","tagType":"UdtType","tags":[]}]}"#
    );
    Ok(())
}

#[tokio::test]
async fn a_folder_without_marker_is_no_unit_and_a_mode_hides_the_whole_folder() -> anyhow::Result<()>
{
    let rig = Rig::with(|config| config.mode = Some("prod".into())).await?;
    unit(&rig, "core", "tag-definition/P", "tags.json", r#"[{"name":"a"},{"name":"b"}]"#)?;
    unit(&rig, "prod", "tag-definition/P", "tags.json", r#"[{"name":"c"}]"#)?;
    rig.put("config/resources/core/ignition/tag-definition/P/Bare/tags.json", r#"[{"name":"x"}]"#)?;
    rig.scan(Kind::Config).await?;
    let text = export(&rig, "").await?;
    assert!(text.contains(r#"{"name":"c"}"#) && !text.contains(r#"{"name":"a"}"#), "{text}");
    assert!(!text.contains("Bare"));
    Ok(())
}

#[tokio::test]
async fn a_member_that_changes_its_kind_is_refused_silently_until_the_folder_was_gone()
-> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let udt = |kind: &str, more: &str| {
        format!(
            r#"[{{"name":"T","tagType":"UdtType","tags":[{{"name":"m","tagType":"{kind}"}}{more}]}}]"#
        )
    };
    let types = "tag-type-definition/P";
    unit(&rig, "core", types, "udts.json", &udt("AtomicTag", ""))?;
    rig.scan(Kind::Config).await?;
    unit(
        &rig,
        "core",
        types,
        "udts.json",
        &udt("AtomicTag", r#",{"name":"n","tagType":"AtomicTag"}"#),
    )?;
    rig.scan(Kind::Config).await?;
    assert!(export(&rig, "").await?.contains(r#""name":"n""#), "new members are merged");
    let lines = rig.sim.log().len();
    unit(&rig, "core", types, "udts.json", &udt("UdtInstance", ""))?;
    rig.scan(Kind::Config).await?;
    assert!(!export(&rig, "").await?.contains("UdtInstance"));
    assert_eq!(rig.sim.log().len(), lines, "nothing is logged");
    let folder = rig.dir.path().join("config/resources/core/ignition/tag-type-definition/P");
    std::fs::remove_dir_all(&folder)?;
    rig.scan(Kind::Config).await?;
    unit(&rig, "core", types, "udts.json", &udt("UdtInstance", ""))?;
    rig.scan(Kind::Config).await?;
    assert!(export(&rig, "").await?.contains("UdtInstance"));
    Ok(())
}

#[tokio::test]
async fn an_import_counts_at_once_and_reaches_the_disk_late_in_core() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.mode = Some("prod".into())).await?;
    provider(&rig, Value::Null).await?;
    let document = r#"{"name":"","tagType":"Provider","tags":[{"name":"X","tagType":"AtomicTag","value":1.0E10},{"name":"F","tagType":"Folder","tags":[{"name":"Y","tagType":"AtomicTag"}]},{"name":"_types_","tagType":"Folder","tags":[{"name":"T","tagType":"UdtType","tags":[]}]}]}"#;
    let answer = import(&rig, "&collisionPolicy=Abort", document).await?;
    assert_eq!(answer, json!({"failureCount": 0, "failures": [], "successCount": 3}));
    assert!(export(&rig, "").await?.contains(r#""name":"Y""#));
    let root = rig.dir.path().join("config/resources/core/ignition");
    let late = root.join("tag-definition/P/F/unary-resource.json");
    assert!(!late.exists());
    rig.sim.until(PATIENCE, |_| late.exists().then_some(())).await?;
    rig.sim
        .until(PATIENCE, |_| root.join("tag-type-definition/P/udts.json").exists().then_some(()))
        .await?;
    assert!(std::fs::read_to_string(root.join("tag-definition/P/tags.json"))?.contains("1.0E10"));
    assert!(root.join("tag-definition/P/unary-resource.json").exists());
    let answer = import(&rig, "&collisionPolicy=Abort", document).await?;
    assert_eq!(
        (answer["failureCount"].clone(), answer["successCount"].clone()),
        (json!(3), json!(0))
    );
    assert_eq!(
        answer["failures"][0],
        json!({"diagnosticMessage": "Tag '[P]X' already exists, and 'abort' collision policy has been specified", "quality": "Bad", "qualitySubCode": 527})
    );
    let answer = import(&rig, "&collisionPolicy=Overwrite", document).await?;
    assert_eq!(answer["successCount"], 3);
    let list = rig.get("/data/api/v1/resources/list/ignition/tag-provider").await?;
    assert_eq!(list["items"][0]["metrics"]["tagCount"], 2);
    Ok(())
}

#[tokio::test]
async fn an_import_is_checked_against_the_providers_permissions_and_files_are_not()
-> anyhow::Result<()> {
    let rig = Rig::start().await?;
    provider(&rig, json!({"type": "AnyOf"})).await?;
    let answer = import(&rig, "", r#"{"tags":[{"name":"X","tagType":"AtomicTag"}]}"#).await?;
    assert_eq!(
        answer["failures"][0]["diagnosticMessage"],
        "Insufficient Tag Provider Edit Permissions"
    );
    unit(&rig, "core", "tag-definition/P", "tags.json", r#"[{"name":"X"}]"#)?;
    rig.scan(Kind::Config).await?;
    assert!(export(&rig, "").await?.contains(r#"{"name":"X"}"#));
    Ok(())
}

#[tokio::test]
async fn a_designers_edit_arrives_late() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    rig.run(
        json!({"do": "editTags", "provider": "P", "path": "A/B", "tags": "[{\"name\":\"t\"}]"}),
    )
    .await?;
    assert!(export(&rig, "").await?.contains(r#"{"name":"t"}"#));
    let file = rig.dir.path().join("config/resources/core/ignition/tag-definition/P/A/B/tags.json");
    assert!(!file.exists());
    rig.sim.until(PATIENCE, |_| file.exists().then_some(())).await?;
    rig.scan(Kind::Config).await?;
    assert_eq!(rig.sim.counters().written_unlocked, 0, "the gateway's own writes");
    assert_eq!(UUID.len(), 36);
    Ok(())
}
