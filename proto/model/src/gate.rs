//! Gates: services outside that are asked whether a rollout may go on. Here is what people write
//! about one, what is sent, what may come back and what each outcome means.
//!
//! Nothing here asks, signs or keeps time; the coordinator does.

mod answer;
mod request;
mod url;
mod verdict;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    answer::{
        ANSWER_BYTES_MAX, BadAnswer, Decision, GateAnswer, REASON_CHARS_MAX, RETRY_AFTER_MAX,
        RETRY_AFTER_MIN, WARNING_CHARS_MAX, WARNINGS_MAX, parse_answer,
    },
    request::{
        AboutCommit, AboutDryRun, AboutGateway, AboutRepository, AboutSession, Bounded,
        DiffSummary, GATEWAYS_MAX, GateRequest, MESSAGE_CHARS_MAX, PATHS_MAX, SESSIONS_MAX,
        Subject,
    },
    url::origin,
    verdict::{GateVerdict, RETRY_AFTER_DEFAULT, verdict},
};
use crate::{
    id::Name,
    resource::{API_VERSION, Strings},
    selector::Selector,
    time::Span,
};

/// Shortest and longest time for one request: as for the admission webhooks of Kubernetes.
const TIMEOUT: (Span, Span) = (Span(1_000), Span(30_000));
/// Most repetitions of a request that failed.
const RETRIES_MAX: u32 = 5;
/// How long deferrals are followed unless the gate says otherwise.
const EXPIRES_DEFAULT: Span = Span(3_600_000);
/// Shorter than [`RETRY_AFTER_MIN`] a gate would never be asked again; longer than a month nobody
/// remembers what is waiting.
const EXPIRES: (Span, Span) = (RETRY_AFTER_MIN, Span(30 * 86_400_000));

/// A service that is asked whether a rollout may go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Gate {
    /// Unique in the fleet.
    pub name: Name,
    /// When it is asked.
    pub phase: Phase,
    /// `http://…` or `https://…`. Redirects are not followed. User and password in it are sent as
    /// basic authentication. Rollouts, messages and logs show only host and port; whoever may read
    /// the fleet sees all of it, so `secretRef` is the better way.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// How long one request may take, from the connection to the last byte; `1s` to `30s`. Default
    /// `10s`.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// What it means when there is no valid answer. Default `fail`.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// How often a request is repeated that got no answer, or status 429 or 5xx. A valid answer is
    /// never asked for twice. Default 2, at most 5.
    #[serde(default = "default_retries")]
    #[schemars(range(max = 5))]
    pub retries: u32,
    /// Only for gateways with these labels; a plan or stage without any of them goes on unasked.
    /// Empty matches all.
    #[serde(default)]
    pub r#match: Selector,
    /// The secret whose key signs requests. Without it they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<Name>,
    /// How long a gate may put its answer off; `5s` to `30d`. Default `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Span>,
    /// What it means when a gate has put its answer off for that long. Default `deny`.
    #[serde(default)]
    pub on_expire: OnExpire,
    /// Whether a rollback waits for this gate too. Aborting never does. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub applies_to_rollback: bool,
}

fn default_timeout() -> Span {
    Span(10_000)
}

fn default_retries() -> u32 {
    2
}

/// When a gate is asked.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Before a plan becomes a rollout.
    PrePlan,
    /// Before a stage begins.
    PreStage,
    /// Before a gateway is assigned the commit.
    PreSync,
    /// After all gateways of a stage are done, before the next stage.
    PostStage,
}

impl Phase {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::PrePlan => "prePlan",
            Phase::PreStage => "preStage",
            Phase::PreSync => "preSync",
            Phase::PostStage => "postStage",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What it means when a gate gives no valid answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FailurePolicy {
    /// As if it had denied.
    #[default]
    Fail,
    /// As if it had allowed; counted, shown and audited.
    Ignore,
}

/// What it means when a gate has put its answer off for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnExpire {
    /// As if it had denied.
    #[default]
    Deny,
    /// As if it had allowed; counted, shown and audited.
    Allow,
}

/// A gate that cannot work. Its URL is not in the message: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gate {gate}: {why}")]
pub struct InvalidGate {
    /// Which.
    pub gate: Name,
    /// The broken rule.
    pub why: String,
}

impl Gate {
    /// Whether it can work, as far as that can be told from what is written.
    pub fn check(&self) -> Result<(), InvalidGate> {
        let within = |what: &str, value: Span, (min, max): (Span, Span)| {
            let ok = (min..=max).contains(&value);
            ok.then_some(()).ok_or_else(|| format!("{what} is {value}, not within {min} to {max}"))
        };
        let retries = || match self.retries {
            0..=RETRIES_MAX => Ok(()),
            more => Err(format!("retries is {more}, more than {RETRIES_MAX}")),
        };
        origin(&self.url)
            .map(drop)
            .map_err(|why| format!("url: {why}"))
            .and_then(|()| within("timeout", self.timeout, TIMEOUT))
            .and_then(|()| within("expires", self.expires_after(), EXPIRES))
            .and_then(|()| retries())
            .and_then(|()| match self.phase {
                Phase::PreSync => Ok(()),
                _ if !self.applies_to_rollback => Ok(()),
                _ => Err("appliesToRollback is for the phase preSync: a rollback has no stages"
                    .to_owned()),
            })
            .map_err(|why| InvalidGate { gate: self.name.clone(), why })
    }

    /// How long its deferrals are followed.
    pub fn expires_after(&self) -> Span {
        self.expires.unwrap_or(EXPIRES_DEFAULT)
    }

    /// Whether it has a say in this phase about a gateway with these labels.
    pub fn concerns(&self, phase: Phase, rollback: bool, labels: &Strings) -> bool {
        self.phase == phase
            && (!rollback || self.applies_to_rollback)
            && self.r#match.matches(labels)
    }
}

#[cfg(test)]
mod tests;
