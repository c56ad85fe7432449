//! Changes of JSON files for one gateway: values set and deleted at paths, jq expressions. Whatever a
//! rule does not mean keeps its bytes.
//!
//! Rules arrive filled ([`Rule`]: no templates left) and are compiled once ([`Rules`]) for all files
//! and, by their text, for all gateways that share them.

mod fill;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use millwright_model::{
    glob::{InvalidPattern, Patterns},
    resource::Create,
    template::TemplateError,
};
use serde::{Deserialize, Serialize};

pub use self::fill::ParsedRule;
use crate::{
    jq::{JqFault, Program},
    json_edit::{
        Document, EditFault, Editor, Json, JsonFault, JsonPath, Missing, PathFault, rewrite,
    },
};

/// A rule with its templates filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Pattern of destination paths; shared by the gateways for which it is the same.
    pub files: Arc<str>,
    /// Paths, shared likewise, and values, each as JSON text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(Arc<str>, String)>,
    /// The expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jq: Option<String>,
    /// Paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<String>,
    /// For paths of `set` that a file does not have.
    #[serde(default)]
    pub create: Create,
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// A template.
    #[error("{field}: {error}")]
    Template {
        /// Which field.
        field: String,
        /// What.
        error: TemplateError,
    },
    /// A path.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// A pattern.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// An expression.
    #[error(transparent)]
    Jq(#[from] JqFault),
    /// Text that `asJson` cannot read.
    #[error("set {path}: asJson: {error}")]
    Value {
        /// Of the value.
        path: String,
        /// What.
        error: JsonFault,
    },
    /// Two paths of one rule mean the same value.
    #[error("set: {0} and {1} overlap")]
    Overlap(String, String),
}

/// Why a file cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NormalizeFault {
    /// It is no text.
    #[error("the file is no UTF-8 text")]
    Binary,
    /// It is no JSON, or a path does not fit.
    #[error(transparent)]
    Edit(#[from] EditFault),
    /// The expression failed.
    #[error(transparent)]
    Jq(#[from] JqFault),
}

impl From<JsonFault> for NormalizeFault {
    fn from(fault: JsonFault) -> Self {
        NormalizeFault::Edit(fault.into())
    }
}

/// A rule ready for use.
#[derive(Debug)]
struct Compiled {
    files: Arc<Patterns>,
    set: Vec<(JsonPath, Json)>,
    jq: Option<Arc<Program>>,
    delete: Vec<JsonPath>,
    missing: Missing,
}

/// Compiled expressions and patterns by their text, shared between gateways.
#[derive(Debug, Default)]
pub struct Programs {
    by_text: BTreeMap<String, Arc<Program>>,
    patterns: BTreeMap<String, Arc<Patterns>>,
}

/// Expressions and patterns kept, each; a fleet has a few.
const PROGRAMS_MAX: usize = 1024;

impl Programs {
    fn get(&mut self, code: &str) -> Result<Arc<Program>, JqFault> {
        if let Some(program) = self.by_text.get(code) {
            return Ok(Arc::clone(program));
        }
        let program = Arc::new(Program::compile(code)?);
        if self.by_text.len() >= PROGRAMS_MAX {
            self.by_text.clear();
        }
        self.by_text.insert(code.to_owned(), Arc::clone(&program));
        Ok(program)
    }

    /// A pattern; compiling one costs more than all else that a gateway without new files does.
    fn pattern(&mut self, text: &str) -> Result<Arc<Patterns>, InvalidPattern> {
        if let Some(pattern) = self.patterns.get(text) {
            return Ok(Arc::clone(pattern));
        }
        let pattern = Arc::new(Patterns::compile(&[text])?);
        if self.patterns.len() >= PROGRAMS_MAX {
            self.patterns.clear();
        }
        self.patterns.insert(text.to_owned(), Arc::clone(&pattern));
        Ok(pattern)
    }
}

/// All rules of one gateway.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Compiled>,
}

/// A fault of the rule at an index.
pub type AtRule<E> = (usize, E);

impl Rules {
    /// Compiles; a fault comes with the index of its rule.
    pub fn compile(
        rules: &[Arc<Rule>],
        programs: &mut Programs,
    ) -> Result<Self, AtRule<RuleFault>> {
        let compiled = rules.iter().enumerate();
        let compiled = compiled.map(|(at, rule)| one(rule, programs).map_err(|fault| (at, fault)));
        Ok(Self { rules: compiled.collect::<Result<_, _>>()? })
    }

    /// Whether any rule means this path.
    pub fn concern(&self, path: &str) -> bool {
        self.rules.iter().any(|rule| rule.files.is_match(path))
    }

    /// The content after all rules that mean this path; `None` when they change nothing. A fault
    /// comes with the index of its rule.
    pub fn apply(
        &self,
        path: &str,
        content: &[u8],
    ) -> Result<Option<Vec<u8>>, AtRule<NormalizeFault>> {
        let mut now: Cow<'_, str> = Cow::Borrowed("");
        let mut begun = false;
        for (at, rule) in self.rules.iter().enumerate() {
            if !rule.files.is_match(path) {
                continue;
            }
            if !begun {
                let text = std::str::from_utf8(content);
                now = Cow::Borrowed(text.map_err(|_| (at, NormalizeFault::Binary))?);
                begun = true;
            }
            if let Some(changed) = rule.apply(&now).map_err(|fault| (at, fault))? {
                now = Cow::Owned(changed);
            }
        }
        Ok(match now {
            Cow::Owned(text) if text.as_bytes() != content => Some(text.into_bytes()),
            Cow::Owned(_) | Cow::Borrowed(_) => None,
        })
    }

    /// Paths that the rules for a file set or delete, and whether a jq expression is among them.
    pub fn touched(&self, path: &str) -> (Vec<&JsonPath>, bool) {
        let rules = self.rules.iter().filter(|rule| rule.files.is_match(path));
        let (mut paths, mut jq) = (Vec::new(), false);
        for rule in rules {
            paths.extend(rule.set.iter().map(|(path, _)| path).chain(&rule.delete));
            jq |= rule.jq.is_some();
        }
        (paths, jq)
    }
}

fn one(rule: &Rule, programs: &mut Programs) -> Result<Compiled, RuleFault> {
    let mut set: Vec<(JsonPath, Json)> = Vec::with_capacity(rule.set.len());
    for (path, value) in &rule.set {
        let path: JsonPath = path.parse()?;
        if let Some((other, _)) = set.iter().find(|(other, _)| other.overlaps(&path)) {
            return Err(RuleFault::Overlap(other.to_string(), path.to_string()));
        }
        let read = Document::parse(value).and_then(|one| one.value(one.root()));
        let fault = |error| RuleFault::Value { path: path.to_string(), error };
        let value = read.map_err(fault)?;
        set.push((path, value));
    }
    Ok(Compiled {
        files: programs.pattern(&rule.files)?,
        set,
        jq: rule.jq.as_deref().map(|code| programs.get(code)).transpose()?,
        delete: rule.delete.iter().map(|path| path.parse()).collect::<Result<_, PathFault>>()?,
        missing: match rule.create {
            Create::Yes => Missing::Create,
            Create::No => Missing::Skip,
            Create::Error => Missing::Fail,
        },
    })
}

impl Compiled {
    fn apply(&self, text: &str) -> Result<Option<String>, NormalizeFault> {
        let mut editor = Editor::new(text)?;
        for (path, value) in &self.set {
            editor.set(path, value, self.missing)?;
        }
        if let Some(program) = &self.jq {
            let before = editor.text();
            let document = Document::parse(before)?;
            let value = document.value(document.root())?;
            let new = program.run(&value)?;
            if new != value {
                let text = rewrite(&document, &new);
                editor.replace(text);
            }
        }
        for path in &self.delete {
            editor.delete(path, Missing::Skip)?;
        }
        Ok(match editor.finish() {
            Cow::Owned(changed) => Some(changed),
            Cow::Borrowed(_) => None,
        })
    }
}

#[cfg(test)]
mod tests;
