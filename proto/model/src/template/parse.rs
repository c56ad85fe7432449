//! Text to a tree of actions. Positions are byte offsets into the text; nothing is evaluated here.

use super::{
    BYTES_MAX, DEPTH_MAX, TemplateError,
    function::{Function, known_functions},
    nearest,
    tree::{Command, Node, Operand, OperandKind, Pipeline, Template},
};

/// What ended a list of nodes.
enum Stop {
    Text,
    End,
    Else,
    ElseIf(Pipeline),
}

impl<'t> Template<'t> {
    /// Reads a text.
    pub fn parse(text: &'t str) -> Result<Self, TemplateError> {
        if text.len() > BYTES_MAX {
            return Err(TemplateError::new(text, 0, "the template is larger than 16 MiB"));
        }
        let mut parser = Parser { text, at: 0, action: 0, trim: false, opened: Vec::new() };
        let (nodes, stop) = parser.nodes()?;
        match stop {
            Stop::Text => Ok(Self { text, nodes }),
            Stop::End | Stop::Else | Stop::ElseIf(_) => {
                Err(parser.fault(parser.action, "there is no 'if' that this belongs to"))
            }
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// Offset of the `{{` of the action in hand.
    action: usize,
    /// The action before ended in a trim marker.
    trim: bool,
    /// Offsets of the `if` actions that are open.
    opened: Vec<usize>,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

impl<'t> Parser<'t> {
    fn fault(&self, at: usize, message: impl Into<String>) -> TemplateError {
        TemplateError::new(self.text, at, message)
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(is_space).len();
    }

    /// Nodes up to the end of the text or to an action that closes a branch.
    fn nodes(&mut self) -> Result<(Vec<Node<'t>>, Stop), TemplateError> {
        let mut nodes = Vec::new();
        loop {
            let mut plain = self.rest();
            let open = plain.find("{{");
            plain = &plain[..open.unwrap_or(plain.len())];
            self.at += plain.len();
            if self.trim {
                plain = plain.trim_start_matches(is_space);
            }
            let Some(_) = open else {
                nodes.push(Node::Text(plain));
                if let Some(opened) = self.opened.last() {
                    return Err(self.fault(*opened, "this 'if' has no {{end}}"));
                }
                return Ok((nodes, Stop::Text));
            };
            self.action = self.at;
            self.at += 2;
            let mut after = self.rest().chars();
            if after.next() == Some('-') && after.next().is_some_and(is_space) {
                self.at += 1;
                plain = plain.trim_end_matches(is_space);
            }
            if !plain.is_empty() {
                nodes.push(Node::Text(plain));
            }
            self.space();
            if self.rest().starts_with("/*") {
                self.comment()?;
                continue;
            }
            match self.keyword() {
                Some("end") => {
                    self.close()?;
                    return Ok((nodes, Stop::End));
                }
                Some("else") => {
                    self.space();
                    if self.keyword() == Some("if") {
                        let condition = self.pipeline(0)?;
                        self.close()?;
                        return Ok((nodes, Stop::ElseIf(condition)));
                    }
                    self.close()?;
                    return Ok((nodes, Stop::Else));
                }
                Some("if") => nodes.push(self.branches()?),
                Some(_) | None => {
                    let pipeline = self.pipeline(0)?;
                    self.close()?;
                    nodes.push(Node::Print(pipeline));
                }
            }
        }
    }

    fn branches(&mut self) -> Result<Node<'t>, TemplateError> {
        let opened = self.action;
        if self.opened.len() >= DEPTH_MAX {
            return Err(self.fault(opened, "more than 32 levels of 'if'"));
        }
        let mut condition = self.pipeline(0)?;
        self.close()?;
        self.opened.push(opened);
        let (mut branches, mut otherwise) = (Vec::new(), Vec::new());
        loop {
            let (body, stop) = self.nodes()?;
            match stop {
                Stop::End => {
                    branches.push((condition, body));
                    break;
                }
                Stop::ElseIf(next) => {
                    branches.push((std::mem::replace(&mut condition, next), body));
                }
                Stop::Else => {
                    branches.push((condition, body));
                    let (body, stop) = self.nodes()?;
                    match stop {
                        Stop::End => otherwise = body,
                        Stop::Else | Stop::ElseIf(_) => {
                            return Err(self.fault(self.action, "'else' comes last, and once"));
                        }
                        Stop::Text => return Err(self.fault(opened, "this 'if' has no {{end}}")),
                    }
                    break;
                }
                Stop::Text => return Err(self.fault(opened, "this 'if' has no {{end}}")),
            }
        }
        self.opened.pop();
        Ok(Node::If { branches, otherwise })
    }

    fn comment(&mut self) -> Result<(), TemplateError> {
        let Some(len) = self.rest().find("*/") else {
            return Err(self.fault(self.action, "the comment is never closed"));
        };
        self.at += len + 2;
        self.close()
    }

    /// The end of an action, with its trim marker.
    fn close(&mut self) -> Result<(), TemplateError> {
        let before = self.at;
        self.space();
        let spaced = self.at > before || self.text[..self.at].ends_with(is_space);
        self.trim = spaced && self.rest().starts_with("-}}");
        if self.trim {
            self.at += 1;
        }
        if self.rest().starts_with("}}") {
            self.at += 2;
            return Ok(());
        }
        match self.rest().chars().next() {
            None => Err(self.fault(self.action, "'{{' is never closed")),
            Some(')') => Err(self.fault(self.at, "')' without '('")),
            Some(c) => Err(self.fault(self.at, format!("unexpected {c:?}"))),
        }
    }

    /// A keyword, taken; anything else stays.
    fn keyword(&mut self) -> Option<&'static str> {
        let word = self.word();
        let found = ["if", "else", "end"].into_iter().find(|keyword| *keyword == word)?;
        self.at += found.len();
        Some(found)
    }

    /// The identifier at this place, not taken.
    fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c == '_' || c.is_alphanumeric())).unwrap_or(rest.len());
        &rest[..end]
    }

    fn pipeline(&mut self, depth: usize) -> Result<Pipeline, TemplateError> {
        self.space();
        let at = self.at;
        let mut commands = Vec::new();
        loop {
            let command = self.command(depth)?;
            if !commands.is_empty() && command.function.is_none() {
                return Err(self.fault(command.at, "only a function can follow '|'"));
            }
            commands.push(command);
            self.space();
            if !self.rest().starts_with('|') {
                break;
            }
            self.at += 1;
        }
        for (place, command) in commands.iter().enumerate() {
            command.check(self.text, place > 0)?;
        }
        Ok(Pipeline { at, commands })
    }

    fn command(&mut self, depth: usize) -> Result<Command, TemplateError> {
        self.space();
        let at = self.at;
        let word = self.word();
        let is_name = word.starts_with(|c: char| c == '_' || c.is_alphabetic());
        let function = if is_name && !matches!(word, "true" | "false") {
            let function = Function::named(word).ok_or_else(|| self.unknown(at, word))?;
            self.at += word.len();
            Some(function)
        } else {
            None
        };
        let mut operands = Vec::new();
        loop {
            let before = self.at;
            self.space();
            match self.rest().chars().next() {
                None => return Err(self.fault(self.action, "'{{' is never closed")),
                Some('|' | ')' | '}') => break,
                Some('-') if self.rest().starts_with("-}}") => break,
                Some(_) => {}
            }
            if before == self.at && (function.is_some() || !operands.is_empty()) {
                return Err(self.fault(self.at, "a space was expected"));
            }
            operands.push(self.operand(depth)?);
        }
        if function.is_none() && operands.is_empty() {
            return Err(self.fault(at, "a key such as .Site or a function was expected"));
        }
        Ok(Command { at, function, operands })
    }

    fn unknown(&self, at: usize, word: &str) -> TemplateError {
        let unsupported = ["range", "with", "define", "template", "block", "break", "continue"];
        if unsupported.contains(&word) {
            return self.fault(at, format!("'{word}' is not supported"));
        }
        if matches!(word, "if" | "else" | "end") {
            return self.fault(at, format!("'{word}' stands alone in its braces"));
        }
        let mut error = self.fault(at, format!("unknown function {word}"));
        error.hint = nearest(word, known_functions());
        // `{{Site}}` is what people write who come from other engines.
        let fields =
            ["GatewayName", "Site", "Member", "Ref", "Commit", "ShortCommit", "Labels", "Vars"];
        if fields.contains(&word) {
            error.hint = Some(format!(".{word}"));
        }
        error
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, TemplateError> {
        let at = self.at;
        let kind = match self.rest().chars().next() {
            Some('.') => OperandKind::Field(self.field()?),
            Some('"') => OperandKind::Text(self.quoted()?),
            Some('`') => {
                let inner = &self.rest()[1..];
                let len = inner.find('`').ok_or_else(|| self.fault(at, "'`' is never closed"))?;
                self.at += len + 2;
                OperandKind::Text(inner[..len].to_owned())
            }
            Some('(') => {
                if depth >= DEPTH_MAX {
                    return Err(self.fault(at, "more than 32 levels of parentheses"));
                }
                self.at += 1;
                let inner = self.pipeline(depth + 1)?;
                if !self.rest().starts_with(')') {
                    return Err(self.fault(at, "'(' is never closed"));
                }
                self.at += 1;
                OperandKind::Group(inner)
            }
            Some('-' | '0'..='9') => {
                let digits = self.rest()[1..].find(|c: char| !c.is_ascii_digit());
                let len = digits.map_or(self.rest().len(), |digits| digits + 1);
                let number = self.rest()[..len].parse();
                self.at += len;
                OperandKind::Number(number.map_err(|_| self.fault(at, "not a whole number"))?)
            }
            Some('$') => return Err(self.fault(at, "variables are not supported")),
            Some(_) | None => match self.word() {
                word @ ("true" | "false") => {
                    self.at += word.len();
                    OperandKind::Bool(word == "true")
                }
                "" => return Err(self.fault(at, "a key such as .Site or a value was expected")),
                word if Function::named(word).is_some() => {
                    let message = format!("put the call of {word} in parentheses");
                    return Err(self.fault(at, message));
                }
                word => return Err(self.unknown(at, word)),
            },
        };
        Ok(Operand { at, kind })
    }

    fn field(&mut self) -> Result<Vec<(usize, String)>, TemplateError> {
        let mut names = Vec::new();
        while self.rest().starts_with('.') {
            let dot = self.at;
            self.at += 1;
            let name = self.word();
            if name.is_empty() {
                return Err(self.fault(dot, "a key was expected after '.'"));
            }
            self.at += name.len();
            names.push((dot, name.to_owned()));
        }
        let next = self.rest().chars().next();
        if next == Some('-') && !self.rest().starts_with("-}}") {
            let message = "a key with '-' is written (index .Labels \"my-key\")";
            return Err(self.fault(self.at, message));
        }
        Ok(names)
    }

    fn quoted(&mut self) -> Result<String, TemplateError> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + offset + 1;
                    return Ok(out);
                }
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, c @ ('"' | '\\'))) => out.push(c),
                    Some((_, 'u')) => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok();
                        let c = code.filter(|_| digits.len() == 4).and_then(char::from_u32);
                        let bad = || self.fault(start + offset, "'\\u' needs four hex digits");
                        out.push(c.ok_or_else(bad)?);
                    }
                    Some(_) | None => {
                        return Err(self.fault(start + offset, "unknown escape in the text"));
                    }
                },
                c => out.push(c),
            }
        }
        Err(self.fault(start, "the text's quote is never closed"))
    }
}
