//! The part of Go's template language that sources, destinations, values and templated files may
//! use: fields, `index`, `default`, `upper`, `lower`, `trim`, `replace`, `quote`, `eq`, `ne`, `not`,
//! `and`, `or`, `if`/`else if`/`else`/`end`, pipelines, comments and trim markers.
//!
//! ```text
//! {{.GatewayName}} {{.Site}} {{.Member}} {{.Ref}} {{.Commit}} {{.ShortCommit}}
//! {{.Labels.area}} {{index .Labels "my-label"}} {{.Vars.port | default "8088"}}
//! {{if eq .Labels.role "area"}}...{{else}}...{{end}}
//! ```
//!
//! A language of our own size instead of an engine, because every error must name line and column
//! and the nearest key, and because there must be nothing here that loops, calls or reads: no
//! `range`, `define`, variables, clock or environment. Time and output are linear in the text and
//! bounded.

mod eval;
mod function;
mod parse;
mod tree;

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::{eval::Literal, tree::Template};
use crate::{digest::GitId, id::Member};

/// Largest text and largest result, in bytes: four times the largest file seen on a gateway.
pub const BYTES_MAX: usize = 16 << 20;
/// Deepest nesting of `if` and parentheses.
pub const DEPTH_MAX: usize = 32;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset; an offset inside a character means its beginning.
    pub fn of(text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            offset,
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What a template may name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vars {
    fields: BTreeMap<Cow<'static, str>, Arc<str>>,
    labels: BTreeMap<String, String>,
    values: BTreeMap<String, String>,
}

impl Vars {
    /// The values of one gateway; `vars` are already merged. Release and member are empty.
    pub fn new(
        gateway: impl Into<Arc<str>>,
        site: impl Into<Arc<str>>,
        labels: &BTreeMap<String, String>,
        vars: BTreeMap<String, String>,
    ) -> Self {
        let mut fields = BTreeMap::new();
        fields.insert("GatewayName".into(), gateway.into());
        fields.insert("Site".into(), site.into());
        let vars = Self { fields, labels: labels.clone(), values: vars };
        vars.release(&Release::default()).member(Member::Single)
    }

    /// With the release that is rendered.
    #[must_use]
    pub fn release(mut self, release: &Release) -> Self {
        let Release { id: _, reference, commit, short } = release;
        self.fields.insert("Ref".into(), Arc::clone(reference));
        self.fields.insert("Commit".into(), Arc::clone(commit));
        self.fields.insert("ShortCommit".into(), Arc::clone(short));
        self
    }

    /// With the node of a redundant pair.
    #[must_use]
    pub fn member(mut self, member: Member) -> Self {
        self.fields.insert("Member".into(), member.as_str().into());
        self
    }
}

/// What templates may say of a release: written once for all gateways that get it.
#[derive(Debug, Clone, Default)]
pub struct Release {
    id: GitId,
    reference: Arc<str>,
    commit: Arc<str>,
    short: Arc<str>,
}

impl Release {
    /// A ref as followed, and what it means.
    pub fn new(reference: &str, commit: GitId) -> Self {
        Self {
            id: commit,
            reference: reference.into(),
            commit: commit.to_string().into(),
            short: commit.short().into(),
        }
    }

    /// Its commit.
    pub fn id(&self) -> GitId {
        self.id
    }
}

/// A template that cannot be read or expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}{}", hint.as_ref().map(|h| format!(", did you mean {h}?")).unwrap_or_default())]
pub struct TemplateError {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: String,
    /// The nearest known name.
    pub hint: Option<String>,
}

impl TemplateError {
    pub(self) fn new(text: &str, offset: usize, message: impl Into<String>) -> Self {
        Self { position: Position::of(text, offset), message: message.into(), hint: None }
    }
}

/// Text with its templates expanded. Text without `{{` is handed back as it is.
pub fn expand<'t>(text: &'t str, vars: &Vars) -> Result<Cow<'t, str>, TemplateError> {
    Text::read(text).expand(vars)
}

/// A text that may be a template, read once to be expanded many times.
#[derive(Debug, Clone)]
pub enum Text<'t> {
    /// No template: it means itself.
    Plain(&'t str),
    /// A template.
    Template(Template<'t>),
    /// Nothing that can be expanded, which matters only when somebody tries.
    Fault(TemplateError),
}

impl<'t> Text<'t> {
    /// Reads a text.
    pub fn read(text: &'t str) -> Self {
        if !text.contains("{{") {
            return Text::Plain(text);
        }
        Template::parse(text).map_or_else(Text::Fault, Text::Template)
    }

    /// Whether it is the same for everybody.
    pub fn is_plain(&self) -> bool {
        matches!(self, Text::Plain(_))
    }

    /// The text with its templates expanded.
    pub fn expand(&self, vars: &Vars) -> Result<Cow<'t, str>, TemplateError> {
        match self {
            Text::Plain(text) => Ok(Cow::Borrowed(text)),
            Text::Template(template) => template.render(vars).map(Cow::Owned),
            Text::Fault(error) => Err(error.clone()),
        }
    }
}

/// Content of a file with its templates expanded. Binary content is refused, whether or not it has
/// a `{{` by chance, since a mapping that templates it is a mistake.
pub fn expand_bytes<'t>(content: &'t [u8], vars: &Vars) -> Result<Cow<'t, [u8]>, TemplateError> {
    let binary = |offset: usize| TemplateError {
        position: Position { offset, line: 1, column: 1 },
        message: format!("a binary file (byte {offset}) cannot be a template"),
        hint: None,
    };
    if let Some(nul) = content.iter().position(|byte| *byte == 0) {
        return Err(binary(nul));
    }
    let text = std::str::from_utf8(content).map_err(|error| binary(error.valid_up_to()))?;
    Ok(match expand(text, vars)? {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// The candidate that a person probably meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let score =
        |candidate: &str| strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase());
    known
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests;
