//! What people ask of a rollout. Aborting, undoing and superseding are possible in every phase.

use std::sync::Arc;

use millwright_model::{
    digest::Digest,
    id::{GatewayName, RolloutId},
    resource::Kind,
};

use super::{Judged, Scene, invalid, not_found, stale};
use crate::{
    State,
    command::{Accepted, Rejection, RolloutAction, Scope},
    state::{MemberState, Rollout, RolloutMember, RolloutPhase, Said, Stop},
};

impl State {
    pub(in crate::apply) fn act_on_rollout(
        &mut self,
        scene: &mut Scene<'_>,
        id: &RolloutId,
        action: RolloutAction,
    ) -> Judged {
        let known = self.rollouts.get(id).cloned();
        let mut rollout = known.ok_or_else(|| not_found(format!("no rollout {id}")))?;
        if self.newest.get(&rollout.fleet) != Some(id) {
            let newest = self.newest.get(&rollout.fleet).map(ToString::to_string);
            let newest = newest.unwrap_or_default();
            return Err(invalid(format!(
                "rollout {id} is history: the newest of fleet {} is {newest}",
                rollout.fleet
            )));
        }
        let by = scene.actor.rsplit('/').next().unwrap_or(scene.actor).to_owned();
        let said = Said { by, reason: scene.reason.to_owned(), at: self.now };
        let changed = Arc::make_mut(&mut rollout);
        changed.revision += 1;
        let message = match action {
            RolloutAction::Undo => self.undo(scene, id, changed, &said)?,
            RolloutAction::Start { plan_hash } => start(changed, plan_hash, &said)?,
            RolloutAction::Pause => pause(changed, said)?,
            RolloutAction::Resume => resume(changed, &said)?,
            RolloutAction::Approve { stage } => approve(changed, &stage, said)?,
            RolloutAction::Deny { stage } => deny(changed, &stage, &said)?,
            RolloutAction::Promote => promote(changed, said)?,
            RolloutAction::Retry { gateway } => retry(changed, gateway.as_ref(), &said)?,
            RolloutAction::Skip { gateway } => skip(changed, &gateway, &said)?,
            RolloutAction::Abort => abort(changed, &said)?,
        };
        Arc::make_mut(&mut self.rollouts).insert(id.clone(), rollout);
        self.say(scene.index, Kind::Rollout, id.as_str(), "put", message);
        Ok(Accepted::Done)
    }

    fn undo(
        &mut self,
        scene: &mut Scene<'_>,
        id: &RolloutId,
        rollout: &mut Rollout,
        said: &Said,
    ) -> Result<String, Rejection> {
        match rollout.phase {
            RolloutPhase::Running
            | RolloutPhase::Completed
            | RolloutPhase::Failed
            | RolloutPhase::Aborted => {}
            RolloutPhase::Planned => return Err(invalid("it has not begun: abort it")),
            RolloutPhase::RollingBack => return Err(invalid("it is on its way back already")),
            RolloutPhase::Superseded => return Err(invalid("a newer rollout took its place")),
        }
        let cause = line("undone", said);
        rollout.ask_gates_again();
        self.begin_back(scene, id, rollout, Scope::All, cause.clone(), &said.by);
        Ok(cause)
    }
}

/// `paused by ann: why`.
fn line(what: &str, said: &Said) -> String {
    match said.reason.as_str() {
        "" => format!("{what} by {}", said.by),
        reason => format!("{what} by {}: {reason}", said.by),
    }
}

fn start(
    rollout: &mut Rollout,
    plan_hash: Option<Digest>,
    said: &Said,
) -> Result<String, Rejection> {
    if rollout.phase != RolloutPhase::Planned {
        return Err(invalid("it has begun already"));
    }
    if plan_hash.is_some_and(|hash| hash != rollout.plan_hash) {
        return Err(stale("the plan is another one by now: look at it again"));
    }
    // What stood in the way then may not do so any more.
    rollout.dry_run_again();
    rollout.phase = RolloutPhase::Running;
    rollout.started_at = said.at;
    rollout.moved_at = said.at;
    Ok(line("started", said))
}

fn pause(rollout: &mut Rollout, said: Said) -> Result<String, Rejection> {
    if rollout.phase != RolloutPhase::Running {
        return Err(invalid("only a running rollout can be paused"));
    }
    let message = line("paused", &said);
    rollout.paused = Some(said);
    Ok(message)
}

/// Goes on after a pause, or after a failure that a person accepts.
fn resume(rollout: &mut Rollout, said: &Said) -> Result<String, Rejection> {
    match (rollout.phase, rollout.paused.take()) {
        (RolloutPhase::Running, Some(_)) => {}
        (RolloutPhase::Failed, _) if !rollout.back => {
            forgive(rollout);
            ask_again(rollout);
            rollout.phase = RolloutPhase::Running;
            rollout.finished_at = None;
            rollout.stop = None;
        }
        (RolloutPhase::Failed, _) => return not_back(rollout).map(|()| String::new()),
        (RolloutPhase::Running, None) => return Err(invalid("it is not paused")),
        (
            RolloutPhase::Planned
            | RolloutPhase::RollingBack
            | RolloutPhase::Completed
            | RolloutPhase::Aborted
            | RolloutPhase::Superseded,
            _,
        ) => return Err(invalid("it neither is paused nor has stopped")),
    }
    rollout.moved_at = said.at;
    rollout.accepted_at = said.at;
    Ok(line("resumed", said))
}

/// A question that nobody answered in time is asked once more, and so is a gate that said no.
fn ask_again(rollout: &mut Rollout) {
    rollout.ask_gates_again();
    rollout.dry_run_again();
    let Some(progress) = rollout.current().and_then(|at| rollout.progress.get_mut(at)) else {
        return;
    };
    if progress.approved.is_none() && progress.opened_at.is_none() {
        progress.asked_at = None;
    }
}

fn forgive(rollout: &mut Rollout) {
    let counts = |member: &RolloutMember| {
        matches!(member.state, MemberState::Failed { .. }) && !member.forgiven
    };
    let failed = rollout.members.iter().filter(|(_, member)| counts(member));
    for name in failed.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
        if let Some(member) = rollout.members.get_mut(&name) {
            Arc::make_mut(member).forgiven = true;
        }
    }
}

/// The stage that a person means: the one that is asked about when none is named.
fn asked_stage(rollout: &Rollout, stage: &str) -> Result<usize, Rejection> {
    let waits = |at: usize| {
        let progress = rollout.progress_of(at);
        rollout.stages[at].approval.required
            && progress.opened_at.is_none()
            && progress.closed_at.is_none()
    };
    let found = match stage {
        "" => rollout.current().filter(|at| waits(*at)),
        name => rollout.stages.iter().position(|stage| stage.name == name),
    };
    let at = match (found, stage) {
        (Some(at), _) => at,
        (None, "") => return Err(invalid("no stage waits for an approval")),
        (None, name) => return Err(not_found(format!("no stage {name}"))),
    };
    if rollout.phase != RolloutPhase::Running && rollout.phase != RolloutPhase::Planned {
        return Err(invalid("the rollout has ended"));
    }
    if !waits(at) {
        let name = &rollout.stages[at].name;
        return Err(invalid(format!("stage {name} does not wait for an approval")));
    }
    Ok(at)
}

fn approve(rollout: &mut Rollout, stage: &str, said: Said) -> Result<String, Rejection> {
    let at = asked_stage(rollout, stage)?;
    let name = rollout.stages[at].name.clone();
    if rollout.stages[at].approval.not_author && is_author(&said.by, &rollout.author) {
        return Err(invalid(format!("{} is the author of the commit: somebody else", said.by)));
    }
    let message = line(&format!("stage {name} approved"), &said);
    if let Some(progress) = rollout.progress.get_mut(at) {
        progress.approved = Some(said);
    }
    Ok(message)
}

/// Whether an operator is the author that a commit names, as `Ann <ann@plant.example>`.
fn is_author(operator: &str, author: &str) -> bool {
    let same = |text: &str| text.trim().eq_ignore_ascii_case(operator);
    let (name, mail) = author.split_once('<').unwrap_or((author, ""));
    let mail = mail.trim_end_matches('>');
    same(name) || same(mail) || mail.split('@').next().is_some_and(same)
}

fn deny(rollout: &mut Rollout, stage: &str, said: &Said) -> Result<String, Rejection> {
    let at = asked_stage(rollout, stage)?;
    let cause = line(&format!("stage {} denied", rollout.stages[at].name), said);
    end(rollout, RolloutPhase::Failed, cause.clone(), said);
    Ok(cause)
}

fn end(rollout: &mut Rollout, phase: RolloutPhase, cause: String, said: &Said) {
    rollout.phase = phase;
    rollout.finished_at = Some(said.at);
    rollout.stop = Some(Stop { cause, at: said.at });
}

fn promote(rollout: &mut Rollout, said: Said) -> Result<String, Rejection> {
    let is_running = rollout.phase == RolloutPhase::Running;
    let soaking = (0..rollout.stages.len()).rev().find(|at| {
        let progress = rollout.progress_of(*at);
        let end = progress.closed_at.map(|at_| at_.plus(rollout.stages[*at].soak));
        progress.opened_at.is_some()
            && progress.promoted.is_none()
            && end.is_some_and(|end| end > said.at)
    });
    let Some(at) = soaking.filter(|_| is_running) else {
        return Err(invalid("no stage soaks"));
    };
    let message = line(&format!("soak of stage {} cut short", rollout.stages[at].name), &said);
    if let Some(progress) = rollout.progress.get_mut(at) {
        progress.promoted = Some(said);
    }
    Ok(message)
}

fn retry(
    rollout: &mut Rollout,
    gateway: Option<&GatewayName>,
    said: &Said,
) -> Result<String, Rejection> {
    if !matches!(rollout.phase, RolloutPhase::Running | RolloutPhase::Failed) {
        return Err(invalid("the rollout has ended"));
    }
    not_back(rollout)?;
    let failed: Vec<GatewayName> = rollout
        .members
        .iter()
        .filter(|(name, _)| gateway.is_none_or(|gateway| gateway == *name))
        .filter(|(_, member)| matches!(member.state, MemberState::Failed { .. }))
        .map(|(name, _)| name.clone())
        .collect();
    if failed.is_empty() {
        return Err(invalid("nothing of it has failed"));
    }
    for name in &failed {
        rollout.set(name, MemberState::Pending, said.at);
        // A stage that went on without it has something to do again.
        let stage = rollout.members.get(name).map_or(0, |member| member.stage as usize);
        if let Some(progress) = rollout.progress.get_mut(stage) {
            progress.closed_at = None;
        }
    }
    rollout.ask_gates_again();
    rollout.phase = RolloutPhase::Running;
    rollout.finished_at = None;
    rollout.stop = None;
    rollout.moved_at = said.at;
    rollout.accepted_at = said.at;
    Ok(line(&format!("retry of {} gateways", failed.len()), said))
}

/// What went back goes forward by a new plan alone: its stages are done by evidence that is void.
fn not_back(rollout: &Rollout) -> Result<(), Rejection> {
    match rollout.back {
        true => Err(invalid("it was rolled back: a new plan goes forward again")),
        false => Ok(()),
    }
}

fn skip(rollout: &mut Rollout, gateway: &GatewayName, said: &Said) -> Result<String, Rejection> {
    not_back(rollout)?;
    let Some(member) = rollout.members.get(gateway) else {
        return Err(not_found(format!("gateway {gateway} is no member of it")));
    };
    match &member.state {
        MemberState::Pending | MemberState::Deferred | MemberState::Failed { .. } => {}
        MemberState::Assigned { .. } | MemberState::Reverting { .. } => {
            return Err(invalid(format!("gateway {gateway} is at work on it")));
        }
        MemberState::Applied { .. }
        | MemberState::Skipped { .. }
        | MemberState::Reverted { .. } => {
            return Err(invalid(format!("gateway {gateway} is done with it")));
        }
    }
    let reason = line("skipped", said);
    rollout.set(gateway, MemberState::Skipped { reason: reason.clone() }, said.at);
    if rollout.phase == RolloutPhase::Failed {
        rollout.phase = RolloutPhase::Running;
        rollout.finished_at = None;
        rollout.stop = None;
    }
    rollout.moved_at = said.at;
    rollout.accepted_at = said.at;
    Ok(format!("{gateway}: {reason}"))
}

/// What is in flight ends by itself and is reported; nothing new begins.
fn abort(rollout: &mut Rollout, said: &Said) -> Result<String, Rejection> {
    match rollout.phase {
        RolloutPhase::Planned
        | RolloutPhase::Running
        | RolloutPhase::RollingBack
        | RolloutPhase::Failed => {}
        RolloutPhase::Completed | RolloutPhase::Aborted | RolloutPhase::Superseded => {
            return Err(invalid("the rollout has ended"));
        }
    }
    let cause = line("aborted", said);
    end(rollout, RolloutPhase::Aborted, cause.clone(), said);
    Ok(cause)
}

#[cfg(test)]
mod tests {
    use super::is_author;

    #[test]
    fn an_author_is_known_by_name_and_by_mail() {
        for author in ["ann", "Ann <a@b.example>", "A. Miller <ann@plant.example>", "x <ANN>"] {
            assert!(is_author("ann", author), "{author}");
        }
        for author in ["", "anna", "bob <bob@ann.example>"] {
            assert!(!is_author("ann", author), "{author}");
        }
    }
}
