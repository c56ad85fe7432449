//! The second look, as a table: 2026-11-26 from 22:00 to 6:00 is the night, in UTC.

use millwright_model::{selector::Selector, window::Kind};

use super::*;

const HOUR: u64 = 3_600_000;
/// Midnight before the night.
const DAY: u64 = 1_795_651_200_000;

fn at(hours: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    Timestamp(DAY + (hours * 3_600_000.0) as u64)
}

fn window(kind: Kind, schedule: &str, hours: u64) -> Window {
    Window {
        name: if kind == Kind::Allow { "night" } else { "freeze" }.parse().unwrap(),
        kind,
        schedule: schedule.to_owned(),
        duration: Span(hours * HOUR),
        time_zone: "UTC".to_owned(),
        select: Selector::default(),
        overrun: false,
        manual: false,
    }
}

fn night() -> Window {
    window(Kind::Allow, "0 22 * * *", 8)
}

fn freeze() -> Window {
    window(Kind::Deny, "0 23 * * *", 2)
}

fn question(windows: &[Window], hours: f64) -> Question<'_> {
    Question {
        windows,
        begun: Begun::Rollout,
        now: at(hours),
        coordinator: Some(at(hours)),
        skew_max: Span(60_000),
        takes: Span(60_000),
        was_allowed: true,
    }
}

/// `open`, `refused`, or what is waited for and until when.
fn word(question: Question<'_>) -> String {
    match decide(&question) {
        Gate::Open => "open".to_owned(),
        Gate::Refused(failure) => format!("refused: {}", failure.kind),
        Gate::Closed(Closed { message, until, .. }) => {
            let until = until.map(|until| until.to_string()).unwrap_or_default();
            format!("{message} -> {until}")
        }
    }
}

#[test]
fn what_a_moment_means() {
    let overrun = |window: Window| Window { overrun: true, ..window };
    let manual = |window: Window| Window { manual: true, ..window };
    let outside = "outside of night (opens 2026-11-26T22:00:00Z) -> 2026-11-26T22:00:00Z";
    let denied = "denied by freeze (until 2026-11-27T01:00:00Z) -> 2026-11-27T01:00:00Z";
    for (windows, hours, begun, was_allowed, expected) in [
        (vec![], 12.0, Begun::Rollout, true, "open"),
        (vec![night()], 22.5, Begun::Rollout, true, "open"),
        (vec![night()], 12.0, Begun::Rollout, false, outside),
        // What began in the window is put aside when it has closed, but for windows with overrun.
        (vec![night()], 12.0, Begun::Rollout, true, outside),
        (vec![overrun(night())], 12.0, Begun::Rollout, true, "open"),
        (vec![overrun(night())], 12.0, Begun::Rollout, false, outside),
        (vec![freeze()], 23.5, Begun::Rollout, true, denied),
        (vec![overrun(freeze())], 23.5, Begun::Rollout, true, "open"),
        (vec![night(), freeze()], 25.5, Begun::Rollout, true, "open"),
        // By hand only where the window says so; a rollback asks no window.
        (vec![night()], 12.0, Begun::Person, true, outside),
        (vec![manual(night())], 12.0, Begun::Person, false, "open"),
        (vec![manual(night())], 12.0, Begun::Rollout, false, outside),
        (vec![night(), freeze()], 12.0, Begun::Rollback, false, "open"),
    ] {
        let asked = Question { begun, was_allowed, ..question(&windows, hours) };
        assert_eq!(word(asked), expected, "{windows:?} at {hours} by {begun}");
    }
}

#[test]
fn what_does_not_end_in_time_is_not_begun() {
    let (strict, lenient) = ([night()], [Window { overrun: true, ..night() }]);
    let coming = [freeze()];
    let asked = |windows, hours, minutes: u64| {
        word(Question { takes: Span(minutes * 60_000), ..question(windows, hours) })
    };
    assert_eq!(asked(&strict, 5.9, 5), "open");
    assert_eq!(
        asked(&strict, 5.9, 7),
        "it may take 7m, and is then outside of night (opens 2026-11-26T22:00:00Z) -> 2026-11-26T22:00:00Z"
    );
    assert_eq!(asked(&lenient, 5.9, 7), "open");
    assert_eq!(asked(&coming, 22.9, 5), "open");
    assert_eq!(
        asked(&coming, 22.9, 7),
        "it may take 7m, and is then denied by freeze (until 2026-11-27T01:00:00Z) -> 2026-11-27T01:00:00Z"
    );
}

#[test]
fn a_clock_that_is_off_decides_nothing() {
    let windows = [night()];
    let asked = |now: u64, theirs: Option<u64>, begun| {
        let coordinator = theirs.map(|ms| Timestamp(at(22.5).0 + ms));
        let now = Timestamp(at(22.5).0 + now);
        word(Question { begun, now, coordinator, ..question(&windows, 22.5) })
    };
    assert_eq!(asked(0, Some(60_000), Begun::Rollout), "open");
    assert_eq!(asked(60_000, Some(0), Begun::Rollout), "open");
    assert_eq!(asked(0, Some(60_001), Begun::Rollout), "refused: clock_skew");
    assert_eq!(asked(60_001, Some(0), Begun::Rollout), "refused: clock_skew");
    assert_eq!(asked(0, None, Begun::Rollout), "no coordinator has told its time yet -> ");
    // What no window binds asks no clock.
    assert_eq!(asked(60_001, Some(0), Begun::Rollback), "open");
    let without = Question { coordinator: None, ..question(&[], 22.5) };
    assert_eq!(word(without), "open");
    let off = Question { coordinator: Some(at(20.0)), ..question(&windows, 22.5) };
    let Gate::Refused(failure) = decide(&off) else { panic!("it decides") };
    assert!(failure.message.contains("2h30m ahead of"), "{}", failure.message);
}

#[test]
fn what_ended_in_a_closed_window_is_told() {
    let windows = [night()];
    assert_eq!(overrun(&windows, Begun::Rollout, at(23.0)), None);
    assert_eq!(overrun(&windows, Begun::Rollback, at(12.0)), None);
    let told = overrun(&windows, Begun::Rollout, at(12.0)).unwrap();
    assert_eq!(told.message, "it ended outside of night (opens 2026-11-26T22:00:00Z)");
    assert!(may_begin(&windows, Begun::Rollout, at(23.0)));
    assert!(!may_begin(&windows, Begun::Rollout, at(12.0)));
}
