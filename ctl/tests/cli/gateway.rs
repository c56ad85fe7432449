//! Acting on one gateway: how the waiting ends, what is shown, which exit code.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    canned::{self, SNAPSHOT, attempt, event, with_status},
    fake::{Fake, Ran},
};

/// The notes carry the clock of this machine.
fn told(ran: &Ran) -> String {
    let line =
        |line: &str| line.split_once("Z line").map_or(line.to_owned(), |(_, l)| format!("line{l}"));
    ran.all().lines().map(|text| line(text) + "\n").collect()
}

/// A gateway that is given generation 8, and how that ends.
async fn given(result: Option<&str>) -> Fake {
    let fake = Fake::start(canned::company()).await;
    let syncing = with_status("line1", |status| {
        status["state"] = json!("Syncing");
        status["message"] = json!("applying commit 4bf57a65");
        status["desired"]["generation"] = json!(8);
        status["desired"]["attempt"] = json!(1);
    });
    let ended = result.map(|result| {
        let mut ended = syncing.clone();
        let status = &mut ended["status"];
        let (state, message) = match result {
            "applied" => ("InSync", ""),
            "rolledBack" => ("RolledBack", "verify: the gateway did not load the view"),
            "inconsistent" => ("Inconsistent", "restore: the disk is full"),
            _ => ("Failed", "verify: the gateway did not load the view"),
        };
        status["state"] = json!(state);
        status["message"] = json!(message);
        // Something newer may have ended by then; it is not what was asked for.
        let history = status["history"].as_array_mut().expect("a list");
        history.insert(0, attempt(8, 1, result, "sync by ann: because"));
        history.insert(0, attempt(9, 1, "applied", "rollout plants-3"));
        event(60, &ended)
    });
    fake.change(|script| {
        script.after_ask = vec![syncing];
        script.then = ended.into_iter().collect();
    });
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_something_is_said_with_what_clears_it() {
    let fake = Fake::start(canned::company()).await;
    for columns in ["80", "160"] {
        let ran = fake.run_in(&["why", "gateway", "line1"], &[("COLUMNS", columns)]).await;
        assert_snapshot!("why-gateway", told(&ran));
    }
    let free = fake.run(&["why", "gateway", "line2"]).await;
    assert_eq!((free.code, free.out.as_str()), (0, "nothing holds gateway line2\n"));
    let holds = fake.run_in(&["hold", "list"], &[("COLUMNS", "80")]).await;
    assert_snapshot!("hold-list", told(&holds));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_waits_for_the_end_of_its_attempt() {
    for action in ["sync", "retry"] {
        let fake = given(Some("applied")).await;
        let ran = fake.run_in(&["gateway", action, "line1"], &[("COLUMNS", "80")]).await;
        assert_snapshot!(format!("gateway-{action}"), told(&ran));
        let watches = fake.asked().into_iter().filter(|what| what.starts_with("watch")).count();
        assert_eq!(watches, 1, "nothing is polled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_end_is_exit_code_8_with_what_to_do() {
    for result in ["failed", "rolledBack", "inconsistent"] {
        let fake = given(Some(result)).await;
        let ran = fake.run_in(&["gateway", "sync", "line1"], &[("COLUMNS", "80")]).await;
        assert_eq!(ran.code, 8, "{}", ran.all());
        assert_snapshot!(format!("gateway-sync-{result}"), told(&ran));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_to_wait_is_exit_code_7_and_changes_nothing() {
    for timeout in ["0", "300ms"] {
        let fake = given(None).await;
        let ran = fake.run(&["gateway", "sync", "line1", "--timeout", timeout]).await;
        assert_eq!(ran.code, 7, "{}", ran.all());
        assert!(
            ran.err.contains("the sync goes on (line1 is Syncing: applying commit 4bf57a65)"),
            "{}",
            ran.all()
        );
    }
    let fake = given(None).await;
    let ran = fake.run(&["gateway", "sync", "line1", "--detach"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "gateway/line1 sync begins\n"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_deleted_meanwhile_is_not_waited_for() {
    let fake = given(None).await;
    fake.change(|script| {
        let mut gone = event(60, &script.after_ask[0]);
        gone.json.clear();
        gone.action = "delete".to_owned();
        script.then = vec![gone];
    });
    let ran = fake.run(&["gateway", "sync", "line1"]).await;
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.err.contains("does not exist any more"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_says_where_to_and_programs_get_the_attempt() {
    let fake = given(Some("applied")).await;
    let args = ["gateway", "rollback", "line1", "--to", SNAPSHOT, "--project", "packing", "--yes"];
    let data = fake.run(&[&args[..], &["-o", "json"]].concat()).await.data();
    assert_eq!(
        (&data["action"], &data["attempt"]["result"]),
        (&json!("rollback"), &json!("applied"))
    );
    let wanted = format!("rollback line1 to={SNAPSHOT} project=packing reason=");
    assert!(fake.asked().contains(&wanted));
    let fake = given(Some("applied")).await;
    let restore = ["snapshot", "restore", "line1", SNAPSHOT, "--project", "packing", "--yes"];
    let ran = fake.run(&restore).await;
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(fake.asked().contains(&wanted), "a restore is a rollback");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_begins_and_ends_at_once() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["gateway", "pause", "line1", "-m", "audit"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "gateway/line1 paused\n"), "{}", ran.all());
    let ran = fake.run(&["gateway", "resume", "line1"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "gateway/line1 resumed\n"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_for_the_files_that_it_is_about() {
    let fake = Fake::start(canned::company()).await;
    let none = fake.run(&["gateway", "confirm", "line1", "--yes"]).await;
    assert_eq!(none.code, 5, "{}", none.all());
    fake.change(|script| {
        let asked = with_status("line1", |status| {
            let text = "480 of 900 files (53 %) would be deleted";
            status["question"] = json!({"text": text, "manifest": "ab12"});
        });
        script.resources.retain(|value| value["metadata"]["name"] != "line1");
        script.resources.push(asked);
    });
    let unsaid = fake.run(&["gateway", "confirm", "line1"]).await;
    assert_eq!(unsaid.code, 3, "{}", unsaid.all());
    assert!(unsaid.err.contains("480 of 900 files (53 %) would be deleted"), "{}", unsaid.all());
    let ran = fake.run(&["gateway", "confirm", "line1", "--yes", "-m", "old views"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "gateway/line1 confirmed\n"), "{}", ran.all());
    let asked = fake.asked();
    assert!(asked.contains(&"confirm line1 to=ab12 project= reason=old views".to_owned()));
}

/// A company whose agent of line1 answers like this.
async fn answering(kind: &str, ok: bool, message: &str, detail: &Value) -> Fake {
    let fake = Fake::start(canned::company()).await;
    let detail = if detail.is_null() { String::new() } else { detail.to_string() };
    let record = |answer: Value| {
        with_status("line1", |status| {
            status["instructions"] = json!([{"id": "i1", "member": "single", "kind": kind,
                "subject": "", "by": "ann", "reason": "", "at": 1, "expiresAt": 2, "answer": answer}]);
        })
    };
    let answer = json!({"ok": ok, "message": message, "detail": detail, "at": 3});
    fake.change(|script| {
        script.after_ask = vec![record(Value::Null)];
        script.then = vec![event(60, &record(answer))];
    });
    fake
}

fn dry_run_detail(failures: &Value) -> Value {
    json!({
        "added": ["projects/packing/views/New/view.json"],
        "changed": ["projects/packing/views/Main/view.json", "projects/shared/scripts/code.py"],
        "removed": (1..=40).map(|n| format!("projects/packing/old/{n:02}.json")).collect::<Vec<_>>(),
        "kept": ["projects/packing/local.json"], "bytes": 20_480, "projects": ["packing", "shared"],
        "failures": failures, "notices": [],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_what_would_change() {
    let message = "1 files would be added, 2 changed, 40 removed";
    let detail = dry_run_detail(&json!([]));
    let fake = answering("dry_run", true, message, &detail).await;
    let ran = fake.run_in(&["gateway", "dry-run", "line1"], &[("COLUMNS", "80")]).await;
    assert_snapshot!("dry-run", ran.all());
    let fake = answering("dry_run", true, message, &detail).await;
    let data = fake.run(&["gateway", "dry-run", "line1", "-o", "json"]).await.data();
    assert_eq!(data["answer"]["detail"]["removed"].as_array().map(Vec::len), Some(40));
    let fake = answering("dry_run", true, message, &detail).await;
    let wide = fake.run(&["gateway", "dry-run", "line1", "-o", "wide"]).await;
    assert!(wide.out.contains("- projects/packing/old/40.json"), "{}", wide.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_would_fail_is_exit_code_8_and_says_why() {
    let failures = json!([{"step": "preflight", "kind": "module_missing", "retry": "never",
        "message": "the gateway has no module that the views need", "subject": "com.example.charts",
        "remedy": "install the module, or take the views out of the profile"}]);
    let message = "1 checks failed; 1 files would be added, 2 changed, 40 removed";
    let fake = answering("dry_run", false, message, &dry_run_detail(&failures)).await;
    let ran = fake.run_in(&["gateway", "dry-run", "line1"], &[("COLUMNS", "80")]).await;
    assert_eq!(ran.code, 8, "{}", ran.all());
    assert_snapshot!("dry-run-failing", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_away_is_told_of_and_waited_for() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["gateway", "dry-run", "line3", "--timeout", "0"]).await;
    assert_eq!(ran.code, 7, "{}", ran.all());
    assert!(ran.err.contains("line3 Offline: no agent since"), "{}", ran.all());
    assert!(ran.err.contains("the dry run goes on"), "{}", ran.all());
    assert!(fake.asked().iter().any(|what| what.contains("ttl=600000")), "as long as the default");
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_taken_verified_and_pinned() {
    let taken = json!({"id": "20261013t080000z", "files": 412});
    for (verb, kind, message, detail) in [
        ("create", "snapshot_create", "took snapshot 20261013t080000z of 412 files", taken),
        (
            "verify",
            "snapshot_verify",
            "all 412 files of snapshot 20261012t143413z are whole",
            Value::Null,
        ),
        ("pin", "snapshot_pin", "snapshot 20261012t143413z is pinned", Value::Null),
        ("unpin", "snapshot_unpin", "snapshot 20261012t143413z is no longer pinned", Value::Null),
    ] {
        let fake = answering(kind, true, message, &detail).await;
        let mut args = vec!["snapshot", verb, "line1"];
        if verb != "create" {
            args.push(SNAPSHOT);
        }
        let ran = fake.run(&args).await;
        assert_eq!((ran.code, ran.out), (0, format!("{message}\n")), "{verb}");
        let asked = fake.asked();
        assert!(asked.iter().any(|what| what.starts_with(&format!("{kind} line1"))), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_not_whole_or_not_there_is_exit_code_8() {
    let detail = json!({"damaged": ["projects/packing/views/Main/view.json"]});
    let message = "1 of 412 files of snapshot 20261012t143413z are damaged";
    let fake = answering("snapshot_verify", false, message, &detail).await;
    assert_snapshot!(
        "snapshot-damaged",
        fake.run(&["snapshot", "verify", "line1", SNAPSHOT]).await.all()
    );
    let message = "there is no snapshot 20261012t143431z here";
    let fake = answering("snapshot_verify", false, message, &Value::Null).await;
    let ran = fake.run(&["snapshot", "verify", "line1", "20261012t143431z"]).await;
    assert_snapshot!("snapshot-missing", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_check_shows_what_was_found_then() {
    let drift = json!({"count": 1, "since": 1_791_815_654_089_u64,
        "entries": [{"path": "projects/packing/views/Main/view.json", "change": "modified", "actor": "ann"}]});
    let fake = answering("drift_check", true, "1 files differ", &drift).await;
    let ran = fake.run(&["gateway", "drift", "line1", "--check"]).await;
    assert_snapshot!("drift-check", ran.all());
    let none = json!({"count": 0, "entries": [], "since": 0});
    let fake = answering("drift_check", true, "the files are what they should be", &none).await;
    let ran = fake.run(&["gateway", "drift", "line1", "--check"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.all());
    assert!(ran.err.contains("no file of gateway line1 was changed"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_nobody_knows_of_are_not_none() {
    let fake = Fake::start(canned::company()).await;
    let unknown = fake.run(&["gateway", "sessions", "line2"]).await;
    assert_eq!(unknown.code, 0, "{}", unknown.all());
    assert!(unknown.err.contains("unknown: gateway line2 does not tell"), "{}", unknown.all());
    let data = fake.run(&["gateway", "sessions", "line2", "-o", "json"]).await.data();
    assert!(data.is_null(), "unknown is null, nobody is []");
    fake.change(|script| {
        let empty = with_status("line1", |status| status["sessions"] = json!([]));
        script.resources.retain(|value| value["metadata"]["name"] != "line1");
        script.resources.push(empty);
    });
    let none = fake.run(&["gateway", "sessions", "line1"]).await;
    assert!(none.err.contains("nobody is at work on gateway line1"), "{}", none.all());
}
