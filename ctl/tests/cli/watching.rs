//! Following by the stream: every transition once, across broken streams.

use insta::assert_snapshot;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    canned::{self, event, rollout},
    fake::{Fake, Script},
};

/// Rollout plants-3 in steps.
fn steps() -> Script {
    let at = |phase: &str, first: &'static str, second: &'static str| {
        rollout("plants-3", phase, &[("line1", "canary", first), ("line2", "rest", second)])
    };
    Script {
        resources: vec![at("Running", "assigned", "pending")],
        index: 100,
        events: vec![
            event(101, &at("Running", "applied", "pending")),
            event(102, &at("Running", "applied", "assigned")),
            event(103, &at("Completed", "applied", "applied")),
        ],
        cluster: canned::cluster(),
        ..Script::default()
    }
}

/// The first lines carry the clock of this machine.
fn without_clock(text: &str) -> String {
    let line = |line: &str| line.split_once("Z ").map_or(line, |(_, rest)| rest).to_owned();
    text.lines().map(|text| line(text) + "\n").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_told_one_line_per_transition() {
    let fake = Fake::start(steps()).await;
    let ran = fake.run(&["rollout", "watch"]).await;
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_snapshot!(without_clock(&ran.out));
    let asked = fake.asked();
    // One list and one stream: nothing is polled.
    assert_eq!(asked.iter().filter(|what| what.starts_with("get")).count(), 1, "{asked:?}");
    assert_eq!(asked.iter().filter(|what| what.starts_with("watch")).count(), 1, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_goes_on_where_it_broke() {
    let whole = Fake::start(steps()).await;
    let expected = without_clock(&whole.run(&["rollout", "watch"]).await.out);
    let fake = Fake::start(steps()).await;
    fake.change(|script| script.breaks = vec![1, 1]);
    let ran = fake.run(&["rollout", "watch", "plants-3"]).await;
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(without_clock(&ran.out), expected);
    let watches: Vec<String> =
        fake.asked().into_iter().filter(|what| what.starts_with("watch")).collect();
    assert_eq!(
        watches,
        ["watch Rollout  since=100", "watch Rollout  since=101", "watch Rollout  since=102"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_a_value_per_transition() {
    let fake = Fake::start(steps()).await;
    let ran = fake.run(&["rollout", "watch", "-o", "json"]).await;
    let values: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let indexes: Vec<u64> = values.iter().filter_map(|value| value["index"].as_u64()).collect();
    assert_eq!(indexes, [100, 101, 102, 103]);
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_ends_as_the_rollout_does() {
    for (phase, code) in [("Completed", 0), ("Failed", 8), ("Superseded", 8), ("Running", 7)] {
        let mut script = steps();
        script.resources = vec![rollout("plants-3", phase, &[("line1", "canary", "assigned")])];
        script.events.clear();
        let fake = Fake::start(script).await;
        let ran = fake.run(&["rollout", "watch", "plants-3", "--timeout", "0"]).await;
        assert_eq!(ran.code, code, "{phase}: {}", ran.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_detaches_and_says_how_to_go_on() {
    let mut script = steps();
    script.events.truncate(1);
    let fake = Fake::start(script).await;
    let mut command = fake.command(&["rollout", "watch"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    loop {
        let line = lines.next_line().await.expect("a line").expect("not the end");
        if line.contains("canary/line1 applied") {
            break;
        }
    }
    let id = child.id().expect("it runs").to_string();
    let kill = tokio::process::Command::new("kill").args(["-INT", &id]).status().await;
    assert!(kill.expect("kill runs").success());
    let done = child.wait_with_output().await.expect("it ends");
    let err = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(7), "{err}");
    assert!(err.contains("rollout plants-3 goes on"), "{err}");
    assert!(err.contains("millctl rollout watch plants-3 follows it again"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn get_w_prints_a_row_per_visible_change() {
    let fake = Fake::start(canned::company()).await;
    let mut command = fake.command(&["get", "fleets", "-w"]);
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = async || lines.next_line().await.expect("a line").expect("not the end");
    assert!(next().await.starts_with("NAME"));
    assert!(next().await.contains("Failed"));
    fake.change(|script| {
        let mut fleet = script.resources.iter().find(|one| one["kind"] == "Fleet").cloned();
        let fleet = fleet.as_mut().expect("a fleet");
        script.events.push(event(58, fleet));
        fleet["status"]["state"] = "Running".into();
        script.events.push(event(59, fleet));
        let mut gone = event(60, fleet);
        gone.json.clear();
        gone.action = "delete".to_owned();
        script.events.push(gone);
    });
    // The first event changes nothing that a column shows.
    assert!(next().await.contains("Running"));
    assert_eq!(next().await, "plants   deleted");
    child.kill().await.expect("killed");
}
