//! Commands that change something: what they send, what they say, when they ask.

use std::path::PathBuf;

use insta::assert_snapshot;
use tokio::io::AsyncWriteExt;

use crate::{
    canned::{self, event, rollout},
    fake::Fake,
};

const FLEET: &str = "apiVersion: millwright.dev/v1\nkind: Fleet\nmetadata: {name: plants}\n\
                     spec: {repository: plant}\n";

fn file(fake: &Fake, text: &str) -> String {
    let path: PathBuf = fake.home.path().join("plant.yaml");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_travel_with_every_change() {
    let fake = Fake::start(canned::company()).await;
    let path = file(&fake, FLEET);
    for args in [
        vec!["apply", "-f", &path, "--detach"],
        vec!["delete", "gateway", "line3", "--yes"],
        vec!["token", "create", "agent", "line1"],
        vec!["token", "revoke", "3fa85f64c1d2"],
        vec!["agent", "evict", "line1", "--yes"],
        vec!["agent", "ban", "line1", "--yes", "--member", "backup"],
        vec!["gateway", "sync", "line1", "--detach"],
        vec!["gateway", "retry", "line1", "--detach"],
        vec!["gateway", "pause", "line1"],
        vec!["gateway", "resume", "line1"],
        vec!["gateway", "rollback", "line1", "--yes", "--detach"],
        vec!["rollout", "pause"],
        vec!["rollout", "resume"],
        vec!["rollout", "approve"],
        vec!["rollout", "deny", "--stage", "rest"],
        vec!["rollout", "promote"],
        vec!["rollout", "retry"],
        vec!["rollout", "skip", "--gateway", "line1"],
        vec!["rollout", "abort", "--yes"],
        vec!["rollout", "undo", "--yes"],
        vec!["hold", "create", "plant", "4bf57a65"],
        vec!["hold", "lift", "plant", "4bf57a65"],
        vec!["gateway", "dry-run", "line1", "--detach"],
        vec!["gateway", "drift", "line1", "--check", "--detach"],
        vec!["snapshot", "create", "line1", "--detach"],
        vec!["snapshot", "verify", "line1", canned::SNAPSHOT, "--detach"],
        vec!["snapshot", "pin", "line1", canned::SNAPSHOT, "--detach"],
        vec!["snapshot", "unpin", "line1", canned::SNAPSHOT, "--detach"],
        vec!["snapshot", "restore", "line1", canned::SNAPSHOT, "--yes", "--detach"],
    ] {
        fake.asked();
        let mut all = args.clone();
        all.extend(["-m", "because"]);
        let ran = fake.run(&all).await;
        assert_eq!(ran.code, 0, "{all:?}: {}", ran.all());
        let asked = fake.asked();
        let with_reason = asked.iter().filter(|what| what.ends_with("reason=because")).count();
        assert_eq!(with_reason, 1, "{all:?}: {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_destroyed_without_a_yes() {
    let fake = Fake::start(canned::company()).await;
    for args in [
        vec!["delete", "gateway", "line3"],
        vec!["agent", "evict", "line1"],
        vec!["agent", "ban", "line1"],
        vec!["gateway", "rollback", "line1"],
        vec!["rollout", "undo"],
        vec!["rollout", "abort"],
        vec!["snapshot", "restore", "line1", canned::SNAPSHOT],
    ] {
        let ran = fake.run(&args).await;
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.all());
        assert!(ran.err.contains("--yes"), "{}", ran.all());
    }
    let asked = fake.asked();
    assert!(asked.iter().all(|what| what.starts_with("get ")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_context_wants_its_name() {
    let fake = Fake::start(canned::company()).await;
    fake.log_in(std::time::Duration::from_hours(24), std::time::SystemTime::now(), true);
    let yes = fake.run(&["delete", "gateway", "line3", "--yes"]).await;
    assert_eq!(yes.code, 3, "{}", yes.all());
    assert_snapshot!(yes.all());
    let wrong = fake.run(&["delete", "gateway", "line3", "--confirm-context", "prod"]).await;
    assert_eq!(wrong.code, 3, "{}", wrong.all());
    let right = fake.run(&["delete", "gateway", "line3", "--confirm-context", "lab"]).await;
    assert_eq!(right.code, 0, "{}", right.all());
    assert_eq!(right.out, "gateway/line3 deleted\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_files_are_all_named_and_nothing_is_sent() {
    let fake = Fake::start(canned::company()).await;
    let text = "apiVersion: millwright.dev/v1\nkind: Gateway\nmetadata: {name: line1}\n\
                spec: {site: hamburg, profil: area}\n---\napiVersion: millwright.dev/v1\n\
                kind: Gatway\nmetadata: {name: x}\nspec: {}\n";
    let ran = fake.run(&["apply", "-f", &file(&fake, text)]).await;
    assert_snapshot!(ran.all());
    assert!(fake.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_waits_for_the_rollouts_that_it_causes() {
    let fake = Fake::start(canned::company()).await;
    let members = |state: &'static str| [("line1", "canary", "applied"), ("line2", "rest", state)];
    fake.change(|script| {
        script.results = vec![("Fleet", "plants", "configured")];
        script.after_apply = vec![
            event(60, &rollout("plants-3", "Running", &members("pending"))),
            event(61, &rollout("plants-3", "Running", &members("assigned"))),
            event(62, &rollout("plants-3", "Completed", &members("applied"))),
        ];
    });
    let path = file(&fake, FLEET);
    let ran = fake.run(&["apply", "-f", &path, "-m", "wider"]).await;
    assert_snapshot!(ran.all());
    fake.change(|script| {
        script.events.clear();
        script.after_apply =
            vec![event(70, &rollout("plants-4", "Completed", &members("applied")))];
    });
    let data = fake.run(&["apply", "-f", &path, "-o", "json"]).await.data();
    assert_eq!(data[1]["name"], "plants-4");
    assert_eq!(data[1]["action"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_tells_a_failed_rollout_and_one_that_goes_on_apart() {
    let fake = Fake::start(canned::company()).await;
    let path = file(&fake, FLEET);
    let begin = |index: u64, phase: &str, member: &'static str| {
        let value = rollout("plants-3", phase, &[("line1", "canary", member)]);
        fake.change(|script| {
            script.results = vec![("Fleet", "plants", "configured")];
            script.after_apply = vec![event(index, &value)];
            script.events.clear();
        });
    };
    begin(60, "Failed", "failed");
    let ran = fake.run(&["apply", "-f", &path]).await;
    assert_eq!(ran.code, 8, "{}", ran.all());
    assert!(
        ran.err.contains("the change is applied, but rollout plants-3 failed"),
        "{}",
        ran.all()
    );
    begin(61, "Running", "assigned");
    let ran = fake.run(&["apply", "-f", &path, "--timeout", "2s"]).await;
    assert_eq!(ran.code, 7, "{}", ran.all());
    assert!(ran.err.contains("millctl rollout watch plants-3"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_returns_at_once_when_nothing_changes_or_nothing_is_waited_for() {
    let fake = Fake::start(canned::company()).await;
    let path = file(&fake, FLEET);
    for (action, flag, expected) in [
        ("unchanged", "--wait", "fleet/plants unchanged\n"),
        ("configured", "--detach", "fleet/plants configured\n"),
        ("configured", "--dry-run", "fleet/plants configured (dry run)\n"),
    ] {
        fake.change(|script| script.results = vec![("Fleet", "plants", action)]);
        let ran = fake.run(&["apply", "-f", &path, flag]).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{}", ran.all());
        assert!(fake.asked().iter().all(|what| !what.starts_with("watch")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_reads_standard_input() {
    let fake = Fake::start(canned::company()).await;
    let mut command = fake.command(&["apply", "-f", "-", "--detach"]);
    command.stdin(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(FLEET.as_bytes()).await.expect("written");
    drop(input);
    assert!(child.wait().await.expect("it ends").success());
    assert!(fake.asked().iter().any(|what| what.starts_with("apply 1 ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_the_only_line_on_standard_output() {
    let fake = Fake::start(canned::company()).await;
    assert_snapshot!(fake.run(&["token", "create", "operator", "ann", "--ttl", "30m"]).await.all());
    assert_eq!(fake.asked(), ["token operator ann  ttl=1800000 reason="]);
}
