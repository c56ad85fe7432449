//! When a window is open: its cron text, duration and zone, compiled, and walked day by day.
//!
//! Everything is computed on the calendar, as spans from one time on the wall to another, and turned
//! into moments last ([`Zone::moment`]). So a window from 22:00 for 8 hours ends at 6:00 in the night
//! of a clock change as well, and one of 24 hours each day has no hole in it.
//!
//! Spans that overlap or touch are one: `since` and `until` are those of the whole.

use jiff::{
    SignedDuration, Timestamp as Moment,
    civil::{Date, date},
};

use super::{DURATION_MAX, InvalidWindow, State, Window, cron::Cron, zone::Zone};
use crate::time::{Span, Timestamp};

/// The Gregorian calendar repeats after so many days.
const CALENDAR_DAYS: u32 = 146_097;
const DAY_MS: i64 = 86_400_000;
/// How far a search goes: eight years, so that each 29 February is found from the one before it,
/// 2100 included.
const SEARCH_DAYS_MAX: u32 = 2_930;
const SEARCH_MAX: SignedDuration = SignedDuration::from_hours(24 * SEARCH_DAYS_MAX as i64);
/// How far back the span may have begun that is open now: the longest duration, a day within which
/// spans are joined, and a day on either side for clocks that differ.
const BACK_DAYS: usize = 35;

/// From one time on the wall to another, in milliseconds past midnight of the day it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from: i64,
    to: i64,
}

/// A window's times.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    cron: Cron,
    zone: Zone,
    /// Those of one day: ascending, apart from each other, never empty.
    pieces: Vec<Piece>,
}

/// One piece on one day. Those later in order neither open nor close earlier.
#[derive(Debug, Clone, Copy)]
struct Place {
    date: Date,
    index: usize,
}

impl Schedule {
    /// Compiled from what a window says.
    pub(super) fn of(window: &Window) -> Result<Self, InvalidWindow> {
        let cron = Cron::parse(&window.schedule)?;
        let zone = Zone::find(&window.time_zone)?;
        let invalid = || InvalidWindow::Duration(window.duration);
        if window.duration == Span(0) || window.duration > DURATION_MAX {
            return Err(invalid());
        }
        let duration = i64::try_from(window.duration.0).map_err(|_| invalid())?;
        let mut pieces: Vec<Piece> = Vec::new();
        for minute in cron.minutes() {
            let from = i64::from(minute) * 60_000;
            let to = from + duration;
            match pieces.last_mut() {
                Some(last) if last.to >= from => last.to = to,
                _ => pieces.push(Piece { from, to }),
            }
        }
        Ok(Self { cron, zone, pieces })
    }

    /// Whether it opens in any year.
    pub(super) fn ever(&self) -> bool {
        // Any start will do, as the search goes round the whole calendar.
        first_day(&self.cron, date(2000, 1, 1), CALENDAR_DAYS).is_some()
    }

    /// Whether it is open, since when and until when, or when it opens.
    pub(super) fn state(&self, now: Timestamp) -> State {
        let now = moment(now);
        if self.always() {
            return State::Open { since: None, until: None };
        }
        let last = self.last_opened(now);
        if let Some(place) = last
            && let Some((opens, closes)) = self.moments(place)
            && now < closes
        {
            let until = self.closes(place, closes).map(timestamp);
            return State::Open { since: self.opened(place, opens).map(timestamp), until };
        }
        State::Closed { opens: self.opens(last, now).map(timestamp) }
    }

    fn always(&self) -> bool {
        let one = if let [one] = self.pieces[..] { Some(one) } else { None };
        self.cron.daily() && one.is_some_and(|piece| piece.to >= piece.from + DAY_MS)
    }

    fn moments(&self, place: Place) -> Option<(Moment, Moment)> {
        let piece = self.pieces.get(place.index)?;
        let opens = self.zone.moment(place.date, piece.from)?;
        Some((opens, self.zone.moment(place.date, piece.to)?))
    }

    /// The last piece that began by now. It is the one that closes last of all that did.
    fn last_opened(&self, now: Moment) -> Option<Place> {
        let mut date = self.zone.date(now).tomorrow().ok()?;
        for _ in 0..BACK_DAYS {
            if self.cron.on(date) {
                let begun = |piece: &Piece| {
                    self.zone.moment(date, piece.from).is_some_and(|opens| opens <= now)
                };
                let count = self.pieces.partition_point(begun);
                if count > 0 {
                    return Some(Place { date, index: count - 1 });
                }
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// When the open time ends that `place` belongs to.
    fn closes(&self, place: Place, closes: Moment) -> Option<Moment> {
        let limit = place.date.saturating_add(SEARCH_MAX);
        let (mut closes, mut place) = (closes, place);
        while place.date <= limit {
            let Some(next) = self.after(place) else { return Some(closes) };
            let (opens, next_closes) = self.moments(next)?;
            if opens > closes {
                return Some(closes);
            }
            (closes, place) = (next_closes, next);
        }
        None
    }

    /// When the open time began that `place` belongs to.
    fn opened(&self, place: Place, opens: Moment) -> Option<Moment> {
        let limit = place.date.saturating_sub(SEARCH_MAX);
        let (mut opens, mut place) = (opens, place);
        while place.date >= limit {
            let Some(last) = self.before(place) else { return Some(opens) };
            let (last_opens, closes) = self.moments(last)?;
            if closes < opens {
                return Some(opens);
            }
            (opens, place) = (last_opens, last);
        }
        None
    }

    /// The next opening after now, given the last piece that began by now.
    fn opens(&self, last: Option<Place>, now: Moment) -> Option<Moment> {
        let yesterday = self.zone.date(now).yesterday().ok()?;
        let mut next = match last {
            Some(place) => self.after(place),
            None => self.first_from(yesterday),
        };
        let limit = yesterday.saturating_add(SEARCH_MAX);
        while let Some(place) = next.filter(|place| place.date <= limit) {
            let (opens, closes) = self.moments(place)?;
            // One that lies within skipped time does not take place.
            if opens > now && closes > opens {
                return Some(opens);
            }
            next = self.after(place);
        }
        None
    }

    fn after(&self, place: Place) -> Option<Place> {
        let index = place.index + 1;
        if index < self.pieces.len() {
            return Some(Place { index, ..place });
        }
        self.first_from(place.date.tomorrow().ok()?)
    }

    fn before(&self, place: Place) -> Option<Place> {
        if let Some(index) = place.index.checked_sub(1) {
            return Some(Place { index, ..place });
        }
        let mut date = place.date.yesterday().ok()?;
        for _ in 0..SEARCH_DAYS_MAX {
            if self.cron.on(date) {
                return Some(Place { date, index: self.pieces.len().checked_sub(1)? });
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// The first piece of the first of its days from this one on.
    fn first_from(&self, date: Date) -> Option<Place> {
        first_day(&self.cron, date, SEARCH_DAYS_MAX).map(|date| Place { date, index: 0 })
    }
}

/// The first of its days from `date` on, within so many days.
fn first_day(cron: &Cron, date: Date, days: u32) -> Option<Date> {
    let mut date = date;
    for _ in 0..days {
        if cron.on(date) {
            return Some(date);
        }
        date = date.tomorrow().ok()?;
    }
    None
}

/// Beyond the year 9999 the calendar stands still.
fn moment(at: Timestamp) -> Moment {
    i64::try_from(at.0).ok().and_then(|ms| Moment::from_millisecond(ms).ok()).unwrap_or(Moment::MAX)
}

/// Before 1970 is 1970.
fn timestamp(at: Moment) -> Timestamp {
    Timestamp(u64::try_from(at.as_millisecond()).unwrap_or(0))
}
