//! Who did what, whether that record is whole, and what fleets went through.

use insta::assert_snapshot;
use millwright_model::audit::{Entry, Head, Header};
use serde_json::json;

use crate::{
    canned::{self, rollout},
    fake::{Fake, Script},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_goes_to_the_coordinator() {
    let fake = Fake::start(canned::company()).await;
    for (args, asked) in [
        (vec!["audit"], "audit after=0 actor= / limit=0"),
        (vec!["audit", "--since", "2", "--limit", "9"], "audit after=2 actor= / limit=9"),
        (vec!["audit", "--actor", "eve"], "audit after=0 actor=eve / limit=0"),
        (vec!["audit", "--subject", "gw/line1"], "audit after=0 actor= Gateway/line1 limit=0"),
        (vec!["audit", "--subject", "node/n1"], "audit after=0 actor= node/n1 limit=0"),
        (vec!["history", "rollout", "plants-2"], "audit after=0 actor= Rollout/plants-2 limit=0"),
    ] {
        let ran = fake.run(&args).await;
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert_eq!(fake.asked(), [asked], "{args:?}");
    }
    assert_snapshot!("audit-wide", fake.run(&["audit", "-o", "wide"]).await.all());
    let entries = fake.run(&["audit", "--since", "1", "-o", "json"]).await.data();
    // A program gets what was hashed.
    let entries: Vec<Entry> = serde_json::from_value(entries).expect("entries");
    assert_eq!(entries, canned::audit()[1..]);
    let moment = ["audit", "--since", "2026-10-12T14:35:05Z"];
    assert!(!fake.run(&moment).await.out.contains("operator/ann"), "it is older");
    fake.change(|script| script.audit_dropped = 3);
    let ran = fake.run(&["audit"]).await;
    assert!(ran.err.contains("warning: 3 entries had to go"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_holds_is_said_with_its_head() {
    let fake = Fake::start(canned::company()).await;
    assert_snapshot!("audit-verify", fake.run(&["audit", "--verify"]).await.all());
    let head = canned::audit()[3].hash.to_string();
    let data = fake.run(&["audit", "--verify", "-o", "json"]).await.data();
    assert_eq!((&data["verified"], &data["head"]), (&json!(4), &json!(head)));
    for (noted, code) in [(&head[..16], 0), (&head[..], 0), (&head[..15], 2), (&head[1..], 1)] {
        let ran = fake.run(&["audit", "--verify", "--head", noted]).await;
        assert_eq!(ran.code, code, "{}", ran.all());
    }
    // What has left the state is not missing.
    fake.change(|script| {
        let first = script.audit.remove(0);
        script.audit_base = Head { index: first.index, hash: first.hash };
    });
    let ran = fake.run(&["audit", "--verify"]).await;
    assert_eq!(ran.out, format!("verified 3 entries, 2..4, head {head}\n"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_entry_that_is_wrong_is_named() {
    type Change = fn(&mut Script);
    let forged: [(Change, &str); 5] = [
        (
            |script| script.audit[2].who = "spiffe://c0ffee/operator/ann".into(),
            "entry 3 was changed",
        ),
        (|script| drop(script.audit.remove(1)), "entry 2 is not in its place: entry 3 is there"),
        (|script| script.audit.swap(0, 3), "entry 1 is not in its place: entry 4 is there"),
        (
            |script| script.audit_base = Head::genesis("decaf"),
            "entry 1 is the first of another cluster's chain",
        ),
        (|script| script.audit[0].format = 2, "entry 1 has format 2, this program knows 1"),
    ];
    for (change, told) in forged {
        let fake = Fake::start(canned::company()).await;
        fake.change(change);
        let ran = fake.run(&["audit", "--verify"]).await;
        assert_eq!(ran.code, 1, "{}", ran.all());
        assert!(ran.err.contains(&format!("the audit does not hold: {told}")), "{}", ran.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_files_need_no_cluster() {
    let mut fake = Fake::start(canned::company()).await;
    fake.stop().await;
    let entries = canned::audit();
    let place = |name: &str| fake.home.path().join(name).display().to_string();
    let write = |name: &str, from: Head, entries: &[Entry]| {
        let mut text = serde_json::to_string(&Header::new("c0ffee", from)).expect("JSON") + "\n";
        for entry in entries {
            text += &(serde_json::to_string(entry).expect("JSON") + "\n");
        }
        std::fs::write(place(name), &text).expect("written");
        text
    };
    let middle = Head { index: 2, hash: entries[1].hash };
    write("audit-1.jsonl", Head::genesis("c0ffee"), &entries[..2]);
    let second = write("audit-3.jsonl", middle, &entries[2..]);
    let (one, three) = (place("audit-1.jsonl"), place("audit-3.jsonl"));

    // In any order.
    let both = fake.run(&["audit", "--verify", "--file", &three, &one]).await;
    let head = entries[3].hash;
    assert_eq!(both.out, format!("verified 4 entries, 1..4, head {head}\n"), "{}", both.all());
    // The files of another coordinator turned over elsewhere.
    write("other-1.jsonl", Head::genesis("c0ffee"), &entries[..3]);
    let other = place("other-1.jsonl");
    let all = fake.run(&["audit", "--verify", "--file", &other, &three, &one]).await;
    assert_eq!(all.out, both.out, "{}", all.all());
    let mut again = middle;
    let third = again.seal(Entry { why: "another life".to_owned(), ..entries[2].clone() });
    write("other-1.jsonl", Head::genesis("c0ffee"), &[&entries[..2], &[third]].concat());
    let all = fake.run(&["audit", "--verify", "--file", &other, &three, &one]).await;
    assert!(all.err.contains("entry 3 is of another chain"), "{}", all.all());
    let gap = fake.run(&["audit", "--verify", "--file", &three, &place("audit-0.jsonl")]).await;
    assert_eq!(gap.code, 1, "{}", gap.all());
    write("audit-0.jsonl", Head::genesis("c0ffee"), &entries[..1]);
    let gap = fake.run(&["audit", "--verify", "--file", &three, &place("audit-0.jsonl")]).await;
    assert!(gap.err.contains("entry 2 is missing"), "{}", gap.all());
    let last = fake.run(&["audit", "--verify", "--file", &three]).await;
    assert_eq!(last.out, format!("verified 2 entries, 3..4, head {head}\n"), "{}", last.all());
    let eve = fake.run(&["audit", "--actor", "eve", "--file", &one, &three]).await;
    assert_eq!(eve.out.lines().count(), 2, "{}", eve.all());

    std::fs::write(&three, second.replacen("operator/eve", "operator/ann", 1)).expect("written");
    let forged = fake.run(&["audit", "--verify", "--file", &one, &three]).await;
    assert_eq!(forged.code, 1);
    assert_snapshot!("audit-file-forged", forged.all());
    std::fs::write(&three, &second[..second.len() - 9]).expect("written");
    let cut = fake.run(&["audit", "--verify", "--file", &one, &three]).await;
    assert!(cut.out.starts_with("verified 3 entries, 1..3"), "{}", cut.all());
    assert!(cut.err.contains("ends within a line"), "{}", cut.all());
    let none = fake.run(&["audit", "--file", &fake.config().display().to_string()]).await;
    assert_eq!(none.code, 1, "{}", none.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_has_its_rollouts_the_newest_first() {
    let fake = Fake::start(canned::company()).await;
    let began = 1_791_815_654_089_u64;
    let past = |id: &str, phase: &str, n: u64, took: Option<u64>, cause: &str| {
        let members = [("line1", "canary", "applied"), ("line2", "rest", "failed")];
        let mut one = rollout(id, phase, &members);
        one["spec"]["author"] = json!("Ann <ann@plant.example>");
        one["status"]["startedAt"] = json!(began + n * 3_600_000);
        one["status"]["finishedAt"] = json!(took.map(|took| began + n * 3_600_000 + took));
        if !cause.is_empty() {
            one["status"]["stop"] = json!({"cause": cause, "at": began});
        }
        one
    };
    fake.change(|script| {
        script.resources.retain(|one| one["kind"] != "Rollout");
        script.resources.extend([
            past("plants-9", "Superseded", 0, Some(61_000), ""),
            past("plants-10", "Failed", 1, Some(372_000), "2 sites failed, the limit is 2"),
            past("plants-11", "Running", 2, None, ""),
        ]);
    });
    for columns in ["80", "160"] {
        let args = ["history", "fleet", "plants"];
        let ran = fake.run_in(&args, &[("COLUMNS", columns)]).await;
        let width: usize = columns.parse().expect("a number");
        assert!(ran.out.lines().all(|line| line.chars().count() <= width), "{}", ran.all());
        assert_snapshot!(format!("history-fleet-{columns}"), ran.all());
    }
    let data = fake.run(&["history", "fleet", "plants", "-o", "json"]).await.data();
    assert_eq!(data[1]["cause"], "2 sites failed, the limit is 2");
    assert_eq!((&data[1]["tookMs"], &data[1]["failed"]), (&json!(372_000), &json!(1)));
    assert_eq!(data[2]["cause"], "superseded by plants-10");
    let names = fake.run(&["history", "fleet", "plants", "-o", "name"]).await;
    assert_eq!(names.out, "plants-11\nplants-10\nplants-9\n");
    fake.change(|script| script.resources.retain(|one| one["kind"] != "Rollout"));
    let none = fake.run(&["history", "fleet", "plants"]).await;
    assert!(none.code == 0 && none.err.contains("no rollout yet"), "{}", none.all());
}
