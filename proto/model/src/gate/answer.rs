//! What a gate answers. The decision is read strictly, everything beside it as far as it makes
//! sense: a slip in a field for people must not turn a readable *deny* into a failure, which
//! `failurePolicy: ignore` would let pass. What the answer leads to is in
//! [`verdict`](super::verdict()).

use serde::{Deserialize, Serialize};
use serde_json::{Value, error::Category};

use crate::time::Span;

/// Largest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Longest reason; more is cut.
pub const REASON_CHARS_MAX: usize = 500;
/// Warnings that are kept.
pub const WARNINGS_MAX: usize = 20;
/// Longest warning; more is cut.
pub const WARNING_CHARS_MAX: usize = 200;
/// A gate is not asked again sooner, so that a mistake there is no flood here.
pub const RETRY_AFTER_MIN: Span = Span(5_000);
/// Nor later: longer, nobody could tell a gate that waits from one that was forgotten.
pub const RETRY_AFTER_MAX: Span = Span(3_600_000);

/// What a gate decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// Go on.
    Allow,
    /// Do not.
    Deny,
    /// Ask again later.
    Defer,
}

impl Decision {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
            Decision::Defer => "defer",
        }
    }
}

/// A valid answer, within its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateAnswer {
    /// What.
    pub decision: Decision,
    /// Why, for people; may be empty.
    pub reason: String,
    /// When to ask again, if the gate says so.
    pub retry_after: Option<Span>,
    /// What people shall see besides.
    pub warnings: Vec<String>,
}

impl GateAnswer {
    /// Consent without a word.
    pub fn allow() -> Self {
        Self {
            decision: Decision::Allow,
            reason: String::new(),
            retry_after: None,
            warnings: Vec::new(),
        }
    }
}

/// An answer that is none. Of its text only a wrong decision is repeated, cut: the rest may be the
/// error page of anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// No bytes.
    #[error("the answer is empty")]
    Empty,
    /// Most likely of a proxy or a login page.
    #[error("the answer is HTML instead of JSON")]
    Html,
    /// Something else.
    #[error("the answer is no JSON (line {line}, column {column})")]
    NotJson {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// JSON of another shape, or a field that is there twice.
    #[error("the answer is no JSON object with each field once")]
    Shape,
    /// The field is absent or no text.
    #[error("the answer has no decision")]
    NoDecision,
    /// Another word.
    #[error("the decision is {0:?}, none of allow, deny, defer")]
    Decision(String),
}

/// Unknown fields are ignored: gates are other people's programs, and one that says more than is
/// asked, or answers a later version of this protocol, has decided all the same.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    decision: Value,
    #[serde(default)]
    reason: Value,
    #[serde(default)]
    retry_after: Value,
    #[serde(default)]
    warnings: Value,
}

/// Reads the body of an answer. The caller sees to it that it is not longer than
/// [`ANSWER_BYTES_MAX`].
pub fn parse_answer(bytes: &[u8]) -> Result<GateAnswer, BadAnswer> {
    match bytes.trim_ascii_start().first() {
        None => return Err(BadAnswer::Empty),
        Some(b'<') => return Err(BadAnswer::Html),
        // Serde would take an array for the fields in their order.
        Some(b'[') => return Err(BadAnswer::Shape),
        Some(_) => {}
    }
    let raw: Raw = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => BadAnswer::Shape,
        Category::Io | Category::Syntax | Category::Eof => {
            BadAnswer::NotJson { line: error.line(), column: error.column() }
        }
    })?;
    let decision = match raw.decision.as_str() {
        None => return Err(BadAnswer::NoDecision),
        Some("allow") => Decision::Allow,
        Some("deny") => Decision::Deny,
        Some("defer") => Decision::Defer,
        Some(other) => return Err(BadAnswer::Decision(tidy(other, 40))),
    };
    let warnings = raw.warnings.as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(GateAnswer {
        decision,
        reason: raw.reason.as_str().map(|text| tidy(text, REASON_CHARS_MAX)).unwrap_or_default(),
        retry_after: retry_after(&raw.retry_after),
        warnings: warnings
            .iter()
            .filter_map(Value::as_str)
            .map(|text| tidy(text, WARNING_CHARS_MAX))
            .filter(|text| !text.is_empty())
            .take(WARNINGS_MAX)
            .collect(),
    })
}

/// Text such as `30s`, or seconds.
fn retry_after(value: &Value) -> Option<Span> {
    let span = match value {
        Value::String(text) => text.trim().parse().ok()?,
        Value::Number(number) => {
            // Within this range the conversion cannot fail.
            let seconds = number.as_f64()?.clamp(0.0, 86_400.0);
            let millis = std::time::Duration::try_from_secs_f64(seconds).ok()?.as_millis();
            Span(u64::try_from(millis).ok()?)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(span.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
}

/// One line of at most so many characters. A control character could move the cursor of the
/// terminal that shows it.
fn tidy(text: &str, chars_max: usize) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    let mut kept: String = text.trim().chars().map(blank).take(chars_max + 1).collect();
    if let Some((cut, _)) = kept.char_indices().nth(chars_max) {
        kept.truncate(cut);
        kept.pop();
        kept.push('…');
    }
    kept
}
