//! Reading files: multi-document YAML or JSON, every error of a file at once, each with line,
//! column, and what was probably meant.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::{Validator, error::ValidationErrorKind};
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};

mod check;

use self::check::check;
use super::{API_VERSION, Kind, Resource, schema};
use crate::template::nearest;

/// Largest file.
const FILE_BYTES_MAX: usize = 4 << 20;
/// Deepest nesting.
const DEPTH_MAX: usize = 64;

/// One fault in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    /// As given.
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// 1-based.
    pub column: usize,
    /// Path of the field, such as `spec.stages[0].name`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ", did you mean {hint:?}?"),
            None => Ok(()),
        }
    }
}

/// JSON that is no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidResource(pub String);

type Positions = BTreeMap<String, (usize, usize)>;

/// One resource from JSON; the first few faults are in the message.
pub(super) fn from_json(bytes: &[u8]) -> Result<Resource, InvalidResource> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| InvalidResource(error.to_string()))?;
    decode(&value).map_err(|faults| {
        let text: Vec<String> = faults.iter().take(5).map(Fault::text).collect();
        InvalidResource(text.join("; "))
    })
}

/// All resources of a file, or all its errors.
pub fn parse_documents(text: &str, file: &str) -> Result<Vec<Resource>, Vec<SourceError>> {
    let at = |line, column, message: String| SourceError {
        file: file.to_owned(),
        line,
        column,
        path: String::new(),
        message,
        hint: None,
    };
    if text.len() > FILE_BYTES_MAX {
        return Err(vec![at(1, 1, format!("the file has more than {FILE_BYTES_MAX} bytes"))]);
    }
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let marker = error.marker();
        vec![at(marker.line(), marker.col() + 1, error.info().to_owned())]
    })?;
    let (mut resources, mut errors) = (Vec::new(), Vec::new());
    for document in &documents {
        let mut positions = Positions::new();
        let value = match convert(document, "", 0, &mut positions) {
            Ok(Value::Null) => continue,
            Ok(value) => value,
            Err((line, column, message)) => {
                errors.push(at(line, column, message));
                continue;
            }
        };
        match decode(&value) {
            Ok(resource) => resources.push(resource),
            Err(faults) => errors.extend(faults.into_iter().map(|fault| {
                let (line, column) = position(&positions, &fault.pointer);
                let path = spelled(&fault.pointer);
                let Fault { message, hint, .. } = fault;
                SourceError { file: file.to_owned(), line, column, path, message, hint }
            })),
        }
    }
    errors.sort_by_key(|error| (error.line, error.column));
    if errors.is_empty() { Ok(resources) } else { Err(errors) }
}

/// The position of a pointer, or of the nearest thing above it.
fn position(positions: &Positions, pointer: &str) -> (usize, usize) {
    let mut pointer = pointer;
    loop {
        if let Some(found) = positions.get(pointer) {
            return *found;
        }
        match pointer.rsplit_once('/') {
            Some((above, _)) => pointer = above,
            None => return (1, 1),
        }
    }
}

/// `/spec/stages/0/name` as `spec.stages[0].name`.
fn spelled(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        if part.chars().all(|c| c.is_ascii_digit()) && !part.is_empty() {
            out.push_str(&format!("[{part}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&unescape(part));
        }
    }
    out
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

type Misplaced = (usize, usize, String);

fn convert(
    node: &MarkedYaml<'_>,
    pointer: &str,
    depth: usize,
    positions: &mut Positions,
) -> Result<Value, Misplaced> {
    let (line, column) = (node.span.start.line(), node.span.start.col() + 1);
    positions.entry(pointer.to_owned()).or_insert((line, column));
    let refuse = |message: &str| Err((line, column, message.to_owned()));
    if depth > DEPTH_MAX {
        return refuse("nested too deeply");
    }
    match &node.data {
        YamlData::Value(scalar) => Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => Value::Bool(*value),
            Scalar::Integer(value) => Value::from(*value),
            Scalar::FloatingPoint(value) => Value::from(value.into_inner()),
            Scalar::String(text) => Value::from(text.as_ref()),
        }),
        YamlData::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                list.push(convert(item, &format!("{pointer}/{at}"), depth + 1, positions)?);
            }
            Ok(Value::Array(list))
        }
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let start = (key.span.start.line(), key.span.start.col() + 1);
                let YamlData::Value(Scalar::String(name)) = &key.data else {
                    return Err((start.0, start.1, "a key must be text".to_owned()));
                };
                let below = format!("{pointer}/{}", escape(name));
                // A fault in a field is shown at its name.
                positions.insert(below.clone(), start);
                let value = convert(value, &below, depth + 1, positions)?;
                if map.insert(name.to_string(), value).is_some() {
                    return Err((start.0, start.1, format!("the key {name:?} occurs twice")));
                }
            }
            Ok(Value::Object(map))
        }
        YamlData::Alias(_) => refuse("anchors and aliases are not supported"),
        YamlData::Tagged(..) => refuse("tags are not supported"),
        YamlData::Representation(..) | YamlData::BadValue => refuse("this value cannot be read"),
    }
}

/// The schema of a kind, ready for use.
struct Rules {
    schema: Value,
    validator: Validator,
}

/// Compiled once: every resource that is applied or read back from the log passes through here, and
/// compiling a schema takes a hundred times as long as using it.
static RULES: LazyLock<BTreeMap<Kind, Rules>> = LazyLock::new(|| {
    let ready = |kind: Kind| {
        let schema = schema(kind);
        let validator = jsonschema::validator_for(&schema).expect("our own schemas are valid");
        (kind, Rules { schema, validator })
    };
    Kind::ALL.into_iter().filter(|kind| kind.is_written()).map(ready).collect()
});

struct Fault {
    pointer: String,
    message: String,
    hint: Option<String>,
}

impl Fault {
    fn new(pointer: &str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), message: message.into(), hint: None }
    }

    fn text(&self) -> String {
        let hint = self.hint.as_ref().map(|h| format!(", did you mean {h:?}?")).unwrap_or_default();
        format!("{}: {}{hint}", spelled(&self.pointer), self.message)
    }
}

fn decode(value: &Value) -> Result<Resource, Vec<Fault>> {
    let Some(object) = value.as_object() else {
        return Err(vec![Fault::new(
            "",
            "a resource is a mapping with apiVersion, kind, metadata, spec",
        )]);
    };
    let kind = match object.get("kind").and_then(Value::as_str) {
        None => return Err(vec![Fault::new("/kind", "kind is missing")]),
        Some(word) => Kind::ALL.into_iter().find(|kind| kind.as_str() == word && kind.is_written()),
    };
    let Some(kind) = kind else {
        let written = Kind::ALL.into_iter().filter(|kind| kind.is_written()).map(Kind::as_str);
        let word = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let mut fault = Fault::new("/kind", format!("{word:?} is no kind that can be applied"));
        fault.hint = nearest(word, written);
        return Err(vec![fault]);
    };
    let faults = RULES.get(&kind).map(|rules| schema_faults(rules, value)).unwrap_or_default();
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut plain = object.clone();
    for extra in ["apiVersion", "status", "kind"] {
        plain.remove(extra);
    }
    let resource = typed(kind, Value::Object(plain)).map_err(|fault| vec![fault])?;
    check(&resource).map_err(|fault| vec![fault])?;
    Ok(resource)
}

fn typed(kind: Kind, value: Value) -> Result<Resource, Fault> {
    fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Fault> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let pointer: String = error.path().iter().map(|part| format!("/{part}")).collect();
            // `[0]` is how the path prints an index.
            let pointer = pointer.replace(['[', ']'], "");
            Fault::new(&pointer, error.inner().to_string())
        })
    }
    match kind {
        Kind::Repository => read(value).map(Resource::Repository),
        Kind::SyncProfile => read(value).map(Resource::SyncProfile),
        Kind::Gateway => read(value).map(Resource::Gateway),
        Kind::Fleet => read(value).map(Resource::Fleet),
        Kind::Operator => read(value).map(Resource::Operator),
        Kind::Secret => read(value).map(Resource::Secret),
        Kind::Rollout | Kind::JoinToken => Err(Fault::new("/kind", "made by the coordinator")),
    }
}

fn schema_faults(rules: &Rules, value: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    if rules.validator.is_valid(value) {
        return faults;
    }
    for error in rules.validator.iter_errors(value) {
        let pointer = error.instance_path().to_string();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = fields_at(&rules.schema, &pointer);
                for field in unexpected {
                    let mut fault =
                        Fault::new(&format!("{pointer}/{}", escape(field)), "unknown field");
                    fault.hint = nearest(field, known.iter().map(String::as_str));
                    faults.push(fault);
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                faults.push(Fault::new(&pointer, format!("the field {name:?} is missing")));
            }
            ValidationErrorKind::Constant { .. } if pointer == "/apiVersion" => {
                faults.push(Fault::new(&pointer, format!("expected {API_VERSION:?}")));
            }
            _ => faults.push(Fault::new(&pointer, error.to_string())),
        }
    }
    faults
}

/// Names of the fields that a schema has at an instance path.
fn fields_at(rules: &Value, pointer: &str) -> Vec<String> {
    let mut node = rules;
    for part in pointer.split('/').skip(1) {
        let next = match node.get("items") {
            Some(items) if part.chars().all(|c| c.is_ascii_digit()) => Some(items),
            _ => node.get("properties").and_then(|fields| fields.get(unescape(part))),
        };
        match next {
            Some(next) => node = next,
            None => return Vec::new(),
        }
    }
    let fields = node.get("properties").and_then(Value::as_object);
    fields.map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
