//! `SyncProfile`: what goes where on a gateway of one role, and what is changed on the way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Strings, is_true, yes};
use crate::{
    id::Name,
    path::ManagedPath,
    policy::{Drift, Policies, Redundancy, Rollback, Sessions, Snapshots, Verify},
    selector::Selector,
    size::ByteSize,
};

/// Spec of a [`super::SyncProfile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SyncProfileSpec {
    /// Applied in order, after those of `includeFrom`; a later one overlays an earlier one file by
    /// file, and a warning names both.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub mappings: Vec<Mapping>,
    /// Profiles whose mappings, vars, patterns, rules and permissions come before those of this one.
    /// Their own `includeFrom` is not followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub include_from: Vec<Name>,
    /// Profiles whose gateways of the same site must have their new files first: an area waits for the
    /// hub of its own plant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub depends_on: Vec<Name>,
    /// An overlay for one deployment mode: its files go to `config/resources/<name>`, last of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_mode: Option<DeploymentMode>,
    /// Values for `{{.Vars.key}}`; a fleet's are weaker, a gateway's own are stronger.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub vars: Strings,
    /// Patterns of destination paths that are left out, for all mappings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_patterns: Vec<String>,
    /// Paths that are refused unless they are listed here, such as
    /// `config/resources/core/ignition/user-source`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<ManagedPath>,
    /// Changes of JSON files, in order. Every byte that a rule does not mean stays as it is in git.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub normalize: Vec<NormalizeRule>,
    /// What to do where a file of a resource was changed and its `resource.json` carries a signature
    /// that was invalid in git already. A valid one is always renewed. Default `repair`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub signatures: Signatures,
    /// Bounds of what one gateway may have.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Deletions beyond this need a person's confirmation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_delete: MaxDelete,
    /// Open Designers, Perspective sessions and Vision clients.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sessions: Sessions,
    /// Redundant pairs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub redundancy: Redundancy,
    /// Copies of the files taken before they change.
    #[serde(default, skip_serializing_if = "is_default")]
    pub snapshots: Snapshots,
    /// What must hold after the scan.
    #[serde(default, skip_serializing_if = "is_default")]
    pub verify: Verify,
    /// When the previous files come back by themselves.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rollback: Rollback,
    /// What to do when somebody else changes managed files.
    #[serde(default, skip_serializing_if = "is_default")]
    pub drift: Drift,
    /// Applies remembered per gateway. Default 10.
    #[serde(default = "default_history", skip_serializing_if = "is_default_history")]
    #[schemars(range(min = 1, max = 100))]
    pub history_limit: u32,
}

impl SyncProfileSpec {
    /// Everything that the agent needs to know of it.
    pub fn policies(&self) -> Policies {
        Policies {
            sessions: self.sessions.clone(),
            redundancy: self.redundancy.clone(),
            snapshots: self.snapshots.clone(),
            verify: self.verify.clone(),
            rollback: self.rollback.clone(),
            drift: self.drift,
        }
    }
}

/// Applies remembered per gateway unless the profile says otherwise.
pub const HISTORY_LIMIT: u32 = 10;

fn default_history() -> u32 {
    HISTORY_LIMIT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_default_history(limit: &u32) -> bool {
    *limit == HISTORY_LIMIT
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One directory or file of the repository and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mapping {
    /// Path in the repository; `.` is its root. May hold `{{.Site}}` and the like.
    #[schemars(length(min = 1, max = 1024))]
    pub source: String,
    /// Path below the gateway's data directory. May hold `{{.GatewayName}}` and the like. A file that
    /// is mapped to a path with a final `/` keeps its name below it.
    #[schemars(length(min = 1, max = 1024))]
    pub destination: String,
    /// `dir` or `file`; taken from the repository when absent, an error when the repository differs.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<SourceKind>,
    /// Patterns, relative to `source`, of files to take; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns, relative to `source`, of files to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// An absent or empty source is an error. Default true.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub required: bool,
    /// File contents are templates too. Binary files are refused. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
    /// Only for gateways with these labels. Default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Selector>,
    /// A larger file is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<ByteSize>,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SourceKind {
    /// A directory.
    Dir,
    /// A file.
    File,
}

impl SourceKind {
    /// With an article, for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Dir => "a directory",
            SourceKind::File => "a file",
        }
    }
}

/// The overlay of a deployment mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeploymentMode {
    /// The mode, which is the name of its collection. May hold `{{.Labels.mode}}` and the like.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Path in the repository. May hold `{{.Site}}` and the like.
    #[schemars(length(min = 1, max = 1024))]
    pub source: String,
}

/// Changes of JSON files: first `set`, then `jq`, then `delete`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NormalizeRule {
    /// Pattern of destination paths. Default `**/config.json`, at any depth.
    #[serde(default = "all_configs", skip_serializing_if = "is_all_configs")]
    #[schemars(length(min = 1, max = 1024))]
    pub files: String,
    /// Values by jq path, such as `.systemName` or `.a.b[0]."x y"`. A value keeps its YAML type; text
    /// in it may hold `{{.GatewayName}}` and the like.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub set: serde_json::Map<String, serde_json::Value>,
    /// A jq expression with exactly one result, which takes the place of the file's value. May hold
    /// `{{quote .Site}}` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub jq: Option<String>,
    /// jq paths to delete; one that does not exist is no error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub delete: Vec<String>,
    /// What `set` does where its path does not exist: `true` makes it, `false` leaves the file alone,
    /// `error` refuses. Default `error`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub create: Create,
    /// Text values of `set` are JSON, so that `"true"` sets a boolean. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_json: bool,
}

fn all_configs() -> String {
    "**/config.json".to_owned()
}

fn is_all_configs(pattern: &str) -> bool {
    pattern == "**/config.json"
}

/// What to do with a path that a file does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Create {
    /// Make it.
    Yes,
    /// Leave the file alone.
    No,
    /// Refuse.
    #[default]
    Error,
}

impl Serialize for Create {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Create::Yes => out.serialize_bool(true),
            Create::No => out.serialize_bool(false),
            Create::Error => out.serialize_str("error"),
        }
    }
}

impl<'de> Deserialize<'de> for Create {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(input)? {
            serde_json::Value::Bool(true) => Ok(Create::Yes),
            serde_json::Value::Bool(false) => Ok(Create::No),
            serde_json::Value::String(word) if word == "error" => Ok(Create::Error),
            _ => Err(serde::de::Error::custom("expected true, false or \"error\"")),
        }
    }
}

impl JsonSchema for Create {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Create".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"enum": [true, false, "error"]})
    }
}

/// What to do with a signature that was invalid in git already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Signatures {
    /// Write a valid one.
    #[default]
    Repair,
    /// Take it out.
    Strip,
    /// Leave it as it is.
    Keep,
}

/// Bounds of what one gateway may have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Files. Default and at most 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_files: Option<u32>,
    /// Bytes of all files together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_total_size: Option<ByteSize>,
}

/// How much may be deleted without asking: more than both needs a confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MaxDelete {
    /// Percent of the gateway's files. Default 30.
    #[serde(default = "thirty")]
    #[schemars(range(max = 100))]
    pub percent: u32,
    /// Files. Default 50.
    #[serde(default = "fifty")]
    pub files: u32,
}

fn thirty() -> u32 {
    30
}

fn fifty() -> u32 {
    50
}

impl Default for MaxDelete {
    fn default() -> Self {
        Self { percent: thirty(), files: fifty() }
    }
}
