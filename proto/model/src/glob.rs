//! Path patterns with `*`, `?`, `**`, `[..]`, `{a,b}`; `*` does not cross a `/`.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?}: {why}")]
pub struct InvalidPattern {
    pattern: String,
    why: String,
}

/// Any of several patterns.
#[derive(Debug, Clone)]
pub struct Patterns {
    set: GlobSet,
}

impl Patterns {
    /// Reads the patterns; none match nothing.
    pub fn compile(patterns: &[impl AsRef<str>]) -> Result<Self, InvalidPattern> {
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns.iter().map(AsRef::as_ref) {
            let invalid = |e: globset::Error| InvalidPattern {
                pattern: pattern.to_owned(),
                why: e.to_string(),
            };
            builder
                .add(GlobBuilder::new(pattern).literal_separator(true).build().map_err(invalid)?);
        }
        let invalid =
            |e: globset::Error| InvalidPattern { pattern: String::new(), why: e.to_string() };
        Ok(Self { set: builder.build().map_err(invalid)? })
    }

    /// Whether one of them matches the path.
    pub fn is_match(&self, path: &str) -> bool {
        self.set.is_match(path)
    }
}
