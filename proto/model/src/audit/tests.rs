//! The encoding never changes, and nothing can be changed without being found.

use proptest::prelude::*;

use super::*;

fn entry(n: u64) -> Entry {
    Entry {
        format: 0,
        index: 0,
        log_index: 100 + n,
        at: Timestamp(1_791_815_654_089 + n),
        who: "spiffe://c0ffee/operator/ann".to_owned(),
        from: "10.0.0.7:40112".to_owned(),
        what: "apply".to_owned(),
        kind: "Fleet".to_owned(),
        name: format!("plants{n}"),
        why: "two at a time".to_owned(),
        before: "a".to_owned(),
        after: "b".to_owned(),
        fields: vec!["spec.stages[0].maxConcurrent".to_owned(), "spec.paused".to_owned()],
        outcome: Outcome::Accepted,
        message: "configured".to_owned(),
        hash: Digest::default(),
    }
}

fn chain(count: u64) -> (Vec<Entry>, Head) {
    let mut head = Head::genesis("c0ffee");
    let entries = (0..count).map(|n| head.seal(entry(n))).collect();
    (entries, head)
}

fn broken(entries: &[Entry], known: Head) -> Broken {
    let end = verify(Head::genesis("c0ffee"), entries);
    end.and_then(|end| end.reaches(&known)).expect_err("something is wrong")
}

#[test]
fn the_encoding_is_the_one_that_was_first_written() {
    let genesis = Head::genesis("c0ffee");
    assert_eq!(
        genesis.hash.to_string(),
        "7e2a0051148bed1e1941892b93512e67b94887d1ef0d48f14539683e6cdf59cd"
    );
    let mut head = genesis;
    let first = head.seal(entry(0));
    let bytes = chain::encode(&genesis.hash, &first);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("millwright-audit-1\n"), "{text}");
    assert_eq!(
        hex::encode(&bytes[19 + 32..]),
        "00000000000000010000000000000064000001a130891ac9000000000000001c7370696666653a2f2f6330666665652f6f70657261746f722f616e6e000000000000000e31302e302e302e373a343031313200000000000000056170706c790000000000000005466c6565740000000000000007706c616e747330000000000000000d74776f20617420612074696d650000000000000001610000000000000001620000000000000002000000000000001c737065632e7374616765735b305d2e6d6178436f6e63757272656e74000000000000000b737065632e70617573656400000000000000000a636f6e66696775726564"
    );
    assert_eq!(first.hash, Digest::of(&bytes));
    assert_eq!(
        first.hash.to_string(),
        "c662156f05ee96147cbac44b419c3c273c866ebab2561cbb28f8c1a87d69a225"
    );
    let second = head.seal(Entry { outcome: Outcome::Refused, fields: Vec::new(), ..entry(1) });
    assert_eq!(
        second.hash.to_string(),
        "78c838d1e533138ff6f1b841b1b18a07a9f9bdef914c4f13e846fbc399f8ce3c"
    );
    assert_eq!(head, Head { index: 2, hash: second.hash });
}

#[test]
fn a_whole_chain_and_any_piece_of_it_hold() {
    let (entries, head) = chain(20);
    assert_eq!(verify(Head::genesis("c0ffee"), &entries), Ok(head));
    let from = Head { index: 7, hash: entries[6].hash };
    assert_eq!(verify(from, &entries[7..]), Ok(head));
    let other = broken(&entries[1..], head);
    assert_eq!(other, Broken { index: 1, why: Why::Order { found: 2 } });
    assert_eq!(verify(Head::genesis("decaf"), &entries).map_err(|broken| broken.index), Err(1));
}

#[test]
fn what_is_missing_at_the_end_is_found_by_the_end_that_is_known() {
    let (entries, head) = chain(5);
    assert_eq!(broken(&entries[..3], head), Broken { index: 4, why: Why::Cut { known: 5 } });
    // Written anew from the fourth on, every hash right.
    let mut again = Head { index: 3, hash: entries[2].hash };
    let mut forged = entries[..3].to_vec();
    forged.extend([7, 8].map(|n| again.seal(entry(n))));
    assert_eq!(broken(&forged, head), Broken { index: 5, why: Why::Head });
}

#[test]
fn files_hold_alone_and_one_after_the_other() {
    let (entries, head) = chain(6);
    let text = |from: Head, entries: &[Entry]| {
        let mut text = serde_json::to_string(&Header::new("c0ffee", from)).unwrap() + "\n";
        for entry in entries {
            text += &(serde_json::to_string(entry).unwrap() + "\n");
        }
        text
    };
    let middle = Head { index: 4, hash: entries[3].hash };
    let first = Part::read(&text(Head::genesis("c0ffee"), &entries[..4])).unwrap();
    let second = Part::read(&text(middle, &entries[4..])).unwrap();
    assert_eq!(first.verify(None), Ok(middle));
    assert_eq!(second.verify(first.verify(None).ok()), Ok(head));
    assert_eq!(second.verify(Some(Head::genesis("c0ffee"))).map_err(|one| one.index), Err(1));
    assert_eq!(first.verify(Some(head)), Err(Broken { index: 6, why: Why::Head }));

    let whole = text(Head::genesis("c0ffee"), &entries);
    let cut = Part::read(&whole[..whole.len() - 5]).unwrap();
    assert!(cut.is_cut && cut.entries.len() == 5);
    let damaged = Part::read(&whole.replacen("plants3", "plants3\"", 1)).unwrap();
    assert_eq!(damaged.verify(None).map_err(|one| one.index), Err(4));
    // What comes first is named, whatever cannot be read after it.
    let both = whole.replacen("plants3", "plants3\"", 1).replacen("plants1", "plants9", 1);
    assert_eq!(Part::read(&both).unwrap().verify(None).map_err(|one| one.index), Err(2));
    let moved = whole.replacen("\"cluster\":\"c0ffee\"", "\"cluster\":\"decaf\"", 1);
    let moved = Part::read(&moved).unwrap().verify(None);
    assert_eq!(moved, Err(Broken { index: 1, why: Why::Cluster }));
    for no_file in ["", "{}\n", "hello\n", &whole.replacen("millwright-audit", "x", 1)] {
        assert!(Part::read(no_file).is_err(), "{no_file:.40}");
    }
}

#[test]
fn a_filter_asks_for_what_is_given() {
    let (entries, _) = chain(3);
    let count = |filter: Filter| entries.iter().filter(|entry| filter.matches(entry)).count();
    assert_eq!(count(Filter::default()), 3);
    assert_eq!(count(Filter { after: 2, ..Filter::default() }), 1);
    assert_eq!(count(Filter { since: entries[1].at, ..Filter::default() }), 2);
    for who in ["ann", "operator/ann", "spiffe://c0ffee/operator/ann"] {
        assert_eq!(count(Filter { actor: who.to_owned(), ..Filter::default() }), 3, "{who}");
    }
    assert_eq!(count(Filter { actor: "an".to_owned(), ..Filter::default() }), 0);
    let named = Filter { kind: "fleet".into(), name: "plants1".into(), ..Filter::default() };
    assert_eq!(count(named), 1);
    assert_eq!(count(Filter { kind: "Gateway".into(), ..Filter::default() }), 0);
}

/// Every way to change one entry without anybody's help.
fn changed(entry: &Entry, way: usize) -> Entry {
    let mut one = entry.clone();
    match way {
        0 => one.index += 1,
        1 => one.log_index += 1,
        2 => one.at.0 += 1,
        3 => one.who.push('x'),
        4 => one.from.clear(),
        5 => one.what.push('x'),
        6 => one.kind.push('x'),
        7 => one.name.push('x'),
        8 => one.why.push('x'),
        9 => one.before.push('x'),
        10 => one.after.push('x'),
        11 => one.fields.truncate(1),
        12 => one.fields = vec![one.fields.concat()],
        13 => one.outcome = Outcome::Refused,
        14 => one.message.push('x'),
        15 => one.hash.0[0] ^= 1,
        16 => one.format += 1,
        // A character that moves from one text to the next.
        _ => one.message.insert(0, one.name.pop().unwrap_or('x')),
    }
    one
}

proptest! {
    #[test]
    fn what_is_changed_removed_or_moved_is_found_at_its_place(
        count in 2_u64..40, at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
        way in 0_usize..18,
    ) {
        let (entries, head) = chain(count);
        let (at, to) = (at.index(entries.len()), to.index(entries.len()));
        let index = at as u64 + 1;

        let mut forged = entries.clone();
        forged[at] = changed(&entries[at], way);
        prop_assert_eq!(broken(&forged, head).index, index);

        let mut forged = entries.clone();
        forged.remove(at);
        prop_assert_eq!(broken(&forged, head).index, index);

        let mut forged = entries.clone();
        forged.insert(at, entries[to].clone());
        if at > to {
            prop_assert_eq!(broken(&forged, head).index, index);
        } else {
            prop_assert!(broken(&forged, head).index <= to as u64 + 2);
        }

        if at != to {
            let mut forged = entries.clone();
            forged.swap(at, to);
            prop_assert_eq!(broken(&forged, head).index, at.min(to) as u64 + 1);
        }

        // One whose own hash is made to fit is found by the next, or by the end that is known.
        let mut forged = entries.clone();
        let mut before = match at {
            0 => Head::genesis("c0ffee"),
            _ => Head { index: at as u64, hash: entries[at - 1].hash },
        };
        forged[at] = before.seal(Entry { why: "another".into(), ..entries[at].clone() });
        prop_assert_eq!(broken(&forged, head).index, (index + 1).min(count));
    }
}
