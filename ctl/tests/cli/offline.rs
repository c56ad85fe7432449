//! Commands that need no cluster.

use insta::assert_snapshot;

use crate::{canned, fake::Fake};

#[tokio::test(flavor = "multi_thread")]
async fn kinds_and_fields_are_explained() {
    let fake = Fake::start(canned::company()).await;
    for path in ["", "fleet", "fleet.spec.stages", "gw.spec.paused"] {
        let args: Vec<&str> =
            ["explain", path].into_iter().filter(|word| !word.is_empty()).collect();
        let ran = fake.run_in(&args, &[("COLUMNS", "80")]).await;
        assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
        assert_snapshot!(format!("explain-{}", path.replace('.', "-")), ran.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_files_of_their_own() {
    let fake = Fake::start(canned::company()).await;
    for args in [vec!["schema", "gateway"], vec!["schema"]] {
        let ran = fake.run(&args).await;
        let schema: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
        assert!(schema.get("$schema").is_some(), "{args:?}");
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_known_without_a_cluster() {
    let mut fake = Fake::start(canned::company()).await;
    assert_snapshot!("version", fake.run(&["version"]).await.all());
    fake.stop().await;
    let ran = fake.run(&["version"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "millctl      0.1.0\n"), "{}", ran.all());
    assert!(ran.err.contains("unknown"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_for_people() {
    let fake = Fake::start(canned::company()).await;
    for args in [
        vec!["--help"],
        vec!["rollout", "watch", "--help"],
        vec!["rollout", "--help"],
        vec!["gateway", "--help"],
        vec!["gateway", "rollback", "--help"],
        vec!["snapshot", "--help"],
        vec!["render", "--help"],
        vec!["diff", "--help"],
        vec!["audit", "--help"],
        vec!["events", "--help"],
        vec!["history", "--help"],
    ] {
        let ran = fake.run_in(&args, &[("COLUMNS", "100")]).await;
        assert_snapshot!(format!("help {}", args.join(" ")).replace([' ', '-'], "_"), ran.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_manual_page_for_every_command() {
    let fake = Fake::start(canned::company()).await;
    let out = fake.home.path().join("man");
    let ran = fake.run(&["man", "--out", &out.display().to_string()]).await;
    assert_eq!(ran.code, 0, "{}", ran.all());
    for page in ["millctl.1", "millctl-rollout-watch.1", "millctl-context-use.1"] {
        assert!(out.join(page).exists(), "{page}");
    }
    assert!(fake.run(&["man"]).await.out.contains(".TH millctl 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lint_names_every_mistake_and_needs_no_cluster() {
    let fake = Fake::start(canned::company()).await;
    let repo = fake.home.path().join("plant");
    let resources = "apiVersion: millwright.dev/v1
kind: Gateway
metadata: {name: line1}
spec: {site: north, profile: area}
---
apiVersion: millwright.dev/v1
kind: SyncProfile
metadata: {name: area}
spec:
  mappings: [{source: core, destination: config/resources/core}]
  normalize: [{set: {.name: '{{.GatewayName}}'}, create: false}]
";
    std::fs::create_dir_all(repo.join("core/m/t")).expect("a folder");
    std::fs::write(repo.join("area.yaml"), resources).expect("a file");
    std::fs::write(repo.join("core/m/t/config.json"), "{\"name\": 1}").expect("a file");
    let (repo, file) = (repo.display().to_string(), repo.join("area.yaml").display().to_string());
    let clean = fake.run(&["lint", "-f", &file, "--repo", &repo]).await;
    assert_eq!(clean.code, 0, "{}", clean.all());
    assert!(clean.out.contains("2 resources, 1 gateways, 1 files: 0 errors"), "{}", clean.all());
    std::fs::write(format!("{repo}/core/m/t/aux.json"), "{").expect("a file");
    std::fs::write(format!("{repo}/core/m/t/view.json"), "{\n,}").expect("a file");
    let bad = fake.run(&["lint", "-f", &file, "--repo", &repo, "-o", "json"]).await;
    assert_eq!(bad.code, 1, "{}", bad.all());
    let value: serde_json::Value = serde_json::from_str(&bad.out).expect("JSON");
    let rules = value["data"]["findings"].as_array().expect("findings").iter();
    let rules: Vec<_> = rules.map(|finding| finding["rule"].as_str().unwrap_or_default()).collect();
    assert_eq!(rules, ["name", "json"], "{}", bad.out);
    assert_eq!(value["data"]["findings"][1]["line"], 2);
    let bad = fake.run(&["lint", "-f", &file, "--repo", &repo, "-o", "sarif"]).await;
    assert_eq!(bad.code, 1, "{}", bad.all());
    let log: serde_json::Value = serde_json::from_str(&bad.out).expect("JSON");
    let results = &log["runs"][0]["results"];
    assert_eq!((&log["version"], results[1]["ruleId"].as_str()), (&"2.1.0".into(), Some("json")));
    let place = &results[1]["locations"][0]["physicalLocation"];
    let uri = place["artifactLocation"]["uri"].as_str().expect("a URI");
    assert!(uri.ends_with("/plant/core/m/t/view.json"), "{uri}");
    assert_eq!(place["region"]["startLine"], 2);
    let other = fake.run(&["gateway", "sync", "line1", "-o", "sarif"]).await;
    assert_eq!(other.code, 2, "{}", other.all());
    assert!(fake.asked().is_empty());
}
