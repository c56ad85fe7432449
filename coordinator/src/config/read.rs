//! Reads a TOML file key by key, so that every fault of it is found at once and each has its line and
//! column. It knows nothing of what the keys mean.

use std::str::FromStr;

use millwright_model::template::nearest;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Something wrong at a place of the text.
#[derive(Debug)]
struct Fault {
    /// Bytes before it.
    offset: usize,
    message: String,
}

/// The file in hand.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    text: &'t str,
    top: DeTable<'t>,
    sections: Vec<&'static str>,
    faults: Vec<Fault>,
}

/// A value that was read, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<T> {
    /// The value.
    pub(super) value: T,
    /// Bytes before it; of the section when the key is absent.
    pub(super) offset: usize,
}

impl<'t> Reader<'t> {
    /// Parses a text; what cannot be parsed is a fault, the rest is read all the same.
    pub(super) fn new(text: &'t str) -> Self {
        let (top, errors) = DeTable::parse_recoverable(text);
        let faults = errors
            .iter()
            .map(|error| Fault {
                offset: error.span().map_or(0, |span| span.start),
                message: error.message().to_owned(),
            })
            .collect();
        Self { text, top: top.into_inner(), sections: Vec::new(), faults }
    }

    /// The keys of one `[section]`; an absent one is empty.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_, 't> {
        self.sections.push(name);
        let (mut table, mut offset) = (DeTable::new(), 0);
        if let Some((_, value)) = self.top.remove_entry(name) {
            offset = value.span().start;
            match value.into_inner() {
                DeValue::Table(found) => table = found,
                other => self.fault(offset, format!("{name}: is {}, not a table", kind(&other))),
            }
        }
        Section { reader: self, name, table, offset, keys: Vec::new() }
    }

    /// Adds a fault.
    pub(super) fn fault(&mut self, offset: usize, message: String) {
        self.faults.push(Fault { offset, message });
    }

    /// Every fault in the order of the text, as `line 3, column 5: message`.
    pub(super) fn finish(mut self) -> Vec<String> {
        let sections = std::mem::take(&mut self.sections);
        for (key, _) in std::mem::take(&mut self.top) {
            let message = unknown("section or key", "", key.get_ref(), &sections);
            self.fault(key.span().start, message);
        }
        self.faults.sort_by_key(|fault| fault.offset);
        self.faults.iter().map(|fault| place(self.text, fault)).collect()
    }
}

fn place(text: &str, Fault { offset, message }: &Fault) -> String {
    let before = text.get(..*offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {message}")
}

fn unknown(what: &str, section: &str, key: &str, known: &[&'static str]) -> String {
    let hint = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", known.join(", ")),
    };
    format!("{section}{key}: unknown {what}; {hint}")
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// One `[section]`. Every key that may be in it must be asked for; [`Section::done`] finds the rest.
#[derive(Debug)]
pub(super) struct Section<'r, 't> {
    reader: &'r mut Reader<'t>,
    name: &'static str,
    table: DeTable<'t>,
    offset: usize,
    keys: Vec<&'static str>,
}

impl<'t> Section<'_, 't> {
    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.keys.push(key);
        self.table.remove_entry(key).map(|(_, value)| value)
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Found<T>> {
        let value = self.take(key)?;
        let offset = value.span().start;
        match read(value.get_ref()) {
            Ok(value) => Some(Found { value, offset }),
            Err(why) => {
                self.reader.fault(offset, format!("{}.{key}: {why}", self.name));
                None
            }
        }
    }

    /// A text that means a `T`. `None` when it is absent or wrong; the latter is a fault.
    pub(super) fn text<T: FromStr<Err: ToString>>(
        &mut self,
        key: &'static str,
    ) -> Option<Found<T>> {
        self.read(key, |value| text(value)?.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// As [`Section::text`]; absence is a fault too.
    pub(super) fn needed<T: FromStr<Err: ToString>>(
        &mut self,
        key: &'static str,
    ) -> Option<Found<T>> {
        if !self.table.contains_key(key) {
            self.keys.push(key);
            self.reader.fault(self.offset, format!("{}.{key}: is missing", self.name));
            return None;
        }
        self.text(key)
    }

    /// A list of texts; empty when absent.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let found = self.read(key, |value| match value {
            DeValue::Array(list) => {
                list.iter().map(|one| text(one.get_ref()).map(str::to_owned)).collect()
            }
            other => Err(format!("is {}, not a list of strings", kind(other))),
        });
        found.map(|found| found.value).unwrap_or_default()
    }

    /// A whole number, `default` when absent.
    pub(super) fn number(&mut self, key: &'static str, default: u64) -> Found<u64> {
        let found = self.read(key, |value| match value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| format!("{} is no whole number of at least 0", number.as_str())),
            other => Err(format!("is {}, not a whole number", kind(other))),
        });
        found.unwrap_or(Found { value: default, offset: self.offset })
    }

    /// Adds a fault about a key.
    pub(super) fn fault(&mut self, key: &'static str, offset: usize, why: &str) {
        self.reader.fault(offset, format!("{}.{key}: {why}", self.name));
    }

    /// Whatever nobody asked for is a fault.
    pub(super) fn done(self) {
        let Self { reader, name, table, keys, .. } = self;
        for (key, _) in table {
            let message = unknown("key", &format!("{name}."), key.get_ref(), &keys);
            reader.fault(key.span().start, message);
        }
    }
}

fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("is {}, not a string", kind(other))),
    }
}
