//! How long a question may take and how long to wait between its requests. Time and chance are
//! inputs.

use std::time::Duration;

/// All requests of one question and the pauses between them: two of the longest that a gate may
/// have. More would hold the rollout up for what a person sees sooner.
const QUESTION_MAX: Duration = Duration::from_mins(1);
/// Before the first repetition; doubled for each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// With less time left no request is begun: the shortest timeout of a gate.
const REQUEST_MIN: Duration = Duration::from_secs(1);

/// What is left for a question.
pub(super) fn left(spent: Duration) -> Duration {
    QUESTION_MAX.saturating_sub(spent)
}

/// The pause after so many failed requests, half of it by chance, so that many rollouts do not come
/// back at once. None when there is no time for another request.
pub(super) fn pause(failed: u32, spent: Duration, chance: u32) -> Option<Duration> {
    let doubled = 1_u32 << failed.saturating_sub(1).min(10);
    let longest = (PAUSE_FIRST * doubled).min(PAUSE_MAX);
    let pause = longest / 2 + (longest / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX));
    (left(spent) >= pause + REQUEST_MIN).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_bounds_and_end_with_the_time() {
        let ms = Duration::from_millis;
        for (failed, least, most) in
            [(1, 125, 250), (2, 250, 500), (5, 2_000, 4_000), (99, 2_000, 4_000)]
        {
            assert_eq!(pause(failed, ms(0), 0), Some(ms(least)));
            assert_eq!(pause(failed, ms(0), u32::MAX), Some(ms(most)));
        }
        assert_eq!(pause(1, ms(58_875), 0), Some(ms(125)));
        assert_eq!(pause(1, ms(58_876), 0), None);
        assert_eq!(pause(1, ms(70_000), 0), None);
        assert_eq!(left(ms(59_000)), ms(1_000));
    }
}
