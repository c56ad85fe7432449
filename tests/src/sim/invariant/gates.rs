//! Nothing goes on that a gate guards and has not agreed to, and a gate that has decided is not asked again
//! unless a person wants it.

use millwright_coordinator_domain::state::{GateKey, GateRecord, Rollout};
use millwright_model::{
    gate::{Gate, GateVerdict, Phase, Subject},
    resource::Strings,
};

use super::Seen;

pub(super) fn check(seen: &Seen<'_>) -> Result<(), String> {
    for begun in seen.begun() {
        let subject = Subject::Gateway { name: begun.gateway.clone() };
        let labels = seen.after.labels_of(begun.gateway);
        agreed(begun.rollout, Phase::PreSync, &subject, &labels)
            .map_err(|why| format!("{}: {} began though {why}", begun.id, begun.gateway))?;
    }
    for (id, rollout) in seen.after.rollouts() {
        let Some(known) = seen.before.rollouts().get(id) else { continue };
        if known.revision == rollout.revision {
            continue;
        }
        for record in known.questions() {
            let now = rollout.questions().iter().find(|now| now.key == record.key);
            let Some(now) = now else { return Err(format!("{id} forgot a question")) };
            once(record, now).map_err(|why| format!("{id}: {why}"))?;
        }
        for (at, stage) in rollout.stages.iter().enumerate() {
            let (was, is) = (known.progress_of(at), rollout.progress_of(at));
            // What nobody is in is nothing to ask about.
            if was.opened_at.is_some() || is.opened_at.is_none() {
                continue;
            }
            let name = stage.name.parse().expect("a name");
            let all = Strings::new();
            agreed(rollout, Phase::PreStage, &Subject::Stage { name }, &all)
                .and_then(|()| agreed(rollout, Phase::PrePlan, &Subject::Plan, &all))
                .map_err(|why| format!("{id}: stage {} opened though {why}", stage.name))?;
        }
    }
    Ok(())
}

fn agreed(
    rollout: &Rollout,
    phase: Phase,
    subject: &Subject,
    labels: &Strings,
) -> Result<(), String> {
    let guards = |gate: &&Gate| gate.phase == phase && gate.r#match.matches(labels);
    for gate in rollout.policy.gates.iter().filter(guards) {
        let key = GateKey { gate: gate.name.clone(), phase, subject: subject.clone(), back: false };
        let record = rollout.questions().iter().find(|record| record.key == key);
        let verdict =
            record.and_then(|record| record.answer.as_ref()).map(|answer| &answer.verdict);
        if !matches!(verdict, Some(GateVerdict::Allowed { .. })) {
            return Err(format!("gate {} has not agreed to {subject}", gate.name));
        }
    }
    Ok(())
}

/// How a question may become another one.
fn once(was: &GateRecord, is: &GateRecord) -> Result<(), String> {
    if is.attempt == was.attempt {
        return Ok(());
    }
    let deferred = was.answer.as_ref().map(|answer| &answer.verdict);
    let may = was.void || matches!(deferred, Some(GateVerdict::Deferred { .. }));
    match may && is.attempt == was.attempt + 1 {
        true => Ok(()),
        false => Err(format!("gate {} was asked again about {}", was.key.gate, was.key.subject)),
    }
}
