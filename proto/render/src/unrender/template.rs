//! A changed text back into its template: changes between actions are made in the template, a change
//! of what an action made is nobody's to undo.

use std::ops::Range;

use millwright_model::template::{Literal, Template, Vars};
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// The template that gives the new text, or the offset in the old text of a change that an action is
/// in the way of.
pub(super) fn unexpand(template: &[u8], new: &[u8], vars: &Vars) -> Result<Vec<u8>, usize> {
    let (Ok(template), Ok(new)) = (std::str::from_utf8(template), std::str::from_utf8(new)) else {
        return Err(0);
    };
    let read = Template::parse(template).and_then(|template| template.render_mapped(vars));
    let Ok((old, literals)) = read else { return Err(0) };
    let mut out = template.to_owned();
    // From the end, so that offsets before a change stay.
    for change in changes(&old, new).into_iter().rev() {
        let (from, to) = place(&literals, &change).ok_or(change.from)?;
        out.replace_range(from..to, &escaped(change.with));
    }
    Ok(out.into_bytes())
}

/// A person's text as a template: its braces must not become an action.
pub(super) fn escaped(text: &str) -> String {
    text.replace("{{", "{{`{{`}}")
}

/// A replacement of bytes of the old text.
#[derive(Debug)]
struct Change<'n> {
    from: usize,
    to: usize,
    with: &'n str,
}

/// Where a change lies in the template: inside one literal, or at its edge.
fn place(literals: &[Literal], change: &Change<'_>) -> Option<(usize, usize)> {
    let holds = |literal: &&Literal| {
        literal.result <= change.from && change.to <= literal.result + literal.len
    };
    let literal = literals.iter().filter(|literal| literal.len > 0).find(holds)?;
    let from = literal.template + (change.from - literal.result);
    Some((from, from + (change.to - change.from)))
}

/// Longest replaced part, in characters, that is compared character by character: the comparison is
/// quadratic in what differs.
const CHARS_MAX: usize = 4096;

/// Line by line; lines that were replaced character by character.
fn changes<'n>(old: &str, new: &'n str) -> Vec<Change<'n>> {
    let (a, b): (Vec<&str>, Vec<&'n str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut out = Vec::new();
    for (lines, with) in differences(&a, &b, |line| line.len()) {
        let (before, after) = (&old[lines.clone()], &new[with.clone()]);
        let (p, q): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
        if p.is_empty() || q.is_empty() || p.len() + q.len() > CHARS_MAX {
            out.push(Change { from: lines.start, to: lines.end, with: after });
            continue;
        }
        for (chars, with) in differences(&p, &q, |c| c.len_utf8()) {
            let (from, to) = (lines.start + chars.start, lines.start + chars.end);
            out.push(Change { from, to, with: &after[with] });
        }
    }
    out
}

/// Ranges of bytes that differ, in the old and in the new sequence.
fn differences<T: Ord + std::hash::Hash>(
    old: &[T],
    new: &[T],
    bytes: impl Fn(&T) -> usize,
) -> Vec<(Range<usize>, Range<usize>)> {
    let offsets = |items: &[T]| {
        let ends = items.iter().scan(0, |at, item| {
            *at += bytes(item);
            Some(*at)
        });
        std::iter::once(0).chain(ends).collect::<Vec<usize>>()
    };
    let (a, b) = (offsets(old), offsets(new));
    capture_diff_slices(Algorithm::Myers, old, new)
        .into_iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| {
            let (x, y) = (op.old_range(), op.new_range());
            (a[x.start]..a[x.end], b[y.start]..b[y.end])
        })
        .collect()
}
