//! Recording what is asked of gates and what they answer.

use std::sync::Arc;

use millwright_model::{
    gate::{GateVerdict, verdict},
    resource::Kind,
};

use super::{Judged, Scene, not_found, stale};
use crate::{
    State,
    command::{Accepted, GateAnswered},
    rollout::gate_named,
    state::{GateKey, GateOutcome, GateRecord, Rollout},
};

impl State {
    /// The leader is about to ask.
    pub(super) fn ask_gate(&mut self, rollout: &mut Rollout, key: GateKey) {
        let now = self.now;
        let known = rollout.question(&key).cloned();
        // A question that a person wants asked anew has its whole time again.
        let goes_on = known.as_ref().filter(|record| !record.void);
        let record = GateRecord {
            attempt: known.as_ref().map_or(1, |record| record.attempt + 1),
            first_asked: goes_on.map_or(now, |record| record.first_asked),
            asked_at: now,
            answer: None,
            void: false,
            key,
        };
        rollout.record(record);
    }

    /// What a gate answered. An answer to a question that is no longer open changes nothing.
    pub(in crate::apply) fn gate_answered(
        &mut self,
        scene: &mut Scene<'_>,
        answered: GateAnswered,
    ) -> Judged {
        let GateAnswered { rollout: id, key, attempt, outcome, asked } = answered;
        let known = self.rollouts.get(&id).cloned();
        let mut rollout = known.ok_or_else(|| not_found(format!("no rollout {id}")))?;
        let question = rollout.question(&key).cloned();
        let open = question.filter(|record| record.attempt == attempt && record.answer.is_none());
        let (Some(mut record), Some(gate)) = (open, gate_named(&rollout, &key)) else {
            return Err(stale(format!("gate {} has answered already", key.gate)));
        };
        let now = self.now;
        let verdict = verdict(gate, &outcome).at(gate, record.first_asked, now);
        let message = told(&key, &verdict);
        let opened = matches!(&verdict, GateVerdict::Allowed { failed_open: Some(_), .. });
        Arc::make_mut(&mut record).answer = Some(GateOutcome { verdict, at: now, asked });
        let changed = Arc::make_mut(&mut rollout);
        changed.revision += 1;
        changed.failed_open += u32::from(opened);
        changed.record(GateRecord::clone(&record));
        Arc::make_mut(&mut self.rollouts).insert(id.clone(), rollout);
        self.say(scene.index, Kind::Rollout, id.as_str(), "put", message);
        Ok(Accepted::Done)
    }
}

impl Rollout {
    /// Gates that said no, or not yet, are asked anew.
    pub(super) fn ask_gates_again(&mut self) {
        for record in &mut self.questions {
            let answer = record.answer.as_ref().map(|answer| &answer.verdict);
            if !matches!(answer, None | Some(GateVerdict::Allowed { .. })) {
                Arc::make_mut(record).void = true;
            }
        }
    }
}

/// One line for people.
fn told(key: &GateKey, verdict: &GateVerdict) -> String {
    let GateKey { gate, phase, subject, .. } = key;
    match verdict {
        GateVerdict::Allowed { failed_open: Some(why), .. } => {
            format!("gate {gate} did not agree to {subject} ({phase}) and is passed over: {why}")
        }
        GateVerdict::Allowed { warnings, .. } if warnings.is_empty() => {
            format!("gate {gate} allowed {subject} ({phase})")
        }
        GateVerdict::Allowed { warnings, .. } => {
            format!("gate {gate} allowed {subject} ({phase}), and warns: {}", warnings.join("; "))
        }
        GateVerdict::Denied { reason } => {
            format!("gate {gate} denied {subject} ({phase}): {reason}")
        }
        GateVerdict::Deferred { reason, retry_after } => {
            format!("gate {gate} defers {subject} ({phase}) by {retry_after}: {reason}")
        }
    }
}
