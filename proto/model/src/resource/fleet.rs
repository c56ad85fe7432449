//! Which gateways follow which repository, and how carefully a commit reaches them. What the rules mean
//! is decided by the coordinator's domain crate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RefSpec, Strings};
use crate::{amount::Amount, gate::Gate, id::Name, selector::Selector, time::Span, window::Window};

/// Spec of a `Fleet`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FleetSpec {
    /// Which gateways belong to it, by label. Empty selects all.
    #[serde(default)]
    pub selector: Selector,
    /// Values for `{{.Vars.key}}` of all its gateways; a profile's and a gateway's own are stronger.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub vars: Strings,
    /// Which repository they follow.
    pub repository: Name,
    /// Not the repository's own ref but this one: exactly one of its fields. It is looked at as often as
    /// the repository is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<RefSpec>,
    /// Before a rollout changes anything every agent says exactly what it would change, for the plan and
    /// for gates; what would stop one of them stops the rollout. Default no.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dry_run: bool,
    /// Whether a new commit begins by itself. Default `automatic`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trigger: Trigger,
    /// In this order. Each gateway of the fleet belongs to exactly one; a stage without a selector takes
    /// all that no other stage selects. None is one stage for all, one gateway at a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 31))]
    pub stages: Vec<Stage>,
    /// What becomes of gateways that depend on one that failed. Default `hold`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dependency_failure: DependencyFailure,
    /// How much may fail before nothing new begins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop_when: StopWhen,
    /// What is done then. Default `pause`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_failure: OnFailure,
    /// While something is in flight, the longest time without a success. Default `30m`.
    #[serde(default = "progress_deadline", skip_serializing_if = "is_progress_deadline")]
    pub progress_deadline: Span,
    /// The longest time that one gateway may take, waiting for sessions included. Default `1h`.
    #[serde(default = "per_gateway_deadline", skip_serializing_if = "is_per_gateway_deadline")]
    pub per_gateway_deadline: Span,
    /// Gateways whose agent is not connected.
    #[serde(default, skip_serializing_if = "is_default")]
    pub offline: Offline,
    /// When gateways may be changed. A change of them holds at once, also for a running rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub windows: Vec<Window>,
    /// Services outside that are asked whether a rollout may go on, in every stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub gates: Vec<Gate>,
    /// Gateways of one site must not run different commits for long. Without it sites are not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_consistency: Option<SiteConsistency>,
    /// What a site's line bears.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: FleetLimits,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn progress_deadline() -> Span {
    Span(30 * 60_000)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_progress_deadline(span: &Span) -> bool {
    *span == progress_deadline()
}

fn per_gateway_deadline() -> Span {
    Span(60 * 60_000)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_per_gateway_deadline(span: &Span) -> bool {
    *span == per_gateway_deadline()
}

impl FleetSpec {
    /// What a rollout is held to, as it is when the rollout begins.
    pub fn policy(&self) -> RolloutPolicy {
        RolloutPolicy {
            dependency_failure: self.dependency_failure,
            stop_when: self.stop_when.clone(),
            on_failure: self.on_failure,
            progress_deadline: self.progress_deadline,
            per_gateway_deadline: self.per_gateway_deadline,
            offline: self.offline.clone(),
            gates: self.gates.clone(),
            site_consistency: self.site_consistency,
            limits: self.limits,
            dry_run: self.dry_run,
        }
    }
}

/// The rules of a fleet that a rollout keeps from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutPolicy {
    /// See [`FleetSpec::dependency_failure`].
    pub dependency_failure: DependencyFailure,
    /// See [`FleetSpec::stop_when`].
    pub stop_when: StopWhen,
    /// See [`FleetSpec::on_failure`].
    pub on_failure: OnFailure,
    /// See [`FleetSpec::progress_deadline`].
    pub progress_deadline: Span,
    /// See [`FleetSpec::per_gateway_deadline`].
    pub per_gateway_deadline: Span,
    /// See [`FleetSpec::offline`].
    pub offline: Offline,
    /// See [`FleetSpec::gates`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// See [`FleetSpec::site_consistency`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_consistency: Option<SiteConsistency>,
    /// See [`FleetSpec::limits`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: FleetLimits,
    /// See [`FleetSpec::dry_run`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub dry_run: bool,
}

impl Default for RolloutPolicy {
    fn default() -> Self {
        Self {
            dependency_failure: DependencyFailure::default(),
            stop_when: StopWhen::default(),
            on_failure: OnFailure::default(),
            progress_deadline: progress_deadline(),
            per_gateway_deadline: per_gateway_deadline(),
            offline: Offline::default(),
            gates: Vec::new(),
            site_consistency: None,
            limits: FleetLimits::default(),
            dry_run: false,
        }
    }
}

/// How a site keeps together. All its gateways of the fleet belong to one stage then; one that has begun
/// is finished before the next one, and it begins only when all of them can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SiteConsistency {
    /// How long a site may run two commits, from its first gateway with the new files; then the rollout
    /// stops as after a failure. Default `30m`.
    #[serde(default = "max_skew")]
    pub max_skew: Span,
}

fn max_skew() -> Span {
    Span(30 * 60_000)
}

/// What a site's line bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FleetLimits {
    /// Gateways of one site that fetch files at the same time. Default: as many as the stage lets begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_concurrent_fetches: Option<u32>,
}

/// How a rollout begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Trigger {
    /// As soon as a ref means another commit, or a resource changes what a gateway shall have.
    #[default]
    Automatic,
    /// Planned by itself, begun by a person.
    Manual,
}

/// What becomes of those that depend on a gateway that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DependencyFailure {
    /// They wait.
    #[default]
    Hold,
    /// Those that have the new files already get the previous ones back; the others wait.
    RollbackDependents,
    /// They go on.
    Continue,
}

/// How much may fail. Sites are counted, so that one site with many gateways, or many tries of one,
/// count once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct StopWhen {
    /// So many sites with a failure. Default 1.
    #[schemars(range(min = 1))]
    pub failed: u32,
    /// So many of a hundred sites that have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub failed_percent: Option<u32>,
    /// Sites that must have ended before the percentage counts. Default 5.
    pub min_sample: u32,
}

impl Default for StopWhen {
    fn default() -> Self {
        Self { failed: 1, failed_percent: None, min_sample: 5 }
    }
}

/// What is done when too much has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// Nothing new begins until a person decides.
    #[default]
    Pause,
    /// The gateways that failed get their previous files back.
    RollbackGateway,
    /// All of the stage do.
    RollbackStage,
    /// All of the rollout do.
    RollbackAll,
}

/// Gateways whose agent is not connected when their turn comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Offline {
    /// Default `defer`.
    pub policy: OfflinePolicy,
    /// How long an agent must be away to count as offline. Default `2m`.
    pub after: Span,
}

impl Default for Offline {
    fn default() -> Self {
        Self { policy: OfflinePolicy::Defer, after: Span(120_000) }
    }
}

/// What to do about an offline gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OfflinePolicy {
    /// Go on without it; it catches up when it returns.
    #[default]
    Defer,
    /// Wait for it.
    Wait,
    /// Count it as failed.
    Fail,
}

/// One stage of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Stage {
    /// Unique in the fleet.
    pub name: Name,
    /// Which gateways, by label. Empty selects all that no other stage selects.
    #[serde(default)]
    pub select: Selector,
    /// How many at a time: a number, or a share of the stage such as `25%`, rounded down, at least one.
    /// Default 1.
    #[serde(default)]
    pub max_concurrent: Amount,
    /// A label whose value gives the order, numbers by their size; gateways without it come last. By
    /// name among equals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<String>,
    /// How long the stage must have been done, and well, before the next one begins. Default 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub soak: Span,
    /// Whether a person must agree before it begins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub approval: Approval,
    /// How many of a hundred gateways must have the new files for the stage to be done although others
    /// failed or are offline. Default 80.
    #[serde(default = "quorum", skip_serializing_if = "is_quorum")]
    #[schemars(range(min = 1, max = 100))]
    pub quorum: u32,
    /// Services outside that are asked in this stage, besides those of the fleet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub gates: Vec<Gate>,
}

fn quorum() -> u32 {
    80
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_quorum(percent: &u32) -> bool {
    *percent == quorum()
}

/// An agreement of a person to a stage of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Approval {
    /// Default false.
    pub required: bool,
    /// Not by the author of the commit.
    pub not_author: bool,
    /// How long it is waited for. Default `24h`.
    pub expires: Span,
    /// What becomes of the rollout when nobody has answered by then. Default `deny`.
    pub on_expire: OnExpire,
}

impl Default for Approval {
    fn default() -> Self {
        Self {
            required: false,
            not_author: false,
            expires: Span(24 * 3_600_000),
            on_expire: OnExpire::Deny,
        }
    }
}

/// What an answer that never came means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnExpire {
    /// No: the rollout stops.
    #[default]
    Deny,
    /// Yes.
    Allow,
    /// No, and what was done is taken back.
    Rollback,
}
