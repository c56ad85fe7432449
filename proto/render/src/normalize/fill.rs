//! Filling the templates of rules for one gateway after another.

use std::{borrow::Cow, sync::Arc};

use millwright_model::{
    resource::NormalizeRule,
    template::{TemplateError, Text, Vars, expand},
};

use super::{Rule, RuleFault};
use crate::json_edit::{Document, Json};

/// A rule whose templates are read.
#[derive(Debug)]
pub struct ParsedRule<'p> {
    rule: &'p NormalizeRule,
    files: Shared<'p>,
    /// Paths as they stand there, paths, and values.
    set: Vec<(&'p str, Shared<'p>, Value<'p>)>,
    jq: Option<Text<'p>>,
    delete: Vec<Text<'p>>,
    /// What it is for every gateway, unless that depends on the gateway.
    same: Option<Arc<Rule>>,
}

/// A text that gateways share unless it is a template.
#[derive(Debug)]
struct Shared<'p> {
    text: Text<'p>,
    same: Option<Arc<str>>,
}

impl<'p> Shared<'p> {
    fn read(text: &'p str) -> Self {
        let read = Text::read(text);
        Self { same: read.is_plain().then(|| text.into()), text: read }
    }

    fn expand(&self, vars: &Vars) -> Result<Arc<str>, TemplateError> {
        match &self.same {
            Some(same) => Ok(Arc::clone(same)),
            None => Ok(self.text.expand(vars)?.into()),
        }
    }
}

#[derive(Debug)]
enum Value<'p> {
    /// The same for every gateway, as JSON text.
    Same(String),
    /// A template that becomes a text.
    Text(Text<'p>),
    /// Anything else.
    Any(Json),
}

fn has_template(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
        Json::String(text) => text.contains("{{"),
        Json::Array(items) => items.iter().any(has_template),
        Json::Object(members) => members.iter().any(|(_, value)| has_template(value)),
    }
}

impl<'p> Value<'p> {
    fn read(value: &'p serde_json::Value, as_json: bool) -> Self {
        let json = Json::from(value);
        if has_template(&json) {
            let text = value.as_str().filter(|_| !as_json);
            return text.map_or(Value::Any(json), |text| Value::Text(Text::read(text)));
        }
        let made = filled(&json, as_json, "", &|text| Ok(text.to_owned()));
        made.map_or(Value::Any(json), |made| Value::Same(made.compact()))
    }

    fn fill(
        &self,
        path: &str,
        field: &dyn Fn() -> String,
        as_json: bool,
        vars: &Vars,
    ) -> Result<String, RuleFault> {
        let fault = |error| RuleFault::Template { field: field(), error };
        match self {
            Value::Same(text) => Ok(text.clone()),
            Value::Text(text) => {
                let made = text.expand(vars).map_err(fault)?;
                Ok(Json::String(made.into_owned()).compact())
            }
            Value::Any(json) => {
                let text = |text: &str| expand(text, vars).map(Cow::into_owned).map_err(fault);
                Ok(filled(json, as_json, path, &text)?.compact())
            }
        }
    }
}

impl<'p> ParsedRule<'p> {
    /// Reads a rule. What is wrong in a template is told when it is filled.
    pub fn new(rule: &'p NormalizeRule) -> Self {
        let set = rule.set.iter();
        let set = set.map(|(path, value)| {
            (path.as_str(), Shared::read(path), Value::read(value, rule.as_json))
        });
        let mut parsed = Self {
            rule,
            files: Shared::read(&rule.files),
            set: set.collect(),
            jq: rule.jq.as_deref().map(Text::read),
            delete: rule.delete.iter().map(|path| Text::read(path)).collect(),
            same: None,
        };
        if parsed.is_plain() {
            parsed.same = parsed.fill(&Vars::default()).ok();
        }
        parsed
    }

    fn is_plain(&self) -> bool {
        let Self { rule: _, files, set, jq, delete, same: _ } = self;
        let mut set = set.iter();
        files.same.is_some()
            && set.all(|(_, path, value)| path.same.is_some() && matches!(value, Value::Same(_)))
            && jq.iter().chain(delete).all(Text::is_plain)
    }

    /// The rule for one gateway.
    pub fn fill(&self, vars: &Vars) -> Result<Arc<Rule>, RuleFault> {
        if let Some(same) = &self.same {
            return Ok(Arc::clone(same));
        }
        let fault = |field: &str, error| RuleFault::Template { field: field.to_owned(), error };
        let text = |field: &str, text: &Text<'_>| {
            text.expand(vars).map(Cow::into_owned).map_err(|error| fault(field, error))
        };
        let mut set = Vec::with_capacity(self.set.len());
        for (written, path, value) in &self.set {
            let field = || format!("set {written}");
            let path = path.expand(vars).map_err(|error| fault(&field(), error))?;
            let value = value.fill(&path, &field, self.rule.as_json, vars)?;
            set.push((path, value));
        }
        Ok(Arc::new(Rule {
            files: self.files.expand(vars).map_err(|error| fault("files", error))?,
            set,
            jq: self.jq.as_ref().map(|code| text("jq", code)).transpose()?,
            delete: self.delete.iter().map(|p| text("delete", p)).collect::<Result<_, _>>()?,
            create: self.rule.create,
        }))
    }
}

/// A value with the templates in its texts filled in, read as JSON if asked.
fn filled(
    value: &Json,
    as_json: bool,
    path: &str,
    text: &impl Fn(&str) -> Result<String, RuleFault>,
) -> Result<Json, RuleFault> {
    Ok(match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
        Json::String(template) => {
            let made = text(template)?;
            if !as_json {
                return Ok(Json::String(made));
            }
            let read = Document::parse(&made).and_then(|one| one.value(one.root()));
            read.map_err(|error| RuleFault::Value { path: path.to_owned(), error })?
        }
        Json::Array(items) => {
            let items = items.iter().map(|item| filled(item, as_json, path, text));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let member = |(key, value): &(String, Json)| {
                Ok((key.clone(), filled(value, as_json, path, text)?))
            };
            Json::Object(members.iter().map(member).collect::<Result<_, RuleFault>>()?)
        }
    })
}
