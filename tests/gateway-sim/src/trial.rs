//! The trial clock: two hours, reset by hand once it has run out.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// As long as a trial runs.
const TRIAL: Duration = Duration::from_hours(2);

#[derive(Debug)]
pub(crate) struct Trial {
    ends: Instant,
}

impl Trial {
    pub(crate) fn new() -> Self {
        Self { ends: Instant::now() + TRIAL }
    }

    /// Whether it has run out.
    pub(crate) fn expired(&self) -> bool {
        self.left() == 0
    }

    /// Seconds left.
    pub(crate) fn left(&self) -> u64 {
        self.ends.saturating_duration_since(Instant::now()).as_secs()
    }

    /// Leaves it this many seconds.
    pub(crate) fn set(&mut self, seconds: u64) {
        self.ends = Instant::now() + Duration::from_secs(seconds);
    }

    /// Starts it again, if it has run out.
    pub(crate) fn reset(&mut self) -> bool {
        let expired = self.expired();
        if expired {
            self.ends = Instant::now() + TRIAL;
        }
        expired
    }

    pub(crate) fn record(&self) -> Value {
        json!({
            "licenseMode": "Trial", "trialState": "AllInDemo", "trialSecondsLeft": self.left(),
            "expired": self.expired(), "emergency": false, "emergencySecondsLeft": 0,
            "development": false, "developmentSecondsLeft": 0,
        })
    }
}
