//! What happens, line by line: each once, across broken streams, and gaps are said.

use std::process::Stdio;

use insta::assert_snapshot;
use millwright_proto::control::WatchEvent;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

use crate::{canned, fake::Fake};

fn follow(fake: &Fake, args: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = fake.command(&[&["events", "-f"], args].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    (child, lines)
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    lines.next_line().await.expect("a line").expect("not the end")
}

/// Ctrl-C; the exit code and standard error.
async fn interrupt(child: Child) -> (Option<i32>, String) {
    let id = child.id().expect("it runs").to_string();
    let kill = tokio::process::Command::new("kill").args(["-INT", &id]).status().await;
    assert!(kill.expect("kill runs").success());
    let done = child.wait_with_output().await.expect("it ends");
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

fn told(index: u64, sub: u32) -> WatchEvent {
    WatchEvent {
        kind: "Gateway".to_owned(),
        name: format!("line{sub}"),
        action: "put".to_owned(),
        index,
        at_ms: 1_791_815_654_089 + index * 1000,
        message: format!("event {index}.{sub}"),
        sub,
        ..WatchEvent::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_listed() {
    let fake = Fake::start(canned::company()).await;
    for (args, count, asked) in [
        (vec![], 5, "events   since=0"),
        (vec!["--since", "49"], 2, "events   since=49"),
        (vec!["--since", "49.1"], 3, "events   since=49.1"),
        (vec!["--since", "2026-10-12T14:35:05Z"], 2, "events   since=0"),
        (vec!["--since", "1h"], 0, "events   since=0"),
        (vec!["--kind", "gw", "--name", "line1"], 2, "events Gateway line1 since=0"),
    ] {
        // What is canned is in the future of some machines.
        if args == ["--since", "1h"] && canned::minutes_ago(60) < 1_791_815_654_089 {
            continue;
        }
        let ran = fake.run(&[&["events", "-o", "json"], &args[..]].concat()).await;
        assert_eq!(ran.data().as_array().map(Vec::len), Some(count), "{args:?}: {}", ran.all());
        assert_eq!(fake.asked(), [asked]);
    }
    let data = fake.run(&["events", "-o", "json", "--since", "49.1"]).await.data();
    assert_eq!((&data[0]["index"], &data[0]["sub"]), (&49.into(), &2.into()));
    fake.change(|script| script.events_gone = 40);
    let ran = fake.run(&["events", "--since", "12"]).await;
    assert_snapshot!("events-gap", ran.all());
    let ran = fake.run(&["events", "--since", "12", "-o", "json"]).await;
    assert!(ran.err.contains("after index 12 and before 48.1 are no longer kept"), "{}", ran.all());
    assert_eq!(ran.data().as_array().map(Vec::len), Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_goes_on_within_an_index() {
    let fake = Fake::start(canned::company()).await;
    fake.change(|script| script.breaks = vec![2, 1, 1]);
    let (child, mut lines) = follow(&fake, &["--since", "47"]);
    assert!(next(&mut lines).await.starts_with("TIME"));
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(next(&mut lines).await.split_whitespace().nth(1).unwrap_or_default().to_owned());
    }
    assert_eq!(seen, ["48.1", "49.1", "49.2", "53.1", "57.1"]);
    fake.change(|script| script.events.push(told(58, 1)));
    assert!(next(&mut lines).await.ends_with("gateway/line1          event 58.1"));
    let (code, err) = interrupt(child).await;
    assert_eq!(code, Some(0), "{err}");
    let watches: Vec<String> =
        fake.asked().into_iter().filter(|what| what.starts_with("watch")).collect();
    let expected = ["47", "49.1", "49.2", "53.1"].map(|since| format!("watch   since={since}"));
    assert_eq!(watches, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_now_on_is_after_what_the_node_has() {
    let fake = Fake::start(canned::company()).await;
    let (child, mut lines) = follow(&fake, &["-o", "json"]);
    fake.change(|script| script.events.push(told(58, 1)));
    let line: serde_json::Value = serde_json::from_str(&next(&mut lines).await).expect("JSON");
    assert_eq!((&line["index"], &line["data"]["message"]), (&58.into(), &"event 58.1".into()));
    assert_eq!(interrupt(child).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_a_marker_and_it_goes_on() {
    let fake = Fake::start(canned::company()).await;
    fake.change(|script| script.events_gone = 40);
    let (child, mut lines) = follow(&fake, &["--since", "12.3"]);
    next(&mut lines).await;
    let marker = "--- events after index 12.3 and before 48.1 are no longer kept ---";
    assert_eq!(next(&mut lines).await, marker);
    assert!(next(&mut lines).await.contains("48.1"));
    drop(child);
    let (child, mut lines) = follow(&fake, &["--since", "12", "-o", "json"]);
    let line: serde_json::Value = serde_json::from_str(&next(&mut lines).await).expect("JSON");
    assert_eq!(line["data"]["gap"]["before"], "48.1");
    assert_eq!(interrupt(child).await.0, Some(0));
}
