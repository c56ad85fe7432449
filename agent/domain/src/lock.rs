//! The scan lock: how long to ask for, and whether it is still ours. It can neither be released nor
//! extended, and any scan by anybody frees it.

/// Shortest and longest hold in seconds; the longest that is known to work.
const HOLD_S: (u64, u64) = (10, 300);
/// What must be left on both clocks for a hold to count: below it the answer says nothing.
pub const MARGIN_MS: u64 = 2_000;
/// A commit of one file, by rename, measured on ext4 and rounded up.
const FILE_MS: u64 = 2;

/// A grant as the gateway described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Opaque; constant for one hold.
    pub timestamp: String,
    /// Who holds it, as the gateway says; never parsed.
    pub actor: String,
    /// Whole seconds left, rounded down.
    pub remaining_s: u64,
}

/// Seconds to ask for: twice what the commit and the scan are expected to take, and one more.
pub fn hold_s(files: usize, scan_ms: u64) -> u64 {
    let expected_ms = (files as u64).saturating_mul(FILE_MS).saturating_add(scan_ms);
    (expected_ms.saturating_mul(2).div_ceil(1000) + 1).clamp(HOLD_S.0, HOLD_S.1)
}

/// Whether the hold is still the one that was granted, with enough left by the gateway's clock and
/// by ours. `held_ms` is how long ago it was granted, `asked_s` for how long it was asked.
pub fn is_ours(granted: &Grant, now: Option<&Grant>, held_ms: u64, asked_s: u64) -> bool {
    let Some(now) = now else { return false };
    let same = now.timestamp == granted.timestamp && now.actor == granted.actor;
    let by_theirs = now.remaining_s.saturating_mul(1000) >= MARGIN_MS;
    let by_ours = held_ms.saturating_add(MARGIN_MS) <= asked_s.saturating_mul(1000);
    same && by_theirs && by_ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hold_follows_the_size_within_bounds() {
        assert_eq!(hold_s(1, 300), 10);
        assert_eq!(hold_s(14_343, 2_000), 63);
        assert_eq!(hold_s(1_000_000, 2_000), 300);
    }

    #[test]
    fn a_lapsed_stolen_or_nearly_ended_lock_is_not_ours() {
        let granted =
            Grant { timestamp: "380308558".into(), actor: "api-token:a:1".into(), remaining_s: 59 };
        let now = |remaining_s| Grant { remaining_s, ..granted.clone() };
        assert!(is_ours(&granted, Some(&now(50)), 9_000, 60));
        assert!(!is_ours(&granted, None, 9_000, 60));
        assert!(!is_ours(&granted, Some(&now(1)), 9_000, 60));
        assert!(!is_ours(&granted, Some(&now(50)), 58_500, 60));
        let stolen = Grant { actor: "api-token:b:1".into(), ..now(50) };
        assert!(!is_ours(&granted, Some(&stolen), 9_000, 60));
        let again = Grant { timestamp: "380999999".into(), ..now(59) };
        assert!(!is_ours(&granted, Some(&again), 9_000, 60));
    }
}
