//! How a text is written, so that what is added looks like what is there: separators are taken from
//! the neighbours, indentation and escapes from the text.

use super::{
    EditFault,
    document::{Document, Kind},
    path::{JsonPath, Segment},
    value::{Json, Layout, escape},
};

/// What was seen of a text's style.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'t> {
    newline: Option<&'t str>,
    unit: &'t str,
    colon: &'t str,
    comma: &'t str,
    html: bool,
}

impl<'t> Style<'t> {
    pub(super) fn of(document: &Document<'t>) -> Self {
        let text = document.text();
        let root = document.root();
        let first = document.children(root).next();
        let lead = first
            .map_or("", |child| &text[document.span(root).0 + 1..document.member_start(child)]);
        let newline = match lead.rfind('\n') {
            Some(at) if lead[..at].ends_with('\r') => Some("\r\n"),
            Some(_) => Some("\n"),
            // An empty document is written as the gateway writes.
            None => first.is_none().then_some("\n"),
        };
        let unit = match lead.rfind('\n').map(|at| &lead[at + 1..]) {
            Some("") | None => "  ",
            Some(unit) => unit,
        };
        let colon = first.map(|child| document.colon(child)).filter(|colon| !colon.is_empty());
        let fallback = if newline.is_some() { ": " } else { ":" };
        let mut two = document.children(root);
        let comma = match (two.next(), two.next()) {
            (Some(a), Some(b)) if newline.is_none() => {
                &text[document.span(a).1..document.member_start(b)]
            }
            _ => ",",
        };
        Self { newline, unit, colon: colon.unwrap_or(fallback), comma, html: html_safe(text) }
    }

    fn layout<'a>(&'a self, base: &'a str) -> Layout<'a> {
        Layout {
            newline: self.newline,
            unit: self.unit,
            base,
            colon: self.colon,
            comma: self.comma,
            html: self.html,
        }
    }
}

/// A text with what is known of it: found once, for however many edits.
#[derive(Debug)]
pub(super) struct Page<'d, 't> {
    pub(super) document: &'d Document<'t>,
    style: Style<'t>,
    /// Where lines begin, after the first.
    lines: Vec<usize>,
}

impl<'d, 't> Page<'d, 't> {
    pub(super) fn of(document: &'d Document<'t>) -> Self {
        let lines = document.text().match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { document, style: Style::of(document), lines }
    }

    /// White space at the beginning of the line that an offset is on.
    fn indentation(&self, at: usize) -> &'t str {
        let text = self.document.text();
        let line = self.lines.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).map_or(0, |line| self.lines[line]);
        let len = text[start..at].bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
        &text[start..start + len]
    }

    /// A value as it is written at an offset.
    pub(super) fn value_at(&self, at: usize, value: &Json) -> String {
        let mut out = String::new();
        value.write(self.style.layout(self.indentation(at)), 0, &mut out);
        out
    }
}

/// Whether a text escapes `< > & = '`: yes, unless it has one of them raw and none escaped.
fn html_safe(text: &str) -> bool {
    let raw = text.contains(['<', '>', '&', '=', '\'']);
    let escaped =
        || ["\\u003c", "\\u003e", "\\u0026", "\\u003d", "\\u0027"].iter().any(|e| text.contains(e));
    !raw || escaped()
}

/// An insertion that does not fit, before its path is known.
#[derive(Debug)]
pub(super) enum Refused {
    Kind { found: &'static str, wanted: &'static str },
    Index { len: usize },
}

impl Refused {
    pub(super) fn at(self, path: &JsonPath, fit: usize) -> EditFault {
        match self {
            Refused::Kind { found, wanted } => {
                EditFault::Kind { path: path.prefix(fit), found, wanted }
            }
            Refused::Index { len } => EditFault::Index { path: path.prefix(fit + 1), len },
        }
    }
}

/// Whether a new member or item can be put at the end of a container.
fn check(
    document: &Document<'_>,
    container: u32,
    len: usize,
    segment: &Segment,
) -> Result<(), Refused> {
    let (found, wanted) = match (segment, document.kind(container)) {
        (Segment::Key(_), Kind::Object) => return Ok(()),
        (Segment::Index(index), Kind::Array) if usize::try_from(*index) == Ok(len) => return Ok(()),
        (Segment::Index(_), Kind::Array) => return Err(Refused::Index { len }),
        (Segment::Key(_), found) => (found, "an object"),
        (Segment::Index(_), found) => (found, "an array"),
    };
    Err(Refused::Kind { found: found.name(), wanted })
}

/// Where a new last member or item of a container goes, and its text.
pub(super) fn insertion(
    document: &Document<'_>,
    container: u32,
    segment: &Segment,
    value: &Json,
) -> Result<(usize, usize, String), Refused> {
    let children: Vec<u32> = document.children(container).collect();
    check(document, container, children.len(), segment)?;
    let fresh = [(segment.clone(), value)];
    let after = children.last().copied();
    Ok(Place::of(&Page::of(document), container, &children).inserted(after, &fresh))
}

/// A container in which members or items are put.
struct Place<'p, 'd, 't> {
    page: &'p Page<'d, 't>,
    container: u32,
    stays: &'p [u32],
    /// Indentation of the line on which it begins.
    outer: &'t str,
    /// What stands between two of its members or items.
    between: String,
}

impl<'p, 'd, 't> Place<'p, 'd, 't> {
    fn of(page: &'p Page<'d, 't>, container: u32, stays: &'p [u32]) -> Self {
        let outer = page.indentation(page.document.span(container).0);
        let between = separator(page.document, container, stays, &page.style, outer);
        Self { page, container, stays, outer, between }
    }

    /// The text of new members or items behind one that stays, or before the first, and the bytes that
    /// it replaces.
    fn inserted(&self, after: Option<u32>, fresh: &[(Segment, &Json)]) -> (usize, usize, String) {
        let Self { page: Page { document, style, .. }, container, stays, outer, between } = self;
        let (start, end) = document.span(*container);
        let base = between.rsplit_once('\n').map_or("", |(_, indent)| indent);
        let base = if base.trim().is_empty() { base } else { "" };
        let colon = stays.last().map_or(style.colon, |child| document.colon(*child));
        let member = |(segment, value): &(Segment, &Json)| {
            let mut out = String::new();
            if let Segment::Key(key) = segment {
                out.push('"');
                escape(key, style.html, &mut out);
                out.push('"');
                out.push_str(colon);
            }
            value.write(style.layout(base), 0, &mut out);
            out
        };
        let members: Vec<String> = fresh.iter().map(member).collect();
        match (after, stays.first()) {
            (Some(after), _) => {
                let at = document.span(after).1;
                let out: String =
                    members.iter().flat_map(|m| [between.as_str(), m.as_str()]).collect();
                (at, at, out)
            }
            (None, Some(first)) => {
                let at = document.member_start(*first);
                let out: String =
                    members.iter().flat_map(|m| [m.as_str(), between.as_str()]).collect();
                (at, at, out)
            }
            (None, None) => {
                let behind = between.split_once(',').map_or("", |(_, behind)| behind);
                let mut out = behind.trim_start_matches(' ').to_owned();
                out.push_str(&members.join(between));
                if let Some(newline) = style.newline {
                    out.push_str(newline);
                    out.push_str(outer);
                }
                (start + 1, end - 1, out)
            }
        }
    }
}

/// What stands between two members or items of a container: as its last two are separated, or as the
/// only one is from the bracket; by the style of the text in an empty one.
fn separator(
    document: &Document<'_>,
    container: u32,
    stays: &[u32],
    style: &Style<'_>,
    outer: &str,
) -> String {
    let text = document.text();
    let children: Vec<u32> = document.children(container).collect();
    match (children.as_slice(), stays.is_empty()) {
        ([.., before, last], false) => {
            text[document.span(*before).1..document.member_start(*last)].to_owned()
        }
        ([only], false) => {
            format!(",{}", &text[document.span(container).0 + 1..document.member_start(*only)])
        }
        (_, true) | ([], false) => match style.newline {
            Some(newline) => format!(",{newline}{outer}{}", style.unit),
            None => style.comma.to_owned(),
        },
    }
}

/// New members or items behind one that stays; `None` is before the first.
pub(super) type Fresh<'v> = (Option<u32>, Vec<(Segment, &'v Json)>);

/// Takes out the members or items that do not stay and puts new ones in.
pub(super) fn resize(
    page: &Page<'_, '_>,
    container: u32,
    stays: &[u32],
    fresh: &[Fresh<'_>],
    edits: &mut Vec<(usize, usize, String)>,
) {
    let document = page.document;
    let (start, end) = document.span(container);
    let children: Vec<u32> = document.children(container).collect();
    let mut place = None;
    for (after, members) in fresh.iter().filter(|(_, members)| !members.is_empty()) {
        let place = place.get_or_insert_with(|| Place::of(page, container, stays));
        edits.push(place.inserted(*after, members));
    }
    if stays.is_empty() {
        let put = fresh.iter().any(|(_, members)| !members.is_empty());
        if !put && !children.is_empty() {
            edits.push((start + 1, end - 1, String::new()));
        }
        return;
    }
    let mut before = None;
    let mut gone = None;
    let mut left = stays.iter().peekable();
    for child in children {
        if left.next_if_eq(&&child).is_some() {
            if let Some(from) = gone.take() {
                edits.push((from, document.member_start(child), String::new()));
            }
            before = Some(child);
        } else if gone.is_none() {
            gone = Some(document.member_start(child));
        }
    }
    // A run at the end takes the separator before it.
    if let (Some(_), Some(before)) = (gone, before) {
        let last = document.children(container).last().expect("it has children");
        edits.push((document.span(before).1, document.span(last).1, String::new()));
    }
}

/// The bytes that go when a member or item goes: up to the next one, or from the one before; all
/// white space when it is the only one.
pub(super) fn removal(document: &Document<'_>, node: u32) -> (usize, usize) {
    let (start, end) = (document.member_start(node), document.span(node).1);
    let Some((before, after, around)) = neighbours(document, document.root(), node) else {
        return (start, end);
    };
    match (before, after) {
        (Some(before), None) => (document.span(before).1, end),
        (_, Some(after)) => (start, document.member_start(after)),
        (None, None) => {
            let (open, close) = document.span(around);
            (open + 1, close - 1)
        }
    }
}

/// The siblings of a node and its container.
fn neighbours(
    document: &Document<'_>,
    container: u32,
    node: u32,
) -> Option<(Option<u32>, Option<u32>, u32)> {
    let at = document.span(node).0;
    let mut before = None;
    let mut children = document.children(container);
    while let Some(child) = children.next() {
        if child == node {
            return Some((before, children.next(), container));
        }
        let (start, end) = document.span(child);
        if (start..end).contains(&at) {
            return neighbours(document, child, node);
        }
        before = Some(child);
    }
    None
}
