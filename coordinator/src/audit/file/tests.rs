//! Files that go on, crash, turn over and turn out to be another chain's.

use millwright_model::{audit::Outcome, digest::Digest, time::Timestamp};
use serde_json::json;

use super::*;

fn entry(n: u64, why: &str) -> Entry {
    Entry {
        format: 0,
        index: 0,
        log_index: n,
        at: Timestamp(n),
        who: "ann".to_owned(),
        from: String::new(),
        what: "apply".to_owned(),
        kind: "Fleet".to_owned(),
        name: "plants".to_owned(),
        why: why.to_owned(),
        before: String::new(),
        after: String::new(),
        fields: Vec::new(),
        outcome: Outcome::Accepted,
        message: String::new(),
        hash: Digest::default(),
    }
}

/// An audit of so many entries, of which the first ones have left.
fn audit(count: u64, gone: usize, why: &str) -> Audit {
    let mut head = Head::genesis("c1");
    let mut ends = vec![head];
    let entries: Vec<Entry> = (0..count)
        .map(|n| {
            let one = head.seal(entry(n, why));
            ends.push(head);
            one
        })
        .collect();
    let value = json!({"entries": &entries[gone..], "base": ends[gone], "head": head,
        "exported": 0, "dropped": 0});
    serde_json::from_value(value).unwrap()
}

fn parts(dir: &Path) -> Vec<(String, Part)> {
    let mut files = Files::open(dir, "c1").unwrap().all().unwrap();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files
        .iter()
        .map(|path| (name(path), Part::read(&fs::read_to_string(path).unwrap()).unwrap()))
        .collect()
}

/// The chain through all files holds, and ends there.
fn hold(dir: &Path, audit: &Audit) {
    let mut before = None;
    for (_, part) in parts(dir) {
        before = Some(part.verify(before).unwrap());
    }
    assert_eq!(before, Some(audit.head()));
}

#[test]
fn entries_are_appended_once_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    for count in [0, 3, 3, 5, 9] {
        let audit = audit(count, 0, "");
        let mut files = Files::open(dir.path(), "c1").unwrap();
        for _ in 0..2 {
            assert_eq!(files.take_over(&audit).unwrap(), Written::Follows);
        }
        assert_eq!(files.end().index, count);
        if count > 0 {
            hold(dir.path(), &audit);
        }
    }
    // What it had written before it stopped comes again from the log.
    let mut files = Files::open(dir.path(), "c1").unwrap();
    assert_eq!(files.take_over(&audit(4, 0, "")).unwrap(), Written::Follows);
    assert_eq!(files.end().index, 9);
    assert_eq!(parts(dir.path()).len(), 1);
}

#[test]
fn a_line_that_a_crash_cut_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    Files::open(dir.path(), "c1").unwrap().take_over(&audit(3, 0, "")).unwrap();
    let path = dir.path().join("audit-0000000001.jsonl");
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for cut in [last + 1, last + 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut files = Files::open(dir.path(), "c1").unwrap();
        assert_eq!(files.end().index, 2);
        files.take_over(&audit(3, 0, "")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_large_file_is_followed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Files::open(dir.path(), "c1").unwrap();
    files.bytes_max = 1_000;
    files.take_over(&audit(10, 0, "")).unwrap();
    files.take_over(&audit(20, 0, "")).unwrap();
    let found = parts(dir.path());
    assert!(found.len() > 3, "{}", found.len());
    for (name, part) in &found {
        assert_eq!(*name, format!("audit-{:010}.jsonl", part.header.after + 1));
    }
    hold(dir.path(), &audit(20, 0, ""));
}

#[test]
fn a_node_that_was_away_for_too_long_begins_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    Files::open(dir.path(), "c1").unwrap().take_over(&audit(3, 0, "")).unwrap();
    let mut files = Files::open(dir.path(), "c1").unwrap();
    let now = audit(20, 10, "");
    assert_eq!(files.take_over(&now).unwrap(), Written::Gap { from: 4, to: 10 });
    let found = parts(dir.path());
    assert_eq!(found[1].0, "audit-0000000011.jsonl");
    assert_eq!(found[1].1.verify(None), Ok(now.head()));
    // One that has seen all that left has no gap.
    assert_eq!(files.take_over(&audit(20, 20, "")).unwrap(), Written::Follows);
}

#[test]
fn files_of_another_chain_are_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    Files::open(dir.path(), "c1").unwrap().take_over(&audit(5, 0, "")).unwrap();
    let other = audit(8, 0, "another life");
    let mut files = Files::open(dir.path(), "c1").unwrap();
    assert_eq!(files.take_over(&other).unwrap(), Written::Fork { index: 5 });
    hold(dir.path(), &other);
    assert_eq!(parts(&dir.path().join("aside-1")).len(), 1);

    // So is one that somebody changed.
    let path = dir.path().join("audit-0000000001.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("another life", "an other life", 1)).unwrap();
    let mut files = Files::open(dir.path(), "c1").unwrap();
    assert_eq!(files.take_over(&other).unwrap(), Written::Fork { index: 0 });
    hold(dir.path(), &other);
    assert_eq!(fs::read_dir(dir.path().join("aside-2")).unwrap().count(), 1);
}
