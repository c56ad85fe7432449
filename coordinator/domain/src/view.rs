//! What people see: resources as JSON with their status, each state with its reason. A pure function
//! of the state, so that every node and every client shows the same.

use millwright_model::{
    id::GatewayName,
    resource::{Kind, Resource, Strings},
    selector::Selector,
};
use serde_json::{Value, json};

mod gateway;

use self::gateway::{gateway_status, verdict};
use crate::{
    State,
    rollout::{count, owner},
    state::{MemberState, Rollout, RolloutPhase},
};

/// A resource with its status and the log index of its last change.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Kind.
    pub kind: Kind,
    /// Name.
    pub name: String,
    /// `apiVersion`, `kind`, `metadata`, `spec`, `status`.
    pub json: Value,
    /// Log index.
    pub version: u64,
}

/// All resources of a kind that the selector matches, or the one of that name.
pub fn list(state: &State, kind: Kind, name: Option<&str>, selector: &Selector) -> Vec<View> {
    let wanted = |view: &View| {
        let labels: Strings = view.json["metadata"]["labels"]
            .as_object()
            .map(|labels| {
                let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                labels.iter().map(|(k, v)| (k.clone(), text(v))).collect()
            })
            .unwrap_or_default();
        selector.matches(&labels)
    };
    let named = |key: &str| name.is_none_or(|name| name == key);
    let views: Vec<View> = match kind {
        Kind::Repository => pick(&state.repositories, named, |r| {
            (Resource::Repository(r.clone()), repository_status(state, &r.metadata.name))
        }),
        Kind::SyncProfile => {
            pick(&state.profiles, named, |r| (Resource::SyncProfile(r.clone()), json!({})))
        }
        Kind::Gateway => pick(&state.gateways, named, |r| {
            (Resource::Gateway(r.clone()), gateway_status(state, &r.metadata.name))
        }),
        Kind::Fleet => pick(&state.fleets, named, |r| {
            (Resource::Fleet(r.clone()), fleet_status(state, &r.metadata.name))
        }),
        Kind::Operator => {
            pick(&state.operators, named, |r| (Resource::Operator(r.clone()), json!({})))
        }
        Kind::Secret => pick(&state.secrets, named, |r| (Resource::Secret(r.clone()), json!({})))
            .into_iter()
            .map(keys_only)
            .collect(),
        Kind::Rollout => state
            .rollouts
            .iter()
            .filter(|(id, _)| named(id.as_str()))
            .map(|(id, rollout)| View {
                kind,
                name: id.to_string(),
                json: rollout_json(id.as_str(), rollout),
                version: rollout.revision,
            })
            .collect(),
        Kind::JoinToken => Vec::new(),
    };
    views.into_iter().filter(wanted).collect()
}

/// A secret as people see it. What they see cannot be applied again by mistake.
fn keys_only(mut view: View) -> View {
    let data = view.json["spec"]["data"].as_object();
    let keys: Vec<&String> = data.map(|data| data.keys().collect()).unwrap_or_default();
    view.json["spec"] = json!({"keys": keys});
    view
}

fn pick<N: AsRef<str> + Ord, T>(
    map: &std::collections::BTreeMap<N, std::sync::Arc<crate::state::Stored<T>>>,
    named: impl Fn(&str) -> bool,
    show: impl Fn(&T) -> (Resource, Value),
) -> Vec<View> {
    map.iter()
        .filter(|(name, _)| named(name.as_ref()))
        .map(|(name, stored)| {
            let (resource, status) = show(&stored.resource);
            let mut json = resource.to_value();
            json["status"] = status;
            View {
                kind: resource.kind(),
                name: name.as_ref().to_owned(),
                json,
                version: stored.version,
            }
        })
        .collect()
}

fn repository_status(state: &State, name: &millwright_model::id::Name) -> Value {
    let Some(release) = state.releases.get(name) else {
        return json!({"state": "Unknown", "reason": "NotResolvedYet", "message": "no node has looked at the remote yet"});
    };
    let failed = !release.error.is_empty();
    let mut status = json!({
        "state": if failed { "Failed" } else { "Resolved" },
        "reason": if failed { "ResolveFailed" } else { "" },
        "message": release.error,
    });
    if !release.reference.is_empty() {
        status["reference"] = json!(release.reference);
        status["commit"] = json!(release.commit);
        status["subject"] = json!(release.subject);
        status["author"] = json!(release.author);
        status["committedAt"] = json!(release.committed_at);
        status["resolvedAt"] = json!(release.resolved_at);
    }
    status
}

fn fleet_status(state: &State, name: &millwright_model::id::Name) -> Value {
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
    let (word, reason, message) = match rollout {
        None => ("Waiting", "NoRollout", "no rollout yet: is the repository resolved?".to_owned()),
        Some(rollout) => (phase_word(rollout.phase), "", rollout_line(rollout)),
    };
    json!({
        "gateways": members.len(), "inSync": in_sync, "rollout": newest,
        "state": word, "reason": reason, "message": message,
    })
}

fn phase_word(phase: RolloutPhase) -> &'static str {
    match phase {
        RolloutPhase::Running => "Running",
        RolloutPhase::Completed => "Completed",
        RolloutPhase::Failed => "Failed",
        RolloutPhase::Superseded => "Superseded",
    }
}

/// One line about a rollout.
pub(crate) fn rollout_line(rollout: &Rollout) -> String {
    let counts = count(rollout);
    let done: u32 = counts.iter().map(|count| count.applied).sum();
    let total: u32 = counts.iter().map(|count| count.total - count.skipped).sum();
    let failed: u32 = counts.iter().map(|count| count.failed).sum();
    let open = counts.iter().position(|count| count.applied + count.skipped < count.total);
    let mut line = match (rollout.phase, open) {
        (RolloutPhase::Running, Some(at)) => {
            format!("stage {}: {done}/{total} applied", rollout.stages[at].name)
        }
        _ => format!("{done}/{total} applied"),
    };
    if failed > 0 {
        line.push_str(&format!(", {failed} failed"));
    }
    line
}

fn member_words(state: &MemberState) -> (&'static str, u64, String) {
    match state {
        MemberState::Pending => ("pending", 0, String::new()),
        MemberState::Assigned { generation } => ("assigned", generation.0, String::new()),
        MemberState::Applied { generation } => ("applied", generation.0, String::new()),
        MemberState::Failed { generation, message } => ("failed", generation.0, message.clone()),
        MemberState::Skipped { reason } => ("skipped", 0, reason.clone()),
    }
}

fn rollout_json(id: &str, rollout: &Rollout) -> Value {
    let counts = count(rollout);
    let open = counts.iter().position(|count| count.applied + count.skipped < count.total);
    let mut spec_stages = Vec::new();
    let mut stages = Vec::new();
    for (at, (stage, count)) in rollout.stages.iter().zip(&counts).enumerate() {
        let here = |member: &&crate::state::RolloutMember| member.stage as usize == at;
        let members: Vec<&GatewayName> = rollout
            .members
            .iter()
            .filter(|(_, member)| here(&member.as_ref()))
            .map(|(gateway, _)| gateway)
            .collect();
        spec_stages.push(json!({
            "name": stage.name, "maxConcurrent": stage.max_concurrent, "members": members,
        }));
        let word = match open {
            Some(open) if at > open => "pending",
            Some(open) if at == open => "open",
            Some(_) | None => "done",
        };
        stages.push(json!({
            "name": stage.name, "state": word, "total": count.total, "applied": count.applied,
            "failed": count.failed, "running": count.running, "skipped": count.skipped,
        }));
    }
    let members: Vec<Value> = rollout
        .members
        .iter()
        .map(|(gateway, member)| {
            let (word, generation, message) = member_words(&member.state);
            let stage = rollout.stages.get(member.stage as usize).map(|stage| &stage.name);
            json!({"gateway": gateway, "stage": stage, "state": word,
                "generation": generation, "message": message})
        })
        .collect();
    let failed = rollout.members.values().find_map(|member| match &member.state {
        MemberState::Failed { message, .. } => Some(message.clone()),
        MemberState::Pending
        | MemberState::Assigned { .. }
        | MemberState::Applied { .. }
        | MemberState::Skipped { .. } => None,
    });
    json!({
        "apiVersion": millwright_model::resource::API_VERSION,
        "kind": "Rollout",
        "metadata": {"name": id},
        "spec": {
            "fleet": rollout.fleet, "repository": rollout.repository, "commit": rollout.commit,
            "reference": rollout.reference, "planHash": rollout.plan_hash, "stages": spec_stages,
        },
        "status": {
            "phase": phase_word(rollout.phase), "state": phase_word(rollout.phase),
            "reason": if failed.is_some() { "MemberFailed" } else { "" },
            "message": failed.unwrap_or_else(|| rollout_line(rollout)),
            "startedAt": rollout.started_at, "finishedAt": rollout.finished_at,
            "stages": stages, "members": members,
        },
    })
}
