//! Stories about windows, told as tables.

mod order;
mod property;
mod wall_clock;

use super::*;
use crate::{resource::Strings, time::Timestamp};

fn window(kind: Kind, schedule: &str, duration: &str) -> Window {
    Window {
        name: match kind {
            Kind::Allow => "allow".parse().unwrap(),
            Kind::Deny => "deny".parse().unwrap(),
        },
        kind,
        schedule: schedule.to_owned(),
        duration: duration.parse().unwrap(),
        time_zone: utc(),
        select: Selector::default(),
        overrun: false,
        manual: false,
    }
}

/// A moment written in RFC 3339.
fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp(moment.as_millisecond().try_into().unwrap())
}

fn labels(pairs: &[(&str, &str)]) -> Strings {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_is_written_is_read_with_its_defaults() {
    let read: Window = serde_json::from_str(
        r#"{"name":"night","kind":"allow","schedule":"0 22 * * mon-fri","duration":"8h"}"#,
    )
    .unwrap();
    let expected =
        Window { name: "night".parse().unwrap(), ..window(Kind::Allow, "0 22 * * mon-fri", "8h") };
    assert_eq!(read, expected);
    read.check().unwrap();
    let text = r#"{"name":"n","kind":"deny","schedule":"* * * * *","duration":"1m",
        "timeZone":"Asia/Tokyo","select":"line=1","overrun":true,"manual":true}"#;
    let read: Window = serde_json::from_str(text).unwrap();
    assert!(read.overrun && read.manual && read.time_zone == "Asia/Tokyo");
    let again = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
    assert_eq!(read, again);
    assert!(serde_json::from_str::<Window>(r#"{"name":"n","zone":"UTC"}"#).is_err());
}

#[test]
fn faults_say_what_is_wrong_and_where() {
    let good = || window(Kind::Allow, "0 22 * * *", "8h");
    let zone = |zone: &str| Window { time_zone: zone.to_owned(), ..good() };
    let never = |schedule: &str| Window { schedule: schedule.to_owned(), ..good() };
    let lasting = |ms| Window { duration: Span(ms), ..good() };
    for (window, field, message) in [
        (
            never("0 25 * * *"),
            "schedule",
            "schedule \"0 25 * * *\": \"25\" is no hour: 0 to 23 at column 3",
        ),
        (
            never("0 0 30 feb *"),
            "schedule",
            "schedule \"0 0 30 feb *\": there is no such day in any year",
        ),
        (lasting(0), "duration", "the duration 0 is not more than 0 and at most 31d"),
        (
            lasting(DURATION_MAX.0 + 1),
            "duration",
            "the duration 31d1ms is not more than 0 and at most 31d",
        ),
        (
            zone("Europe/Berln"),
            "timeZone",
            "\"Europe/Berln\" is no time zone of the IANA database, did you mean \"Europe/Berlin\"?",
        ),
        (
            zone("New York"),
            "timeZone",
            "\"New York\" is no time zone of the IANA database, did you mean \"America/New_York\"?",
        ),
        (
            zone("europe/berlin"),
            "timeZone",
            "\"europe/berlin\" is no time zone of the IANA database, did you mean \"Europe/Berlin\"?",
        ),
        (zone("???"), "timeZone", "\"???\" is no time zone of the IANA database"),
        (zone("+02:00"), "timeZone", "\"+02:00\" is no time zone of the IANA database"),
    ] {
        let error = window.check().unwrap_err();
        assert_eq!((error.field(), error.to_string().as_str()), (field, message));
    }
    for zone_name in ["", "Etc/Unknown", "utc", "../etc/localtime", "localtime"] {
        assert!(zone(zone_name).check().is_err(), "{zone_name}");
    }
    for zone_name in ["UTC", "Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"] {
        zone(zone_name).check().unwrap();
    }
    never("0 0 29 2 *").check().unwrap();
    never("0 0 29 2 */2").check().unwrap();
    lasting(DURATION_MAX.0).check().unwrap();
}

#[test]
fn the_schema_describes_every_field() {
    let schema = schemars::schema_for!(Window).to_value();
    let fields = schema["properties"].as_object().unwrap();
    assert!(fields.values().all(|field| field.get("description").is_some()), "{fields:?}");
    assert_eq!(fields.len(), 8);
}
