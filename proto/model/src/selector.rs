//! Label selectors: `a=b,c!=d,e in (x,y),f notin (z),g,!h`. All terms must hold.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::digest::text_serde;

/// Terms in one selector; more is a mistake.
const TERMS_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// Which labels match. The empty selector matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    terms: Vec<Term>,
}

/// Text that is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("selector {text:?}: {why} at column {column}")]
pub struct InvalidSelector {
    text: String,
    why: &'static str,
    /// 1-based.
    column: usize,
}

impl Selector {
    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether these labels match.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.terms.iter().all(|term| match term {
            Term::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            // As in Kubernetes: an absent label differs from every value.
            Term::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Term::Exists(key) => labels.contains_key(key),
            Term::Absent(key) => !labels.contains_key(key),
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, why: &'static str) -> Result<T, InvalidSelector> {
        let column = self.text[..self.at].chars().count() + 1;
        Err(InvalidSelector { text: self.text.chars().take(120).collect(), why, column })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn word(&mut self, why: &'static str) -> Result<String, InvalidSelector> {
        self.blanks();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let end = self.rest().find(|c| !legal(c)).unwrap_or(self.rest().len());
        if end == 0 {
            return self.fail(why);
        }
        let word = self.rest()[..end].to_owned();
        self.at += end;
        Ok(word)
    }

    fn list(&mut self) -> Result<Vec<String>, InvalidSelector> {
        if !self.take("(") {
            return self.fail("expected '('");
        }
        let mut values = vec![self.word("expected a value")?];
        while self.take(",") {
            values.push(self.word("expected a value")?);
        }
        if self.take(")") { Ok(values) } else { self.fail("expected ',' or ')'") }
    }

    fn term(&mut self) -> Result<Term, InvalidSelector> {
        if self.take("!") {
            return Ok(Term::Absent(self.word("expected a label after '!'")?));
        }
        let key = self.word("expected a label")?;
        if self.take("!=") {
            return Ok(Term::NotIn(key, vec![self.word("expected a value")?]));
        }
        if self.take("==") || self.take("=") {
            return Ok(Term::In(key, vec![self.word("expected a value")?]));
        }
        self.blanks();
        let before = self.at;
        match self.word("").as_deref() {
            Ok("in") => Ok(Term::In(key, self.list()?)),
            Ok("notin") => Ok(Term::NotIn(key, self.list()?)),
            Ok(_) => {
                self.at = before;
                self.fail("expected '=', '!=', 'in', 'notin' or ','")
            }
            Err(_) => Ok(Term::Exists(key)),
        }
    }
}

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { text, at: 0 };
        let mut terms = Vec::new();
        parser.blanks();
        while !parser.rest().is_empty() {
            terms.push(parser.term()?);
            if terms.len() > TERMS_MAX {
                return parser.fail("more than 64 terms");
            }
            parser.blanks();
            if parser.rest().is_empty() {
                break;
            }
            if !parser.take(",") {
                return parser.fail("expected ','");
            }
            parser.blanks();
            if parser.rest().is_empty() {
                return parser.fail("expected a label");
            }
        }
        Ok(Self { terms })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.terms.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match term {
                Term::In(key, values) if values.len() == 1 => write!(f, "{key}={}", values[0])?,
                Term::NotIn(key, values) if values.len() == 1 => write!(f, "{key}!={}", values[0])?,
                Term::In(key, values) => write!(f, "{key} in ({})", values.join(","))?,
                Term::NotIn(key, values) => write!(f, "{key} notin ({})", values.join(","))?,
                Term::Exists(key) => f.write_str(key)?,
                Term::Absent(key) => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}
text_serde!(Selector);

impl schemars::JsonSchema for Selector {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Selector".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "label selector such as `area=packing,line in (1,2),!retired`",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        selector.parse::<Selector>().unwrap().matches(&labels)
    }

    #[test]
    fn terms_mean_what_they_say() {
        let labels = [("a", "b"), ("e", "x")];
        for yes in ["", "a=b", "a==b", "a", "!z", "e in (x,y)", "z!=q", "a=b, e notin (q)"] {
            assert!(matches(yes, &labels), "{yes}");
        }
        for no in ["a=c", "!a", "z", "e in (q)", "a!=b", "a=b,z"] {
            assert!(!matches(no, &labels), "{no}");
        }
    }

    #[test]
    fn faults_name_the_column_and_text_round_trips() {
        for (bad, column) in [("a=", 3), ("a in x", 6), (",", 1), ("a b", 3), ("a=b,", 5)] {
            let error = bad.parse::<Selector>().unwrap_err();
            assert_eq!(error.column, column, "{bad}: {error}");
        }
        let text = "a=b,c!=d,e in (x,y),f,!g";
        assert_eq!(text.parse::<Selector>().unwrap().to_string(), text);
    }
}
