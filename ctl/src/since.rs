//! From when on: an index, a length of time until now, or a moment.

use std::str::FromStr;

use millwright_model::time::{Span, Timestamp};

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// After an index; of events, after so many of those that share it, zero for all.
    Index(u64, u32),
    /// So long ago.
    Ago(Span),
    /// Not before.
    At(Timestamp),
}

impl Since {
    /// The moment, if it is one.
    pub fn moment(self, now_ms: u64) -> Timestamp {
        match self {
            Since::Index(..) => Timestamp(0),
            Since::Ago(span) => Timestamp(now_ms.saturating_sub(span.0)),
            Since::At(moment) => moment,
        }
    }

    /// The index and what was seen of it; zero for a moment.
    pub fn index(self) -> (u64, u32) {
        match self {
            Since::Index(index, sub) => (index, sub),
            Since::Ago(_) | Since::At(_) => (0, 0),
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, sub) = text.split_once('.').unwrap_or((text, "0"));
        if let (Ok(index), Ok(sub)) = (index.parse(), sub.parse()) {
            return Ok(Since::Index(index, sub));
        }
        if let Ok(span) = text.parse() {
            return Ok(Since::Ago(span));
        }
        let none = |_| {
            "write an index like 17, a time until now like 1h, or a moment like \
                        2026-10-12T14:34:14Z"
                .to_owned()
        };
        text.parse().map(Since::At).map_err(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_lengths_and_moments_are_told_apart() {
        for (text, since) in [
            ("17", Since::Index(17, 0)),
            ("17.2", Since::Index(17, 2)),
            ("0", Since::Index(0, 0)),
            ("1h30m", Since::Ago(Span(5_400_000))),
            ("2026-10-12T14:34:14Z", Since::At(Timestamp(1_791_815_654_000))),
        ] {
            assert_eq!(text.parse(), Ok(since), "{text}");
        }
        for bad in ["", "now", "17.", "-1", "1.5h"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
        assert_eq!(Since::Ago(Span(1_000)).moment(5_000), Timestamp(4_000));
    }
}
