//! Instructions, one at a time, each carried out once and answered until a coordinator has the answer.

use millwright_agent_domain::job::{Job, Mode};
use millwright_model::instruction::{Answer, Instruction, InstructionKind};

use super::{Outcome, Runner};
use crate::{effect::Work, instruct};

/// Instructions remembered, so that one that is sent again is not carried out again.
const DONE_MAX: usize = 64;
/// Of those the newest whose answers are remembered too: the stream may break before one is sent.
const ANSWERS_MAX: usize = 4;

impl Runner {
    pub(super) async fn instructed(&mut self, instruction: Instruction) -> anyhow::Result<()> {
        if let Some((_, answer)) = self.done.iter().find(|(id, _)| *id == instruction.id) {
            // Asked again: the stream may have taken the answer with it when it broke.
            if let Some(answer) = answer.clone() {
                let _gone = self.answers.send(answer).await;
            }
            return Ok(());
        }
        tracing::info!(kind = %instruction.kind, reason = instruction.reason, "instructed");
        let answer = match (&instruction.kind, instruction.assignment.clone()) {
            (InstructionKind::DryRun, Some(assignment)) => {
                let job = Job::begin(Mode::DryRun, assignment.policies.clone(), false);
                let mut work = Work::new(assignment, Mode::DryRun);
                match self.drive(&mut work, job).await? {
                    Outcome::Ended(verdict) => instruct::dry_run(&work, &verdict),
                    Outcome::Closed(closed) => instruct::Said::failed(closed.message),
                }
            }
            (InstructionKind::DriftCheck, _) => self.drift.check(&self.tools).await,
            _ => instruct::carry_out(&self.tools, &instruction).await,
        };
        let answer = Answer {
            id: instruction.id,
            gateway: self.tools.gateway_name.clone(),
            member: self.tools.member,
            ok: answer.ok,
            message: answer.message,
            detail: answer.detail,
        };
        self.remember(&answer);
        // The connection ends only with the process.
        let _gone = self.answers.send(answer).await;
        Ok(())
    }

    fn remember(&mut self, answer: &Answer) {
        self.done.push_back((answer.id.clone(), Some(answer.clone())));
        if self.done.len() > DONE_MAX {
            self.done.pop_front();
        }
        for (_, answer) in self.done.iter_mut().rev().skip(ANSWERS_MAX) {
            *answer = None;
        }
    }
}
