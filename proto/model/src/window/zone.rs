//! Time zones of the one database that is compiled in, and what a clock on the wall there means.
//!
//! Never the database of the machine: coordinators, agents and `millctl` must agree, and would not
//! if the age of each system's files decided.

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase, TimeZoneName},
};

use crate::template::nearest;

/// A name that is none of the database's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{zone:?} is no time zone of the IANA database{}", hint.as_ref().map(|h| format!(", did you mean {h:?}?")).unwrap_or_default())]
pub struct UnknownZone {
    /// As given, cut.
    pub zone: String,
    /// The nearest name.
    pub hint: Option<String>,
}

/// A time zone.
#[derive(Debug, Clone)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// The zone of this name, spelled as in the database: one spelling, so that equal windows are
    /// equal texts.
    pub(super) fn find(name: &str) -> Result<Self, UnknownZone> {
        let database = TimeZoneDatabase::bundled();
        let found = database.get(name).ok().filter(|zone| !zone.is_unknown());
        match found {
            Some(zone) if zone.iana_name() == Some(name) => Ok(Self(zone)),
            Some(zone) => Err(unknown(name, zone.iana_name().map(str::to_owned))),
            None => Err(unknown(name, suggestion(&database, name))),
        }
    }

    /// The date on the wall.
    pub(super) fn date(&self, moment: Timestamp) -> Date {
        self.0.to_datetime(moment).date()
    }

    /// When the clock on the wall first shows this date and these milliseconds past midnight, which
    /// may be more than a day. A time that is skipped is passed at the moment of the jump. So later
    /// times on the wall are never earlier moments, and windows that touch on the wall do touch.
    pub(super) fn moment(&self, date: Date, past_midnight_ms: i64) -> Option<Timestamp> {
        let past_midnight = jiff::SignedDuration::from_millis(past_midnight_ms);
        let shown = date.to_datetime(Time::midnight()).checked_add(past_midnight).ok()?;
        let ambiguous = self.0.to_ambiguous_timestamp(shown);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(shown).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // By the offset that holds after the jump, a skipped time is before the jump.
                let before_the_jump = after.to_timestamp(shown).ok()?;
                self.0.following(before_the_jump).next().map(|jump| jump.timestamp())
            }
        }
    }
}

fn unknown(name: &str, hint: Option<String>) -> UnknownZone {
    UnknownZone { zone: name.chars().take(80).collect(), hint }
}

/// The zone of a city that was written alone, or the name that is nearest.
fn suggestion(database: &TimeZoneDatabase, name: &str) -> Option<String> {
    let zones: Vec<_> = database.available().collect();
    let names = zones.iter().map(TimeZoneName::as_str);
    let city = name.replace(' ', "_");
    let of_city = names.clone().find(|known| {
        known.rsplit_once('/').is_some_and(|(_, last)| last.eq_ignore_ascii_case(&city))
    });
    match of_city {
        Some(known) => Some(known.to_owned()),
        None => nearest(name, names),
    }
}
