//! Paths below a gateway's data directory, and which of them are never touched.
//!
//! A `ManagedPath` is relative, normalised and legal on every platform we run on. The never-touch
//! list is compiled in: no mapping, option or person can lift it. Nothing here looks at a disk.

use std::{fmt, str::FromStr, sync::Arc};

use unicode_normalization::UnicodeNormalization;

use crate::digest::text_serde;

/// Longest path in characters: Windows refuses 248 and more below the data directory's own length.
pub const PATH_CHARS_MAX: usize = 230;

/// Text that is no managed path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} is refused: {why}")]
pub struct InvalidPath {
    /// As given, cut.
    pub path: String,
    /// The broken rule.
    pub why: &'static str,
}

/// A path below the data directory, `/`-separated. Cheap to clone: trees of ten thousand files stand in
/// several places at a time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManagedPath(Arc<str>);

const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

fn segment_fault(segment: &str) -> Option<&'static str> {
    if segment.is_empty() {
        return Some("it has an empty segment");
    }
    if segment == "." || segment == ".." {
        return Some("it has a '.' or '..' segment");
    }
    if segment.chars().any(|c| matches!(c, '\\' | '?' | '*' | ':' | '|' | '"' | '<' | '>' | '`')) {
        return Some("it has a character that Windows or Ignition forbids");
    }
    if segment.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    if segment.starts_with(' ') || segment.ends_with([' ', '.']) {
        return Some("a segment begins with a space or ends with a space or period");
    }
    let stem = segment.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    if DEVICES.contains(&stem.as_str()) {
        return Some("a segment is a device name on Windows");
    }
    None
}

impl ManagedPath {
    /// Checks and takes a path.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        let refuse = |why| InvalidPath { path: text.chars().take(260).collect(), why };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.starts_with('/') {
            return Err(refuse("it is absolute"));
        }
        if text.chars().count() > PATH_CHARS_MAX {
            return Err(refuse("it has more than 230 characters"));
        }
        match text.split('/').find_map(segment_fault) {
            Some(why) => Err(refuse(why)),
            None => Ok(Self(text.into())),
        }
    }

    /// A text that was a managed path before, such as one that is put together from its own segments:
    /// it is not checked again.
    pub fn trusted(text: &str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "{text:?} is no managed path");
        Self(text.into())
    }

    /// This path and a relative one below it.
    pub fn join(&self, relative: &str) -> Result<Self, InvalidPath> {
        let text = format!("{}/{relative}", self.0);
        // What is above has been checked already.
        match relative.split('/').find_map(segment_fault) {
            None if text.len() <= PATH_CHARS_MAX => Ok(Self(text.into())),
            _ => Self::parse(&text),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this path is `dir` or lies below it.
    pub fn starts_with_dir(&self, dir: &ManagedPath) -> bool {
        self.0.strip_prefix(&*dir.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The directory, if there is one above.
    pub fn parent(&self) -> Option<ManagedPath> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Equal for paths that one platform or another takes for the same: NFC, lower case.
    pub fn case_key(&self) -> String {
        case_key(&self.0)
    }
}

/// The entries of a folder in the order of the text of the paths below it: a folder's name counts with
/// the slash that follows it, so that `a.b` comes before `a/c`.
pub fn in_path_order<E>(
    entries: &[(Arc<str>, E)],
    is_folder: impl Fn(&E) -> bool,
) -> std::vec::IntoIter<&(Arc<str>, E)> {
    let slash = |entry: &E| is_folder(entry).then_some(b'/');
    let mut entries: Vec<_> = entries.iter().collect();
    entries
        .sort_by(|(a, one), (b, two)| a.bytes().chain(slash(one)).cmp(b.bytes().chain(slash(two))));
    entries.into_iter()
}

/// Equal for texts that one platform or another takes for the same name.
pub(crate) fn case_key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfc().collect::<String>().to_lowercase().nfc().collect()
}

impl fmt::Display for ManagedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ManagedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for ManagedPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl AsRef<str> for ManagedPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
text_serde!(ManagedPath);

impl schemars::JsonSchema for ManagedPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Path".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "minLength": 1, "maxLength": PATH_CHARS_MAX})
    }
}

/// Top-level directories that belong to the running gateway.
const GATEWAY_DIRS: [&str; 8] =
    ["db", "metricsdb", "autobackup", "jar-cache", "var", "logs", "certificates", "keystore"];
/// Top-level files that belong to one installation.
const GATEWAY_FILES: [&str; 9] = [
    "gateway.xml",
    "gateway.xml_clean",
    "commissioning.json",
    "modules.json",
    "redundancy.xml",
    "init.properties",
    "eam-install.properties",
    ".uuid",
    ".container-init.conf",
];
/// Tag resource types whose `System` provider is generated.
const TAG_TYPES: [&str; 4] = ["tag-definition", "tag-type-definition", "tag-group", "tag-provider"];

/// The rule by which a path is never mapped, written, deleted or captured, if there is one. Compares
/// without regard to case, since NTFS does.
pub fn never_touch(path: &ManagedPath) -> Option<&'static str> {
    let key = path.case_key();
    let segments: Vec<&str> = key.split('/').collect();
    let first = segments.first().copied().unwrap_or_default();
    let name = segments.last().copied().unwrap_or_default();
    if GATEWAY_DIRS.contains(&first) {
        return Some("runtime directory of the gateway");
    }
    if segments.len() == 1 && GATEWAY_FILES.contains(&first) {
        return Some("installation file of the gateway");
    }
    if first.starts_with("request") || first.starts_with("response") {
        return Some("request or response file of the gateway");
    }
    if segments.iter().any(|segment| segment.starts_with('.')) {
        return Some("dot-named entries upset gateway and Designer");
    }
    file_rule(name).or_else(|| config_rule(&segments))
}

fn file_rule(name: &str) -> Option<&'static str> {
    let ends = |suffix: &str| name.ends_with(suffix);
    if ends(".idb") || ends(".log") {
        return Some("database or log of the gateway");
    }
    if ends(".tmp") || ends(".bak") || ends(".digest.json") {
        return Some("temporary or derived file");
    }
    let report =
        name == "conversion-report.txt" || (name.starts_with("migration-log-") && ends(".md"));
    report.then_some("report written by the gateway")
}

fn config_rule(segments: &[&str]) -> Option<&'static str> {
    match segments {
        ["config", "local", ..] | ["config", "resources", "local", ..] => {
            Some("configuration of one host")
        }
        ["config", "resources", _, "config-mode.json"] => {
            Some("written through the mode interface of the gateway only")
        }
        ["config", "resources", _, "ignition", kind, "system", ..] if TAG_TYPES.contains(kind) => {
            Some("the System tag provider is generated")
        }
        ["config", "resources", _, "ignition", "gateway-network-incoming", ..] => {
            Some("gateway network approvals belong to one gateway")
        }
        ["config", "resources", _, "ignition", "local-system-properties", ..] => {
            Some("configuration of one host")
        }
        _ => None,
    }
}

/// The rule by which a path is refused unless a person has allowed this very path.
pub fn needs_permission(path: &ManagedPath) -> Option<&'static str> {
    let key = path.case_key();
    let segments: Vec<&str> = key.split('/').collect();
    match segments.as_slice() {
        ["ignition.conf" | "logback.xml" | "log4j.properties"] => {
            Some("it decides how the gateway starts")
        }
        ["config", "resources", "external", ..] => {
            Some("the external collection holds the agent's own token")
        }
        [
            "config",
            "resources",
            _,
            "ignition",
            "security-properties"
            | "security-levels"
            | "api-token"
            | "user-source"
            | "identity-provider"
            | "secret-provider",
            ..,
        ] => Some("a mistake in it locks people out"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
