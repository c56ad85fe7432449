//! jq expressions, run in jaq with bounds that give the same answer on every node.
//!
//! A wall clock would make two coordinators disagree, and a thread that hangs cannot be ended. So
//! nothing is timed: [`meter`] counts steps. Our own value type ([`value`]) pays for every clone,
//! comparison and byte, the context that jaq clones at every call pays too, and when the budget is
//! spent, a value grows or nests too far, or the stack gets deep, the evaluation is unwound at once
//! and ends as an error. It runs on a thread of its own for the sake of its stack, which the caller
//! waits for.
//!
//! `env`, `$ENV`, `now`, `input`, `debug`, `halt`, time zones and modules do not exist here: an
//! expression sees its input and nothing else.

mod access;
mod kit;
mod meter;
mod number;
mod ops;
mod recursion;
mod value;

use std::{fmt, panic::AssertUnwindSafe};

use jaq_core::{
    Ctx, Vars,
    load::{self, Arena, File, Loader},
};
use millwright_model::template::Position;

use self::{
    kit::{Kit, Lut},
    meter::{Meter, Stop},
    value::Jv,
};
use crate::json_edit::Json;

pub use self::{
    meter::{STEPS_MAX, VALUE_BYTES_MAX},
    value::DEPTH_MAX,
};

/// Longest expression, in bytes: what a person can read in a profile.
pub const EXPRESSION_BYTES_MAX: usize = 8 << 10;
/// Stack of an evaluation: 32 KiB for each byte of the longest expression, since each may open one
/// more level of the grammar. Pages that are not used cost nothing.
const STACK_BYTES: usize = EXPRESSION_BYTES_MAX * (32 << 10);
/// Longest message of an expression's own error.
const MESSAGE_CHARS_MAX: usize = 300;

/// Why an expression gives no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JqFault {
    /// It cannot be read.
    #[error("jq expression, {position}: {message}")]
    Syntax {
        /// Where.
        position: Position,
        /// What is wrong.
        message: String,
    },
    /// It is too long.
    #[error("jq expression: it has more than {EXPRESSION_BYTES_MAX} bytes")]
    TooLong,
    /// It ended with an error of its own.
    #[error("jq expression: {0}")]
    Failed(String),
    /// It took too many steps, or does not end.
    #[error("jq expression: not done after {STEPS_MAX} steps; does it end?")]
    Steps,
    /// A value grew too large.
    #[error("jq expression: a value is larger than {VALUE_BYTES_MAX} bytes")]
    Size,
    /// A value is nested too deep.
    #[error("jq expression: a value has more than {DEPTH_MAX} levels of nesting")]
    Depth,
    /// It recursed too deep.
    #[error("jq expression: the recursion is too deep")]
    Stack,
    /// It gave nothing.
    #[error("jq expression: it gave no result; a file needs exactly one")]
    Nothing,
    /// It gave several values.
    #[error("jq expression: it gave more than one result; a file needs exactly one")]
    Several,
    /// The interpreter itself failed.
    #[error("jq expression: the interpreter failed; please report this expression")]
    Broken,
}

impl From<Stop> for JqFault {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Steps => JqFault::Steps,
            Stop::Size => JqFault::Size,
            Stop::Depth => JqFault::Depth,
            Stop::Stack => JqFault::Stack,
            Stop::Regex => JqFault::Failed("the regular expression is too large".to_owned()),
        }
    }
}

/// A compiled expression.
pub struct Program {
    filter: jaq_core::Filter<Kit>,
    /// Budget of a run.
    steps: u64,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

impl Program {
    /// Compiles an expression. About half a millisecond: once per profile, not per file.
    pub fn compile(code: &str) -> Result<Self, JqFault> {
        if code.len() > EXPRESSION_BYTES_MAX {
            return Err(JqFault::TooLong);
        }
        guarded(STEPS_MAX, || compile(code))?
    }

    /// The one result of the expression for an input.
    pub fn run(&self, input: &Json) -> Result<Json, JqFault> {
        guarded(self.steps, || self.results(input, 2)).and_then(|results| {
            let mut results = results?.into_iter();
            match (results.next(), results.next()) {
                (None, _) => Err(JqFault::Nothing),
                (Some(_), Some(_)) => Err(JqFault::Several),
                (Some(one), None) => Ok(one),
            }
        })
    }

    /// Up to `max` results.
    pub fn run_all(&self, input: &Json, max: usize) -> Result<Vec<Json>, JqFault> {
        guarded(self.steps, || self.results(input, max))?
    }

    fn results(&self, input: &Json, max: usize) -> Result<Vec<Json>, JqFault> {
        let context = Ctx::<Kit>::new(Lut::new(&self.filter.lut), Vars::new([]));
        let mut out = Vec::new();
        for result in self.filter.id.run((context, Jv::from(input))).take(max) {
            match result {
                Ok(value) => out.push(value.to_json()),
                Err(exception) => {
                    let message = match exception.get_err() {
                        Ok(error) => error.into_val().message(),
                        Err(_) => "'break' without its label".to_owned(),
                    };
                    let cut: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
                    return Err(JqFault::Failed(cut));
                }
            }
        }
        Ok(out)
    }
}

/// Runs work with a fresh budget on a deep stack, and waits for it.
fn guarded<T: Send>(steps: u64, work: impl FnOnce() -> T + Send) -> Result<T, JqFault> {
    let run = || {
        Meter::begin(steps, STACK_BYTES / 4 * 3);
        std::panic::catch_unwind(AssertUnwindSafe(work))
    };
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
        thread.map(std::thread::ScopedJoinHandle::join)
    });
    match done {
        Ok(Ok(Ok(result))) => Ok(result),
        Ok(Ok(Err(payload)) | Err(payload)) => match payload.downcast::<Stop>() {
            Ok(stop) => Err((*stop).into()),
            Err(_) => Err(JqFault::Broken),
        },
        // No thread to be had: the machine is out of memory or tasks.
        Err(_) => Err(JqFault::Broken),
    }
}

fn compile(code: &str) -> Result<Program, JqFault> {
    let arena = Arena::default();
    let fault = |part: &str, message: String| {
        // A part of our own definitions, which would be a mistake of ours, is not in the code.
        let start = part.as_ptr().addr().checked_sub(code.as_ptr().addr());
        let offset = start.filter(|start| *start <= code.len()).unwrap_or(0);
        JqFault::Syntax { position: Position::of(code, offset), message }
    };
    let shown = |part: &str| match part.chars().next() {
        Some(_) => format!("unexpected {:?}", part.chars().take(20).collect::<String>()),
        None => "the expression ends too early".to_owned(),
    };
    if let Some(name) =
        load::parse(code, |parser| parser.term()).as_ref().and_then(recursion::refused)
    {
        let message =
            format!("{name:?} calls itself with filters as arguments, which is not supported");
        return Err(fault(name, message));
    }
    let modules = Loader::new(kit::definitions()).load(&arena, File { code, path: () }).map_err(
        |errors| match errors.into_iter().next().map(|(_, error)| error) {
            Some(load::Error::Lex(errors)) => match errors.first() {
                Some((_, part)) => fault(part, shown(part)),
                None => JqFault::Broken,
            },
            Some(load::Error::Parse(errors)) => match errors.first() {
                Some((_, "")) => fault(&code[code.len()..], shown("")),
                Some((_, part)) => fault(part, shown(part)),
                None => JqFault::Broken,
            },
            Some(load::Error::Io(_)) => {
                fault(&code[..0], "modules and imports do not exist here".to_owned())
            }
            None => JqFault::Broken,
        },
    )?;
    let filter = jaq_core::Compiler::default()
        .with_funs(kit::functions())
        .compile(modules)
        .map_err(|errors| {
            let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
            match first {
                Some((name, what)) => {
                    let message = format!("the {} {name:?} does not exist here", what.as_str());
                    fault(name, message)
                }
                None => JqFault::Broken,
            }
        })?;
    Ok(Program { filter, steps: STEPS_MAX })
}

#[cfg(test)]
mod tests;
