//! Recording what dry runs are asked for and what agents say.

use std::sync::Arc;

use millwright_model::{
    id::{GatewayName, Member, RolloutId},
    instruction::InstructionKind,
};
use serde_json::Value;

use super::Scene;
use crate::{
    State,
    rollout::DRY_RUN_PATIENCE,
    state::{DryRun, DryRunAnswer, DryRunDiff, InstructionAnswer, InstructionRecord, Rollout},
};

/// Times that an agent is asked whose answer is about something that may pass.
const DRY_RUN_TRIES: u32 = 3;

impl State {
    pub(super) fn ask_dry_run(
        &mut self,
        scene: &mut Scene<'_>,
        id: &RolloutId,
        rollout: &mut Rollout,
        gateway: &GatewayName,
    ) {
        if !self.gateways.contains_key(gateway) {
            return;
        }
        let (now, commit) = (self.now, rollout.commit.short());
        let Some(member) = rollout.members.get_mut(gateway) else { return };
        let attempt = member.dry_run.as_ref().map_or(1, |dry_run| dry_run.attempt + 1);
        let asked = DryRun { attempt, asked_at: now, answer: None, void: false };
        Arc::make_mut(member).dry_run = Some(asked);
        let written = self.status.get(gateway).map(|status| status.written_member());
        let record = InstructionRecord {
            id: DryRun::instruction(id, attempt),
            member: written.unwrap_or(Member::Single),
            kind: InstructionKind::DryRun,
            subject: id.to_string(),
            by: id.to_string(),
            reason: format!("what commit {commit} would change"),
            at: now,
            expires_at: now.plus(DRY_RUN_PATIENCE),
            answer: None,
        };
        self.hand(scene, gateway, record);
    }

    /// What an agent said of the dry run of a rollout; the rollout that it is of, if it still waits.
    pub(in crate::apply) fn dry_run_answered(
        &mut self,
        gateway: &GatewayName,
        subject: &str,
        instruction: &str,
        answer: &InstructionAnswer,
    ) -> Option<RolloutId> {
        let id: RolloutId = subject.parse().ok()?;
        let rollouts = Arc::make_mut(&mut self.rollouts);
        let rollout = rollouts.get_mut(&id)?;
        let asked = rollout.members.get(gateway)?.dry_run.as_ref()?;
        let is_open = asked.answer.is_none() && !asked.void;
        if !is_open || DryRun::instruction(&id, asked.attempt) != instruction {
            return None;
        }
        let rollout = Arc::make_mut(rollout);
        rollout.revision += 1;
        let member = Arc::make_mut(rollout.members.get_mut(gateway)?);
        let dry_run = member.dry_run.as_mut()?;
        let detail: Value = serde_json::from_str(&answer.detail).unwrap_or_default();
        // What passes by itself is asked again before it stops anything.
        let passes = !answer.ok && detail["passing"] == true;
        dry_run.void = passes && dry_run.attempt % DRY_RUN_TRIES != 0;
        dry_run.answer = Some(DryRunAnswer {
            ok: answer.ok,
            message: answer.message.clone(),
            diff: diff(&detail),
        });
        Some(id)
    }
}

impl Rollout {
    /// Dry runs that found something, or that nobody answered, are asked for anew.
    pub(super) fn dry_run_again(&mut self) {
        let bad = self.members.iter().filter(|(_, member)| {
            let dry_run = member.dry_run.as_ref();
            dry_run.is_some_and(|one| !one.answer.as_ref().is_some_and(|answer| answer.ok))
        });
        for name in bad.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let Some(member) = self.members.get_mut(&name) else { continue };
            if let Some(dry_run) = &mut Arc::make_mut(member).dry_run {
                dry_run.void = true;
            }
        }
    }
}

/// The numbers of an agent's answer. An older agent names paths only.
fn diff(detail: &Value) -> Option<DryRunDiff> {
    let count = |of: &str| u32::try_from(detail["counts"][of].as_u64()?).ok();
    Some(DryRunDiff {
        added: count("added")?,
        changed: count("changed")?,
        removed: count("removed")?,
        bytes: detail["bytes"].as_u64()?,
    })
}
