//! What people see of the questions to gates.

use millwright_model::gate::GateVerdict;
use serde_json::{Value, json};

use crate::state::{GateOutcome, GateRecord, Rollout};

/// Every question of a rollout, as it stands.
pub(super) fn records(rollout: &Rollout) -> Vec<Value> {
    rollout.questions().iter().map(|record| one(record)).collect()
}

fn one(record: &GateRecord) -> Value {
    let (word, message) = words(record.answer.as_ref());
    let asked = record.answer.as_ref().map(|answer| &answer.asked);
    json!({
        "gate": record.key.gate, "phase": record.key.phase, "subject": record.key.subject.to_string(),
        "rollback": record.key.back, "attempt": record.attempt, "state": word, "message": message,
        "firstAsked": record.first_asked, "askedAt": record.asked_at,
        "answeredAt": record.answer.as_ref().map(|answer| answer.at),
        "asksAgain": record.asks_again(), "request": asked,
    })
}

fn words(answer: Option<&GateOutcome>) -> (&'static str, String) {
    match answer.map(|answer| &answer.verdict) {
        None => ("asking", String::new()),
        Some(GateVerdict::Allowed { failed_open: Some(why), .. }) => ("passedOver", why.clone()),
        Some(GateVerdict::Allowed { warnings, .. }) => ("allowed", warnings.join("; ")),
        Some(GateVerdict::Denied { reason }) => ("denied", reason.clone()),
        Some(GateVerdict::Deferred { reason, .. }) => ("deferred", reason.clone()),
    }
}
