//! A parsed text: its values by place, read without a copy. The grammar is in [`super::parse`].

use std::borrow::Cow;

use millwright_model::template::Position;

use super::{parse::parse, value::Json};

/// Largest text: ten times the largest file that was seen on a gateway (4 MB), rounded.
pub const BYTES_MAX: usize = 64 << 20;
/// Deepest nesting. Real views reach about 60.
pub const DEPTH_MAX: usize = 256;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// Text that is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no valid JSON, {position}: {message}")]
pub struct JsonFault {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: &'static str,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// With an article, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "a boolean",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }
}

/// One value: its kind and place. Offsets fit 32 bits because a text is bounded.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
    /// Where its key begins (the quote), when it is a member.
    pub(super) key_start: u32,
    pub(super) key_end: u32,
    pub(super) first: u32,
    pub(super) next: u32,
}

/// A parsed text.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    nodes: Vec<Node>,
}

impl<'t> Document<'t> {
    /// Parses a whole text: one value, white space around it.
    pub fn parse(text: &'t str) -> Result<Self, JsonFault> {
        Ok(Self { text, nodes: parse(text)? })
    }

    /// The whole text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The outermost value.
    pub fn root(&self) -> u32 {
        0
    }

    fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    /// What a value is.
    pub fn kind(&self, id: u32) -> Kind {
        self.node(id).kind
    }

    /// First byte of a value and the byte after its last.
    pub fn span(&self, id: u32) -> (usize, usize) {
        (self.node(id).start as usize, self.node(id).end as usize)
    }

    /// First byte of a member (its key) or item.
    pub fn member_start(&self, id: u32) -> usize {
        let node = self.node(id);
        if node.key_start == NONE { node.start as usize } else { node.key_start as usize }
    }

    /// A value as spelled.
    pub fn raw(&self, id: u32) -> &'t str {
        let (start, end) = self.span(id);
        &self.text[start..end]
    }

    /// Members or items of a value, in order.
    pub fn children(&self, id: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.node(id).first;
        std::iter::successors((first != NONE).then_some(first), |child| {
            let next = self.node(*child).next;
            (next != NONE).then_some(next)
        })
    }

    /// The key of a member; `None` for an item, or a key that is no Unicode text.
    pub fn key(&self, id: u32) -> Option<Cow<'t, str>> {
        let node = self.node(id);
        if node.key_start == NONE {
            return None;
        }
        unquote(&self.text[node.key_start as usize..node.key_end as usize])
    }

    /// Text between a member's key and its value, the colon included.
    pub fn colon(&self, id: u32) -> &'t str {
        let node = self.node(id);
        if node.key_start == NONE {
            return "";
        }
        &self.text[node.key_end as usize..node.start as usize]
    }

    /// Whether a member has this key.
    pub fn key_is(&self, id: u32, key: &str) -> bool {
        self.key(id).is_some_and(|found| found == key)
    }

    /// The member of an object with this key; the first if there are several.
    pub fn member(&self, id: u32, key: &str) -> Option<u32> {
        self.children(id).find(|child| self.key_is(*child, key))
    }

    /// The text of a string value; `None` for anything else.
    pub fn string(&self, id: u32) -> Option<Cow<'t, str>> {
        match self.kind(id) {
            Kind::String => unquote(self.raw(id)),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Array | Kind::Object => None,
        }
    }

    /// A value out of its text. Fails only for a string with half a surrogate pair.
    pub fn value(&self, id: u32) -> Result<Json, JsonFault> {
        let half = |at: u32| JsonFault {
            position: Position::of(self.text, at as usize),
            message: "half a surrogate pair is no text",
        };
        Ok(match self.kind(id) {
            Kind::Null => Json::Null,
            Kind::Bool => Json::Bool(self.raw(id) == "true"),
            Kind::Number => Json::Number(self.raw(id).to_owned()),
            Kind::String => {
                let text = self.string(id).ok_or_else(|| half(self.node(id).start))?;
                Json::String(text.into_owned())
            }
            Kind::Array => {
                Json::Array(self.children(id).map(|c| self.value(c)).collect::<Result<_, _>>()?)
            }
            Kind::Object => {
                let member = |c: u32| {
                    let key = self.key(c).ok_or_else(|| half(self.node(c).key_start))?;
                    Ok((key.into_owned(), self.value(c)?))
                };
                Json::Object(self.children(id).map(member).collect::<Result<_, JsonFault>>()?)
            }
        })
    }
}

/// Text of a string literal with its quotes; `None` for half a surrogate pair.
fn unquote(raw: &str) -> Option<Cow<'_, str>> {
    let inner = &raw[1..raw.len() - 1];
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => out.push(unicode(&mut chars)?),
            other => out.push(other),
        }
    }
    Some(Cow::Owned(out))
}

fn unicode(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let four = |chars: &mut std::str::Chars<'_>| {
        (0..4).try_fold(0_u32, |sum, _| Some(sum * 16 + chars.next()?.to_digit(16)?))
    };
    let first = four(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if chars.next()? != '\\' || chars.next()? != 'u' {
        return None;
    }
    let second = four(chars)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)
}
