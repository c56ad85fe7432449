//! Tables that fit: columns that may be shortened are, then columns that can be spared go. Into a
//! pipe nothing is cut.

use super::{
    style::{Style, Tone, tone_of},
    terminal::{columns, shorten},
};

/// Prose is cut to this before other columns are left out.
const PROSE_GOOD: usize = 28;
/// Narrowest that prose is cut to, when nothing else can be left out.
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

    /// One that is left out when space is short: the highest number goes first, columns of the
    /// same number together.
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

/// A column that stays.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Which.
    at: usize,
    /// How wide it is.
    width: usize,
    /// Whether longer cells are cut; they push the others aside otherwise.
    cut: bool,
}

/// Widths of the columns that stay. It outlives its rows: a table may grow by rows that were not
/// there when it was laid out.
#[derive(Debug, Clone)]
pub struct Layout {
    kept: Vec<Kept>,
}

/// Decides what stays and how wide it is.
pub fn layout(columns_: &[Column], rows: &[Vec<String>], limit: Option<usize>) -> Layout {
    let mut kept: Vec<Kept> = columns_
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(cell));
            let width = cells.chain([columns(column.title)]).max().unwrap_or(0);
            Kept { at, width, cut: column.prose && limit.is_some() }
        })
        .collect();
    let Some(limit) = limit else { return Layout { kept } };
    squeeze(&mut kept, PROSE_GOOD, limit);
    while total(&kept) > limit {
        let spare = kept.iter().map(|one| columns_[one.at].spare).max();
        match spare {
            Some(order) if order > 0 => kept.retain(|one| columns_[one.at].spare != order),
            Some(_) | None => break,
        }
    }
    squeeze(&mut kept, PROSE_MIN, limit);
    // Later rows may use what is left of the line.
    let left = limit.saturating_sub(total(&kept));
    if let Some(last) = kept.last_mut().filter(|last| last.cut) {
        last.width += left;
    }
    Layout { kept }
}

/// Makes the widest prose narrower, down to `least`.
fn squeeze(kept: &mut [Kept], least: usize, limit: usize) {
    loop {
        let over = total(kept).saturating_sub(limit);
        let prose = kept.iter_mut().filter(|one| one.cut && one.width > least);
        match prose.max_by_key(|one| one.width) {
            Some(one) if over > 0 => one.width = one.width.saturating_sub(over).max(least),
            Some(_) | None => return,
        }
    }
}

fn total(kept: &[Kept]) -> usize {
    kept.iter().map(|one| one.width + GAP).sum::<usize>().saturating_sub(GAP)
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
        for (nth, Kept { at, width, cut }) in self.kept.iter().enumerate() {
            let whole = cells.get(*at).map_or("", String::as_str);
            let cell = if *cut { shorten(whole, *width) } else { whole.to_owned() };
            let last = nth + 1 == self.kept.len();
            let pad = if last { 0 } else { (width + GAP).saturating_sub(columns(&cell)).max(1) };
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
            at(Some(64)),
            "NAME   STATE    ADDRESS          MESSAGE\ngw1    Failed   127.0.0.1:4000   verify: the scan never complet…\n"
        );
        assert_eq!(
            at(Some(50)),
            "NAME   STATE    MESSAGE\ngw1    Failed   verify: the scan never completed\n"
        );
        assert_eq!(at(Some(30)), "NAME   STATE    MESSAGE\ngw1    Failed   verify: the s…\n");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let columns = plain(["STATE", "N"]);
        let style = Style { color: true, unicode: true };
        let text = table(&columns, &[row(&["InSync", "1"])], None, style);
        assert!(text.contains("\u{1b}[32mInSync\u{1b}[0m   1"), "{text:?}");
    }
}
