//! What a template is once it is read: text and actions with their places.

use super::function::Function;

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template<'t> {
    pub(super) text: &'t str,
    pub(super) nodes: Vec<Node<'t>>,
}

#[derive(Debug, Clone)]
pub(super) enum Node<'t> {
    Text(&'t str),
    Print(Pipeline),
    If { branches: Vec<(Pipeline, Vec<Node<'t>>)>, otherwise: Vec<Node<'t>> },
}

/// Commands, each given the result of the one before as its last argument.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub(super) at: usize,
    pub(super) commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) function: Option<Function>,
    pub(super) operands: Vec<Operand>,
}

#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) kind: OperandKind,
}

#[derive(Debug, Clone)]
pub(super) enum OperandKind {
    /// Names with the offset of each one's dot.
    Field(Vec<(usize, String)>),
    Text(String),
    Number(i64),
    Bool(bool),
    Group(Pipeline),
}
