//! The scan-lock of one kind: granted once, freed by a scan or by time, never by its holder.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// File times come from the kernel's last tick: up to so much before a clock that is read.
const FILE_TIME_LAG_MS: i64 = 10;

/// A held lock.
#[derive(Debug, Clone)]
pub(crate) struct Lock {
    /// Opaque; new for each hold.
    pub(crate) timestamp: u64,
    pub(crate) until: Instant,
    pub(crate) actor: String,
    /// When it was granted, epoch milliseconds of this machine.
    pub(crate) since_ms: i64,
}

/// The lock, and when it was held before.
#[derive(Debug, Default)]
pub(crate) struct LockSlot {
    held: Option<Lock>,
    /// Past holds, epoch milliseconds of this machine, the end included.
    pub(crate) past: Vec<(i64, i64)>,
}

impl Lock {
    /// As REST shows it: whole seconds, floored.
    pub(crate) fn body(&self, now: Instant) -> Value {
        let remaining = self.until.saturating_duration_since(now).as_secs();
        json!({"timestamp": self.timestamp, "remaining": remaining, "actor": self.actor})
    }
}

impl LockSlot {
    /// Ends a hold whose time is up; says whether it did.
    pub(crate) fn lapse(&mut self, now: Instant, machine_ms: i64) -> bool {
        let over = self.held.as_ref().is_some_and(|lock| lock.until <= now);
        over && self.free(machine_ms)
    }

    /// Ends a hold; says whether there was one.
    pub(crate) fn free(&mut self, machine_ms: i64) -> bool {
        let Some(lock) = self.held.take() else { return false };
        self.past.push((lock.since_ms, machine_ms));
        true
    }

    /// Holds it for somebody; whoever has it loses it.
    pub(crate) fn hold(&mut self, actor: String, hold: Duration, now: Instant, machine_ms: i64) {
        self.free(machine_ms);
        self.held = Some(Lock {
            timestamp: rand::random_range(100_000_000..999_999_999),
            until: now + hold,
            actor,
            since_ms: machine_ms,
        });
    }

    pub(crate) fn held(&self) -> Option<&Lock> {
        self.held.as_ref()
    }

    /// Whether it was held at a moment that a file's time gives.
    pub(crate) fn was_held(&self, at_ms: i64) -> bool {
        let at_ms = at_ms + FILE_TIME_LAG_MS;
        self.held.as_ref().is_some_and(|lock| lock.since_ms <= at_ms)
            || self.past.iter().any(|(from, to)| (*from..=*to + FILE_TIME_LAG_MS).contains(&at_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lapses_and_remembers_when_it_was_held() {
        let start = Instant::now();
        let mut slot = LockSlot::default();
        slot.hold("api-token:a:127.0.0.1".into(), Duration::from_mins(1), start, 1_000);
        let almost = start + Duration::from_millis(1);
        assert_eq!(slot.held().unwrap().body(almost)["remaining"], 59);
        assert!(!slot.lapse(almost, 1_001));
        assert!(slot.lapse(start + Duration::from_mins(1), 61_000));
        assert!(slot.held().is_none());
        assert!(slot.was_held(990) && !slot.was_held(989));
        assert!(slot.was_held(1_000) && slot.was_held(61_000) && !slot.was_held(61_001));
        let first = 1;
        slot.hold("b".into(), Duration::from_secs(1), start, 70_000);
        let second = slot.held().unwrap().timestamp;
        assert_ne!(first, second);
        assert!(slot.was_held(70_500));
    }
}
