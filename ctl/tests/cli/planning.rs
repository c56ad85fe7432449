//! What people see before something is done: plans and forecasts.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{canned, fake::Fake};

/// A plan with everything that one may say.
pub(crate) fn plan(simulate: bool) -> Value {
    let gate = json!({"name": "qa", "phase": "preStage", "url": "https://qa.example:443"});
    let member = |gateway: &str, stage: &str, change: Value| {
        json!({"gateway": gateway, "site": "north", "stage": stage, "order": 0, "dependsOn": [],
            "manifest": "00", "change": change, "question": "", "window": {"open": true, "reason": "",
            "nextChange": null}, "designers": [], "offlineSince": null})
    };
    let some = json!({"added": 2, "changed": 14, "removed": 1, "bytes": 48_213,
        "projects": ["Line4", "shared"]});
    let none = json!({"added": 0, "changed": 0, "removed": 0, "bytes": 0, "projects": []});
    let mut waits = member("line2", "rest", some.clone());
    waits["dependsOn"] = json!(["line1"]);
    waits["window"] =
        json!({"open": false, "reason": "outside of night", "nextChange": 1_767_578_400_000_u64});
    waits["designers"] =
        json!([{"user": "jdoe", "project": "Line4", "since": 1_767_571_200_000_u64}]);
    let mut away = member("line3", "rest", Value::Null);
    away["offlineSince"] = json!(1_767_571_200_000_u64);
    away["question"] = json!("60 of 100 files would be deleted");
    let at = 1_767_571_200_000_u64;
    let forecast = json!({
        "completes": true, "endsAt": at + 7_260_000,
        "members": [
            {"gateway": "line1", "begins": at, "ends": at + 45_000},
            {"gateway": "line2", "begins": at + 7_200_000, "ends": at + 7_260_000},
        ],
        "criticalPath": ["line1", "line2"],
        "left": [{"gateway": "line3", "waits": "offline since 2026-01-05T00:00:00Z"}],
    });
    json!({
        "apiVersion": "millwright.dev/v1", "kind": "Plan", "metadata": {"name": "plants"},
        "spec": {"fleet": "plants", "repository": "plant",
            "commit": "4bf57a6aa0c1d2e3f405162738495a6b7c8d9e0f", "author": "Ann",
            "reference": "branch main", "subject": "Speed in metres per minute",
            "planHash": "08ec142fe3076d68e00bfa3d0470896d4ba845eec7996d12932654926369cb90",
            "manual": true, "gates": [{"name": "board", "phase": "prePlan", "url": ""}],
            "stages": [
                {"name": "canary", "gateways": 1, "maxConcurrent": 1, "soak": "30m", "quorum": 80,
                    "approval": false, "gates": []},
                {"name": "rest", "gateways": 2, "maxConcurrent": 2, "soak": "0s", "quorum": 80,
                    "approval": true, "gates": [gate]},
            ]},
        "status": {"rollout": "plants-7", "at": at,
            "members": [member("line1", "canary", none), waits, away],
            "forecast": if simulate { forecast } else { Value::Null }},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_would_happen_to_whom() {
    let fake = Fake::start(canned::company()).await;
    for columns in ["80", "160"] {
        let ran = fake.run_in(&["plan", "fleet", "plants"], &[("COLUMNS", columns)]).await;
        assert_snapshot!(format!("plan-{columns}"), ran.all());
    }
    let args = ["plan", "fleet", "plants", "--ref", "v2", "--simulate", "--deadline", "8h"];
    let ran = fake.run_in(&args, &[("COLUMNS", "80")]).await;
    assert_snapshot!("plan-simulated", ran.all());
    assert!(fake.asked().contains(&"plan plants v2 28800000".to_owned()), "{:?}", fake.asked());
    let json = fake.run(&["plan", "fleet", "plants", "-o", "json"]).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["data"]["spec"]["planHash"], plan(false)["spec"]["planHash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_fleet_can_be_planned() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["plan", "gateway", "line1"]).await;
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("millctl plan fleet"), "{}", ran.err);
}
