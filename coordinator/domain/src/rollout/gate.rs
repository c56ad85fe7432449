//! Which gates have a say at a point of a rollout, and what they have said so far.

use std::sync::Arc;

use millwright_model::{
    gate::{Gate, GateVerdict, Phase, Subject},
    id::{GatewayName, RolloutId},
    resource::Strings,
    time::Timestamp,
};

use crate::{
    State,
    command::Step,
    state::{GateKey, GateRecord, MemberState, Rollout, RolloutPhase},
};

/// What the gates of a point say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Consent {
    /// All that have a say allow it, or nobody has one.
    Given,
    /// These must be asked, and others may be at it.
    Ask(Vec<GateKey>),
    /// Asked, and not answered or put off.
    Waits(Arc<GateRecord>),
    /// One says no.
    Denied(String),
}

impl Consent {
    /// What is done about it, but for a denial: `None` when the way is free.
    pub(super) fn steps(self, denied: impl FnOnce(String) -> Vec<Step>) -> Option<Vec<Step>> {
        match self {
            Consent::Given => None,
            Consent::Ask(keys) => Some(keys.into_iter().map(|key| Step::AskGate { key }).collect()),
            Consent::Waits(_) => Some(Vec::new()),
            Consent::Denied(cause) => Some(denied(cause)),
        }
    }
}

/// A point that gates guard.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Point<'r> {
    /// Before anything begins.
    Plan,
    /// Before a stage begins.
    Open(usize),
    /// Before a member is told.
    Sync(&'r GatewayName),
    /// Before a member is told to go back.
    Back(&'r GatewayName),
    /// Before a stage counts as done.
    Close(usize),
}

impl Point<'_> {
    fn phase(self) -> Phase {
        match self {
            Point::Plan => Phase::PrePlan,
            Point::Open(_) => Phase::PreStage,
            Point::Sync(_) | Point::Back(_) => Phase::PreSync,
            Point::Close(_) => Phase::PostStage,
        }
    }

    fn stage(self, rollout: &Rollout) -> Option<usize> {
        match self {
            Point::Plan => None,
            Point::Open(at) | Point::Close(at) => Some(at),
            Point::Sync(gateway) | Point::Back(gateway) => {
                rollout.members.get(gateway).map(|member| member.stage as usize)
            }
        }
    }

    fn subject(self, rollout: &Rollout) -> Option<Subject> {
        Some(match self {
            Point::Plan => Subject::Plan,
            Point::Open(at) | Point::Close(at) => {
                Subject::Stage { name: rollout.stages.get(at)?.name.parse().ok()? }
            }
            Point::Sync(gateway) | Point::Back(gateway) => {
                Subject::Gateway { name: gateway.clone() }
            }
        })
    }
}

/// Gates of a rollout that may have a say in a stage; all of the fleet's when none is meant.
pub(crate) fn gates(rollout: &Rollout, stage: Option<usize>) -> impl Iterator<Item = &Gate> {
    let own = stage.and_then(|at| rollout.stages.get(at)).map(|stage| &stage.gates[..]);
    rollout.policy.gates.iter().chain(own.unwrap_or_default())
}

/// A gate by its name.
pub fn gate_named<'r>(rollout: &'r Rollout, key: &GateKey) -> Option<&'r Gate> {
    let all = rollout.policy.gates.iter();
    let mut all = all.chain(rollout.stages.iter().flat_map(|stage| &stage.gates));
    all.find(|gate| gate.name == key.gate)
}

/// Whether a gate has a say about any gateway of a point.
fn concerns(state: &State, rollout: &Rollout, gate: &Gate, point: Point<'_>) -> bool {
    let none = Strings::new();
    let says = |gateway: &GatewayName, back: bool| {
        let stored = state.gateways.get(gateway);
        let labels = stored.map_or(&none, |stored| &stored.resource.metadata.labels);
        gate.concerns(point.phase(), back, labels)
    };
    match point {
        Point::Plan => rollout.members.keys().any(|gateway| says(gateway, false)),
        Point::Open(at) | Point::Close(at) => rollout.members.iter().any(|(gateway, member)| {
            let left_out = matches!(member.state, MemberState::Skipped { .. });
            member.stage as usize == at && !left_out && says(gateway, false)
        }),
        Point::Sync(gateway) => says(gateway, false),
        Point::Back(gateway) => says(gateway, true),
    }
}

/// What the gates of a point say at a moment.
pub(crate) fn consent(
    state: &State,
    rollout: &Rollout,
    point: Point<'_>,
    now: Timestamp,
) -> Consent {
    let phase = point.phase();
    let mut guards =
        gates(rollout, point.stage(rollout)).filter(|gate| gate.phase == phase).peekable();
    if guards.peek().is_none() {
        return Consent::Given;
    }
    let Some(subject) = point.subject(rollout) else { return Consent::Given };
    let (mut ask, mut waits) = (Vec::new(), None);
    for gate in guards.filter(|gate| concerns(state, rollout, gate, point)) {
        let back = matches!(point, Point::Back(_));
        let key = GateKey { gate: gate.name.clone(), phase, subject: subject.clone(), back };
        let Some(record) = rollout.question(&key).filter(|record| !record.void) else {
            ask.push(key);
            continue;
        };
        match record.answer.as_ref().map(|answer| &answer.verdict) {
            None => waits = waits.or(Some(record)),
            Some(GateVerdict::Allowed { .. }) => {}
            Some(GateVerdict::Denied { reason }) => {
                return Consent::Denied(format!(
                    "gate {} denied {subject} ({phase}): {reason}",
                    gate.name
                ));
            }
            Some(GateVerdict::Deferred { .. }) => {
                match record.asks_again().is_some_and(|at| at <= now) {
                    true => ask.push(key),
                    false => waits = waits.or(Some(record)),
                }
            }
        }
    }
    match (ask.is_empty(), waits) {
        (false, _) => Consent::Ask(ask),
        (true, Some(record)) => Consent::Waits(Arc::clone(record)),
        (true, None) => Consent::Given,
    }
}

/// A question that is recorded and has no answer: the leader asks it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenQuestion {
    /// In which rollout.
    pub rollout: RolloutId,
    /// Which.
    pub record: Arc<GateRecord>,
}

/// Questions that are to be asked now.
pub fn open_questions(state: &State) -> Vec<OpenQuestion> {
    let mut open = Vec::new();
    for (id, rollout) in state.rollouts.iter() {
        let goes_on = matches!(
            rollout.phase,
            RolloutPhase::Running | RolloutPhase::RollingBack | RolloutPhase::Completed
        );
        if !goes_on || !rollout.asks {
            continue;
        }
        let records = rollout.questions.iter().filter(|record| record.answer.is_none());
        open.extend(
            records.map(|record| OpenQuestion { rollout: id.clone(), record: Arc::clone(record) }),
        );
    }
    open
}
