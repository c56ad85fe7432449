//! What holds for all windows and moments, near clock changes above all.

use std::collections::BTreeSet;

use jiff::{SignedDuration, civil::DateTime, tz::TimeZoneDatabase};
use proptest::prelude::*;

use super::*;
use crate::window::cron::Cron;

const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    // Changes by half an hour; changes at midnight; is 45 minutes off.
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Kathmandu",
];

fn schedules() -> impl Strategy<Value = String> {
    let minute = prop_oneof![Just("0"), Just("30"), Just("*/20"), Just("*"), Just("5,50")];
    let hour = prop_oneof![Just("*"), Just("*/2"), Just("0"), Just("1-3"), Just("2"), Just("23")];
    let day = prop_oneof![3 => Just("*"), 1 => Just("1,25"), 1 => Just("*/3"), 1 => Just("29")];
    let month = prop_oneof![3 => Just("*"), 1 => Just("3,10-11"), 1 => Just("2")];
    let weekday = prop_oneof![2 => Just("*"), 1 => Just("sat-sun"), 1 => Just("1-5")];
    (minute, hour, day, month, weekday).prop_map(|(minute, hour, day, month, weekday)| {
        format!("{minute} {hour} {day} {month} {weekday}")
    })
}

fn any_window() -> impl Strategy<Value = Window> {
    let minutes = prop_oneof![1_u64..90, 90_u64..2880, Just(60_u64), Just(1440_u64)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (schedules(), minutes, prop::sample::select(&ZONES[..]), flags, prop_oneof!["", "line=1"])
        .prop_map(|(schedule, minutes, zone, (allow, overrun, manual), select)| {
            let kind = if allow { Kind::Allow } else { Kind::Deny };
            Window {
                duration: Span(minutes * 60_000),
                time_zone: zone.to_owned(),
                select: select.parse().unwrap(),
                overrun,
                manual,
                ..window(kind, &schedule, "1h")
            }
        })
}

/// Minutes of 2026, most of them within hours or days of a clock change in one of the zones.
fn moments() -> impl Strategy<Value = Timestamp> {
    let changes = [
        "2026-03-08T07:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-11-01T06:00:00Z",
    ];
    let within = |minutes: u64| {
        (prop::sample::select(changes.map(at).to_vec()), 0..2 * minutes)
            .prop_map(move |(change, at)| Timestamp(change.0 + at * 60_000 - minutes * 60_000))
    };
    let any = (0_u64..525_600)
        .prop_map(|minutes| Timestamp(at("2026-01-01T00:00:00Z").0 + minutes * 60_000));
    prop_oneof![6 => within(180), 2 => within(2880), 1 => any]
}

/// Whether it is open, by definition: the latest time that the clock on the wall has shown is in
/// one of the occurrences.
fn open(window: &Window, now: Timestamp) -> bool {
    let cron = Cron::parse(&window.schedule).unwrap();
    let zone = TimeZoneDatabase::bundled().get(&window.time_zone).unwrap();
    let shown = |minutes_ago: u64| {
        let ms = now.0 - minutes_ago * 60_000;
        zone.to_datetime(jiff::Timestamp::from_millisecond(ms.try_into().unwrap()).unwrap())
    };
    let latest = (0..90).map(shown).max().unwrap();
    let minutes: BTreeSet<u32> = cron.minutes().collect();
    let begins = |time: DateTime| {
        let minute = u32::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap();
        minutes.contains(&minute) && cron.on(time.date())
    };
    (0..window.duration.0 / 60_000).any(|minutes| {
        begins(latest.saturating_sub(SignedDuration::from_mins(minutes.try_into().unwrap())))
    })
}

fn state(window: &Window, now: Timestamp) -> State {
    Calendar::at([window], now).states().next().unwrap().1
}

#[test]
fn windows_around_clock_changes_are_as_defined() {
    for (zone, change) in [
        ("Europe/Berlin", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25T01:00:00Z"),
        ("America/New_York", "2026-03-08T07:00:00Z"),
        ("America/New_York", "2026-11-01T06:00:00Z"),
        ("America/Havana", "2026-03-08T05:00:00Z"),
        ("America/Havana", "2026-11-01T05:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ] {
        for hours in ["0 1", "30 1", "0 2", "10 2", "*/20 0-3", "0 *", "30 0", "0 0"] {
            for duration in ["10m", "45m", "1h", "3h"] {
                let window = Window {
                    time_zone: zone.to_owned(),
                    ..window(Kind::Allow, &format!("{hours} * * *"), duration)
                };
                for minutes in (0..360).step_by(10) {
                    let now = Timestamp(at(change).0 + minutes * 60_000 - 10_800_000);
                    let found = matches!(state(&window, now), State::Open { .. });
                    assert_eq!(found, open(&window, now), "{hours} {duration} {zone} {now}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn open_means_within_an_occurrence(window in any_window(), now in moments()) {
        let found = matches!(state(&window, now), State::Open { .. });
        prop_assert_eq!(found, open(&window, now));
    }

    #[test]
    fn nothing_changes_before_the_next_change(
        windows in prop::collection::vec(any_window(), 0..4),
        now in moments(),
        line in "[12]",
        parts in prop::collection::vec(0.0..1.0, 8),
    ) {
        let labels = labels(&[("line", &line)]);
        let found = evaluate(&windows, &labels, now);
        let end = found.next_change.map_or(now.0 + 30 * 86_400_000, |change| change.0);
        prop_assert!(end > now.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "some moment in between")]
        let between = parts.iter().map(|part| now.0 + ((end - now.0) as f64 * part) as u64);
        for moment in between.chain([now.0, end - 1]) {
            prop_assert_eq!(&evaluate(&windows, &labels, Timestamp(moment)), &found);
        }
        prop_assert_eq!(&Calendar::at(&windows, now).evaluate(&labels), &found);
    }

    #[test]
    fn the_state_changes_when_it_says_so(window in any_window(), now in moments()) {
        let before = state(&window, now);
        if let Some(change) = before.changes() {
            let after = state(&window, change);
            let is_open = |state| matches!(state, State::Open { .. });
            prop_assert_ne!(is_open(before), is_open(after));
            match (before, after) {
                (State::Closed { .. }, State::Open { since, .. }) => {
                    prop_assert_eq!(since, Some(change));
                }
                (State::Open { since: Some(since), .. }, State::Closed { .. }) => {
                    prop_assert!(since <= now);
                    let early = state(&window, Timestamp(since.0 - 1));
                    prop_assert_eq!(early, State::Closed { opens: Some(since) });
                }
                (before, after) => prop_assert!(false, "{:?}, then {:?}", before, after),
            }
        }
    }
}
