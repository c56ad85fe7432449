//! Points in time and durations, as numbers with units. The clock is an input, never read here.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::digest::text_serde;

/// Milliseconds since 1970-01-01 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Later by a span.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, whole seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        let moment = time::OffsetDateTime::from_unix_timestamp(seconds)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let (date, clock) = (moment.date(), moment.time());
        let month = u8::from(date.month());
        write!(
            f,
            "{:04}-{month:02}-{:02}T{:02}:{:02}:{:02}Z",
            date.year(),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second()
        )
    }
}

/// Text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: write it like 2026-10-12T14:34:14Z or 2026-10-12")]
pub struct InvalidTimestamp(String);

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// RFC 3339, or a date alone: its first moment in UTC.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidTimestamp(text.chars().take(40).collect());
        let whole = match text.contains(['T', 't', ' ']) {
            true => text.to_owned(),
            false => format!("{text}T00:00:00Z"),
        };
        let format = &time::format_description::well_known::Rfc3339;
        let moment = time::OffsetDateTime::parse(&whole, format).map_err(|_| invalid())?;
        let ms = moment.unix_timestamp_nanos() / 1_000_000;
        Ok(Self(u64::try_from(ms).map_err(|_| invalid())?))
    }
}

/// A length of time in milliseconds, written `10m`, `1h30m`, `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Duration::from_millis(span.0)
    }
}

/// Text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write it like 30s, 10m or 1h30m")]
pub struct InvalidSpan(String);

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSpan(text.chars().take(40).collect());
        if text == "0" {
            return Ok(Span(0));
        }
        if text.is_empty() {
            return Err(invalid());
        }
        let (mut rest, mut total) = (text, 0_u64);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let number: u64 = number.parse().map_err(|_| invalid())?;
            let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
            let part = number.checked_mul(*scale).ok_or_else(invalid)?;
            total = total.checked_add(part).ok_or_else(invalid)?;
            rest = tail;
        }
        Ok(Span(total))
    }
}

impl Span {
    /// Whole seconds, as people read it; less than one stays as it is.
    #[must_use]
    pub fn to_seconds(self) -> Self {
        match self.0 {
            0..1_000 => self,
            more => Self(more / 1_000 * 1_000),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let mut rest = self.0;
        for (unit, scale) in UNITS {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

text_serde!(Span);

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^(0|([0-9]+(d|h|ms|m|s))+)$",
            "description": "a duration like 30s, 10m or 1h30m",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, ms) in [("10m", 600_000), ("1h30m", 5_400_000), ("250ms", 250), ("0", 0)] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span, Span(ms));
            assert_eq!(span.to_string(), text);
        }
        for bad in ["", "10", "m", "10x", "-1s", "99999999999999999999s", "1 h"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert_eq!(Timestamp(1_791_815_654_089).to_string(), "2026-10-12T14:34:14Z");
    }

    #[test]
    fn points_in_time_are_read() {
        for (text, ms) in [
            ("2026-10-12T14:34:14Z", 1_791_815_654_000),
            ("2026-10-12T16:34:14.089+02:00", 1_791_815_654_089),
            ("2026-10-12", 1_791_763_200_000),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(ms)), "{text}");
        }
        for bad in ["", "now", "2026-13-01", "1969-12-31", "12:00", "2026-10-12T14:34"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }
}
