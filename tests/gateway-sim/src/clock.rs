//! The gateway's own clock: the machine's plus a settable skew.
//!
//! It is what timestamps in answers and files are made of; durations are measured elsewhere, with a
//! monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

use time::{OffsetDateTime, macros::format_description};

/// Epoch milliseconds of this machine.
pub(crate) fn machine_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `2026-01-02T03:04:05Z`, as stamps in files are written.
pub(crate) fn stamp(epoch_ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    OffsetDateTime::from_unix_timestamp(epoch_ms.div_euclid(1000))
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn stamps_are_whole_seconds_in_utc() {
        assert_eq!(super::stamp(1_767_323_045_999), "2026-01-02T03:04:05Z");
    }
}
