//! Gates as written, questions as sent, answers as read, and what each means.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    digest::{Digest, GitId},
    facts::SessionKind,
    time::Timestamp,
};

fn gate(extra: Value) -> Gate {
    let mut all = json!({"name": "cab", "phase": "preStage", "url": "https://cab.example/ask"});
    let fields = all.as_object_mut().unwrap();
    fields.extend(extra.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let gate = gate(json!({}));
    assert_eq!((gate.timeout, gate.retries), (Span(10_000), 2));
    assert_eq!((gate.failure_policy, gate.on_expire), (FailurePolicy::Fail, OnExpire::Deny));
    assert_eq!(gate.expires_after(), Span(3_600_000));
    assert!(!gate.applies_to_rollback);
    assert_eq!(gate.check(), Ok(()));
    let again: Gate = serde_json::from_str(&serde_json::to_string(&gate).unwrap()).unwrap();
    assert_eq!(again, gate);
    let misspelt = json!({"name": "a", "phase": "preStage", "url": "http://a", "retrys": 1});
    assert!(serde_json::from_value::<Gate>(misspelt).is_err());
    let schema = schemars::schema_for!(Gate).to_value();
    assert!(
        schema["properties"]["match"].is_object() && schema["properties"]["onExpire"].is_object()
    );
}

#[test]
fn a_gate_that_cannot_work_is_refused() {
    for (extra, part) in [
        (json!({"timeout": "999ms"}), "timeout"),
        (json!({"timeout": "31s"}), "timeout"),
        (json!({"retries": 6}), "retries"),
        (json!({"expires": "1s"}), "expires"),
        (json!({"expires": "31d"}), "expires"),
        (json!({"url": "ftp://x"}), "url"),
    ] {
        let error = gate(extra.clone()).check().unwrap_err().to_string();
        assert!(error.starts_with(&format!("gate cab: {part}")), "{extra}: {error}");
    }
    for good in [json!({"timeout": "1s"}), json!({"timeout": "30s"}), json!({"retries": 0})] {
        assert_eq!(gate(good).check(), Ok(()));
    }
}

#[test]
fn of_a_url_only_the_origin_is_shown() {
    for (url, shown) in [
        ("https://a.example/hook/T0/KEY?token=x#y", "https://a.example"),
        ("HTTP://user:pass@a:8080/x", "http://a:8080"),
        ("http://u:p@ss@a", "http://a"),
        ("https://[::1]:443/", "https://[::1]:443"),
        ("https://[::1]", "https://[::1]"),
        ("http://a?x", "http://a"),
    ] {
        assert_eq!(origin(url).as_deref(), Ok(shown), "{url}");
    }
    let long = format!("http://a/{}", "x".repeat(2048));
    for bad in [
        "",
        "a",
        "http://",
        "http:///x",
        "http://user:secret/x@a",
        "http://a:99999",
        "http://a b",
        "http://a\\@b",
        "http://a\n",
        "file:///x",
        "http://[::1",
        "http://[",
        "http://[::1]x",
        "http://[zz]",
        "http://a%20b",
        "http://user@",
        &long,
    ] {
        let why = origin(bad).unwrap_err();
        assert!(!why.contains("secret"), "{bad}: {why}");
    }
}

#[test]
fn a_gate_has_a_say_where_it_says_so() {
    let labels = |area: &str| Strings::from([("area".to_owned(), area.to_owned())]);
    let some = gate(json!({"match": "area=packing"}));
    assert!(some.concerns(Phase::PreStage, false, &labels("packing")));
    assert!(!some.concerns(Phase::PreStage, false, &labels("filling")));
    assert!(!some.concerns(Phase::PreSync, false, &labels("packing")));
    assert!(!some.concerns(Phase::PreStage, true, &labels("packing")));
    let always = gate(json!({"appliesToRollback": true}));
    assert!(always.concerns(Phase::PreStage, true, &Strings::new()));
}

fn request() -> GateRequest {
    let name = |text: &str| text.parse::<Name>().unwrap();
    let gateways = (0..700).map(|at| AboutGateway {
        name: format!("GW_{at}").parse().unwrap(),
        site: name("north"),
        labels: Strings::from([("area".to_owned(), "packing".to_owned())]),
        running: None,
    });
    let session = AboutSession::new(
        "GW_1".parse().unwrap(),
        SessionKind::Designer,
        "ann".to_owned(),
        "HMI".to_owned(),
        Timestamp(1_791_815_654_089),
    );
    GateRequest {
        gate: name("cab"),
        phase: Phase::PreStage,
        subject: Subject::Stage { name: name("canary") },
        attempt: 1,
        dry_run: false,
        rollback: false,
        fleet: name("plants"),
        rollout: Some("r1".parse().unwrap()),
        plan_hash: Digest::of(b"plan"),
        repository: AboutRepository {
            name: name("hmi"),
            url: "https://git.example/hmi".to_owned(),
            reference: "branch main".to_owned(),
        },
        commit: AboutCommit::new(GitId::default(), "Ann".to_owned(), &"ä".repeat(3_000)),
        diff: DiffSummary {
            added: 1,
            changed: 2,
            removed: 0,
            paths: Bounded::of(["projects/HMI/x".to_owned()], PATHS_MAX),
        },
        gateways: Bounded::of(gateways, GATEWAYS_MAX),
        open_sessions: Bounded::of([session], SESSIONS_MAX),
        dry_runs: None,
    }
}

#[test]
fn a_question_says_what_it_is_and_is_bounded() {
    let bytes = request().to_json();
    let sent: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(sent["apiVersion"], "millwright.dev/v1");
    assert_eq!(sent["kind"], "GateRequest");
    assert_eq!(sent["subject"], json!({"kind": "stage", "name": "canary"}));
    assert_eq!((&sent["phase"], &sent["dryRun"]), (&json!("preStage"), &json!(false)));
    assert_eq!(sent["gateways"]["total"], 700);
    assert_eq!(sent["gateways"]["items"].as_array().unwrap().len(), GATEWAYS_MAX);
    assert_eq!(sent["gateways"]["items"][0]["labels"]["area"], "packing");
    assert_eq!(sent["openSessions"]["items"][0]["since"], "2026-10-12T14:34:14Z");
    assert_eq!(sent["commit"]["message"].as_str().unwrap().chars().count(), MESSAGE_CHARS_MAX);
    assert_eq!(serde_json::from_slice::<GateRequest>(&bytes).unwrap(), request());
    assert!(sent.get("dryRuns").is_none(), "nobody has asked for them");
    let fine = AboutDryRun {
        gateway: "GW_1".parse().unwrap(),
        ok: true,
        message: "3 files would be changed".to_owned(),
        added: 0,
        changed: 3,
        removed: 0,
        bytes: 12,
    };
    let dry_runs = Some(Bounded::of([fine], GATEWAYS_MAX));
    let sent: Value =
        serde_json::from_slice(&GateRequest { dry_runs, ..request() }.to_json()).unwrap();
    assert_eq!(
        (&sent["dryRuns"]["total"], &sent["dryRuns"]["items"][0]["changed"]),
        (&json!(1), &json!(3))
    );
}

#[test]
fn the_key_tells_questions_apart_and_nothing_else() {
    let key = request().idempotency_key();
    let others = [
        GateRequest { attempt: 2, ..request() },
        GateRequest { dry_run: true, ..request() },
        GateRequest { rollout: None, ..request() },
        GateRequest { phase: Phase::PostStage, ..request() },
        GateRequest { subject: Subject::Plan, ..request() },
        GateRequest { plan_hash: Digest::of(b"other"), ..request() },
        GateRequest { gate: "other".parse().unwrap(), ..request() },
    ];
    for other in &others {
        assert_ne!(other.idempotency_key(), key, "{other:?}");
    }
    let same = GateRequest { open_sessions: Bounded::default(), ..request() };
    assert_eq!(same.idempotency_key(), key);
}

#[test]
fn answers_are_read() {
    let long = format!(r#"{{"decision":"deny","reason":"{}"}}"#, "ä".repeat(501));
    let cut = format!("{}…", "ä".repeat(499));
    let many = json!({"decision": "allow", "warnings": vec!["w".repeat(201); 30]}).to_string();
    for (text, decision, reason, retry_after, warnings) in [
        (r#"{"decision":"allow"}"#, Decision::Allow, "", None, 0),
        (r#" {"decision":"deny","reason":" a\nb\u001b[2J "} "#, Decision::Deny, "a b [2J", None, 0),
        (r#"{"decision":"defer","retryAfter":"30s"}"#, Decision::Defer, "", Some(30_000), 0),
        (r#"{"decision":"defer","retryAfter":90}"#, Decision::Defer, "", Some(90_000), 0),
        (r#"{"decision":"defer","retryAfter":7.5}"#, Decision::Defer, "", Some(7_500), 0),
        (r#"{"decision":"defer","retryAfter":"1ms"}"#, Decision::Defer, "", Some(5_000), 0),
        (r#"{"decision":"defer","retryAfter":-3}"#, Decision::Defer, "", Some(5_000), 0),
        (r#"{"decision":"defer","retryAfter":1e300}"#, Decision::Defer, "", Some(3_600_000), 0),
        (r#"{"decision":"defer","retryAfter":"9d"}"#, Decision::Defer, "", Some(3_600_000), 0),
        (r#"{"decision":"defer","retryAfter":"soon"}"#, Decision::Defer, "", None, 0),
        (r#"{"decision":"allow","warnings":["a","",5,"b"]}"#, Decision::Allow, "", None, 2),
        (r#"{"decision":"allow","x":{"y":[1]},"uid":"7"}"#, Decision::Allow, "", None, 0),
        (r#"{"decision":"deny","reason":5,"warnings":"w"}"#, Decision::Deny, "", None, 0),
        (&long, Decision::Deny, &cut, None, 0),
        (&many, Decision::Allow, "", None, WARNINGS_MAX),
    ] {
        let answer = parse_answer(text.as_bytes()).unwrap();
        assert_eq!(answer.decision, decision, "{text}");
        assert_eq!(answer.reason, reason, "{text}");
        assert_eq!(answer.retry_after, retry_after.map(Span), "{text}");
        assert_eq!(answer.warnings.len(), warnings, "{text}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    let not_json = |line, column| BadAnswer::NotJson { line, column };
    let deep = "[".repeat(100_000);
    let nested = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    for (text, error) in [
        ("", BadAnswer::Empty),
        (" \n", BadAnswer::Empty),
        ("<!doctype html>", BadAnswer::Html),
        ("allow", not_json(1, 1)),
        (r#"{"decision":"allow""#, not_json(1, 19)),
        (r#"{"decision":"allow"} x"#, not_json(1, 22)),
        (r#"["allow"]"#, BadAnswer::Shape),
        (r#""allow""#, BadAnswer::Shape),
        ("null", BadAnswer::Shape),
        ("true", BadAnswer::Shape),
        (r#"{"decision":"deny","decision":"allow"}"#, BadAnswer::Shape),
        ("{}", BadAnswer::NoDecision),
        (r#"{"Decision":"allow"}"#, BadAnswer::NoDecision),
        (r#"{"decision":true}"#, BadAnswer::NoDecision),
        (r#"{"decision":["allow"]}"#, BadAnswer::NoDecision),
        (r#"{"decision":"maybe"}"#, BadAnswer::Decision("maybe".to_owned())),
        (r#"{"decision":"Allow"}"#, BadAnswer::Decision("Allow".to_owned())),
        (r#"{"decision":" allow"}"#, BadAnswer::Decision("allow".to_owned())),
        (&deep, BadAnswer::Shape),
    ] {
        assert_eq!(parse_answer(text.as_bytes()), Err(error), "{text:.60}");
    }
    assert!(matches!(parse_answer(nested.as_bytes()), Err(BadAnswer::NotJson { .. })));
    assert!(matches!(parse_answer(b"{\"decision\":\"\xff\"}"), Err(BadAnswer::NotJson { .. })));
}

#[test]
fn each_outcome_has_a_verdict() {
    let answer = |text: &str| Ok(parse_answer(text.as_bytes()).unwrap());
    let failed: Result<GateAnswer, String> = Err("gate cab is down".to_owned());
    let (fail, ignore) = (gate(json!({})), gate(json!({"failurePolicy": "ignore"})));
    let denied = |reason: &str| GateVerdict::Denied { reason: reason.to_owned() };
    let deferred = |reason: &str, ms| GateVerdict::Deferred {
        reason: reason.to_owned(),
        retry_after: Span(ms),
    };
    let allowed = |failed_open: Option<&str>| GateVerdict::Allowed {
        warnings: Vec::new(),
        failed_open: failed_open.map(str::to_owned),
    };
    assert_eq!(verdict(&fail, &failed), denied("gate cab is down"));
    assert_eq!(verdict(&ignore, &failed), allowed(Some("gate cab is down")));
    for gate in [&fail, &ignore] {
        assert_eq!(verdict(gate, &answer(r#"{"decision":"allow"}"#)), allowed(None));
        let (no, why) = (r#"{"decision":"deny"}"#, r#"{"decision":"deny","reason":"night"}"#);
        assert_eq!(verdict(gate, &answer(no)), denied("gate cab denied without a reason"));
        assert_eq!(verdict(gate, &answer(why)), denied("night"));
        let later = r#"{"decision":"defer","reason":"busy","retryAfter":30}"#;
        assert_eq!(verdict(gate, &answer(later)), deferred("busy", 30_000));
        let silent = deferred("gate cab deferred without a reason", 60_000);
        assert_eq!(verdict(gate, &answer(r#"{"decision":"defer"}"#)), silent);
    }
}

#[test]
fn a_deferral_ends() {
    let later = |ms| GateVerdict::Deferred { reason: "busy".to_owned(), retry_after: Span(ms) };
    let at = |gate: &Gate, ms: u64| later(60_000).at(gate, Timestamp(1_000), Timestamp(1_000 + ms));
    let gate_of = |on_expire| gate(json!({"expires": "5m", "onExpire": on_expire}));
    let deny = gate_of("deny");
    assert_eq!(at(&deny, 0), later(60_000));
    assert_eq!(at(&deny, 270_000), later(30_000));
    assert_eq!(at(&deny, 299_999), later(5_000));
    let text = "gate cab has put its answer off for 5m: busy";
    assert_eq!(at(&deny, 300_000), GateVerdict::Denied { reason: text.to_owned() });
    let open = GateVerdict::Allowed { warnings: Vec::new(), failed_open: Some(text.to_owned()) };
    assert_eq!(at(&gate_of("allow"), 300_000), open);
    assert_eq!(open.clone().at(&deny, Timestamp(0), Timestamp(u64::MAX)), open);
}

fn within_bounds(answer: &GateAnswer) -> bool {
    answer.reason.chars().count() <= REASON_CHARS_MAX
        && answer.warnings.len() <= WARNINGS_MAX
        && answer.warnings.iter().all(|one| one.chars().count() <= WARNING_CHARS_MAX)
        && answer.retry_after.is_none_or(|s| (RETRY_AFTER_MIN..=RETRY_AFTER_MAX).contains(&s))
        && !answer.reason.chars().chain(answer.warnings.concat().chars()).any(char::is_control)
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_within_bounds_or_none(bytes: Vec<u8>) {
        if let Ok(answer) = parse_answer(&bytes) {
            prop_assert!(within_bounds(&answer));
        }
    }

    #[test]
    fn any_fields_beside_a_decision_stay_within_bounds(
        decision in "allow|deny|defer",
        reason in ".{0,600}",
        warnings in proptest::collection::vec(".{0,250}", 0..30),
        retry_after in prop_oneof![
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,10}".prop_map(Value::from),
            "[0-9]{1,20}(ms|s|m|h|d)".prop_map(Value::from),
        ],
    ) {
        let text = json!({
            "decision": decision, "reason": reason, "warnings": warnings, "retryAfter": retry_after,
        });
        let answer = parse_answer(text.to_string().as_bytes()).unwrap();
        prop_assert!(within_bounds(&answer));
        prop_assert_eq!(answer.decision.as_str(), decision);
    }

    #[test]
    fn damaged_answers_never_panic(at in 0_usize..60, byte: u8) {
        let mut bytes = br#"{"decision":"defer","reason":"busy","retryAfter":30,"warnings":["w"]}"#.to_vec();
        bytes[at] = byte;
        if let Ok(answer) = parse_answer(&bytes) {
            prop_assert!(within_bounds(&answer));
        }
    }
}
