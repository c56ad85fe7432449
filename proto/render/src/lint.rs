//! Everything that can be known to be wrong before a commit reaches a gateway: resources, templates,
//! rules, paths, JSON, signatures. All findings at once, each with its place; nothing is changed, and
//! nothing is asked of a cluster.
//!
//! Files are looked at through the mappings of the gateways that are given, since only a mapping says
//! what a file is for.

mod collide;
mod files;
mod gateways;

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::resource::{Resource, SourceError, parse_documents};

use self::gateways::Gateways;
use crate::render::Source;

/// What kind of mistake. The word is stable: people suppress by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A resource breaks its schema.
    Schema,
    /// A resource names another that is not there.
    Reference,
    /// A template cannot be read.
    Template,
    /// A template names a value that a gateway does not have.
    UnknownVar,
    /// A source has no file, or is something else than the mapping says.
    Source,
    /// A rule cannot be compiled, or does not fit a file.
    Normalize,
    /// A path that is never touched.
    NeverTouch,
    /// A path that the profile does not allow.
    NotAllowed,
    /// A path that Windows or Ignition forbids.
    Name,
    /// Two paths that one platform takes for the same, or a file where a folder has to be.
    Collision,
    /// A file or all files together are too large.
    Oversize,
    /// A symbolic link, submodule or LFS pointer.
    Unmappable,
    /// A `.json` file is no JSON.
    Json,
    /// A `resource.json` is none.
    ResourceJson,
    /// A configuration resource without `attributes.uuid`.
    Uuid,
    /// A signature that fits neither form.
    Signature,
    /// A listed file that is not there.
    MissingFile,
    /// A file of a resource that is not listed.
    UnlistedFile,
    /// Two mappings give the same path.
    Overlap,
    /// A profile that no gateway uses.
    Unused,
}

impl Rule {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Schema => "schema",
            Rule::Reference => "reference",
            Rule::Template => "template",
            Rule::UnknownVar => "unknown-var",
            Rule::Source => "source",
            Rule::Normalize => "normalize",
            Rule::NeverTouch => "never-touch",
            Rule::NotAllowed => "not-allowed",
            Rule::Name => "name",
            Rule::Collision => "collision",
            Rule::Oversize => "oversize",
            Rule::Unmappable => "unmappable",
            Rule::Json => "json",
            Rule::ResourceJson => "resource-json",
            Rule::Uuid => "uuid",
            Rule::Signature => "signature",
            Rule::MissingFile => "missing-file",
            Rule::UnlistedFile => "unlisted-file",
            Rule::Overlap => "overlap",
            Rule::Unused => "unused",
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Rule::Schema
            | Rule::Reference
            | Rule::Template
            | Rule::UnknownVar
            | Rule::Source
            | Rule::Normalize
            | Rule::NeverTouch
            | Rule::NotAllowed
            | Rule::Name
            | Rule::Collision
            | Rule::Oversize
            | Rule::Unmappable
            | Rule::Json
            | Rule::ResourceJson
            | Rule::Uuid
            | Rule::MissingFile => Severity::Error,
            // The gateway stamps it again, or ignores the file; rendering is not stopped.
            Rule::Signature | Rule::UnlistedFile | Rule::Overlap | Rule::Unused => {
                Severity::Warning
            }
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Rendering stops, or the gateway does not load it.
    Error,
    /// It works, but not as somebody may think.
    Warning,
}

impl Severity {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file of resources, or the path in the repository.
    pub file: String,
    /// 1-based line and column, where they are known.
    pub position: Option<(usize, usize)>,
    /// What kind.
    pub rule: Rule,
    /// What, for people.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        let severity = self.rule.severity().as_str();
        write!(f, ": {severity}[{}]: {}", self.rule.as_str(), self.message)
    }
}

/// All findings and what was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Sorted by file and place, each once.
    pub findings: BTreeSet<Finding>,
    /// Resources read.
    pub resources: usize,
    /// Gateways rendered.
    pub gateways: usize,
    /// Files of the repository looked at.
    pub files: usize,
}

impl Report {
    /// Whether anything is an error.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule.severity() == Severity::Error)
    }

    fn add(
        &mut self,
        rule: Rule,
        file: &str,
        position: Option<(usize, usize)>,
        message: impl ToString,
    ) {
        let (file, message) = (file.to_owned(), message.to_string());
        self.findings.insert(Finding { file, position, rule, message });
    }
}

/// A resource and the file that it was read from.
type Located = (String, Resource);

/// Looks at resources (name and text of each file) and at the files that they map.
pub fn lint(texts: &[(String, String)], source: &dyn Source) -> Report {
    let mut report = Report::default();
    let mut located: Vec<Located> = Vec::new();
    for (name, text) in texts {
        match parse_documents(text, name) {
            Ok(resources) => {
                located.extend(resources.into_iter().map(|resource| (name.clone(), resource)));
            }
            Err(errors) => errors.iter().for_each(|error| schema(error, &mut report)),
        }
    }
    report.resources = located.len();
    // One that does not read is not there: nobody is blamed for naming it.
    let unreadable = !report.findings.is_empty();
    Gateways::new(&located, unreadable).lint(source, &mut report);
    report
}

fn schema(error: &SourceError, report: &mut Report) {
    let path = match error.path.is_empty() {
        true => String::new(),
        false => format!("{}: ", error.path),
    };
    let hint = error.hint.as_ref().map(|h| format!(", did you mean {h:?}?")).unwrap_or_default();
    let position = Some((error.line, error.column));
    report.add(Rule::Schema, &error.file, position, format!("{path}{}{hint}", error.message));
}

/// By name.
fn named<'l, T>(
    located: &'l [Located],
    pick: impl Fn(&'l Resource) -> Option<(&'l str, &'l T)>,
) -> BTreeMap<&'l str, (&'l str, &'l T)> {
    let one = |(file, resource): &'l Located| {
        pick(resource).map(|(name, picked)| (name, (file.as_str(), picked)))
    };
    located.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests;
