//! The order of the rules, and what becomes of work that runs when windows open and close.

use super::*;

/// `allow` or `deny`, then `o` for overrun and `m` for manual, then hours as `from-to`.
fn windows(text: &str) -> Vec<Window> {
    let one = |(at, word): (usize, &str)| {
        let (what, hours) = word.split_once(':').unwrap();
        let (kind, flags) = match what.strip_prefix("allow") {
            Some(flags) => (Kind::Allow, flags),
            None => (Kind::Deny, what.strip_prefix("deny").unwrap()),
        };
        let (from, to) = hours.split_once('-').unwrap();
        let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
        Window {
            name: format!("w{at}").parse().unwrap(),
            overrun: flags.contains('o'),
            manual: flags.contains('m'),
            ..window(kind, &format!("0 {from} * * *"), &format!("{}h", to - from))
        }
    };
    text.split_whitespace().enumerate().map(one).collect()
}

fn evaluated(text: &str, clock: &str) -> Evaluation {
    evaluate(&windows(text), &Strings::new(), at(&format!("2026-05-05T{clock}:00Z")))
}

#[test]
fn rules_hold_in_their_order() {
    use Reason::{AllowClosed, AllowOpen, DenyClosed, DenyOpen, NoWindow};
    // At 10:30. The letters: begins by itself, begins by hand, may overrun.
    for (text, reason, may, deciding) in [
        ("", NoWindow, "aho", ""),
        ("deny:10-12", DenyOpen, "---", "w0"),
        ("denym:10-12", DenyOpen, "-h-", "w0"),
        ("denyo:10-12", DenyOpen, "--o", "w0"),
        // Deny wins, and allow windows are not asked, whatever they would add or take away.
        ("allow:10-12 deny:10-12", DenyOpen, "---", "w1"),
        ("allowmo:10-12 deny:10-12", DenyOpen, "---", "w1"),
        ("allow:8-9 denymo:10-12", DenyOpen, "-ho", "w1"),
        // All open denies must agree; closed ones are not asked.
        ("denymo:10-12 denym:10-11", DenyOpen, "-h-", "w0 w1"),
        ("denymo:10-12 denyo:10-11", DenyOpen, "--o", "w0 w1"),
        ("denymo:10-12 deny:11-12", DenyOpen, "-ho", "w0"),
        ("allow:10-12", AllowOpen, "aho", "w0"),
        ("allow:10-12 deny:11-12", AllowOpen, "aho", "w0"),
        ("allow:8-9 allow:10-12 allow:9-11", AllowOpen, "aho", "w1 w2"),
        ("allow:8-9", AllowClosed, "---", "w0"),
        ("allowm:8-9", AllowClosed, "-h-", "w0"),
        ("allowo:8-9", AllowClosed, "--o", "w0"),
        ("allowmo:8-9 allowm:12-13", AllowClosed, "-h-", "w0 w1"),
        ("allowmo:8-9 allow:12-13", AllowClosed, "---", "w0 w1"),
        // A closed deny window has no say beside allow windows.
        ("allowmo:8-9 deny:12-13", AllowClosed, "-ho", "w0"),
        ("deny:8-9", DenyClosed, "aho", "w0"),
        ("deny:8-9 deny:11-12", DenyClosed, "aho", "w0 w1"),
    ] {
        let found = evaluated(text, "10:30");
        let letter = |is, letter| if is { letter } else { "-" };
        let letters = [(found.automatic, "a"), (found.by_hand, "h"), (found.overrun, "o")];
        let letters: String = letters.into_iter().map(|(is, name)| letter(is, name)).collect();
        let names: Vec<_> = found.windows.iter().map(|seen| seen.window.as_str()).collect();
        assert_eq!((found.reason, letters.as_str()), (reason, may), "{text}");
        assert_eq!(names.join(" "), deciding, "{text}");
        assert_eq!(found.reason.allows(), found.automatic);
    }
}

#[test]
fn work_that_runs_goes_on_or_not() {
    // Begun at 9:30, asked at 10:30.
    for (transition, text, goes_on) in [
        ("none, then deny with overrun", "denyo:10-12", true),
        ("allow with overrun, then deny with overrun", "allowo:9-10 denyo:10-12", true),
        ("allow, then deny with overrun", "allow:9-10 denyo:10-12", true),
        ("allow that stays, then deny with overrun", "allow:9-12 denyo:10-12", true),
        ("none, then deny", "deny:10-12", false),
        ("allow with overrun, then deny", "allowo:9-10 deny:10-12", false),
        ("allow, then deny", "allow:9-10 deny:10-12", false),
        ("denies with overrun and without", "denyo:10-12 deny:10-12", false),
        ("allow with overrun ends", "allowo:9-10", true),
        ("several allows with overrun end", "allowo:9-10 allowo:8-10", true),
        ("allow ends", "allow:9-10", false),
        ("several allows end, one without overrun", "allowo:9-10 allow:8-10", false),
        ("one of two allows ends", "allow:9-10 allow:9-12", true),
        ("deny had ended before", "deny:8-9", true),
    ] {
        let (begun, now) = (evaluated(text, "09:30"), evaluated(text, "10:30"));
        assert!(begun.automatic, "{transition}");
        assert_eq!(now.may_go_on(Origin::Automatic, begun.automatic), goes_on, "{transition}");
    }
}

#[test]
fn what_was_not_allowed_to_begin_does_not_overrun() {
    let (begun, now) = (evaluated("denyo:9-12", "09:30"), evaluated("denyo:9-12", "10:30"));
    assert!(!begun.automatic && now.overrun);
    assert!(!now.may_go_on(Origin::Automatic, begun.automatic));
}

#[test]
fn work_by_hand_goes_on_where_it_may_begin() {
    let now = evaluated("denym:9-12", "10:30");
    assert!(now.may_begin(Origin::ByHand) && now.may_go_on(Origin::ByHand, true));
    assert!(!now.may_begin(Origin::Automatic) && !now.may_go_on(Origin::Automatic, true));
}

#[test]
fn a_deny_window_that_ends_is_a_change() {
    let found = evaluated("deny:9-10", "09:30");
    assert_eq!(found.next_change, Some(at("2026-05-05T10:00:00Z")));
    let after = evaluated("deny:9-10", "10:00");
    assert!(after.automatic);
    assert_eq!(after.next_change, Some(at("2026-05-06T09:00:00Z")));
    let first = evaluated("deny:9-12 allow:10-11 allow:12-13", "09:30").next_change;
    assert_eq!(first, Some(at("2026-05-05T10:00:00Z")));
}

#[test]
fn windows_concern_those_whom_they_select() {
    let mut windows = windows("deny:10-12 allow:11-12");
    windows[0].select = "line=1".parse().unwrap();
    windows[1].select = "line in (1,2)".parse().unwrap();
    let now = at("2026-05-05T10:30:00Z");
    let calendar = Calendar::at(&windows, now);
    for (line, reason, change) in [
        ("1", Reason::DenyOpen, Some("2026-05-05T11:00:00Z")),
        ("2", Reason::AllowClosed, Some("2026-05-05T11:00:00Z")),
        ("3", Reason::NoWindow, None),
    ] {
        let labels = labels(&[("line", line)]);
        let found = calendar.evaluate(&labels);
        assert_eq!((found.reason, found.next_change), (reason, change.map(at)), "{line}");
        assert_eq!(found, evaluate(&windows, &labels, now));
    }
    assert_eq!(calendar.next_change(), Some(at("2026-05-05T11:00:00Z")));
}

#[test]
fn what_cannot_be_read_keeps_work_back() {
    for (text, reason) in [("deny:8-9", Reason::DenyOpen), ("allow:10-12", Reason::AllowClosed)] {
        let mut windows = windows(text);
        windows[0].time_zone = "Mars/Olympus".to_owned();
        let found = evaluate(&windows, &Strings::new(), at("2026-05-05T10:30:00Z"));
        assert_eq!((found.reason, found.automatic), (reason, false));
        assert_eq!((found.windows[0].state, found.next_change), (State::Unreadable, None));
    }
    let endless = Window { duration: Span(u64::MAX), ..window(Kind::Deny, "* * * * *", "1h") };
    assert!(!evaluate(&[endless], &Strings::new(), at("2026-05-05T10:30:00Z")).automatic);
}

#[test]
fn people_read_one_line() {
    for (text, line) in [
        ("", "no window applies"),
        ("deny:10-12", "denied by w0 (until 2026-05-05T12:00:00Z)"),
        ("allow:10-12", "allowed by w0 (until 2026-05-05T12:00:00Z)"),
        ("allow:0-24", "allowed by w0 (always open)"),
        (
            "allow:8-9 allow:12-13",
            "outside of w0 (opens 2026-05-06T08:00:00Z), w1 (opens 2026-05-05T12:00:00Z)",
        ),
        ("deny:8-9", "not denied at present by w0 (opens 2026-05-06T08:00:00Z)"),
    ] {
        assert_eq!(evaluated(text, "10:30").to_string(), line);
    }
}
