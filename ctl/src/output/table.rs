//! Tables that fit: columns that may be shortened are, then columns that can be spared go. Into a
//! pipe nothing is cut.

use super::{
    style::{Style, Tone, tone_of},
    terminal::{columns, shorten},
};

/// Narrowest that a column of prose is cut to.
const PROSE_MIN: usize = 12;
/// Between two columns.
const GAP: usize = 3;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    title: &'static str,
    prose: bool,
    spare: u8,
}

impl Column {
    /// One that is shown whole.
    pub const fn new(title: &'static str) -> Self {
        Self { title, prose: false, spare: 0 }
    }

    /// One that may be cut.
    pub const fn prose(title: &'static str) -> Self {
        Self { title, prose: true, spare: 0 }
    }

    /// One that is left out when space is short: the highest number goes first.
    #[must_use]
    pub const fn spare(mut self, order: u8) -> Self {
        self.spare = order;
        self
    }
}

/// Columns without any special treatment.
pub fn plain<const N: usize>(titles: [&'static str; N]) -> Vec<Column> {
    titles.into_iter().map(Column::new).collect()
}

/// Widths of the columns that stay.
#[derive(Debug, Clone)]
pub struct Layout {
    kept: Vec<(usize, usize)>,
}

/// Decides what stays and how wide it is.
pub fn layout(columns_: &[Column], rows: &[Vec<String>], limit: Option<usize>) -> Layout {
    let mut kept: Vec<(usize, usize)> = columns_
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(cell));
            (at, cells.chain([columns(column.title)]).max().unwrap_or(0))
        })
        .collect();
    let Some(limit) = limit else { return Layout { kept } };
    let total = |kept: &[(usize, usize)]| {
        kept.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP)
    };
    loop {
        let over = total(&kept).saturating_sub(limit);
        if over == 0 {
            return Layout { kept };
        }
        // The widest prose gives way first, down to what is still readable.
        let prose = kept
            .iter_mut()
            .filter(|(at, width)| columns_[*at].prose && *width > PROSE_MIN)
            .max_by_key(|(_, width)| *width);
        if let Some((_, width)) = prose {
            *width = width.saturating_sub(over).max(PROSE_MIN);
            continue;
        }
        let spare = kept.iter().map(|(at, _)| (columns_[*at].spare, *at)).max();
        match spare {
            Some((order, at)) if order > 0 => kept.retain(|(kept, _)| *kept != at),
            Some(_) | None => return Layout { kept },
        }
    }
}

impl Layout {
    /// The line of titles.
    pub fn header(&self, columns_: &[Column], style: Style) -> String {
        let titles: Vec<String> = columns_.iter().map(|column| column.title.to_owned()).collect();
        self.line(&titles, |_| Tone::Strong, style)
    }

    /// A row.
    pub fn row(&self, row: &[String], style: Style) -> String {
        self.line(row, tone_of, style)
    }

    fn line(&self, cells: &[String], tone: impl Fn(&str) -> Tone, style: Style) -> String {
        let mut text = String::new();
        for (nth, (at, width)) in self.kept.iter().enumerate() {
            let whole = cells.get(*at).map_or("", String::as_str);
            let cell = shorten(whole, *width);
            let last = nth + 1 == self.kept.len();
            let pad = if last { 0 } else { width + GAP - columns(&cell) };
            text.push_str(&style.paint(tone(whole), &cell));
            text.push_str(&" ".repeat(pad));
        }
        format!("{}\n", text.trim_end())
    }
}

/// A whole table.
pub fn table(
    columns_: &[Column],
    rows: &[Vec<String>],
    limit: Option<usize>,
    style: Style,
) -> String {
    let layout = layout(columns_, rows, limit);
    let mut text = layout.header(columns_, style);
    for row in rows {
        text.push_str(&layout.row(row, style));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_does_not_fit_is_cut_then_spared() {
        let columns = [
            Column::new("NAME"),
            Column::new("STATE"),
            Column::new("ADDRESS").spare(1),
            Column::prose("MESSAGE"),
        ];
        let rows = [row(&["gw1", "Failed", "127.0.0.1:4000", "verify: the scan never completed"])];
        let at = |limit| table(&columns, &rows, limit, Style::default());
        assert_eq!(
            at(None),
            "NAME   STATE    ADDRESS          MESSAGE\ngw1    Failed   127.0.0.1:4000   verify: the scan never completed\n"
        );
        assert_eq!(
            at(Some(50)),
            "NAME   STATE    ADDRESS          MESSAGE\ngw1    Failed   127.0.0.1:4000   verify: the scan…\n"
        );
        assert_eq!(at(Some(30)), "NAME   STATE    MESSAGE\ngw1    Failed   verify: the…\n");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let columns = plain(["STATE", "N"]);
        let style = Style { color: true, unicode: true };
        let text = table(&columns, &[row(&["InSync", "1"])], None, style);
        assert!(text.contains("\u{1b}[32mInSync\u{1b}[0m   1"), "{text:?}");
    }
}
