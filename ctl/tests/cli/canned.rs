//! A small company as the cluster would show it.

use millwright_model::{
    audit::{Entry, Head, Outcome},
    digest::Digest,
    time::Timestamp,
};
use millwright_proto::control as wire;
use serde_json::{Value, json};

use crate::fake::Script;

/// Half past, so that an age in minutes does not turn over while a test runs.
pub(crate) fn minutes_ago(minutes: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = u64::try_from(now.expect("after 1970").as_millis()).expect("fits");
    now - minutes * 60_000 - 30_000
}

const COMMIT: &str = "4bf57a65c0a1b2d3e4f5061728394a5b6c7d8e9f";

fn gateway(name: &str, line: &str, status: Value) -> Value {
    json!({
        "apiVersion": "millwright.dev/v1", "kind": "Gateway",
        "metadata": {"name": name, "labels": {"area": "packing", "line": line}},
        "spec": {"site": "hamburg", "profile": "area", "vars": {"line": line}},
        "status": status,
    })
}

/// A moment that does not move, for what is shown as one.
const THEN: u64 = 1_791_815_654_089;
/// The snapshot that the last change of line1 left.
pub(crate) const SNAPSHOT: &str = "20261012t143413z";

/// An attempt as the cluster keeps it.
pub(crate) fn attempt(generation: u64, attempt: u32, result: &str, trigger: &str) -> Value {
    let applied = result == "applied";
    json!({
        "generation": generation, "attempt": attempt, "result": result, "trigger": trigger,
        "commit": if generation > 6 { COMMIT } else { "e58a73fa00c1d2e3f4a5b6c7d8e9f00112233445" },
        "reference": "branch main", "manifest": applied.then_some("751a9f0c88431234"),
        "failures": if applied { json!([]) } else { json!([{"step": "verify", "kind": "not_loaded", "retry": "never",
            "message": "the gateway did not load the view", "subject": "projects/packing/views/Main",
            "remedy": "open the view in a Designer and save it again"}]) },
        "notices": [], "sessions": [], "kept": [], "at": THEN + 60_000 * generation, "projects": ["packing", "shared"],
        "snapshot": SNAPSHOT, "filesAdded": 2, "filesChanged": 5, "filesDeleted": 3, "bytesFetched": 140_976,
        "durationMs": 597,
    })
}

fn snapshot(id: &str, pinned: bool, cause: &str) -> Value {
    json!({"id": id, "takenAt": THEN, "commit": COMMIT, "files": 412, "bytes": 8_812_120, "newBytes": 20_480,
        "durationMs": 912, "stores": ["local", "s3://plant-snapshots/line1"], "pinned": pinned, "cause": cause})
}

fn session(kind: &str, user: &str, project: &str) -> Value {
    json!({"kind": kind, "id": format!("s-{user}"), "user": user, "project": project, "since": THEN,
        "address": "10.1.0.77"})
}

fn in_sync() -> Value {
    let connection = json!({"state": "connected", "node": "n2", "since": minutes_ago(10),
        "agentVersion": "0.1.0", "address": "10.1.0.4:40112"});
    let mut failed = attempt(7, 1, "rolledBack", "rollout plants-2");
    failed["at"] = json!(THEN + 60_000 * 6 + 30_000);
    json!({
        "state": "InSync", "reason": "", "message": "",
        "connection": connection,
        "facts": {"systemName": "Line-1", "ignitionVersion": "8.3.6 (b2026042713)",
            "state": "RUNNING", "redundancyRole": "Independent", "activityLevel": "Active"},
        "sessions": [session("designer", "ann", "packing"), session("perspective", "op4", "packing"),
            session("perspective", "op7", "shared")],
        "drift": {"count": 0, "entries": [], "since": 0},
        "snapshots": [snapshot(SNAPSHOT, true, "before generation 7"), snapshot("20261011t090000z", false, "before the upgrade")],
        "members": {"single": {"connection": connection, "facts": {}}},
        "backup": null, "paused": null,
        "desired": {"commit": COMMIT, "manifest": "751a9f0c88431234", "generation": 7, "rollout": "plants-2",
            "reference": "branch main", "attempt": 2, "origin": "rollout", "trigger": "retry by ann"},
        "attempted": {"commit": COMMIT, "generation": 7, "attempt": 2},
        "applied": {"commit": COMMIT, "manifest": "751a9f0c88431234", "generation": 7, "at": minutes_ago(9)},
        "failures": [], "notices": [],
        "history": [attempt(7, 2, "applied", "retry by ann: view mended"), failed,
            attempt(6, 1, "applied", "rollout plants-1")],
        "instructions": [],
    })
}

fn failed() -> Value {
    let connection = |node: &str, state: &str| {
        json!({"state": state, "node": node, "since": minutes_ago(10), "agentVersion": "0.1.0",
        "address": "10.2.0.4:40112"})
    };
    let facts = |role: &str, activity: &str| {
        json!({"systemName": "Line-2", "ignitionVersion": "8.3.6 (b2026042713)", "state": "RUNNING",
        "redundancyRole": role, "activityLevel": activity, "peerConnected": true})
    };
    let mut attempt = attempt(7, 1, "rolledBack", "rollout plants-2");
    attempt["notices"] = json!([{"step": "preflight", "kind": "trial_expired", "retry": "later",
        "message": "the trial of the gateway has expired", "remedy": "reset the trial"}]);
    json!({
        "state": "RolledBack", "reason": "ApplyFailed",
        "message": "verify: the gateway did not load the view, and the files from before were restored",
        "connection": connection("n3", "connected"),
        "facts": facts("Master", "Active"),
        "sessions": null,
        "drift": {"count": 3, "since": THEN, "entries": [
            {"path": "projects/packing/views/Main/view.json", "change": "modified", "actor": "ann"},
            {"path": "projects/packing/views/Old/resource.json", "change": "deleted"}]},
        "snapshots": [],
        "members": {"master": {"connection": connection("n3", "connected"), "facts": facts("Master", "Active")},
            "backup": {"connection": connection("n1", "connected"), "facts": facts("Backup", "Warm")}},
        "backup": {"generation": 6, "inSync": false, "message": "project state is SyncError", "attempt": 2, "at": minutes_ago(9)},
        "paused": {"by": "bob", "reason": "audit until Friday", "since": minutes_ago(30)},
        "attempted": {"commit": COMMIT, "generation": 7, "attempt": 1},
        "applied": {"commit": "e58a73fa00", "manifest": "0011223344556677", "generation": 6, "at": minutes_ago(90)},
        "failures": attempt["failures"], "notices": attempt["notices"],
        "history": [attempt],
        "instructions": [{"id": "i0", "member": "master", "kind": "snapshot_verify", "subject": SNAPSHOT, "by": "bob",
            "reason": "", "at": THEN, "expiresAt": THEN + 600_000,
            "answer": {"ok": false, "message": "there is no snapshot 20261012t143413z here", "detail": "", "at": THEN + 900}}],
    })
}

/// A gateway of the company under another status.
pub(crate) fn with_status(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let of_name = |value: &&Value| value["kind"] == "Gateway" && value["metadata"]["name"] == name;
    let company = company();
    let mut value = company.resources.iter().find(of_name).cloned().expect("a gateway");
    change(&mut value["status"]);
    value
}

fn offline() -> Value {
    json!({
        "state": "Offline", "reason": "AgentLost", "message": "no agent since 2026-10-12T14:34:14Z",
        "connection": {"state": "lost", "node": "n1", "since": minutes_ago(600),
            "agentVersion": "0.1.0", "address": "10.3.0.4:40112"},
    })
}

/// A rollout of fleet plants.
pub(crate) fn rollout(id: &str, phase: &str, members: &[(&str, &str, &str)]) -> Value {
    let count = |stage: &str, state: &str| {
        members
            .iter()
            .filter(|(_, of, is)| *of == stage && (state.is_empty() || *is == state))
            .count()
    };
    let stage = |name: &str| {
        let done = count(name, "applied") == count(name, "");
        let waits = name == "rest" && count("canary", "applied") < count("canary", "");
        let state = if done {
            "done"
        } else if waits {
            "pending"
        } else {
            "open"
        };
        json!({"name": name, "state": state, "total": count(name, ""), "applied": count(name, "applied"),
            "running": count(name, "assigned"), "failed": count(name, "failed"), "skipped": 0})
    };
    let applied = members.iter().filter(|(_, _, is)| *is == "applied").count();
    let finished = (phase != "Running").then(|| minutes_ago(8) + 12_000);
    json!({
        "apiVersion": "millwright.dev/v1", "kind": "Rollout", "metadata": {"name": id},
        "spec": {"fleet": "plants", "repository": "plant", "commit": COMMIT, "reference": "branch main",
            "planHash": "9c1f2a"},
        "status": {"phase": phase, "state": phase, "reason": "",
            "message": format!("{applied}/{} applied", members.len()),
            "startedAt": minutes_ago(8), "finishedAt": finished,
            "stages": [stage("canary"), stage("rest")],
            "members": members.iter().map(|(gateway, stage, state)| json!({
                "gateway": gateway, "stage": stage, "state": state, "message": "",
                "generation": if *state == "pending" { 0 } else { 7 }})).collect::<Vec<_>>()},
    })
}

/// An event that carries a resource.
pub(crate) fn event(index: u64, value: &Value) -> wire::WatchEvent {
    let at =
        |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    wire::WatchEvent {
        kind: at("/kind"),
        name: at("/metadata/name"),
        action: "put".to_owned(),
        json: value.to_string().into_bytes(),
        index,
        at_ms: 1_791_815_654_089 + index * 1000,
        message: "changed".to_owned(),
        sub: 0,
    }
}

fn node(id: u64, state: &str, matched: u64, heard: u64) -> wire::Node {
    wire::Node {
        id,
        name: format!("n{id}"),
        // Nobody listens there: a second try is refused at once.
        api_address: format!("127.0.0.1:{id}"),
        peer_address: format!("127.0.0.1:{}", id + 10),
        state: state.to_owned(),
        voter: true,
        matched_index: matched,
        last_contact_ms: heard,
        version: "0.1.0".to_owned(),
        agents: 1,
    }
}

/// Three nodes, one of which is silent.
pub(crate) fn cluster() -> wire::ClusterStatusResponse {
    wire::ClusterStatusResponse {
        cluster_id: "c0ffee".to_owned(),
        epoch: 1,
        leader: 1,
        term: 4,
        last_applied: 57,
        answered_by: 1,
        nodes: vec![
            node(1, "leader", 57, 0),
            node(2, "follower", 57, 40),
            node(3, "unreachable", 49, 65_000),
        ],
        version: "0.1.0".to_owned(),
    }
}

/// The whole company.
pub(crate) fn company() -> Script {
    let members =
        [("line1", "canary", "applied"), ("line2", "rest", "failed"), ("line3", "rest", "pending")];
    Script {
        resources: vec![
            gateway("line1", "1", in_sync()),
            gateway("line2", "2", failed()),
            gateway("line3", "3", offline()),
            json!({"apiVersion": "millwright.dev/v1", "kind": "Fleet", "metadata": {"name": "plants"},
                "spec": {"repository": "plant", "selector": "area=packing", "stages": [
                    {"name": "canary", "select": "line=1", "maxConcurrent": 1},
                    {"name": "rest", "select": "", "maxConcurrent": 4}]},
                "status": {"gateways": 3, "inSync": 1, "rollout": "plants-2", "state": "Failed", "reason": "",
                    "message": "1/3 applied, 1 failed"}}),
            json!({"apiVersion": "millwright.dev/v1", "kind": "Repository", "metadata": {"name": "plant"},
                "spec": {"url": "https://git.example/plant.git", "ref": {"branch": "main", "tag": null}, "poll": "60s"},
                "status": {"state": "Resolved", "reason": "", "message": "", "reference": "branch main",
                    "commit": COMMIT, "subject": "Speed in metres per minute", "author": "Ann",
                    "committedAt": 1_791_815_654_089_u64, "resolvedAt": minutes_ago(8)}}),
            json!({"apiVersion": "millwright.dev/v1", "kind": "SyncProfile", "metadata": {"name": "area"},
                "spec": {"vars": {"plant": "hh"}, "excludePatterns": ["**/*.bak"], "mappings": [
                    {"source": "projects/shared", "destination": "projects/shared", "required": true},
                    {"source": "projects/{{.Site}}", "destination": "projects/{{.Site}}", "required": false}]},
                "status": {}}),
            json!({"apiVersion": "millwright.dev/v1", "kind": "Operator", "metadata": {"name": "ann"},
                "spec": {"role": "admin"}, "status": {}}),
            rollout("plants-1", "Completed", &[("line1", "canary", "applied")]),
            rollout("plants-2", "Failed", &members),
        ],
        index: 57,
        tokens: vec![
            token("3fa85f64c1d2", "agent", "line1", "open"),
            token("9d01ab34cd56", "operator", "ann", "used"),
        ],
        cluster: cluster(),
        events: events(),
        audit: audit(),
        audit_base: Head::genesis("c0ffee"),
        ..Script::default()
    }
}

/// What happened: two things at one log index.
fn events() -> Vec<wire::WatchEvent> {
    let told = |index, sub, kind: &str, name: &str, message: &str| wire::WatchEvent {
        kind: kind.to_owned(),
        name: name.to_owned(),
        action: "put".to_owned(),
        index,
        at_ms: 1_791_815_654_089 + index * 1000,
        message: message.to_owned(),
        sub,
        ..wire::WatchEvent::default()
    };
    vec![
        told(48, 1, "Rollout", "plants-2", "started: commit 4bf57a65 to 3 gateways"),
        told(49, 1, "Rollout", "plants-2", "stage canary begins"),
        told(49, 2, "Gateway", "line1", "assigned commit 4bf57a65 by plants-2"),
        told(53, 1, "Gateway", "line1", "applied in 812 ms: 0 added, 1 changed, 0 removed"),
        told(
            57,
            1,
            "Gateway",
            "line2",
            "rolled back after a failure in verify: the scan never completed",
        ),
    ]
}

/// Who did what.
pub(crate) fn audit() -> Vec<Entry> {
    let mut head = Head::genesis("c0ffee");
    let entry =
        |log_index: u64, who: &str, what: &str, (kind, name): (&str, &str), why: &str| Entry {
            format: 0,
            index: 0,
            log_index,
            at: Timestamp(1_791_815_654_089 + log_index * 1000),
            who: format!("spiffe://c0ffee/{who}"),
            from: if who.starts_with("op") { "10.3.0.9:51722".to_owned() } else { String::new() },
            what: what.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            why: why.to_owned(),
            before: String::new(),
            after: String::new(),
            fields: Vec::new(),
            outcome: Outcome::Accepted,
            message: String::new(),
            hash: Digest::default(),
        };
    let applied = Entry {
        before: Digest::of(b"before").to_string(),
        after: Digest::of(b"after").to_string(),
        fields: vec!["spec.stages[1].maxConcurrent".to_owned()],
        message: "configured".to_owned(),
        ..entry(47, "operator/ann", "apply", ("Fleet", "plants"), "four at a time")
    };
    let denied = Entry {
        outcome: Outcome::Refused,
        message: "operator eve has role Viewer, this needs Admin".to_owned(),
        ..entry(51, "operator/eve", "ban", ("Gateway", "line1"), "no more")
    };
    let started = Entry {
        after: "Running".to_owned(),
        message: "started: commit 4bf57a65 to 3 gateways".to_owned(),
        ..entry(48, "coordinator/n1", "start", ("Rollout", "plants-2"), "")
    };
    let stopped = Entry {
        before: "Running".to_owned(),
        after: "Failed".to_owned(),
        message: "1/3 applied, 1 failed; 1 sites failed, the limit is 1".to_owned(),
        ..entry(
            57,
            "coordinator/n1",
            "stop",
            ("Rollout", "plants-2"),
            "1 sites failed, the limit is 1",
        )
    };
    [applied, started, denied, stopped].into_iter().map(|entry| head.seal(entry)).collect()
}

fn token(id: &str, role: &str, name: &str, state: &str) -> wire::Token {
    wire::Token {
        id: id.to_owned(),
        role: role.to_owned(),
        name: name.to_owned(),
        member: "single".to_owned(),
        created_at_ms: 1_791_815_054_089,
        expires_at_ms: 1_791_815_654_089,
        state: state.to_owned(),
        created_by: "spiffe://c0ffee/operator/ann".to_owned(),
    }
}
