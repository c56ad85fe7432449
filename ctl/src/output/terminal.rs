//! The terminal: how wide it is, whether there is one, and a picture that is redrawn in place.

use std::io::{self, IsTerminal};

use terminal_size::{Height, Width};
use unicode_width::UnicodeWidthStr;

/// Whether a person watches standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person can be asked: both the question and the answer need a terminal.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok().filter(|number| *number >= 20)
}

/// Columns to fit into: `COLUMNS` when it is set, else the terminal's; `None` for a pipe, where
/// nothing is shortened.
pub fn width() -> Option<usize> {
    number("COLUMNS").or_else(|| {
        let size = is_terminal().then(terminal_size::terminal_size).flatten();
        size.map(|(Width(width), _)| usize::from(width).max(20))
    })
}

/// Lines of the terminal; 24 when it does not say.
pub fn height() -> usize {
    let size = is_terminal().then(terminal_size::terminal_size).flatten();
    size.map_or(24, |(_, Height(height))| usize::from(height).max(8))
}

/// Columns that a text takes.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// At most `limit` columns of a text; what is cut shows as a dot-dot-dot.
pub fn shorten(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for character in text.chars() {
        let wide = unicode_width::UnicodeWidthChar::width(character).unwrap_or(0);
        if used + wide + 1 > limit {
            break;
        }
        used += wide;
        out.push(character);
    }
    if limit > 0 {
        out.push('…');
    }
    out
}

/// Lines of at most `limit` columns, broken between words.
pub fn wrap(text: &str, limit: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > limit {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Something that is redrawn where it stands. Each line must fit the width.
#[derive(Debug, Default)]
pub struct Live {
    lines: usize,
}

impl Live {
    /// Puts the picture where the last one was.
    pub fn draw(&mut self, picture: &str) {
        let mut text = self.up();
        for line in picture.lines() {
            text.push_str(&format!("{line}\u{1b}[K\n"));
        }
        // What is left of a longer picture goes away.
        text.push_str("\u{1b}[J");
        self.lines = picture.lines().count();
        super::print(&text);
    }

    fn up(&self) -> String {
        match self.lines {
            0 => String::new(),
            lines => format!("\r\u{1b}[{lines}A"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_wrapped_by_columns() {
        assert_eq!(shorten("gateway", 7), "gateway");
        assert_eq!(shorten("gateways", 7), "gatewa…");
        assert_eq!(shorten("機械機械", 5), "機械…");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a\n\nb", 7), ["a", "", "b"]);
    }
}
