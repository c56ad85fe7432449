//! The gateway's log as REST shows it: bounded, oldest first.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Lines kept; a real gateway keeps some 100,000.
const LINES_MAX: usize = 200_000;
const LEVELS: [&str; 6] = ["ALL", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Epoch milliseconds of the gateway's clock.
    pub timestamp: i64,
    /// Who says it.
    pub logger_name: String,
    /// `TRACE`, `DEBUG`, `INFO`, `WARN` or `ERROR`.
    pub level: String,
    /// What.
    pub message: String,
}

/// What of the log is asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) min_level: Option<String>,
    pub(crate) logger: Option<String>,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct Logbook {
    lines: VecDeque<LogLine>,
}

impl Logbook {
    pub(crate) fn write(&mut self, timestamp: i64, level: &str, logger: &str, message: &str) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(LogLine {
            timestamp,
            logger_name: logger.to_owned(),
            level: level.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Lines that match; the start is inclusive, the logger a prefix.
    pub(crate) fn find(&self, wanted: &Wanted) -> Vec<Value> {
        let rank = |level: &str| {
            LEVELS.iter().position(|known| known.eq_ignore_ascii_case(level)).unwrap_or(0)
        };
        let least = wanted.min_level.as_deref().map_or(0, rank);
        let matching = self.lines.iter().filter(|line| {
            wanted.start.is_none_or(|start| line.timestamp >= start)
                && wanted.end.is_none_or(|end| line.timestamp <= end)
                && rank(&line.level) >= least
                && wanted.logger.as_deref().is_none_or(|l| line.logger_name.starts_with(l))
        });
        matching
            .map(|line| {
                json!({"timestamp": line.timestamp, "loggerName": line.logger_name,
                    "level": line.level, "message": line.message, "mdc": {}})
            })
            .collect()
    }

    /// All lines, oldest first.
    pub(crate) fn all(&self) -> Vec<LogLine> {
        self.lines.iter().cloned().collect()
    }

    /// Names of loggers that have spoken.
    pub(crate) fn loggers(&self) -> std::collections::BTreeSet<String> {
        self.lines.iter().map(|line| line.logger_name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_inclusive_and_the_logger_a_prefix() {
        let mut log = Logbook::default();
        log.write(1, "INFO", "a.b", "one");
        log.write(2, "WARN", "a.c", "two");
        log.write(3, "ERROR", "z", "three");
        let count = |wanted: Wanted| log.find(&wanted).len();
        assert_eq!(count(Wanted::default()), 3);
        assert_eq!(count(Wanted { start: Some(2), ..Wanted::default() }), 2);
        assert_eq!(count(Wanted { end: Some(2), ..Wanted::default() }), 2);
        assert_eq!(count(Wanted { logger: Some("a".into()), ..Wanted::default() }), 2);
        assert_eq!(count(Wanted { min_level: Some("warn".into()), ..Wanted::default() }), 2);
    }
}
