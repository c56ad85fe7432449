//! Five-field cron text: minute, hour, day of the month, month, day of the week.
//!
//! Each field is `*`, a number, a range `a-b`, either of the latter two kinds of set with a step
//! (`*/n`, `a-b/n`), or a list of these with commas. Months and weekdays may be named by their first
//! three letters in English; Sunday is 0, 7 or `sun`, and a weekday range may end in it.
//!
//! Days follow Vixie cron: when both day fields are restricted, a day that satisfies *either* is
//! meant (`0 2 13 * fri`: each 13th and each Friday). When either of them begins with `*`, both must
//! hold. Seconds, years, `@daily`, `?`, `L`, `W` and `#` are not supported and refused.
//!
//! A parser of our own, since every fault must name its column and nothing else of a cron library is
//! needed here: the calendar is walked in [`super::schedule`].

use jiff::civil::Date;

/// Longest text: a list of every minute has 169 characters.
const CHARS_MAX: usize = 256;

struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

const MONTHS: &[&str] =
    &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Sunday at the end of a week.
const SUNDAY: u32 = 7;

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of the month", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: MONTHS },
    Field { name: "day of the week", min: 0, max: SUNDAY, names: WEEKDAYS },
];

/// Text that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule {text:?}: {why} at column {column}")]
pub struct InvalidSchedule {
    /// As given, cut.
    pub text: String,
    /// What is wrong.
    pub why: String,
    /// 1-based.
    pub column: usize,
}

/// Values of one field, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set {
    bits: u64,
    /// Its text begins with `*`.
    star: bool,
}

impl Set {
    fn has(self, value: u32) -> bool {
        self.bits & (1 << value) != 0
    }
}

/// When something begins, by the clock on the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
}

impl Cron {
    /// Whether this is one of its days.
    pub(super) fn on(&self, date: Date) -> bool {
        let value = |number: i8| u32::from(number.unsigned_abs());
        let day = self.days.has(value(date.day()));
        let weekday = self.weekdays.has(value(date.weekday().to_sunday_zero_offset()));
        let both = self.days.star || self.weekdays.star;
        self.months.has(value(date.month())) && if both { day && weekday } else { day || weekday }
    }

    /// Whether every day is one of its days.
    pub(super) fn daily(&self) -> bool {
        let all = |set: Set, from: u32, to: u32| (from..=to).all(|value| set.has(value));
        let (day, weekday) = (all(self.days, 1, 31), all(self.weekdays, 0, 6));
        let both = self.days.star || self.weekdays.star;
        all(self.months, 1, 12) && if both { day && weekday } else { day || weekday }
    }

    /// Its times on one of its days, in minutes from midnight, ascending.
    pub(super) fn minutes(&self) -> impl Iterator<Item = u32> {
        let hours = (0..24).filter(|hour| self.hours.has(*hour));
        hours.flat_map(|hour| {
            (0..60).filter(|minute| self.minutes.has(*minute)).map(move |minute| hour * 60 + minute)
        })
    }

    pub(super) fn parse(text: &str) -> Result<Self, InvalidSchedule> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if text.len() > CHARS_MAX {
            return Err(refuse(text, "", format!("more than {CHARS_MAX} characters")));
        }
        let [minute, hour, day, month, weekday] = words[..] else {
            let why = format!(
                "{} fields instead of the 5 minute, hour, day of the month, month, day of the week",
                words.len()
            );
            return Err(refuse(text, words.get(5).copied().unwrap_or_default(), why));
        };
        let [minutes, hours, days, months, weekdays] = FIELDS;
        let mut read = Self {
            minutes: minutes.read(text, minute)?,
            hours: hours.read(text, hour)?,
            days: days.read(text, day)?,
            months: months.read(text, month)?,
            weekdays: weekdays.read(text, weekday)?,
        };
        if read.weekdays.has(SUNDAY) {
            read.weekdays.bits |= 1;
        }
        Ok(read)
    }
}

impl Field {
    /// `word` is a part of `text`, as all parts below are, so that a fault knows its column.
    fn read(&self, text: &str, word: &str) -> Result<Set, InvalidSchedule> {
        let mut bits = 0;
        for item in word.split(',') {
            bits |= self.item(text, item)?;
        }
        Ok(Set { bits, star: word.starts_with('*') })
    }

    fn item(&self, text: &str, item: &str) -> Result<u64, InvalidSchedule> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.max),
            Some((from, to)) => (self.value(text, from)?, self.value(text, to)?),
            None if step.is_some() => {
                let why = format!("{item:?}: a step needs `*` or a range before it");
                return Err(refuse(text, item, why));
            }
            None => {
                let one = self.value(text, range)?;
                (one, one)
            }
        };
        // `fri-sun`: the week ends in the Sunday that is also 0.
        let to = if self.max == SUNDAY && to == 0 && from > 0 { SUNDAY } else { to };
        if from > to {
            let why = format!("{range:?} runs backwards; write it as two items with a comma");
            return Err(refuse(text, range, why));
        }
        let step = step.map_or(Ok(1), |step| self.step(text, step))?;
        Ok((from..=to).step_by(step).fold(0, |bits, value| bits | 1 << value))
    }

    fn step(&self, text: &str, word: &str) -> Result<usize, InvalidSchedule> {
        match number(word) {
            Some(step) if step > 0 && step <= self.max => Ok(step as usize),
            _ => {
                let why = format!("{word:?} is no step of a {}: 1 to {}", self.name, self.max);
                Err(refuse(text, word, why))
            }
        }
    }

    fn value(&self, text: &str, word: &str) -> Result<u32, InvalidSchedule> {
        let named = self.names.iter().zip(self.min..).find(|(n, _)| n.eq_ignore_ascii_case(word));
        let value = named.map(|(_, value)| value).or_else(|| number(word));
        value.filter(|value| (self.min..=self.max).contains(value)).ok_or_else(|| {
            let names = match (self.names.first(), self.names.last()) {
                (Some(first), Some(last)) => format!(" or {first} to {last}"),
                _ => String::new(),
            };
            let why = format!("{word:?} is no {}: {} to {}{names}", self.name, self.min, self.max);
            refuse(text, word, why)
        })
    }
}

/// Digits only: the standard parser also takes a sign.
fn number(word: &str) -> Option<u32> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

/// `part` lies in `text`; an empty one that does not means the end of `text`.
fn refuse(text: &str, part: &str, why: String) -> InvalidSchedule {
    let offset = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
    let before = offset.and_then(|offset| text.get(..offset)).unwrap_or(text);
    let column = before.chars().count() + 1;
    InvalidSchedule { text: text.chars().take(120).collect(), why, column }
}

#[cfg(test)]
mod tests;
