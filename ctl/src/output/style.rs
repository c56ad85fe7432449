//! Colours and signs. Colour never says anything that the text does not say too.

use std::io::IsTerminal;

/// What standard output may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Escape sequences for colours.
    pub color: bool,
    /// Signs beyond ASCII.
    pub unicode: bool,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Waits for something.
    Waiting,
    /// Needs a look.
    Bad,
    /// A heading.
    Strong,
    /// Less important.
    Dim,
    /// Nothing special.
    Plain,
}

impl Style {
    /// From the flag and the environment: `NO_COLOR` with any value, a dumb terminal or a pipe turn
    /// colours off; a locale that is not UTF-8 turns signs off.
    pub fn detect(no_color: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let color = !no_color && !set("NO_COLOR") && !dumb && std::io::stdout().is_terminal();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .unwrap_or_default()
            .to_lowercase();
        Self { color, unicode: locale.contains("utf-8") || locale.contains("utf8") }
    }

    /// The text in its colour.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Busy => "36",
            Tone::Waiting => "33",
            Tone::Bad => "31",
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Plain => return text.to_owned(),
        };
        if self.color && !text.trim().is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// A sign, or its ASCII stand-in.
    pub fn sign(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }
}

/// The tone of a state word, wherever it comes from.
pub fn tone_of(word: &str) -> Tone {
    match word {
        "InSync"
        | "Completed"
        | "CompletedWithDeferred"
        | "Resolved"
        | "applied"
        | "connected"
        | "leader"
        | "done"
        | "created"
        | "used"
        | "added" => Tone::Good,
        "Syncing" | "Running" | "assigned" | "open" | "follower" | "configured" => Tone::Busy,
        "Pending" | "Waiting" | "Paused" | "Unassigned" | "Unknown" | "learner" | "candidate"
        | "Superseded" | "Drifted" | "modified" | "deleted" => Tone::Waiting,
        "Failed" | "RolledBack" | "Inconsistent" | "rolledBack" | "inconsistent" | "Offline"
        | "failed" | "lost" | "unreachable" | "revoked" => Tone::Bad,
        "pending" | "skipped" | "never" | "expired" | "unchanged" | "-" => Tone::Dim,
        _ => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_added_only_where_it_is_allowed() {
        let plain = Style::default();
        assert_eq!(plain.paint(Tone::Bad, "Failed"), "Failed");
        let color = Style { color: true, unicode: true };
        assert_eq!(color.paint(tone_of("Failed"), "Failed"), "\u{1b}[31mFailed\u{1b}[0m");
        assert_eq!(color.paint(Tone::Bad, "  "), "  ");
        assert_eq!((plain.sign("│", "|"), color.sign("│", "|")), ("|", "│"));
    }
}
