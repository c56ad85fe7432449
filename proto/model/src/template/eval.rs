//! A tree of actions to text. Linear in the template; every value and the result are bounded.

use std::{borrow::Cow, cell::Cell, collections::BTreeMap};

use super::{
    BYTES_MAX, TemplateError, Vars,
    function::Function,
    nearest,
    tree::{Command, Node, Operand, OperandKind, Pipeline, Template},
};

/// Largest value inside a pipeline, in bytes: values are names and addresses.
const VALUE_BYTES_MAX: usize = 1 << 20;
/// Bytes of all values that one template makes: as much as it may write.
const VALUES_BYTES_MAX: usize = BYTES_MAX;

#[derive(Debug, Clone)]
enum Value<'v> {
    Text(Cow<'v, str>),
    Number(i64),
    Bool(bool),
    Map(&'static str, &'v BTreeMap<String, String>),
    /// A label or var that the gateway does not have: an error for all but conditions and
    /// `default`, which exist to ask for it.
    Absent(Absent<'v>),
}

/// What is asked for in vain. An error knows its line, which takes a look at the whole text: it is made
/// when it is needed.
#[derive(Debug, Clone)]
struct Absent<'v> {
    map: &'static str,
    values: &'v BTreeMap<String, String>,
    key: String,
    at: usize,
}

impl Value<'_> {
    fn is_true(&self) -> bool {
        match self {
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => *number != 0,
            Value::Bool(value) => *value,
            Value::Map(_, map) => !map.is_empty(),
            Value::Absent(_) => false,
        }
    }
}

/// A run of bytes that a template passes on as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    /// Where it begins in the template.
    pub template: usize,
    /// Where it begins in the result.
    pub result: usize,
    /// Its bytes.
    pub len: usize,
}

impl Template<'_> {
    /// The text with all values put in.
    pub fn render(&self, vars: &Vars) -> Result<String, TemplateError> {
        self.made(vars, None).map(|made| made.text)
    }

    /// The text with all values put in, and which parts of it are the template's own, in order.
    pub fn render_mapped(&self, vars: &Vars) -> Result<(String, Vec<Literal>), TemplateError> {
        let made = self.made(vars, Some(Vec::new()))?;
        Ok((made.text, made.literals.unwrap_or_default()))
    }

    fn made(&self, vars: &Vars, literals: Option<Vec<Literal>>) -> Result<Made, TemplateError> {
        let run = Run { text: self.text, vars, left: Cell::new(VALUES_BYTES_MAX) };
        let mut out = Made { text: String::with_capacity(self.text.len()), literals };
        run.nodes(&self.nodes, &mut out)?;
        Ok(out)
    }
}

struct Made {
    text: String,
    /// When somebody asks for them.
    literals: Option<Vec<Literal>>,
}

struct Run<'v> {
    text: &'v str,
    vars: &'v Vars,
    /// Bytes that functions may still make.
    left: Cell<usize>,
}

impl<'v> Run<'v> {
    fn fault(&self, at: usize, message: impl Into<String>) -> TemplateError {
        TemplateError::new(self.text, at, message)
    }

    fn nodes(&self, nodes: &[Node<'_>], out: &mut Made) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::Text(text) => {
                    let template = text.as_ptr().addr() - self.text.as_ptr().addr();
                    let (result, len) = (out.text.len(), text.len());
                    if let Some(literals) = &mut out.literals {
                        literals.push(Literal { template, result, len });
                    }
                    out.text.push_str(text);
                }
                Node::Print(pipeline) => {
                    let value = self.pipeline(pipeline)?;
                    out.text.push_str(&self.text_of(value, pipeline.at)?);
                    if out.text.len() > BYTES_MAX {
                        let message = "the result is larger than 16 MiB";
                        return Err(self.fault(pipeline.at, message));
                    }
                }
                Node::If { branches, otherwise } => {
                    let mut taken = otherwise;
                    for (condition, body) in branches {
                        if self.pipeline(condition)?.is_true() {
                            taken = body;
                            break;
                        }
                    }
                    self.nodes(taken, out)?;
                }
            }
        }
        Ok(())
    }

    fn pipeline(&self, pipeline: &Pipeline) -> Result<Value<'v>, TemplateError> {
        // Nearly all are one field.
        if let [Command { function: None, operands, .. }] = &pipeline.commands[..]
            && let [operand] = &operands[..]
        {
            return self.operand(operand);
        }
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, piped)?);
        }
        Ok(piped.expect("a parsed pipeline has a command"))
    }

    fn command(
        &self,
        command: &Command,
        piped: Option<Value<'v>>,
    ) -> Result<Value<'v>, TemplateError> {
        let mut arguments = Vec::with_capacity(command.operands.len() + 1);
        for operand in &command.operands {
            arguments.push((operand.at, self.operand(operand)?));
        }
        arguments.extend(piped.map(|value| (command.at, value)));
        match command.function {
            None => Ok(arguments.swap_remove(0).1),
            Some(function) => self.call(function, command.at, arguments),
        }
    }

    fn operand(&self, operand: &Operand) -> Result<Value<'v>, TemplateError> {
        match &operand.kind {
            OperandKind::Text(text) => Ok(Value::Text(Cow::Owned(text.clone()))),
            OperandKind::Number(number) => Ok(Value::Number(*number)),
            OperandKind::Bool(value) => Ok(Value::Bool(*value)),
            OperandKind::Group(pipeline) => self.pipeline(pipeline),
            OperandKind::Field(names) => self.field(names),
        }
    }

    fn field(&self, names: &[(usize, String)]) -> Result<Value<'v>, TemplateError> {
        let (at, name) = &names[0];
        let (map, value) = match name.as_str() {
            "Labels" => ("Labels", Value::Map("Labels", &self.vars.labels)),
            "Vars" => ("Vars", Value::Map("Vars", &self.vars.values)),
            name => {
                let Some(value) = self.vars.fields.get(name) else {
                    let mut error = self.fault(*at, format!("unknown key .{name}"));
                    let known = self.vars.fields.keys().map(AsRef::as_ref);
                    let near = nearest(name, known.chain(["Labels", "Vars"]));
                    error.hint = near.map(|near| format!(".{near}"));
                    return Err(error);
                };
                ("", Value::Text(Cow::Borrowed(value.as_ref())))
            }
        };
        match (names.get(1), value) {
            (None, value) => Ok(value),
            (Some((at, key)), Value::Map(_, values)) => {
                if let Some((deeper, _)) = names.get(2) {
                    return Err(self.fault(*deeper, format!(".{map}.{key} has no keys of its own")));
                }
                Ok(Self::entry(map, values, key, *at))
            }
            (Some((at, _)), _) => Err(self.fault(*at, format!(".{name} has no keys of its own"))),
        }
    }

    fn entry(
        map: &'static str,
        values: &'v BTreeMap<String, String>,
        key: &str,
        at: usize,
    ) -> Value<'v> {
        if let Some(value) = values.get(key) {
            return Value::Text(Cow::Borrowed(value.as_str()));
        }
        Value::Absent(Absent { map, values, key: key.to_owned(), at })
    }

    fn unknown(&self, Absent { map, values, key, at }: Absent<'v>) -> TemplateError {
        let spelled = |key: &str| match key.chars().all(|c| c == '_' || c.is_alphanumeric()) {
            true => format!(".{map}.{key}"),
            false => format!("(index .{map} {key:?})"),
        };
        let mut error = self.fault(at, format!("unknown key {}", spelled(&key)));
        error.hint = nearest(&key, values.keys().map(String::as_str)).map(|near| spelled(&near));
        error
    }

    fn text_of(&self, value: Value<'v>, at: usize) -> Result<Cow<'v, str>, TemplateError> {
        match value {
            Value::Text(text) => Ok(text),
            Value::Number(number) => Ok(Cow::Owned(number.to_string())),
            Value::Bool(value) => Ok(Cow::Borrowed(if value { "true" } else { "false" })),
            Value::Absent(absent) => Err(self.unknown(absent)),
            Value::Map(name, _) => {
                let message = format!(".{name} holds many values: name one, as in .{name}.key");
                Err(self.fault(at, message))
            }
        }
    }

    fn call(
        &self,
        function: Function,
        at: usize,
        mut arguments: Vec<(usize, Value<'v>)>,
    ) -> Result<Value<'v>, TemplateError> {
        let last = arguments.pop().expect("a parsed call has its arguments");
        let text = |(at, value): (usize, Value<'v>)| self.text_of(value, at);
        Ok(match function {
            Function::Upper => self.upper(&text(last)?, at)?,
            Function::Lower => self.lower(&text(last)?, at)?,
            Function::Trim => {
                let text = text(last)?;
                let inner = text.trim();
                self.paid(inner.len(), at, || inner.to_owned())?
            }
            Function::Quote => {
                let text = text(last)?;
                let make = || serde_json::Value::from(text.as_ref()).to_string();
                self.paid(quoted_len(&text), at, make)?
            }
            Function::Not => Value::Bool(!last.1.is_true()),
            Function::Default => {
                if last.1.is_true() {
                    last.1
                } else {
                    arguments.swap_remove(0).1
                }
            }
            Function::Index => {
                let (map_at, map) = arguments.swap_remove(0);
                let Value::Map(name, values) = map else {
                    return Err(self.fault(map_at, "index takes .Labels or .Vars and a key"));
                };
                let key_at = last.0;
                Self::entry(name, values, &text(last)?, key_at)
            }
            Function::Eq | Function::Ne => {
                let (first_at, first) = match arguments.is_empty() {
                    true => return Err(self.fault(at, "nothing to compare with")),
                    false => arguments.remove(0),
                };
                let first = self.text_of(first, first_at)?;
                let mut same = false;
                for other in arguments.into_iter().chain([last]) {
                    same |= text(other)? == first;
                }
                Value::Bool(same == (function == Function::Eq))
            }
            Function::And => {
                let all = arguments.into_iter().chain([last]).map(|(_, value)| value);
                first_or_last(all, |value| !value.is_true())
            }
            Function::Or => {
                let all = arguments.into_iter().chain([last]).map(|(_, value)| value);
                first_or_last(all, Value::is_true)
            }
            Function::Replace => {
                let to = text(arguments.swap_remove(1))?;
                let from = text(arguments.swap_remove(0))?;
                let text = text(last)?;
                let times = text.matches(&*from).count();
                let kept = text.len() - times * from.len();
                let len = kept.saturating_add(times.saturating_mul(to.len()));
                self.paid(len, at, || text.replace(&*from, &to))?
            }
        })
    }

    fn upper(&self, text: &str, at: usize) -> Result<Value<'v>, TemplateError> {
        let len = text.chars().flat_map(char::to_uppercase).map(char::len_utf8).sum();
        self.paid(len, at, || text.to_uppercase())
    }

    fn lower(&self, text: &str, at: usize) -> Result<Value<'v>, TemplateError> {
        let len = text.chars().flat_map(char::to_lowercase).map(char::len_utf8).sum();
        self.paid(len, at, || text.to_lowercase())
    }

    /// A value of so many bytes, checked before it is made.
    fn paid(
        &self,
        len: usize,
        at: usize,
        make: impl FnOnce() -> String,
    ) -> Result<Value<'v>, TemplateError> {
        if len > VALUE_BYTES_MAX {
            return Err(self.fault(at, "the value is larger than 1 MiB"));
        }
        let left = self.left.get().checked_sub(len);
        self.left.set(left.ok_or_else(|| self.fault(at, "all values are larger than 16 MiB"))?);
        Ok(Value::Text(Cow::Owned(make())))
    }
}

/// Bytes of a text as a JSON string.
pub(super) fn quoted_len(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(of).sum::<usize>() + 2
}

/// The first value that decides, or the last one: what Go's `and` and `or` give.
fn first_or_last<'v>(
    values: impl Iterator<Item = Value<'v>>,
    decides: impl Fn(&Value<'v>) -> bool,
) -> Value<'v> {
    let mut last = Value::Bool(false);
    for value in values {
        if decides(&value) {
            return value;
        }
        last = value;
    }
    last
}
