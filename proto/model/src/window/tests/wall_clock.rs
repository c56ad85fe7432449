//! When windows open and close, above all in the nights in which clocks change.

use jiff::tz::TimeZone;

use super::*;

fn spelled(moment: Timestamp, zone: &TimeZone) -> String {
    let moment = jiff::Timestamp::from_millisecond(moment.0.try_into().unwrap()).unwrap();
    moment.to_zoned(zone.clone()).strftime("%m-%d %H:%M%:z").to_string()
}

/// The times at which a window opens and closes, after `from` and before `to`.
fn spans(schedule: &str, duration: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    let window = Window { time_zone: zone.to_owned(), ..window(Kind::Allow, schedule, duration) };
    window.check().unwrap();
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
    let (mut now, mut spans) = (at(from), Vec::new());
    while now < at(to) {
        let (_, state) = Calendar::at([&window], now).states().next().unwrap();
        if let State::Open { since: Some(since), until: Some(until) } = state {
            spans.push(format!("{} to {}", spelled(since, &zone), spelled(until, &zone)));
        }
        now = state.changes().unwrap();
    }
    spans
}

fn check(zone: &str, from: &str, to: &str, table: &[(&str, &str, &[&str])]) {
    for (schedule, duration, expected) in table {
        let found = spans(schedule, duration, zone, from, to);
        assert_eq!(found, *expected, "{schedule} for {duration} in {zone}");
    }
}

#[test]
fn berlin_jumps_from_two_to_three() {
    check(
        "Europe/Berlin",
        "2026-03-28T12:00:00Z",
        "2026-03-29T22:00:00Z",
        &[
            ("0 22 * * 6", "8h", &["03-28 22:00+01:00 to 03-29 06:00+02:00"]),
            ("0 1 * * *", "1h", &["03-29 01:00+01:00 to 03-29 03:00+02:00"]),
            ("0 1 * * *", "1h30m", &["03-29 01:00+01:00 to 03-29 03:00+02:00"]),
            ("0 1 * * *", "3h", &["03-29 01:00+01:00 to 03-29 04:00+02:00"]),
            ("0 2 * * *", "4h", &["03-29 03:00+02:00 to 03-29 06:00+02:00"]),
            ("30 2 * * *", "1h", &["03-29 03:00+02:00 to 03-29 03:30+02:00"]),
            // Wholly within the hour that does not exist.
            ("0 2 * * *", "1h", &[]),
            ("*/10 2 * * *", "5m", &[]),
            ("0 3 * * *", "1h", &["03-29 03:00+02:00 to 03-29 04:00+02:00"]),
        ],
    );
}

#[test]
fn berlin_shows_two_to_three_twice() {
    check(
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        "2026-10-25T20:00:00Z",
        &[
            ("0 22 * * 6", "8h", &["10-24 22:00+02:00 to 10-25 06:00+01:00"]),
            ("0 1 * * *", "1h", &["10-25 01:00+02:00 to 10-25 02:00+02:00"]),
            ("0 2 * * *", "30m", &["10-25 02:00+02:00 to 10-25 02:30+02:00"]),
            ("30 2 * * *", "1h", &["10-25 02:30+02:00 to 10-25 03:30+01:00"]),
            ("0 2 * * *", "1h", &["10-25 02:00+02:00 to 10-25 03:00+01:00"]),
            ("0 3 * * *", "1h", &["10-25 03:00+01:00 to 10-25 04:00+01:00"]),
            ("0 0 * * sun", "24h", &["10-25 00:00+02:00 to 10-26 00:00+01:00"]),
            (
                "*/30 2 * * *",
                "10m",
                &[
                    "10-25 02:00+02:00 to 10-25 02:10+02:00",
                    "10-25 02:30+02:00 to 10-25 02:40+02:00",
                ],
            ),
        ],
    );
}

#[test]
fn new_york_jumps_from_two_to_three() {
    check(
        "America/New_York",
        "2026-03-07T17:00:00Z",
        "2026-03-09T02:00:00Z",
        &[
            ("0 22 * * 6", "8h", &["03-07 22:00-05:00 to 03-08 06:00-04:00"]),
            ("30 2 * * *", "1h", &["03-08 03:00-04:00 to 03-08 03:30-04:00"]),
            ("30 1 * * *", "1h", &["03-08 01:30-05:00 to 03-08 03:00-04:00"]),
        ],
    );
}

#[test]
fn new_york_shows_one_to_two_twice() {
    check(
        "America/New_York",
        "2026-10-31T16:00:00Z",
        "2026-11-02T02:00:00Z",
        &[
            ("0 22 * * 6", "8h", &["10-31 22:00-04:00 to 11-01 06:00-05:00"]),
            ("30 1 * * *", "1h", &["11-01 01:30-04:00 to 11-01 02:30-05:00"]),
            ("30 1 * * *", "15m", &["11-01 01:30-04:00 to 11-01 01:45-04:00"]),
        ],
    );
}

#[test]
fn a_day_that_a_country_skipped_has_no_windows() {
    // Samoa had no 30 December 2011.
    check(
        "Pacific/Apia",
        "2011-12-29T00:00:00Z",
        "2011-12-31T12:00:00Z",
        &[
            (
                "0 8 * * *",
                "1h",
                &[
                    "12-29 08:00-10:00 to 12-29 09:00-10:00",
                    "12-31 08:00+14:00 to 12-31 09:00+14:00",
                ],
            ),
            ("0 20 29 12 *", "28h", &["12-29 20:00-10:00 to 12-31 00:00+14:00"]),
        ],
    );
}

#[test]
fn spans_that_touch_are_one() {
    check(
        "Europe/Berlin",
        "2026-10-19T12:00:00Z",
        "2026-10-26T22:00:00Z",
        &[
            ("0 0 * * 6,0", "24h", &["10-24 00:00+02:00 to 10-26 00:00+01:00"]),
            ("* * * * 6,0", "1m", &["10-24 00:00+02:00 to 10-26 00:00+01:00"]),
            ("*/5 2 25 * *", "7m", &["10-25 02:00+02:00 to 10-25 03:02+01:00"]),
            ("0 12 24 * *", "36h", &["10-24 12:00+02:00 to 10-26 00:00+01:00"]),
        ],
    );
}

#[test]
fn what_is_always_open_has_no_end() {
    let always = State::Open { since: None, until: None };
    for (schedule, duration) in [
        ("0 0 * * *", "1d"),
        ("* * * * *", "1m"),
        ("*/15 * * * *", "15m"),
        ("0 6,18 * * *", "12h"),
        ("0 0 1 * *", "31d"),
        ("0 0 */2 * *", "2d"),
    ] {
        let window = Window {
            time_zone: "Europe/Berlin".to_owned(),
            ..window(Kind::Deny, schedule, duration)
        };
        for now in ["2026-03-29T01:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            let (_, state) = Calendar::at([&window], at(now)).states().next().unwrap();
            assert_eq!(state, always, "{schedule} for {duration} at {now}");
        }
    }
}

#[test]
fn rare_days_are_found() {
    let leap = window(Kind::Allow, "0 0 29 2 *", "1h");
    let (_, state) = Calendar::at([&leap], at("2096-03-01T00:00:00Z")).states().next().unwrap();
    assert_eq!(state, State::Closed { opens: Some(at("2104-02-29T00:00:00Z")) });
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for now in [0, 1, i64::MAX as u64, u64::MAX] {
        for schedule in ["0 0 * * *", "0 0 1 1 *"] {
            for zone in ["UTC", "Pacific/Kiritimati", "America/Adak"] {
                let window =
                    Window { time_zone: zone.to_owned(), ..window(Kind::Allow, schedule, "31d") };
                evaluate(&[window], &Strings::new(), Timestamp(now));
            }
        }
    }
}
