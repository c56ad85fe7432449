//! The resource kinds: what people write, strictly checked. Status is not here: it is what the
//! cluster says, and travels as JSON beside the spec.

mod fleet;
mod kind;
mod parse;
mod profile;
mod schema;
mod secret;

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    fleet::{
        Approval, DependencyFailure, FleetLimits, FleetSpec, Offline, OfflinePolicy, OnExpire,
        OnFailure, RolloutPolicy, SiteConsistency, Stage, StopWhen, Trigger,
    },
    kind::{Kind, UnknownKind},
    parse::{InvalidResource, SourceError, parse_documents},
    profile::{
        Create, DeploymentMode, HISTORY_LIMIT, Limits, Mapping, MaxDelete, NormalizeRule,
        Signatures, SourceKind, SyncProfileSpec,
    },
    schema::{explain, schema},
    secret::{SecretSpec, SecretValue},
};
use crate::{
    id::{GatewayName, Name},
    time::Span,
};

/// The version of every resource.
pub const API_VERSION: &str = "millwright.dev/v1";

/// Labels, annotations or vars.
pub type Strings = BTreeMap<String, String>;

/// Name and labels of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata<N> {
    /// Unique among resources of its kind.
    pub name: N,
    /// For selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Strings,
    /// For people and tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Strings,
}

macro_rules! resource {
    ($(#[$doc:meta])* $name:ident, $id:ty, $spec:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        pub struct $name {
            /// Name and labels.
            pub metadata: Metadata<$id>,
            /// What is wanted.
            pub spec: $spec,
        }
    };
}

resource!(
    /// A git repository and the ref to follow in it.
    Repository, Name, RepositorySpec
);
resource!(
    /// What goes where on a gateway of one role.
    SyncProfile, Name, SyncProfileSpec
);
resource!(
    /// One logical gateway.
    Gateway, GatewayName, GatewaySpec
);
resource!(
    /// Which gateways follow which repository, and how.
    Fleet, Name, FleetSpec
);
resource!(
    /// A person or program that may use the control interface.
    Operator, Name, OperatorSpec
);
resource!(
    /// Credentials, by name.
    Secret, Name, SecretSpec
);

/// Spec of a [`Repository`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RepositorySpec {
    /// `https://…`, `ssh://…`, `file:///…`.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// The ref to follow: exactly one of its fields.
    pub r#ref: RefSpec,
    /// Time between two looks at the remote; `0` looks only when asked. Default `60s`.
    #[serde(default = "default_poll")]
    pub poll: Span,
    /// Random addition to `poll`, so that many repositories do not ask at once. Default `10s`.
    #[serde(default = "default_jitter")]
    pub jitter: Span,
}

fn default_poll() -> Span {
    Span(60_000)
}

fn default_jitter() -> Span {
    Span(10_000)
}

/// Which commit: exactly one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RefSpec {
    /// The newest commit of a branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A tag; an annotated one is peeled to its commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The highest version tag in a range such as `>=1.2, <2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// One commit, 40 hexadecimal characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl RefSpec {
    /// The fields that are set, each with what it is called.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { branch, tag, semver, commit } = self;
        let all = [("branch", branch), ("tag", tag), ("semver", semver), ("commit", commit)];
        all.into_iter().filter_map(|(what, text)| Some((what, text.as_deref()?)))
    }
}

/// Such as `branch main`.
impl fmt::Display for RefSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.set().try_for_each(|(what, text)| write!(f, "{what} {text}"))
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

/// Spec of a [`Gateway`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Where it stands.
    pub site: Name,
    /// Which profile renders its files.
    pub profile: Name,
    /// Values for `{{.Vars.key}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: Strings,
    /// Gateways that must have their new files before this one gets its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub depends_on: Vec<GatewayName>,
    /// Nothing is assigned while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// Spec of an [`Operator`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OperatorSpec {
    /// What it may do.
    pub role: Role,
}

/// What an operator may do; each role includes those before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Read.
    Viewer,
    /// Start, pause, retry.
    Operator,
    /// Approve.
    Approver,
    /// Everything, tokens and identities included.
    Admin,
}

/// Any resource that people write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Resource {
    /// See [`Repository`].
    Repository(Repository),
    /// See [`SyncProfile`].
    SyncProfile(SyncProfile),
    /// See [`Gateway`].
    Gateway(Gateway),
    /// See [`Fleet`].
    Fleet(Fleet),
    /// See [`Operator`].
    Operator(Operator),
    /// See [`Secret`].
    Secret(Secret),
}

impl Resource {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Resource::Repository(_) => Kind::Repository,
            Resource::SyncProfile(_) => Kind::SyncProfile,
            Resource::Gateway(_) => Kind::Gateway,
            Resource::Fleet(_) => Kind::Fleet,
            Resource::Operator(_) => Kind::Operator,
            Resource::Secret(_) => Kind::Secret,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Resource::Repository(r) => r.metadata.name.as_str(),
            Resource::SyncProfile(r) => r.metadata.name.as_str(),
            Resource::Gateway(r) => r.metadata.name.as_str(),
            Resource::Fleet(r) => r.metadata.name.as_str(),
            Resource::Operator(r) => r.metadata.name.as_str(),
            Resource::Secret(r) => r.metadata.name.as_str(),
        }
    }

    /// Its labels.
    pub fn labels(&self) -> &Strings {
        match self {
            Resource::Repository(r) => &r.metadata.labels,
            Resource::SyncProfile(r) => &r.metadata.labels,
            Resource::Gateway(r) => &r.metadata.labels,
            Resource::Fleet(r) => &r.metadata.labels,
            Resource::Operator(r) => &r.metadata.labels,
            Resource::Secret(r) => &r.metadata.labels,
        }
    }

    /// As JSON with `apiVersion`, `kind`, `metadata`, `spec`.
    pub fn to_value(&self) -> serde_json::Value {
        let (metadata, spec) = match self {
            Resource::Repository(r) => parts(&r.metadata, &r.spec),
            Resource::SyncProfile(r) => parts(&r.metadata, &r.spec),
            Resource::Gateway(r) => parts(&r.metadata, &r.spec),
            Resource::Fleet(r) => parts(&r.metadata, &r.spec),
            Resource::Operator(r) => parts(&r.metadata, &r.spec),
            Resource::Secret(r) => parts(&r.metadata, &r.spec),
        };
        serde_json::json!({
            "apiVersion": API_VERSION, "kind": self.kind().as_str(),
            "metadata": metadata, "spec": spec,
        })
    }

    /// The bytes that are stored and sent: the same for equal resources.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        self.to_value().to_string().into_bytes()
    }

    /// Reads what [`Resource::to_canonical_json`] wrote, or any JSON of one resource.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InvalidResource> {
        parse::from_json(bytes)
    }
}

fn parts(
    metadata: &impl Serialize,
    spec: &impl Serialize,
) -> (serde_json::Value, serde_json::Value) {
    let value = |what: Result<serde_json::Value, serde_json::Error>| {
        what.expect("string keys and plain values always serialise")
    };
    (value(serde_json::to_value(metadata)), value(serde_json::to_value(spec)))
}
