//! The scan-lock: granted once, not released, freed by any scan, lapsing without one.

use std::time::Instant;

use gateway_sim::Kind;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Rig};

const CONFIG: &str = "/data/api/v1/scan-lock/config";
const PROJECTS: &str = "/data/api/v1/scan-lock/projects";

#[tokio::test]
async fn a_free_lock_is_granted_and_read_back() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    assert_eq!(rig.ask("GET", CONFIG, "").await?.0, 204);
    let (status, body) = rig.post(CONFIG, &json!({"acquireTimeout": 1, "holdTimeout": 60})).await?;
    assert_eq!(status, 200);
    assert_eq!(body["remaining"], 59, "whole seconds, floored");
    assert_eq!(body["actor"], "api-token:agent:127.0.0.1");
    assert!(body["timestamp"].as_u64().is_some_and(|opaque| opaque < 1_000_000_000_000));
    let again = rig.get(CONFIG).await?;
    assert_eq!(again["timestamp"], body["timestamp"]);
    assert_eq!(rig.ask("GET", PROJECTS, "").await?.0, 204, "one lock per kind");
    let (_, _, text) = rig.ask("GET", CONFIG, "").await?;
    assert!(text.starts_with("{\n  \"timestamp\": "), "{text}");
    Ok(())
}

#[tokio::test]
async fn the_documented_defaults_apply() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let (status, body) = rig.post(CONFIG, &json!({})).await?;
    assert_eq!((status, body["remaining"].clone()), (200, json!(59)));
    Ok(())
}

#[tokio::test]
async fn a_held_lock_is_refused_at_once_to_its_holder_too() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let body = json!({"acquireTimeout": 10, "holdTimeout": 60});
    assert_eq!(rig.post(CONFIG, &body).await?.0, 200);
    let asked = Instant::now();
    let (status, kind, text) = rig.ask("POST", CONFIG, &body.to_string()).await?;
    assert!(asked.elapsed().as_secs() < 5, "acquireTimeout is not waited out");
    assert_eq!((status, kind.as_str()), (409, "text/html;charset=iso-8859-1"));
    let expected = "<h2>HTTP ERROR 409 Lock already held by api-token:agent:127.0.0.1</h2>\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.ends_with("</table>\n\n</body>\n</html>\n"));
    assert_eq!(rig.sim.counters().lock_conflicts, 1);
    Ok(())
}

#[tokio::test]
async fn wrong_requests_are_refused_as_the_real_one_does() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    for (body, status, message) in [
        ("", 500, "java.lang.NullPointerException"),
        ("{", 400, "Bad Request"),
        (r#"{"acquireTimeout":"1","holdTimeout":60}"#, 400, "Bad Request"),
        (r#"{"acquireTimeout":0,"holdTimeout":60}"#, 400, "Timeouts must be positive"),
        (r#"{"acquireTimeout":1,"holdTimeout":-1}"#, 400, "Timeouts must be positive"),
    ] {
        let (code, kind, text) = rig.ask("POST", CONFIG, body).await?;
        assert_eq!((code, kind.as_str()), (status, "text/html;charset=iso-8859-1"), "{body}");
        assert!(text.contains(&format!("HTTP ERROR {status} {message}")), "{text}");
    }
    assert_eq!(rig.ask("GET", CONFIG, "").await?.0, 204);
    Ok(())
}

#[tokio::test]
async fn any_trigger_frees_it_at_once_and_only_its_own_kind() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let body = json!({"acquireTimeout": 1, "holdTimeout": 60});
    for path in [CONFIG, PROJECTS] {
        assert_eq!(rig.post(path, &body).await?.0, 200);
    }
    for path in [format!("{CONFIG}/release"), CONFIG.to_owned()] {
        let method = if path == CONFIG { "DELETE" } else { "POST" };
        rig.ask(method, &path, "").await?;
        assert_eq!(rig.ask("GET", CONFIG, "").await?.0, 200, "{method} {path} does nothing");
    }
    rig.sim.set(|knobs| knobs.scan.outcome = gateway_sim::knobs::ScanOutcome::Never);
    rig.run(json!({"do": "scan", "kind": "config"})).await?;
    assert_eq!(rig.ask("GET", CONFIG, "").await?.0, 204, "freed though the scan still runs");
    assert_eq!(rig.ask("GET", PROJECTS, "").await?.0, 200);
    rig.sim.set(|knobs| knobs.scan.frees_both_locks = true);
    rig.run(json!({"do": "scan", "kind": "config"})).await?;
    assert_eq!(rig.ask("GET", PROJECTS, "").await?.0, 204);
    let counters = rig.sim.counters();
    assert_eq!((counters.locks, counters.locks_freed, counters.locks_lapsed), (2, 2, 0));
    Ok(())
}

#[tokio::test]
async fn it_lapses_without_a_scan_and_the_next_hold_has_another_timestamp() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let body = json!({"acquireTimeout": 1, "holdTimeout": 1});
    let (_, first) = rig.post(CONFIG, &body).await?;
    assert_eq!(first["remaining"], 0);
    let free =
        |sim: &gateway_sim::Sim| (sim.state()["locks"]["config"] == Value::Null).then_some(());
    rig.sim.until(PATIENCE, free).await?;
    assert!(rig.sim.scans().is_empty());
    let (status, second) = rig.post(CONFIG, &body).await?;
    assert_eq!(status, 200);
    assert_ne!(first["timestamp"], second["timestamp"]);
    assert_eq!(rig.sim.counters().locks_lapsed, 1);
    Ok(())
}

#[tokio::test]
async fn it_can_be_stolen_and_held_by_somebody_else() -> anyhow::Result<()> {
    let rig = Rig::start().await?;
    let body = json!({"acquireTimeout": 1, "holdTimeout": 60});
    let (_, mine) = rig.post(CONFIG, &body).await?;
    rig.run(json!({"do": "lock", "kind": "config", "actor": "api-token:other:10.0.0.9", "holdMs": 60000}))
        .await?;
    let theirs = rig.get(CONFIG).await?;
    assert_eq!(theirs["actor"], "api-token:other:10.0.0.9");
    assert_ne!(theirs["timestamp"], mine["timestamp"]);
    assert_eq!(rig.post(CONFIG, &body).await?.0, 409);
    rig.run(json!({"do": "unlock", "kind": "config"})).await?;
    assert_eq!(rig.ask("GET", CONFIG, "").await?.0, 204);
    Ok(())
}

#[tokio::test]
async fn a_grant_may_take_its_time_and_scans_are_not_blocked() -> anyhow::Result<()> {
    let rig = Rig::with(|config| config.knobs.grant_ms = 30).await?;
    let asked = Instant::now();
    rig.post(CONFIG, &json!({"acquireTimeout": 1, "holdTimeout": 60})).await?;
    assert!(asked.elapsed().as_millis() >= 30);
    rig.scan(Kind::Projects).await?;
    assert_eq!(rig.ask("GET", CONFIG, "").await?.0, 200);
    rig.scan(Kind::Config).await?;
    Ok(())
}
