//! The functions of templates and how many arguments each takes, checked when a template is read.

use super::{TemplateError, tree::Command};

/// A function that a template may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Default,
    Upper,
    Lower,
    Trim,
    Replace,
    Quote,
    Index,
    Eq,
    Ne,
    Not,
    And,
    Or,
}

const ALL: [(&str, Function); 12] = [
    ("default", Function::Default),
    ("upper", Function::Upper),
    ("lower", Function::Lower),
    ("trim", Function::Trim),
    ("replace", Function::Replace),
    ("quote", Function::Quote),
    ("index", Function::Index),
    ("eq", Function::Eq),
    ("ne", Function::Ne),
    ("not", Function::Not),
    ("and", Function::And),
    ("or", Function::Or),
];

/// Names of all functions.
pub(super) fn known_functions() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    pub(super) fn name(self) -> &'static str {
        ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| *name)
    }

    /// Fewest and most arguments, the piped one included.
    fn arity(self) -> (usize, usize) {
        match self {
            Function::Upper
            | Function::Lower
            | Function::Trim
            | Function::Quote
            | Function::Not => (1, 1),
            Function::Default | Function::Index | Function::Ne => (2, 2),
            Function::Replace => (3, 3),
            Function::Eq | Function::And | Function::Or => (2, 16),
        }
    }
}

impl Command {
    /// Whether the number of arguments fits.
    pub(super) fn check(&self, text: &str, piped: bool) -> Result<(), TemplateError> {
        let given = self.operands.len() + usize::from(piped);
        let Some(function) = self.function else {
            return match self.operands.get(1) {
                Some(extra) => {
                    Err(TemplateError::new(text, extra.at, "only a function takes arguments"))
                }
                None => Ok(()),
            };
        };
        let (least, most) = function.arity();
        if (least..=most).contains(&given) {
            return Ok(());
        }
        let wanted = match least == most {
            true => format!("{least}"),
            false => format!("{least} to {most}"),
        };
        let s = if wanted == "1" { "" } else { "s" };
        let message = format!("{} takes {wanted} argument{s}, not {given}", function.name());
        Err(TemplateError::new(text, self.at, message))
    }
}
