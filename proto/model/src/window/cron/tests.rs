//! Tables of cron text: which days and minutes it means, and what its faults say.

use jiff::civil::date;

use super::*;

/// The days of a month on which it happens.
fn days(text: &str, year: i16, month: i8) -> Vec<i8> {
    let cron = Cron::parse(text).unwrap();
    let first = date(year, month, 1);
    (1..=first.days_in_month()).filter(|day| cron.on(date(year, month, *day))).collect()
}

/// The times of a day at which it happens.
fn times(text: &str) -> Vec<String> {
    let minutes = Cron::parse(text).unwrap();
    minutes.minutes().map(|at| format!("{}:{:02}", at / 60, at % 60)).collect()
}

#[test]
fn times_are_those_of_the_first_two_fields() {
    for (text, expected) in [
        ("0 22 * * *", &["22:00"][..]),
        ("5,50 1-2 * * *", &["1:05", "1:50", "2:05", "2:50"]),
        ("*/20 23 * * *", &["23:00", "23:20", "23:40"]),
        ("10-40/15 0 * * *", &["0:10", "0:25", "0:40"]),
        ("  0\t*/8  * * *  ", &["0:00", "8:00", "16:00"]),
        ("0 0-23/12,5,5 * * *", &["0:00", "5:00", "12:00"]),
    ] {
        assert_eq!(times(text), expected, "{text}");
    }
    assert_eq!(times("* * * * *").len(), 1440);
}

#[test]
fn days_are_those_of_the_other_three_fields() {
    // March 2026 begins on a Sunday.
    for (text, expected) in [
        ("0 0 13 * *", &[13][..]),
        ("0 0 * * 0", &[1, 8, 15, 22, 29]),
        ("0 0 * * 7", &[1, 8, 15, 22, 29]),
        ("0 0 * * SUN", &[1, 8, 15, 22, 29]),
        ("0 0 * mar fri-sun", &[1, 6, 7, 8, 13, 14, 15, 20, 21, 22, 27, 28, 29]),
        ("0 0 * * 6-7", &[1, 7, 8, 14, 15, 21, 22, 28, 29]),
        ("0 0 * jan-feb,Apr *", &[]),
        ("0 0 29-31 2-12/2 *", &[]),
        ("0 0 29-31 1-11/2 *", &[29, 30, 31]),
        // Either day field, when both are restricted.
        ("0 0 13 * fri", &[6, 13, 20, 27]),
        ("0 0 1 * mon", &[1, 2, 9, 16, 23, 30]),
        // Both, when one of them begins with a star.
        ("0 0 */2 * fri", &[13, 27]),
        ("0 0 1-7 * */7", &[1]),
    ] {
        assert_eq!(days(text, 2026, 3), expected, "{text}");
    }
    assert_eq!(days("0 0 29 2 *", 2028, 2), [29]);
    assert!(days("0 0 29 2 *", 2026, 2).is_empty());
}

#[test]
fn every_day_is_known_as_such() {
    for (text, daily) in [
        ("0 0 * * *", true),
        ("0 0 1-31 * 1-5", true),
        ("0 0 3 * 0-6", true),
        ("0 0 * 1-12 1-7", true),
        ("0 0 * * 1-5", false),
        ("0 0 */2 * *", false),
        ("0 0 * 2-12 *", false),
    ] {
        assert_eq!(Cron::parse(text).unwrap().daily(), daily, "{text}");
    }
}

#[test]
fn faults_name_the_column() {
    for (text, column, why) in [
        ("60 * * * *", 1, "\"60\" is no minute: 0 to 59"),
        ("0 24 * * *", 3, "\"24\" is no hour: 0 to 23"),
        ("0 0 0 * *", 5, "\"0\" is no day of the month: 1 to 31"),
        ("0 0 * foo *", 7, "\"foo\" is no month: 1 to 12 or jan to dec"),
        ("0 0 * * 8", 9, "\"8\" is no day of the week: 0 to 7 or sun to sat"),
        ("0 0 * * mon,,tue", 13, "\"\" is no day of the week: 0 to 7 or sun to sat"),
        ("0 5-1 * * *", 3, "\"5-1\" runs backwards; write it as two items with a comma"),
        ("0 0 * * fri-tue", 9, "\"fri-tue\" runs backwards; write it as two items with a comma"),
        ("5/10 * * * *", 1, "\"5/10\": a step needs `*` or a range before it"),
        ("*/0 * * * *", 3, "\"0\" is no step of a minute: 1 to 59"),
        ("*/90 * * * *", 3, "\"90\" is no step of a minute: 1 to 59"),
        ("+5 * * * *", 1, "\"+5\" is no minute: 0 to 59"),
        ("0 0 L * *", 5, "\"L\" is no day of the month: 1 to 31"),
        ("0 0 ? * *", 5, "\"?\" is no day of the month: 1 to 31"),
        ("0 0 * * ä", 9, "\"ä\" is no day of the week: 0 to 7 or sun to sat"),
        ("0 0 99999999999 * *", 5, "\"99999999999\" is no day of the month: 1 to 31"),
    ] {
        let error = Cron::parse(text).unwrap_err();
        assert_eq!((error.column, error.why.as_str()), (column, why), "{text}");
    }
}

#[test]
fn other_dialects_are_refused() {
    let five = "instead of the 5 minute, hour, day of the month, month, day of the week";
    for (text, column, count) in
        [("", 1, 0), ("@daily", 7, 1), ("0 0 * *", 8, 4), ("0 0 0 * * *", 11, 6)]
    {
        let error = Cron::parse(text).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("schedule {text:?}: {count} fields {five} at column {column}")
        );
    }
    assert!(Cron::parse(&format!("{} * * * *", "0,".repeat(200))).is_err());
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_within_itself(text in "[0-9a-z*/, -]{0,40}|.{0,40}") {
        if let Err(error) = Cron::parse(&text) {
            proptest::prop_assert!((1..=text.chars().count() + 1).contains(&error.column));
        }
    }
}
