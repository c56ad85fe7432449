//! Edits of JSON text that keep every byte they do not mean: order, indentation, escapes, spelling
//! of numbers, a missing final newline. A gateway's files are never read into a map and written
//! again, because that would change bytes that nobody asked to change.
//!
//! A text is parsed into spans ([`Document`]); an edit replaces the bytes of one span. New values
//! are written the way the text around them is written ([`style`]). Nothing here knows what the
//! JSON means.

mod document;
mod parse;
mod path;
mod rewrite;
mod style;
mod value;

use std::borrow::Cow;

pub use self::{
    document::{BYTES_MAX, DEPTH_MAX, Document, JsonFault, Kind, Node},
    path::{JsonPath, PathFault, Segment},
    rewrite::rewrite,
    value::{Json, escape, gson},
};

/// What to do with a path that the text does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Missing {
    /// Make it, with the objects and arrays above it.
    Create,
    /// Leave the text as it is.
    Skip,
    /// An error.
    #[default]
    Fail,
}

/// Why an edit cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditFault {
    /// The text is no JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// The path names nothing.
    #[error("{path} does not exist{}", nearest.as_ref().map(|n| format!(", did you mean {n}?")).unwrap_or_default())]
    Missing {
        /// The path.
        path: String,
        /// A sibling that was probably meant.
        nearest: Option<String>,
    },
    /// Something on the way is of another kind.
    #[error("{path} is {found}, not {wanted}")]
    Kind {
        /// Up to where the path fits.
        path: String,
        /// What is there.
        found: &'static str,
        /// What the path needs.
        wanted: &'static str,
    },
    /// The text has a key twice, so the path means two values.
    #[error("{path} occurs twice")]
    Ambiguous {
        /// The path.
        path: String,
    },
    /// The text would nest deeper than anything may.
    #[error("{path}: the value would be nested more than {DEPTH_MAX} levels deep")]
    Deep {
        /// The path.
        path: String,
    },
    /// An index beyond the end of an array.
    #[error("{path} is beyond the end: the array has {len} items")]
    Index {
        /// The path.
        path: String,
        /// Items that there are.
        len: usize,
    },
}

/// A text under edit.
#[derive(Debug, Clone)]
pub struct Editor<'t> {
    text: Cow<'t, str>,
}

/// What a path leads to.
enum Found {
    Node(u32),
    /// The container of the last existing segment, and how many segments fit.
    Short {
        container: u32,
        fit: usize,
    },
    /// Something that has no such members or items, and how many segments fit.
    Blocked {
        node: u32,
        fit: usize,
    },
}

impl<'t> Editor<'t> {
    /// Begins with a text; it must be JSON.
    pub fn new(text: &'t str) -> Result<Self, JsonFault> {
        Document::parse(text)?;
        Ok(Self { text: Cow::Borrowed(text) })
    }

    /// The text as it is now; borrowed while nothing was changed.
    pub fn finish(self) -> Cow<'t, str> {
        self.text
    }

    /// The text as it is now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes another text, which the caller made from this one.
    pub(crate) fn replace(&mut self, text: String) {
        self.text = Cow::Owned(text);
    }

    /// The spelled value at a path.
    pub fn get(&self, path: &JsonPath) -> Result<Option<&str>, EditFault> {
        let document = Document::parse(&self.text)?;
        Ok(match find(&document, path)? {
            Found::Node(node) => {
                let (start, end) = document.span(node);
                Some(&self.text[start..end])
            }
            Found::Short { .. } => None,
            Found::Blocked { node, fit } => return Err(blocked(&document, path, node, fit)),
        })
    }

    /// Sets the value at a path; true when the text changed.
    pub fn set(
        &mut self,
        path: &JsonPath,
        value: &Json,
        missing: Missing,
    ) -> Result<bool, EditFault> {
        if path.segments().len() + value.depth() > DEPTH_MAX {
            return Err(EditFault::Deep { path: path.to_string() });
        }
        let document = Document::parse(&self.text)?;
        let (start, end, new) = match find(&document, path)? {
            Found::Node(node) => {
                let (start, end) = document.span(node);
                if document.value(node).is_ok_and(|old| old == *value) {
                    return Ok(false);
                }
                (start, end, style::Page::of(&document).value_at(start, value))
            }
            Found::Short { container, fit } => match missing {
                Missing::Skip => return Ok(false),
                Missing::Fail => return Err(absent(&document, path, container, fit)),
                Missing::Create => {
                    let rest = &path.segments()[fit..];
                    let value = nested(&rest[1..], value, path, fit + 1)?;
                    style::insertion(&document, container, &rest[0], &value)
                        .map_err(|fault| fault.at(path, fit))?
                }
            },
            Found::Blocked { node, fit } => match missing {
                Missing::Skip => return Ok(false),
                // As in jq: nothing takes the shape that a path needs.
                Missing::Create if document.kind(node) == Kind::Null => {
                    let value = nested(&path.segments()[fit..], value, path, fit)?;
                    let (start, end) = document.span(node);
                    (start, end, style::Page::of(&document).value_at(start, &value))
                }
                Missing::Create | Missing::Fail => {
                    return Err(blocked(&document, path, node, fit));
                }
            },
        };
        self.splice(start, end, &new);
        Ok(true)
    }

    /// Replaces the value at a path by spelled JSON, byte for byte; the caller vouches that `raw` is
    /// one JSON value.
    pub fn set_raw(&mut self, path: &JsonPath, raw: &str) -> Result<bool, EditFault> {
        Document::parse(raw)?;
        let document = Document::parse(&self.text)?;
        match find(&document, path)? {
            Found::Node(node) => {
                let (start, end) = document.span(node);
                if &self.text[start..end] == raw {
                    return Ok(false);
                }
                self.splice(start, end, raw);
                Ok(true)
            }
            Found::Short { container, fit } => Err(absent(&document, path, container, fit)),
            Found::Blocked { node, fit } => Err(blocked(&document, path, node, fit)),
        }
    }

    /// Removes the member or item at a path; true when the text changed.
    pub fn delete(&mut self, path: &JsonPath, missing: Missing) -> Result<bool, EditFault> {
        let document = Document::parse(&self.text)?;
        match find(&document, path)? {
            Found::Node(node) => {
                let (start, end) = style::removal(&document, node);
                self.splice(start, end, "");
                Ok(true)
            }
            Found::Short { container, fit } => match missing {
                Missing::Create | Missing::Skip => Ok(false),
                Missing::Fail => Err(absent(&document, path, container, fit)),
            },
            Found::Blocked { node, fit } => match missing {
                Missing::Create | Missing::Skip => Ok(false),
                Missing::Fail => Err(blocked(&document, path, node, fit)),
            },
        }
    }

    fn splice(&mut self, start: usize, end: usize, new: &str) {
        let mut out = String::with_capacity(self.text.len() + new.len());
        out.push_str(&self.text[..start]);
        out.push_str(new);
        out.push_str(&self.text[end..]);
        self.text = Cow::Owned(out);
    }
}

/// The value with the objects and arrays that the rest of a path asks for around it.
fn nested(rest: &[Segment], value: &Json, path: &JsonPath, at: usize) -> Result<Json, EditFault> {
    let mut made = value.clone();
    for (back, segment) in rest.iter().enumerate().rev() {
        made = match segment {
            Segment::Key(key) => Json::Object(vec![(key.clone(), made)]),
            Segment::Index(0) => Json::Array(vec![made]),
            Segment::Index(_) => {
                return Err(EditFault::Index { path: path.prefix(at + back + 1), len: 0 });
            }
        };
    }
    Ok(made)
}

fn find(document: &Document<'_>, path: &JsonPath) -> Result<Found, EditFault> {
    let mut node = document.root();
    for (at, segment) in path.segments().iter().enumerate() {
        let next = match (segment, document.kind(node)) {
            (Segment::Key(key), Kind::Object) => {
                let mut same = document.children(node).filter(|child| document.key_is(*child, key));
                let first = same.next();
                if same.next().is_some() {
                    return Err(EditFault::Ambiguous { path: path.prefix(at + 1) });
                }
                first
            }
            (Segment::Index(index), Kind::Array) => {
                let len = document.children(node).count();
                let index = match usize::try_from(*index) {
                    Ok(index) => Some(index),
                    Err(_) => usize::try_from(index.unsigned_abs())
                        .ok()
                        .and_then(|back| len.checked_sub(back)),
                };
                index.and_then(|index| document.children(node).nth(index))
            }
            (Segment::Key(_) | Segment::Index(_), _) => {
                return Ok(Found::Blocked { node, fit: at });
            }
        };
        match next {
            Some(next) => node = next,
            None => return Ok(Found::Short { container: node, fit: at }),
        }
    }
    Ok(Found::Node(node))
}

fn blocked(document: &Document<'_>, path: &JsonPath, node: u32, fit: usize) -> EditFault {
    let wanted = match &path.segments()[fit] {
        Segment::Key(_) => "an object",
        Segment::Index(_) => "an array",
    };
    EditFault::Kind { path: path.prefix(fit), found: document.kind(node).name(), wanted }
}

fn absent(document: &Document<'_>, path: &JsonPath, container: u32, fit: usize) -> EditFault {
    let shown = path.prefix(fit + 1);
    match &path.segments()[fit] {
        Segment::Index(_) => {
            EditFault::Index { path: shown, len: document.children(container).count() }
        }
        Segment::Key(key) => {
            let known: Vec<String> = document
                .children(container)
                .filter_map(|child| document.key(child))
                .map(Cow::into_owned)
                .collect();
            let near = millwright_model::template::nearest(key, known.iter().map(String::as_str));
            let nearest = near.map(|near| {
                let segments = path.segments()[..fit].iter().cloned();
                JsonPath::of(segments.chain([Segment::Key(near)]).collect()).to_string()
            });
            EditFault::Missing { path: shown, nearest }
        }
    }
}

#[cfg(test)]
mod tests;
