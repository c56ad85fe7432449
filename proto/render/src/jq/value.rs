//! The values of an evaluation. Arrays and objects know how large and how deep they are, so that no
//! expression can build what cannot be written; every operation pays the [`Meter`].

use std::{cmp::Ordering, fmt, sync::Arc};

use indexmap::IndexMap;

use super::{
    meter::{Meter, Stop, VALUE_BYTES_MAX},
    number::Number,
};
use crate::json_edit::{Json, escape};

/// Deepest nesting: that of any JSON that we read.
pub const DEPTH_MAX: u32 = 256;

/// An error of an evaluation.
pub(super) type Error = jaq_core::Error<Jv>;
/// A value or an error.
pub(super) type Result = std::result::Result<Jv, Error>;

/// Items with their weight.
#[derive(Debug, Default)]
pub(super) struct Array {
    pub(super) items: Vec<Jv>,
    weight: Weight,
}

/// Members in order with their weight.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) members: IndexMap<Arc<str>, Jv>,
    weight: Weight,
}

/// Memory of an item and of a member, with its share of the index.
const ITEM_BYTES: usize = 24;
const MEMBER_BYTES: usize = 72;

impl Clone for Array {
    fn clone(&self) -> Self {
        Meter::take(self.items.len() * ITEM_BYTES);
        Self { items: self.items.clone(), weight: self.weight }
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        Meter::take(self.members.len() * MEMBER_BYTES);
        Self { members: self.members.clone(), weight: self.weight }
    }
}

/// Bytes as written, at least, and levels of nesting, at most.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    bytes: u64,
    depth: u32,
}

impl Weight {
    fn add(&mut self, extra: u64, child: &Jv) {
        let below = child.weight();
        self.bytes = self.bytes.saturating_add(below.bytes + extra);
        self.depth = self.depth.max(below.depth + 1);
        if self.bytes > VALUE_BYTES_MAX {
            Meter::stop(Stop::Size);
        }
        if self.depth > DEPTH_MAX {
            Meter::stop(Stop::Depth);
        }
    }
}

/// A value.
#[derive(Debug)]
pub(super) enum Jv {
    Null,
    Bool(bool),
    Num(Number),
    Str(Arc<str>),
    Arr(Arc<Array>),
    Obj(Arc<Object>),
}

impl Clone for Jv {
    fn clone(&self) -> Self {
        Meter::pay(1);
        match self {
            Jv::Null => Jv::Null,
            Jv::Bool(value) => Jv::Bool(*value),
            Jv::Num(number) => Jv::Num(number.clone()),
            Jv::Str(text) => Jv::Str(Arc::clone(text)),
            Jv::Arr(array) => Jv::Arr(Arc::clone(array)),
            Jv::Obj(object) => Jv::Obj(Arc::clone(object)),
        }
    }
}

impl Jv {
    fn weight(&self) -> Weight {
        match self {
            // At least what `null` takes: in memory a value is six times as large.
            Jv::Null | Jv::Bool(_) => Weight { bytes: 4, depth: 0 },
            Jv::Num(number) => Weight { bytes: number.bytes().max(4) as u64, depth: 0 },
            Jv::Str(text) => Weight { bytes: text.len() as u64 + 2, depth: 0 },
            Jv::Arr(array) => array.weight,
            Jv::Obj(object) => object.weight,
        }
    }

    /// Bytes as written, at least.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.weight().bytes).unwrap_or(usize::MAX)
    }

    pub(super) fn text(text: &str) -> Self {
        Meter::pay_bytes(text.len());
        Meter::take(text.len());
        if text.len() as u64 > VALUE_BYTES_MAX {
            Meter::stop(Stop::Size);
        }
        Jv::Str(text.into())
    }

    pub(super) fn array(items: impl IntoIterator<Item = Jv>) -> Self {
        let mut array = Array { items: Vec::new(), weight: Weight { bytes: 2, depth: 1 } };
        items.into_iter().for_each(|item| array.push(item));
        Jv::Arr(Arc::new(array))
    }

    pub(super) fn object(members: impl IntoIterator<Item = (Arc<str>, Jv)>) -> Self {
        let mut object = Object { members: IndexMap::new(), weight: Weight { bytes: 2, depth: 1 } };
        for (key, value) in members {
            object.insert(key, value);
        }
        Jv::Obj(Arc::new(object))
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Jv::Null => "null",
            Jv::Bool(_) => "a boolean",
            Jv::Num(_) => "a number",
            Jv::Str(_) => "a string",
            Jv::Arr(_) => "an array",
            Jv::Obj(_) => "an object",
        }
    }

    /// What an error with this value says: its own text if it is one.
    pub(super) fn message(&self) -> String {
        match self {
            Jv::Str(text) => text.to_string(),
            other => format!("it ended with {}", other.kind()),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            Jv::Null => Json::Null,
            Jv::Bool(value) => Json::Bool(*value),
            Jv::Num(number) => match number.spelled() {
                spelled if spelled == "null" => Json::Null,
                spelled => Json::Number(spelled),
            },
            Jv::Str(text) => Json::String(text.to_string()),
            Jv::Arr(array) => Json::Array(array.items.iter().map(Jv::to_json).collect()),
            Jv::Obj(object) => Json::Object(
                object.members.iter().map(|(k, v)| (k.to_string(), v.to_json())).collect(),
            ),
        }
    }

    /// As JSON on one line.
    pub(super) fn written(&self) -> String {
        Meter::pay_bytes(self.bytes());
        let mut out = String::with_capacity(self.bytes());
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        let quoted = |text: &str, out: &mut String| {
            out.push('"');
            escape(text, false, out);
            out.push('"');
        };
        match self {
            Jv::Null => out.push_str("null"),
            Jv::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Jv::Num(number) => out.push_str(&number.spelled()),
            Jv::Str(text) => quoted(text, out),
            Jv::Arr(array) => {
                out.push('[');
                for (at, item) in array.items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Jv::Obj(object) => {
                out.push('{');
                for (at, (key, value)) in object.members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quoted(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Jv::Null => 0,
            Jv::Bool(false) => 1,
            Jv::Bool(true) => 2,
            Jv::Num(_) => 3,
            Jv::Str(_) => 4,
            Jv::Arr(_) => 5,
            Jv::Obj(_) => 6,
        }
    }
}

impl Array {
    /// Puts an item at the end.
    pub(super) fn push(&mut self, item: Jv) {
        Meter::pay(1);
        Meter::take(ITEM_BYTES);
        self.weight.add(1, &item);
        self.items.push(item);
    }

    /// Puts an item in the place of another. The weight only grows: it is a bound.
    pub(super) fn replace(&mut self, at: usize, item: Jv) {
        self.weight.add(1, &item);
        self.items[at] = item;
    }
}

impl Object {
    /// Sets a member.
    pub(super) fn insert(&mut self, key: Arc<str>, value: Jv) {
        Meter::pay_bytes(key.len());
        Meter::take(MEMBER_BYTES);
        self.weight.add(key.len() as u64 + 4, &value);
        self.members.insert(key, value);
    }

    /// Members sorted by key.
    fn sorted(&self) -> Vec<(&Arc<str>, &Jv)> {
        Meter::pay(self.members.len() as u64);
        let mut all: Vec<_> = self.members.iter().collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }
}

impl From<&Json> for Jv {
    fn from(value: &Json) -> Self {
        match value {
            Json::Null => Jv::Null,
            Json::Bool(value) => Jv::Bool(*value),
            Json::Number(spelled) => Jv::Num(Number::of(spelled)),
            Json::String(text) => Jv::text(text),
            Json::Array(items) => Jv::array(items.iter().map(Jv::from)),
            Json::Object(members) => {
                Jv::object(members.iter().map(|(k, v)| (k.as_str().into(), Jv::from(v))))
            }
        }
    }
}

/// Names the kind only: errors must not carry what a file holds, which may be a secret.
impl fmt::Display for Jv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl PartialEq for Jv {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Jv {}

#[expect(
    clippy::non_canonical_partial_ord_impl,
    reason = "jq compares what is no number differently than it sorts it"
)]
impl PartialOrd for Jv {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        // jq: what is no number is smaller than itself.
        if let (Jv::Num(a), Jv::Num(_)) = (self, other)
            && a.float().is_nan()
        {
            return Some(Ordering::Less);
        }
        Some(self.cmp(other))
    }
}

impl Ord for Jv {
    fn cmp(&self, other: &Self) -> Ordering {
        Meter::pay(1);
        match (self, other) {
            (Jv::Num(a), Jv::Num(b)) => a.order(b),
            (Jv::Str(a), Jv::Str(b)) => {
                Meter::pay_bytes(a.len().min(b.len()));
                a.cmp(b)
            }
            (Jv::Arr(a), Jv::Arr(b)) => a.items.cmp(&b.items),
            (Jv::Obj(a), Jv::Obj(b)) => {
                let (a, b) = (a.sorted(), b.sorted());
                let keys = a.iter().map(|(key, _)| key).cmp(b.iter().map(|(key, _)| key));
                keys.then_with(|| a.iter().map(|(_, v)| v).cmp(b.iter().map(|(_, v)| v)))
            }
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}
