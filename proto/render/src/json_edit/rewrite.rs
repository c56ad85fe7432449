//! From one value to another with the fewest bytes changed: values are replaced, members and items
//! are put in and taken out where they stand. An array or object whose kept parts change their order
//! is written anew, in the style of its text.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    document::{Document, Kind},
    path::Segment,
    style::{self, Page},
    value::{Json, gson},
};

/// One replacement of bytes.
type Edit = (usize, usize, String);

/// The text with the value `new`. A new kind or order of the outermost value is a restructuring: the
/// whole text is then written as the gateway writes.
pub fn rewrite(document: &Document<'_>, new: &Json) -> String {
    let page = Page::of(document);
    let mut edits = Vec::new();
    if !compare(&page, document.root(), new, &mut edits) {
        return gson(new);
    }
    edits.sort_by_key(|(start, end, _)| (*start, *end));
    let text = document.text();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end, with) in edits {
        out.push_str(&text[at..start]);
        out.push_str(&with);
        at = end;
    }
    out.push_str(&text[at..]);
    out
}

/// Adds the edits that turn a node into a value; false when the node must be written anew.
fn compare(page: &Page<'_, '_>, node: u32, new: &Json, edits: &mut Vec<Edit>) -> bool {
    match (page.document.kind(node), new) {
        (Kind::Object, Json::Object(members)) => object(page, node, members, edits),
        (Kind::Array, Json::Array(items)) => array(page, node, items, edits),
        (Kind::Object | Kind::Array, _) | (_, Json::Object(_) | Json::Array(_)) => false,
        (_, new) => page.document.value(node).is_ok_and(|old| old == *new),
    }
}

/// Replaces a node where it stands, unless it already is the value.
fn change(page: &Page<'_, '_>, node: u32, new: &Json, edits: &mut Vec<Edit>) {
    let mark = edits.len();
    if !compare(page, node, new, edits) {
        edits.truncate(mark);
        let (start, end) = page.document.span(node);
        edits.push((start, end, page.value_at(start, new)));
    }
}

fn object(
    page: &Page<'_, '_>,
    node: u32,
    members: &[(String, Json)],
    edits: &mut Vec<Edit>,
) -> bool {
    let document = page.document;
    let children: Vec<u32> = document.children(node).collect();
    let mut places: BTreeMap<Cow<'_, str>, Vec<usize>> = BTreeMap::new();
    for (at, child) in children.iter().enumerate() {
        if let Some(key) = document.key(*child) {
            places.entry(key).or_default().push(at);
        }
    }
    // Old members in the order of the new ones; each must come after the one before.
    let mut next = 0;
    let mut stays = Vec::new();
    let mut fresh: Vec<style::Fresh<'_>> = vec![(None, Vec::new())];
    for (key, value) in members {
        let Some(known) = places.get(key.as_str()) else {
            let (_, members) = fresh.last_mut().expect("it begins with one");
            members.push((Segment::Key(key.clone()), value));
            continue;
        };
        let Some(found) = known.get(known.partition_point(|at| *at < next)) else { return false };
        next = found + 1;
        let child = children[*found];
        change(page, child, value, edits);
        stays.push(child);
        fresh.push((Some(child), Vec::new()));
    }
    style::resize(page, node, &stays, &fresh, edits);
    true
}

fn array(page: &Page<'_, '_>, node: u32, items: &[Json], edits: &mut Vec<Edit>) -> bool {
    let document = page.document;
    let children: Vec<u32> = document.children(node).collect();
    let same = |child: &u32, item: &Json| document.value(*child).is_ok_and(|old| old == *item);
    if children.len() > items.len() {
        // Items were taken out: what is left must be the old items in their order.
        let mut left = items.iter().peekable();
        let stays: Vec<u32> = children
            .iter()
            .copied()
            .filter(|child| left.next_if(|item| same(child, item)).is_some())
            .collect();
        if left.peek().is_some() {
            return false;
        }
        style::resize(page, node, &stays, &[], edits);
        return true;
    }
    for (child, item) in children.iter().zip(items) {
        change(page, *child, item, edits);
    }
    let fresh = items[children.len()..].iter().map(|item| (Segment::Index(0), item)).collect();
    style::resize(page, node, &children, &[(children.last().copied(), fresh)], edits);
    true
}
