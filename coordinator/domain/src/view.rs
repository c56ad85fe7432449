//! What people see: resources as JSON with their status, each state with its reason. A pure function
//! of the state, so that every node and every client shows the same.

use std::{borrow::Borrow, sync::Arc};

use millwright_model::{
    resource::{Kind, Resource, Strings},
    selector::Selector,
};
use serde_json::{Value, json};

mod gate;
mod gateway;
mod plan;
mod rollout;

pub use self::plan::plan_json;
pub(crate) use self::rollout::{phase_word, rollout_line};
use self::{
    gateway::gateway_status,
    rollout::{fleet_status, rollout_json},
};
use crate::{
    State,
    state::{Followed, Large, Stored},
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
    let views: Vec<View> = match kind {
        Kind::Repository => pick(&state.repositories, name, |r| {
            (Resource::Repository(r.clone()), repository_status(state, &r.metadata.name))
        }),
        Kind::SyncProfile => {
            pick(&state.profiles, name, |r| (Resource::SyncProfile(r.clone()), json!({})))
        }
        Kind::Gateway => pick(&state.gateways, name, |r| {
            (Resource::Gateway(r.clone()), gateway_status(state, &r.metadata.name))
        }),
        Kind::Fleet => pick(&state.fleets, name, |r| {
            (Resource::Fleet(r.clone()), fleet_status(state, &r.metadata.name))
        }),
        Kind::Operator => {
            pick(&state.operators, name, |r| (Resource::Operator(r.clone()), json!({})))
        }
        Kind::Secret => pick(&state.secrets, name, |r| (Resource::Secret(r.clone()), json!({})))
            .into_iter()
            .map(keys_only)
            .collect(),
        Kind::Rollout => state
            .rollouts
            .iter()
            .filter(|(id, _)| name.is_none_or(|name| name == id.as_str()))
            .map(|(id, rollout)| View {
                kind,
                name: id.to_string(),
                json: rollout_json(state, id, rollout),
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

fn pick<N: AsRef<str> + Borrow<str> + Ord, T>(
    map: &Large<N, Arc<Stored<T>>>,
    name: Option<&str>,
    show: impl Fn(&T) -> (Resource, Value),
) -> Vec<View> {
    let view = |name: &str, stored: &Stored<T>| {
        let (resource, status) = show(&stored.resource);
        let mut json = resource.to_value();
        json["status"] = status;
        View { kind: resource.kind(), name: name.to_owned(), json, version: stored.version }
    };
    match name {
        // Asked for every event of a watch: the others are not looked at.
        Some(name) => map.get(name).map(|stored| view(name, stored)).into_iter().collect(),
        None => map.iter().map(|(name, stored)| view(name.as_ref(), stored)).collect(),
    }
}

fn repository_status(state: &State, name: &millwright_model::id::Name) -> Value {
    let Some(release) = state.release(&Followed::own(name.clone())) else {
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
