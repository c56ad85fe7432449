//! What people see of one gateway: a closed word, a reason, prose, and everything behind them.

use millwright_model::id::{GatewayName, Member};
use serde_json::{Value, json};

use crate::{
    State,
    rollout::{asked, newest_of, owner, put_aside},
    state::{
        Attempt, AttemptResult, Connection, Desired, DesiredOrigin, GatewayStatus, MemberState,
        RolloutPhase,
    },
};

/// State, reason and prose of a gateway.
pub(super) struct Verdict {
    pub(super) state: &'static str,
    reason: &'static str,
    message: String,
}

fn says(state: &'static str, reason: &'static str, message: impl Into<String>) -> Verdict {
    Verdict { state, reason, message: message.into() }
}

/// The connection of the node that is written.
fn written(status: &GatewayStatus) -> Option<&Connection> {
    let of = |member: Member| status.connections.get(member.as_str());
    of(Member::Single).or_else(|| of(Member::Master))
}

pub(super) fn verdict(state: &State, name: &GatewayName) -> Verdict {
    let Some(stored) = state.gateways.get(name) else {
        return says("Unassigned", "Unknown", "no such gateway");
    };
    let status = state.status.get(name);
    if let Some(why) = state.paused(name) {
        return says("Paused", "PausedByPerson", why);
    }
    match status.and_then(|status| written(status)) {
        None => {
            let message = "no agent has connected: millctl token create agent";
            return says("Offline", "NeverConnected", message);
        }
        Some(connection) if !connection.connected => {
            return says("Offline", "AgentLost", format!("no agent since {}", connection.since));
        }
        Some(_) => {}
    }
    let Some(desired) = state.desired.get(name) else {
        return match owner(state, &stored.resource) {
            None => says("Unassigned", "NoFleet", "no fleet selects this gateway"),
            Some(fleet) => {
                says("Pending", "WaitsForRollout", format!("waits for its stage in fleet {fleet}"))
            }
        };
    };
    let last = status.and_then(|status| status.history.back());
    match last.filter(|a| (a.generation, a.attempt) >= (desired.generation, desired.attempt)) {
        Some(attempt) => ended(state, name, desired, attempt),
        None if let Some(waiting) = put_aside(state, name) => {
            says("Waiting", "WindowClosed", waiting.message.clone())
        }
        None => {
            // What the change may wait for.
            let seen = status.map(|status| status.written_facts()).map(|facts| facts.state);
            let waits = match seen.as_deref() {
                None | Some("" | "RUNNING") => String::new(),
                Some(seen) => format!("; the gateway is {seen}"),
            };
            let what = match &desired.origin {
                DesiredOrigin::Rollout | DesiredOrigin::Commit | DesiredOrigin::Previous => {
                    format!("applying commit {}", desired.render.commit.short())
                }
                DesiredOrigin::Snapshot { id, .. } => format!("restoring snapshot {id}"),
            };
            says("Syncing", "Assigned", what + &waits)
        }
    }
}

fn ended(state: &State, name: &GatewayName, desired: &Desired, attempt: &Attempt) -> Verdict {
    let first = attempt.failures.first();
    let why = first.map_or_else(
        || "the files differ".to_owned(),
        |failure| format!("{}: {}", failure.step, failure.message),
    );
    match attempt.result {
        AttemptResult::Failed => says("Failed", "ApplyFailed", why),
        AttemptResult::RolledBack => says("RolledBack", "ApplyFailed", why),
        AttemptResult::Inconsistent => says("Inconsistent", "RestoreFailed", why),
        AttemptResult::Applied => applied(state, name, desired),
    }
}

fn applied(state: &State, name: &GatewayName, desired: &Desired) -> Verdict {
    let status = state.status.get(name);
    let drift = status.map_or(0, |status| status.written_facts().drift.count);
    if drift > 0 {
        let message = format!("{drift} files were changed by somebody else");
        return says("Drifted", "LocalChanges", message);
    }
    if let Some(verdict) = pending_elsewhere(state, name, desired) {
        return verdict;
    }
    if let Some(backup) = status.and_then(|status| status.backup.as_ref())
        && backup.generation == desired.generation
        && !backup.in_sync
        && !backup.message.is_empty()
    {
        let message = format!("applied, backup not in sync: {}", backup.message);
        return says("InSync", "BackupNotInSync", message);
    }
    match desired.origin {
        DesiredOrigin::Rollout => says("InSync", "", ""),
        DesiredOrigin::Previous => says("InSync", "RolledBackByRollout", desired.trigger.clone()),
        DesiredOrigin::Commit | DesiredOrigin::Snapshot { .. } => {
            says("InSync", "RolledBackByPerson", desired.trigger.clone())
        }
    }
}

/// In sync with its assignment, but a newer rollout has not reached it yet.
fn pending_elsewhere(state: &State, name: &GatewayName, desired: &Desired) -> Option<Verdict> {
    let fleet = state.rollouts.get(&desired.rollout).map(|rollout| &rollout.fleet)?;
    let newest = state.newest.get(fleet)?;
    if *newest == desired.rollout {
        return None;
    }
    let rollout = state.rollouts.get(newest)?;
    let member = rollout.members.get(name)?;
    if let (RolloutPhase::Running, Some(question)) = (rollout.phase, asked(state, name, member)) {
        let message = format!("{question}: millctl gateway confirm {name} -m WHY");
        return Some(says("Waiting", "AsksForConfirmation", message));
    }
    (member.state == MemberState::Pending).then(|| match rollout.phase {
        RolloutPhase::Running | RolloutPhase::Planned => {
            says("Pending", "WaitsForStage", format!("waits for its turn in {newest}"))
        }
        RolloutPhase::RollingBack => {
            says("Pending", "RolloutFailed", format!("{newest} goes back before it"))
        }
        RolloutPhase::Failed => {
            says("Pending", "RolloutFailed", format!("{newest} stopped before it"))
        }
        RolloutPhase::Completed | RolloutPhase::Aborted | RolloutPhase::Superseded => {
            says("Pending", "Superseded", format!("{newest} ended before it"))
        }
    })
}

fn value(what: &impl serde::Serialize) -> Value {
    serde_json::to_value(what).unwrap_or(Value::Null)
}

fn connection_json(state: &State, connection: Option<&Connection>) -> Value {
    let Some(connection) = connection else { return json!({"state": "never"}) };
    let node = state
        .nodes
        .get(&connection.node)
        .map_or_else(|| connection.node.to_string(), |node| node.name.to_string());
    json!({
        "state": if connection.connected { "connected" } else { "lost" },
        "node": node, "since": connection.since,
        "agentVersion": connection.agent_version, "address": connection.address,
    })
}

pub(super) fn gateway_status(state: &State, name: &GatewayName) -> Value {
    let Verdict { state: word, reason, message } = verdict(state, name);
    let status = state.status.get(name).cloned().unwrap_or_default();
    let desired = state.desired.get(name).map(|desired| {
        json!({
            "commit": desired.render.commit, "manifest": desired.manifest,
            "generation": desired.generation, "rollout": desired.rollout,
            "reference": desired.reference, "attempt": desired.attempt,
            "origin": value(&desired.origin), "trigger": desired.trigger,
        })
    });
    let members: serde_json::Map<String, Value> = status
        .connections
        .iter()
        .map(|(member, connection)| {
            let facts = status.facts.get(member).map_or(Value::Null, value);
            let connection = connection_json(state, Some(connection));
            (member.clone(), json!({"connection": connection, "facts": facts}))
        })
        .collect();
    let facts = status.written_facts();
    let last = status.history.back();
    let question = newest_of(state, name)
        .filter(|(rollout, _)| rollout.phase == RolloutPhase::Running)
        .and_then(|(_, member)| Some((member, asked(state, name, member)?)))
        .map(|(member, text)| json!({"text": text, "manifest": member.manifest}));
    json!({
        "state": word, "reason": reason, "message": message,
        "connection": connection_json(state, written(&status)),
        "facts": value(&facts),
        "sessions": facts.sessions.as_ref().map(value),
        "drift": value(&facts.drift),
        "snapshots": value(&facts.snapshots),
        "members": members,
        "backup": status.backup.as_ref().map(value),
        "paused": status.paused.as_ref().map(value),
        "question": question,
        "confirmed": status.confirmed.as_ref().map(value),
        "desired": desired,
        "attempted": last.map(|a| json!({
            "commit": a.commit, "generation": a.generation, "attempt": a.attempt,
        })),
        "applied": status.applied.as_ref().map(|a| json!({
            "commit": a.commit, "manifest": a.manifest, "generation": a.generation, "at": a.at,
        })),
        "failures": last.map_or_else(|| json!([]), |a| json!(a.failures)),
        "notices": last.map_or_else(|| json!([]), |a| json!(a.notices)),
        "history": status.history.iter().rev().map(value).collect::<Vec<_>>(),
        "instructions": status.instructions.iter().rev().map(value).collect::<Vec<_>>(),
    })
}
