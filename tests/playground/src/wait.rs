//! Waiting for what other processes do: one condition, asked for until it holds.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Long enough for a debug build on a busy machine; reached only when something is wrong.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks until the answer is there.
///
/// # Errors
/// What `what` names has not come within `patience`, or the last try failed.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    let mut tick = interval(PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) if Instant::now() < deadline => {}
            Ok(None) => bail!("{what}: not within {} s", patience.as_secs()),
            Err(error) if Instant::now() < deadline => drop(error),
            Err(error) => return Err(error.context(format!("{what}: the last try failed"))),
        }
    }
}
