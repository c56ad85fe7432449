//! What reading commands show.

use insta::assert_snapshot;
use serde_json::json;

use crate::{canned, fake::Fake};

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_the_width() {
    let fake = Fake::start(canned::company()).await;
    for (name, args) in [
        ("gateways", vec!["get", "gateways"]),
        ("status", vec!["status"]),
        ("cluster", vec!["cluster", "status"]),
        ("rollouts", vec!["rollout", "list"]),
        ("tokens", vec!["get", "tokens"]),
        ("history", vec!["history", "gateway", "line1"]),
        ("sessions", vec!["gateway", "sessions", "line1"]),
        ("drift", vec!["gateway", "drift", "line2"]),
        ("snapshots", vec!["snapshot", "list", "line1"]),
        ("audit", vec!["audit"]),
        ("events", vec!["events"]),
        ("history-rollout", vec!["history", "rollout", "plants-2"]),
    ] {
        for columns in ["80", "160"] {
            let ran = fake.run_in(&args, &[("COLUMNS", columns)]).await;
            let width: usize = columns.parse().expect("a number");
            for line in ran.out.lines() {
                assert!(line.chars().count() <= width, "{columns}: {line}");
            }
            assert_snapshot!(format!("{name}-{columns}"), ran.all());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_every_column_whole() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["get", "gateways", "-o", "wide"]).await;
    assert_snapshot!("gateways-wide", ran.all());
    let ran = fake.run(&["history", "gateway", "line1", "-o", "wide"]).await;
    assert_snapshot!("history-wide", ran.all());
    let ran = fake.run(&["get", "gateways"]).await;
    assert!(ran.out.contains("and the files from before were restored"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_described() {
    let fake = Fake::start(canned::company()).await;
    for (kind, name) in [
        ("gateway", "line1"),
        ("gateway", "line2"),
        ("gateway", "line3"),
        ("fleet", "plants"),
        ("repository", "plant"),
        ("profile", "area"),
        ("operator", "ann"),
        ("rollout", "plants-2"),
        ("token", "3fa85f64c1d2"),
    ] {
        let ran = fake.run_in(&["describe", kind, name], &[("COLUMNS", "100")]).await;
        // When the canned rollout began depends on when this runs.
        let lines = ran.all();
        let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("Started")).collect();
        assert_snapshot!(format!("describe-{kind}-{name}"), lines.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_an_envelope_with_the_index() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["get", "gateway", "line1", "-o", "json"]).await;
    let value: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(
        (&value["ok"], &value["schema"], &value["index"]),
        (&json!(true), &json!(1), &json!(57))
    );
    assert_eq!(value["data"]["metadata"]["name"], "line1");
    let list = fake.run(&["get", "gateways", "-o", "json"]).await.data();
    assert_eq!(list.as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_command_knows_every_format() {
    let fake = Fake::start(canned::company()).await;
    for args in [
        vec!["get", "fleets"],
        vec!["get", "tokens"],
        vec!["describe", "fleet", "plants"],
        vec!["rollout", "list"],
        vec!["rollout", "status"],
        vec!["token", "list"],
        vec!["cluster", "status"],
        vec!["status"],
        vec!["history", "gateway", "line1"],
        vec!["gateway", "sessions", "line1"],
        vec!["gateway", "sessions", "line2"],
        vec!["gateway", "drift", "line2"],
        vec!["snapshot", "list", "line1"],
        vec!["history", "fleet", "plants"],
        vec!["history", "rollout", "plants-2"],
        vec!["audit"],
        vec!["audit", "--verify"],
        vec!["events"],
        vec!["version"],
        vec!["context", "list"],
        vec!["context", "show"],
        vec!["config", "explain"],
        vec!["explain", "fleet"],
        vec!["explain"],
    ] {
        for format in ["table", "wide", "json", "yaml", "name", "jsonpath={}"] {
            let format = if format == "jsonpath={}" { "jsonpath={.nothing}" } else { format };
            let mut all = args.clone();
            all.extend(["-o", format]);
            let ran = fake.run(&all).await;
            assert_eq!(ran.code, 0, "{all:?}: {}", ran.all());
            if format == "json" {
                ran.data();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_paths_are_for_scripts() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["get", "gateways", "-o", "name"]).await;
    assert_eq!(ran.out, "gateway/line1\ngateway/line2\ngateway/line3\n");
    let path = "jsonpath={.items[*].metadata.name}";
    assert_eq!(fake.run(&["get", "gateways", "-o", path]).await.out, "line1 line2 line3\n");
    let path = "jsonpath=$.items[?(@.status.state == 'RolledBack')].metadata.name";
    assert_eq!(fake.run(&["get", "gateways", "-o", path]).await.out, "line2\n");
    let yaml = fake.run(&["get", "operator", "ann", "-o", "yaml"]).await;
    assert!(
        yaml.out.starts_with("apiVersion: millwright.dev/v1\nkind: Operator\n"),
        "{}",
        yaml.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_reads_say_as_of_which_index() {
    let fake = Fake::start(canned::company()).await;
    for args in [
        vec!["get", "gateways"],
        vec!["get", "tokens"],
        vec!["describe", "gateway", "line1"],
        vec!["rollout", "list"],
        vec!["rollout", "status"],
        vec!["token", "list"],
        vec!["cluster", "status"],
        vec!["status"],
        vec!["history", "gateway", "line1"],
        vec!["gateway", "sessions", "line1"],
        vec!["gateway", "drift", "line2"],
        vec!["snapshot", "list", "line1"],
        vec!["history", "fleet", "plants"],
        vec!["history", "rollout", "plants-2"],
        vec!["audit"],
        vec!["audit", "--verify"],
        vec!["events"],
    ] {
        let mut all = args.clone();
        all.push("--stale");
        let ran = fake.run(&all).await;
        assert!(ran.err.contains("as of index 57, read from n1"), "{all:?}: {}", ran.all());
        let ran = fake.run(&args).await;
        assert!(!ran.err.contains("as of index"), "{args:?}: {}", ran.all());
    }
    let asked = fake.asked();
    assert!(asked.iter().any(|what| what.ends_with("stale=true")), "{asked:?}");
}
