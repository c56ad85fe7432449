//! What failures look like, and their exit codes.

use insta::assert_snapshot;
use serde_json::Value;
use tonic::Code;

use crate::{
    canned,
    fake::{Fake, Ran},
};

fn error_of(ran: &Ran) -> Value {
    let value: Value = serde_json::from_str(&ran.err).expect("JSON on standard error");
    assert_eq!(value["ok"], false);
    assert!(ran.out.is_empty(), "{}", ran.all());
    value["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_exit_code() {
    let fake = Fake::start(canned::company()).await;
    for (code, exit, word, retryable) in [
        (Code::Internal, 1, "error", false),
        (Code::ResourceExhausted, 1, "error", false),
        (Code::InvalidArgument, 2, "usage", false),
        (Code::NotFound, 4, "not_found", false),
        (Code::Aborted, 5, "conflict", true),
        (Code::AlreadyExists, 5, "conflict", true),
        (Code::PermissionDenied, 6, "denied", false),
        (Code::Unauthenticated, 6, "denied", false),
        (Code::Unavailable, 9, "unavailable", true),
    ] {
        fake.change(|script| script.refusal = Some((code, "no such luck", "try luck")));
        let ran = fake.run(&["get", "gateways", "-o", "json"]).await;
        assert_eq!(ran.code, exit, "{code:?}: {}", ran.all());
        let error = error_of(&ran);
        assert_eq!(error["code"], word);
        assert_eq!(error["exitCode"], exit);
        assert_eq!(error["retryable"], retryable);
        if code != Code::Unavailable {
            assert_eq!(error["message"], "no such luck");
            assert_eq!(error["hint"], "try luck");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_leader_stale_reads_are_named() {
    let fake = Fake::start(canned::company()).await;
    let hint = "stale reads still work (--stale); bring a majority of the coordinators back";
    fake.change(|script| script.refusal = Some((Code::Unavailable, "no leader", hint)));
    assert_snapshot!(fake.run(&["status"]).await.all());
    // The others cannot be reached, so the one that said no is not asked again.
    assert_eq!(fake.asked(), ["cluster"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_exit_code_9() {
    let mut fake = Fake::start(canned::company()).await;
    fake.stop().await;
    let ran = fake.run(&["status"]).await;
    assert_eq!(ran.code, 9, "{}", ran.all());
    assert!(ran.err.contains("cannot be reached") && ran.err.contains("hint:"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_suggest_the_nearest() {
    let fake = Fake::start(canned::company()).await;
    for args in [
        vec!["get", "gateway", "lin2"],
        vec!["get", "gatways"],
        vec!["get", "tokens", "-w"],
        vec!["describe", "fleet", "plant"],
        vec!["delete", "gateway", "line9", "--yes"],
        vec!["explain", "fleet.spec.stage"],
        vec!["get", "gateways", "-o", "jason"],
        vec!["rollot", "list"],
        vec!["rollout", "wach"],
        vec!["get", "gateways", "--selektor", "a=b"],
        vec!["status", "--context", "lap"],
        vec!["rollout", "watch", "plants-3"],
        vec!["gateway", "sync", "lien1"],
        vec!["gateway", "sessions", "line"],
        vec!["snapshot", "list", "line4"],
        vec!["history", "gateway", "lin3"],
        vec!["history", "fleet", "plant"],
        vec!["history", "rollout", "plants-3"],
        vec!["history", "operator", "ann"],
        vec!["audit", "--subject", "gatway/line1"],
        vec!["audit", "--since", "yesterday"],
        vec!["events", "--kind", "rolout"],
        vec!["gateway", "rolback", "line1"],
    ] {
        let name = args.join(" ");
        assert_snapshot!(
            format!("unknown {name}").replace([' ', '.'], "-"),
            fake.run(&args).await.all()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_errors_are_envelopes_too_when_json_is_wanted() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["get", "gateways", "--selektor", "a=b", "-o", "json"]).await;
    assert_eq!(ran.code, 2);
    assert_eq!(error_of(&ran)["code"], "usage");
    let ran = fake.run(&["get", "gateway", "nobody", "-o", "yaml"]).await;
    assert!(ran.err.starts_with("ok: false\n"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_leaves_out_notes_but_not_errors() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["get", "gateways", "--stale", "-q"]).await;
    assert!(ran.err.is_empty(), "{}", ran.all());
    let ran = fake.run(&["get", "gateway", "nobody", "-q"]).await;
    assert!(ran.err.contains("error:"), "{}", ran.all());
}
