//! What windows mean at a moment.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{canned, fake::Fake};

/// Within the night, before the freeze of Christmas.
const NIGHT: &str = "2026-11-26T23:30:00+01:00";
/// By day.
const DAY: &str = "2026-11-27T12:00:00Z";

async fn fleet() -> Fake {
    let mut company = canned::company();
    let of_plants = |value: &&mut Value| value["kind"] == "Fleet";
    let plants = company.resources.iter_mut().find(of_plants).expect("a fleet");
    plants["spec"]["windows"] = json!([
        {"name": "night", "kind": "allow", "schedule": "0 22 * * *", "duration": "8h",
            "timeZone": "Europe/Berlin", "overrun": true, "manual": true},
        {"name": "friday", "kind": "deny", "schedule": "0 6 * * fri", "duration": "12h", "select": "line=1"},
        {"name": "christmas", "kind": "deny", "schedule": "0 0 24 12 *", "duration": "3d"},
    ]);
    Fake::start(company).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_judged_for_a_fleet_and_for_a_gateway() {
    let fake = fleet().await;
    for (name, columns, args) in [
        ("night-80", "80", vec!["--at", NIGHT]),
        ("night-160", "160", vec!["--at", NIGHT]),
        ("day-line1", "160", vec!["--at", DAY, "--gateway", "line1"]),
        ("day-line2", "160", vec!["--at", DAY, "--gateway", "line2"]),
        ("night-line1", "160", vec!["--at", NIGHT, "--gateway", "line1"]),
        ("day-json", "160", vec!["--at", DAY, "--gateway", "line1", "-o", "json"]),
        ("no-moment", "80", vec!["--at", "tomorrow"]),
        ("no-gateway", "80", vec!["--at", DAY, "--gateway", "line7"]),
    ] {
        let args = [&["windows", "fleet", "plants"], &args[..]].concat();
        let ran = fake.run_in(&args, &[("COLUMNS", columns)]).await;
        assert_snapshot!(format!("windows-{name}"), ran.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_without_windows_says_so() {
    let fake = Fake::start(canned::company()).await;
    let ran = fake.run(&["windows", "fleet", "plants", "--gateway", "line1", "--at", DAY]).await;
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("line1 may be changed at 2026-11-27T12:00:00Z"), "{}", ran.out);
    assert!(ran.err.contains("no window: gateways may be changed at any time"), "{}", ran.err);
}
