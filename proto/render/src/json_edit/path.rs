//! Paths as jq writes them: `.a.b[0]."x y"`, `.["a"][-1]`. One path names at most one value; there
//! are no iterators, slices or expressions here.

use std::{fmt, str::FromStr};

use super::{document::Document, value::escape};

/// Longest path, in bytes.
const PATH_BYTES_MAX: usize = 4096;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A member of an object.
    Key(String),
    /// An item of an array; negative counts from the end.
    Index(i64),
}

/// A path to one value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JsonPath {
    segments: Vec<Segment>,
}

/// Text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?}, column {column}: {message}")]
pub struct PathFault {
    /// As given, cut.
    pub path: String,
    /// 1-based, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: &'static str,
}

fn is_word(c: char, first: bool) -> bool {
    c == '_' || c.is_ascii_alphabetic() || (!first && c.is_ascii_digit())
}

impl JsonPath {
    /// From its steps; at least one.
    pub fn of(segments: Vec<Segment>) -> Self {
        debug_assert!(!segments.is_empty(), "a path has a step");
        Self { segments }
    }

    /// Its steps.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The spelling of its first steps.
    pub fn prefix(&self, count: usize) -> String {
        let mut out = String::new();
        for segment in self.segments.iter().take(count) {
            match segment {
                Segment::Key(key) if is_plain(key) => {
                    out.push('.');
                    out.push_str(key);
                }
                Segment::Key(key) => {
                    out.push_str(".\"");
                    escape(key, false, &mut out);
                    out.push('"');
                }
                Segment::Index(index) if out.is_empty() => out.push_str(&format!(".[{index}]")),
                Segment::Index(index) => out.push_str(&format!("[{index}]")),
            }
        }
        if out.is_empty() { ".".to_owned() } else { out }
    }

    /// Whether this path names the same value as `other` or one above or below it.
    pub fn overlaps(&self, other: &JsonPath) -> bool {
        self.segments.iter().zip(&other.segments).all(|(a, b)| a == b)
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().enumerate().all(|(at, c)| is_word(c, at == 0))
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.prefix(self.segments.len()))
    }
}

impl FromStr for JsonPath {
    type Err = PathFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = Reader { text, at: 0 };
        if text.len() > PATH_BYTES_MAX {
            return Err(reader.fault("it has more than 4096 bytes"));
        }
        if !text.starts_with('.') {
            return Err(reader.fault("a path begins with '.', as in .a.b[0]"));
        }
        let mut segments = Vec::new();
        while reader.at < text.len() {
            segments.push(reader.segment(segments.is_empty())?);
        }
        if segments == [Segment::Key(String::new())] && text == "." {
            return Err(reader.fault("it names the whole text; use jq for that"));
        }
        Ok(Self { segments })
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn fault(&self, message: &'static str) -> PathFault {
        PathFault {
            path: self.text.chars().take(200).collect(),
            column: self.text[..self.at].chars().count() + 1,
            message,
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn segment(&mut self, first: bool) -> Result<Segment, PathFault> {
        if self.rest().starts_with('[') && !first {
            return self.bracket();
        }
        if !self.rest().starts_with('.') {
            return Err(self.fault("'.' or '[' was expected; a key with other characters is put in quotes, as in .\"my-key\""));
        }
        self.at += 1;
        match self.rest().chars().next() {
            Some('[') => self.bracket(),
            Some('"') => self.quoted().map(Segment::Key),
            Some(c) if is_word(c, true) => {
                let end = self
                    .rest()
                    .char_indices()
                    .find(|(at, c)| !is_word(*c, *at == 0))
                    .map_or(self.text.len(), |(at, _)| self.at + at);
                let key = self.text[self.at..end].to_owned();
                self.at = end;
                Ok(Segment::Key(key))
            }
            Some('.') => Err(self.fault("recursion ('..') names more than one value; use jq")),
            Some(_) => Err(self.fault("a key was expected; quote it if it has other characters than letters, digits and '_'")),
            None if first => Err(self.fault("it names the whole text; use jq for that")),
            None => Err(self.fault("a key was expected")),
        }
    }

    fn bracket(&mut self) -> Result<Segment, PathFault> {
        self.at += 1;
        let segment = match self.rest().chars().next() {
            Some('"') => Segment::Key(self.quoted()?),
            Some('-' | '0'..='9') => {
                let len = self.rest().find(']').ok_or_else(|| self.fault("']' was expected"))?;
                let digits = &self.rest()[..len];
                let index = digits.parse().map_err(|_| self.fault("an index is a whole number"))?;
                self.at += len;
                Segment::Index(index)
            }
            Some(']') => {
                return Err(self.fault("'[]' names more than one value; use jq for that"));
            }
            Some(_) | None => return Err(self.fault("an index or a key in quotes was expected")),
        };
        if !self.rest().starts_with(']') {
            return Err(self.fault("']' was expected"));
        }
        self.at += 1;
        Ok(segment)
    }

    fn quoted(&mut self) -> Result<String, PathFault> {
        let mut escaped = false;
        let end = self.rest().char_indices().skip(1).find_map(|(at, c)| match c {
            _ if escaped => {
                escaped = false;
                None
            }
            '\\' => {
                escaped = true;
                None
            }
            '"' => Some(at + 1),
            _ => None,
        });
        let Some(end) = end else { return Err(self.fault("the key's quote is never closed")) };
        let raw = &self.rest()[..end];
        let key = Document::parse(raw)
            .ok()
            .and_then(|document| document.string(document.root()))
            .ok_or_else(|| self.fault("the quoted key is no JSON string"))?
            .into_owned();
        self.at += end;
        Ok(key)
    }
}
