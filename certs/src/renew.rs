//! When to renew a certificate.

use std::time::{Duration, SystemTime};

/// Never sooner than this, however short the life: a clock that is off must not make a storm.
const SOONEST: Duration = Duration::from_millis(500);
/// Never later than this: a timer of weeks is not to be trusted across suspends.
const LATEST: Duration = Duration::from_hours(6);

/// How long to wait before renewing: until two thirds of the life have passed, at most six hours at
/// a time (then it is asked again).
pub fn refresh_in(not_before: SystemTime, not_after: SystemTime, now: SystemTime) -> Duration {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    let due = not_before + life * 2 / 3;
    due.duration_since(now).unwrap_or_default().clamp(SOONEST, LATEST)
}

/// Whether two thirds of the life have passed.
pub fn is_due(not_before: SystemTime, not_after: SystemTime, now: SystemTime) -> bool {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    now >= not_before + life * 2 / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_is_due_at_two_thirds() {
        let start = SystemTime::UNIX_EPOCH;
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(refresh_in(start, at(9000), at(1000)), Duration::from_secs(5000));
        assert_eq!(refresh_in(start, at(9000), at(8000)), SOONEST);
        assert_eq!(refresh_in(start, at(900_000), start), LATEST);
        assert!(!is_due(start, at(90), at(59)) && is_due(start, at(90), at(60)));
    }
}
