//! Gates that allow, deny, put their answers off, fail and hang, and leaders that die between a question
//! and its answer.

use millwright_coordinator_domain::{
    command::{Body, GateAnswered},
    rollout::open_questions,
    state::GateAsked,
};
use millwright_model::{
    gate::{Decision, GateAnswer},
    time::Span,
};
use rand::Rng;

use super::Sim;

/// One round: some of the open questions are answered. When all is calm, everybody agrees.
pub(super) fn round(sim: &mut Sim, rough: bool) -> Result<(), String> {
    for question in open_questions(&sim.world.state) {
        let answer = |decision, retry_after| {
            Ok(GateAnswer { decision, reason: String::new(), retry_after, warnings: Vec::new() })
        };
        let outcome = match sim.rng.random_range(0..12) {
            _ if !rough => answer(Decision::Allow, None),
            // Its leader has died before it could say so.
            0..3 => continue,
            3 => answer(Decision::Deny, None),
            4 => answer(Decision::Defer, Some(Span(60_000))),
            5 => Err("gave no answer within 10s".to_owned()),
            _ => answer(Decision::Allow, None),
        };
        let answered = Body::GateAnswered(GateAnswered {
            rollout: question.rollout,
            key: question.record.key.clone(),
            attempt: question.record.attempt,
            outcome,
            asked: GateAsked::default(),
        });
        // Two leaders may have asked it.
        for _ in 0..sim.rng.random_range(1..3) {
            sim.apply("coordinator/n1", answered.clone())?;
        }
    }
    Ok(())
}
