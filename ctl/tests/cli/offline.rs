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
