//! JSON text to spans. Strict (RFC 8259), bounded in size and depth, without a copy of the text.

use millwright_model::template::Position;

use super::document::{BYTES_MAX, DEPTH_MAX, JsonFault, Kind, NONE, Node};

/// One value and white space around it, its root first.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, JsonFault> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, nodes: Vec::new() };
    if text.len() > BYTES_MAX {
        return Err(parser.fault(0, "the text is larger than 64 MiB"));
    }
    if text.starts_with('\u{feff}') {
        return Err(parser.fault(0, "it begins with a byte order mark"));
    }
    parser.space();
    parser.value(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.fault(parser.at, "text after the value"));
    }
    Ok(parser.nodes)
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    nodes: Vec<Node>,
}

#[expect(clippy::cast_possible_truncation, reason = "a text has at most BYTES_MAX bytes")]
fn small(offset: usize) -> u32 {
    offset as u32
}

impl Parser<'_> {
    fn fault(&self, at: usize, message: &'static str) -> JsonFault {
        JsonFault { position: Position::of(self.text, at), message }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<u32, JsonFault> {
        let start = self.at;
        if depth > DEPTH_MAX {
            return Err(self.fault(start, "more than 256 levels of nesting"));
        }
        let id = small(self.nodes.len());
        let mut node = Node {
            kind: Kind::Null,
            start: small(start),
            end: 0,
            key_start: NONE,
            key_end: NONE,
            first: NONE,
            next: NONE,
        };
        self.nodes.push(node);
        node.kind = match self.peek() {
            Some(b'{') => {
                node.first = self.container(depth, b'}', true)?;
                Kind::Object
            }
            Some(b'[') => {
                node.first = self.container(depth, b']', false)?;
                Kind::Array
            }
            Some(b'"') => {
                self.string()?;
                Kind::String
            }
            Some(b't') => self.word("true", Kind::Bool)?,
            Some(b'f') => self.word("false", Kind::Bool)?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            Some(_) => return Err(self.fault(start, "a value was expected")),
            None => return Err(self.fault(start, "the text ends where a value was expected")),
        };
        node.end = small(self.at);
        self.nodes[id as usize] = node;
        Ok(id)
    }

    /// Members or items up to the closing byte; the id of the first.
    fn container(&mut self, depth: usize, close: u8, keyed: bool) -> Result<u32, JsonFault> {
        self.at += 1;
        let (mut first, mut last) = (NONE, NONE);
        loop {
            self.space();
            if self.peek() == Some(close) && first == NONE {
                break;
            }
            let key_start = self.at;
            let mut key_end = self.at;
            if keyed {
                if self.peek() != Some(b'"') {
                    return Err(self.fault(self.at, "a key in quotes was expected"));
                }
                self.string()?;
                key_end = self.at;
                self.space();
                if self.peek() != Some(b':') {
                    return Err(self.fault(self.at, "':' was expected"));
                }
                self.at += 1;
                self.space();
            }
            let id = self.value(depth + 1)?;
            if keyed {
                let node = &mut self.nodes[id as usize];
                (node.key_start, node.key_end) = (small(key_start), small(key_end));
            }
            if first == NONE {
                first = id;
            } else {
                self.nodes[last as usize].next = id;
            }
            last = id;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => break,
                Some(_) => return Err(self.fault(self.at, "',' or the end was expected")),
                None => return Err(self.fault(self.at, "the text ends inside an object or array")),
            }
        }
        self.at += 1;
        Ok(first)
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, JsonFault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.fault(self.at, "a value was expected"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn string(&mut self) -> Result<(), JsonFault> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.fault(start, "the string is never closed")),
                Some(b'"') => break,
                Some(b'\\') => {
                    let escape = self.at;
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                        Some(b'u') => {
                            let digits = self.bytes.get(self.at + 1..self.at + 5);
                            if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                                return Err(self.fault(escape, "'\\u' needs four hex digits"));
                            }
                            self.at += 4;
                        }
                        Some(_) | None => return Err(self.fault(escape, "unknown escape")),
                    }
                    self.at += 1;
                }
                Some(0..=0x1f) => {
                    return Err(self.fault(self.at, "a raw control character in a string"));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault(start, "a digit was expected")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.fault(self.at, "a number does not begin with 0"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }
}
