//! The gateway's log, searched for what it did not load. Only the log tells, once, about a second
//! after the scan.

use reqwest::Method;
use serde_json::Value;

use super::{Gateway, Scanned, Trouble, number, text};

/// Lines of one page, and pages at most: an unlimited list may have a hundred thousand lines.
const PAGE: usize = 200;
const PAGES_MAX: usize = 5;
/// Looked back when the scan's duration is unknown.
const UNKNOWN_BACK_MS: i64 = 30_000;
/// What the gateway says of a resource that it refused.
const REFUSED: &str = "will not be loaded";

/// From when on lines count, by the gateway's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogWindow {
    /// Epoch milliseconds.
    pub from_ms: i64,
}

impl LogWindow {
    /// The window of one scan: from a second before it began.
    pub fn of(scan: Scanned) -> Self {
        let back = if scan.took_ms > 0 { scan.took_ms + 1_000 } else { UNKNOWN_BACK_MS };
        Self { from_ms: scan.ended_ms - back }
    }
}

impl Gateway {
    /// Messages in a window that say something was not loaded.
    pub async fn not_loaded(&self, window: LogWindow) -> Result<Vec<String>, Trouble> {
        let mut found = Vec::new();
        for page in 0..PAGES_MAX {
            let path = format!(
                "/data/api/v1/logs?startTime={}&minLevel=WARN&limit={PAGE}&offset={}&sortBy=asc(timestamp)",
                window.from_ms,
                page * PAGE
            );
            let answer = self.json(Method::GET, &path).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            found.extend(items.iter().filter(|item| refused(item, window)).map(|item| {
                let mut message = text(item, "message");
                message.truncate((0..=300).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0));
                message
            }));
            if items.len() < PAGE {
                break;
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

fn refused(item: &Value, window: LogWindow) -> bool {
    let message = item["message"].as_str().unwrap_or_default();
    let at = number(&item["timestamp"]).unwrap_or(i64::MAX);
    at >= window.from_ms && message.contains(REFUSED)
}
