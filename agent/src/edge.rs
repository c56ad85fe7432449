//! The agent's clock: the only place that reads it. What a coordinator says of its own is kept with the
//! moment at which it came.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use millwright_model::time::Timestamp;

/// Now.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A coordinator's clock, as it was told last. It goes on by our steady clock, so that a jump of the other
/// one shows also while no coordinator can be reached.
#[derive(Debug, Clone, Copy)]
pub struct CoordinatorTime {
    told: Timestamp,
    at: Instant,
}

impl CoordinatorTime {
    /// Told just now; nothing by a coordinator that does not tell.
    pub fn told(ms: u64) -> Option<Self> {
        (ms > 0).then(|| Self { told: Timestamp(ms), at: Instant::now() })
    }

    /// What that clock shows now.
    pub fn now(&self) -> Timestamp {
        let since = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.told.0.saturating_add(since))
    }
}
