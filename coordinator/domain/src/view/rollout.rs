//! What people see of fleets and their rollouts.

use millwright_model::{
    gate::origin,
    id::{GatewayName, Name, RolloutId},
    resource::RolloutPolicy,
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{gate, gateway::verdict};
use crate::{
    State,
    rollout::{StageCount, owner},
    state::{DryRunDiff, Followed, MemberState, Rollout, RolloutMember, RolloutPhase},
    why,
};

/// Where a fleet stands.
pub(super) fn fleet_status(state: &State, name: &Name) -> Value {
    let members: Vec<&GatewayName> = state
        .gateways
        .values()
        .filter(|stored| owner(state, &stored.resource) == Some(name))
        .map(|stored| &stored.resource.metadata.name)
        .collect();
    let in_sync =
        members.iter().filter(|gateway| verdict(state, gateway).state == "InSync").count();
    let newest = state.newest.get(name);
    let rollout = newest.and_then(|id| state.rollouts.get(id));
    let fault = state.plan_faults.get(name);
    // A repository says of its own ref that it cannot be resolved.
    let own = state.fleets.get(name).map(|stored| Followed::by(&stored.resource.spec));
    let own = own.filter(|followed| followed.other.is_some());
    let release = own.as_ref().and_then(|followed| state.release(followed));
    let lost = release.filter(|release| !release.error.is_empty());
    let (word, reason, message) = match (rollout, fault, lost) {
        (Some(rollout), None, _) if moves(rollout) => {
            (phase_word(rollout), "", rollout_line(rollout))
        }
        (_, _, Some(release)) => ("Failed", "ResolveFailed", release.error.clone()),
        (_, Some(fault), _) => ("Failed", "CannotPlan", format!("cannot be planned: {fault}")),
        (None, None, None) => {
            ("Waiting", "NoRollout", "no rollout yet: is the repository resolved?".to_owned())
        }
        (Some(rollout), None, None) => (phase_word(rollout), "", rollout_line(rollout)),
    };
    let mut status = json!({
        "gateways": members.len(), "inSync": in_sync, "rollout": newest,
        "state": word, "reason": reason, "message": message,
    });
    if let Some(release) = release.filter(|release| !release.reference.is_empty()) {
        status["reference"] = json!(release.reference);
        status["commit"] = json!(release.commit);
        status["subject"] = json!(release.subject);
    }
    status
}

fn moves(rollout: &Rollout) -> bool {
    matches!(
        rollout.phase,
        RolloutPhase::Planned | RolloutPhase::Running | RolloutPhase::RollingBack
    )
}

fn sum(counts: &[StageCount], of: impl Fn(&StageCount) -> u32) -> u32 {
    counts.iter().map(of).sum()
}

/// One closed word.
pub(crate) fn phase_word(rollout: &Rollout) -> &'static str {
    let counts = rollout.counts();
    match (rollout.phase, &rollout.paused) {
        (RolloutPhase::Planned, _) => "Planned",
        (RolloutPhase::Running, None) => "Running",
        (RolloutPhase::Running, Some(_)) if sum(counts, |c| c.running) > 0 => "Pausing",
        (RolloutPhase::Running, Some(_)) => "Paused",
        (RolloutPhase::RollingBack, _) => "RollingBack",
        (RolloutPhase::Completed, _) if sum(counts, |c| c.deferred) > 0 => "CompletedWithDeferred",
        (RolloutPhase::Completed, _) => "Completed",
        (RolloutPhase::Failed, _) => "Failed",
        (RolloutPhase::Aborted, _) => "Aborted",
        (RolloutPhase::Superseded, _) => "Superseded",
    }
}

/// One line about a rollout.
pub(crate) fn rollout_line(rollout: &Rollout) -> String {
    let counts = rollout.counts();
    let (done, total) = (sum(counts, |c| c.applied), sum(counts, StageCount::wanted));
    let mut line = match (rollout.phase, rollout.current()) {
        (RolloutPhase::Running, Some(at)) => {
            format!("stage {}: {done}/{total} applied", rollout.stages[at].name)
        }
        _ => format!("{done}/{total} applied"),
    };
    for (what, count) in [
        ("failed", sum(counts, |c| c.failed)),
        ("deferred", sum(counts, |c| c.deferred)),
        ("back at their previous files", sum(counts, |c| c.reverted)),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(stop) = &rollout.stop {
        line.push_str(&format!("; {}", stop.cause));
    }
    line
}

fn member_words(member: &RolloutMember) -> (&'static str, u64, String) {
    match &member.state {
        MemberState::Pending => ("pending", 0, dry_run_words(member).unwrap_or_default()),
        MemberState::Assigned { generation } => ("assigned", generation.0, String::new()),
        MemberState::Applied { generation } => ("applied", generation.0, String::new()),
        MemberState::Failed { generation, message } => ("failed", generation.0, message.clone()),
        MemberState::Skipped { reason } => ("skipped", 0, reason.clone()),
        MemberState::Deferred => ("deferred", 0, "its agent is away".to_owned()),
        MemberState::Reverting { generation } => ("reverting", generation.0, String::new()),
        MemberState::Reverted { generation } => ("reverted", generation.0, String::new()),
    }
}

fn dry_run_words(member: &RolloutMember) -> Option<String> {
    let dry_run = member.dry_run.as_ref()?;
    let answer = dry_run.answer.as_ref();
    Some(match answer.map(|answer| (answer, answer.diff.filter(|_| answer.ok))) {
        None => "its agent looks what would change".to_owned(),
        Some((_, Some(DryRunDiff { added, changed, removed, .. }))) => {
            format!("would add {added}, change {changed}, remove {removed}")
        }
        Some((answer, None)) => answer.message.clone(),
    })
}

/// Where a stage stands.
fn stage_word(rollout: &Rollout, at: usize, now: Timestamp) -> &'static str {
    let progress = rollout.progress_of(at);
    let soaks = |closed: Timestamp| closed.plus(rollout.stages[at].soak) > now;
    match (progress.opened_at, progress.closed_at) {
        (Some(_), Some(closed)) if soaks(closed) && progress.promoted.is_none() => "soaking",
        (_, Some(_)) => "done",
        (Some(_), None) => "open",
        (None, None) if progress.asked_at.is_some() && progress.approved.is_none() => "asks",
        (None, None) => "pending",
    }
}

fn stages(rollout: &Rollout, now: Timestamp) -> (Vec<Value>, Vec<Value>) {
    let mut members: Vec<Vec<(u32, &GatewayName)>> = vec![Vec::new(); rollout.stages.len()];
    for (gateway, member) in &rollout.members {
        if let Some(stage) = members.get_mut(member.stage as usize) {
            stage.push((member.order, gateway));
        }
    }
    let all = rollout.stages.iter().zip(rollout.counts()).enumerate();
    all.map(|(at, (stage, count))| {
        let here = members.get_mut(at).map(std::mem::take).unwrap_or_default();
        let mut here = here;
        here.sort_unstable();
        let here: Vec<&GatewayName> = here.into_iter().map(|(_, gateway)| gateway).collect();
        let progress = rollout.progress_of(at);
        let spec = json!({
            "name": stage.name, "maxConcurrent": stage.max_concurrent, "members": here,
            "soak": stage.soak, "quorum": stage.quorum,
            "approval": stage.approval.required,
        });
        let status = json!({
            "name": stage.name, "state": stage_word(rollout, at, now), "total": count.total,
            "applied": count.applied, "failed": count.failed, "running": count.running,
            "skipped": count.skipped, "deferred": count.deferred, "reverted": count.reverted,
            "openedAt": progress.opened_at, "closedAt": progress.closed_at,
            "askedAt": progress.asked_at, "approved": progress.approved,
            "promoted": progress.promoted,
        });
        (spec, status)
    })
    .unzip()
}

/// A rollout as a resource.
pub(super) fn rollout_json(state: &State, id: &RolloutId, rollout: &Rollout) -> Value {
    let (spec_stages, stages) = stages(rollout, state.now);
    let members: Vec<Value> = rollout
        .members
        .iter()
        .map(|(gateway, member)| {
            let (word, generation, message) = member_words(member);
            let stage = rollout.stages.get(member.stage as usize).map(|stage| &stage.name);
            let mut shown = json!({"gateway": gateway, "stage": stage, "state": word,
                "dependsOn": member.depends_on, "generation": generation, "message": message,
                "since": member.since});
            if let Some(dry_run) = &member.dry_run {
                shown["dryRun"] = json!(dry_run);
            }
            shown
        })
        .collect();
    let failed = rollout.members.values().find_map(|member| match &member.state {
        MemberState::Failed { message, .. } => Some(message.clone()),
        MemberState::Pending
        | MemberState::Assigned { .. }
        | MemberState::Applied { .. }
        | MemberState::Skipped { .. }
        | MemberState::Deferred
        | MemberState::Reverting { .. }
        | MemberState::Reverted { .. } => None,
    });
    let waits = why::rollout(state, id, state.now);
    let reason = match (&failed, waits.first()) {
        (Some(_), _) => "MemberFailed",
        (None, Some(blocker)) => blocker.code,
        (None, None) => "",
    };
    json!({
        "apiVersion": millwright_model::resource::API_VERSION,
        "kind": "Rollout",
        "metadata": {"name": id},
        "spec": {
            "fleet": rollout.fleet, "repository": rollout.repository, "commit": rollout.commit,
            "author": rollout.author, "reference": rollout.reference,
            "planHash": rollout.plan_hash, "stages": spec_stages, "policy": policy(&rollout.policy),
        },
        "status": {
            "phase": phase_word(rollout), "state": phase_word(rollout),
            "reason": reason,
            "message": failed.unwrap_or_else(|| rollout_line(rollout)),
            "line": rollout_line(rollout),
            "stop": rollout.stop, "paused": rollout.paused,
            "startedAt": rollout.started_at, "finishedAt": rollout.finished_at,
            "stages": stages, "members": members, "waits": waits,
            "gates": gate::records(rollout), "passedOver": rollout.failed_open,
        },
    })
}

/// The rules without the paths of gates, which may hold a password.
fn policy(policy: &RolloutPolicy) -> Value {
    let mut shown = policy.clone();
    for gate in &mut shown.gates {
        gate.url = origin(&gate.url).unwrap_or_default();
    }
    json!(shown)
}
