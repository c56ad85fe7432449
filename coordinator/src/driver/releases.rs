//! The leader looks at the remotes: each repository at its own interval with jitter, and at once
//! when its spec changes. Only a change or a new kind of failure becomes a command.

use std::{collections::BTreeMap, time::Duration};

use millwright_coordinator_domain::command::{Body, ResolveRelease};
use millwright_model::{id::Name, resource::RepositorySpec};
use tokio::{task::JoinSet, time::Instant};

use crate::{content::ContentFailed, edge, node::Shared};

/// How often due times are looked at.
const TICK: Duration = Duration::from_millis(250);
/// After a failed look, at least this long.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Due {
    version: u64,
    at: Option<Instant>,
    busy: bool,
}

type Look = (Name, Result<crate::content::refs::Resolved, ContentFailed>);

/// Runs until the node stops.
pub async fn run(shared: Shared) {
    let mut due: BTreeMap<Name, Due> = BTreeMap::new();
    let mut looks: JoinSet<Look> = JoinSet::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            Some(look) = looks.join_next() => {
                if let Ok((name, result)) = look {
                    finish(&shared, &mut due, name, result).await;
                }
                continue;
            }
            () = shared.stop.cancelled() => return,
        }
        if !shared.consensus.leads() {
            due.clear();
            looks.abort_all();
            continue;
        }
        begin(&shared, &mut due, &mut looks);
    }
}

fn begin(shared: &Shared, due: &mut BTreeMap<Name, Due>, looks: &mut JoinSet<Look>) {
    let state = shared.consensus.state().state;
    due.retain(|name, _| state.repositories().contains_key(name));
    for (name, stored) in state.repositories() {
        let entry = due.entry(name.clone()).or_insert_with(|| Due {
            version: stored.version,
            at: Some(Instant::now()),
            busy: false,
        });
        if entry.version != stored.version {
            entry.version = stored.version;
            entry.at = Some(Instant::now());
        }
        if entry.busy || entry.at.is_none_or(|at| at > Instant::now()) {
            continue;
        }
        entry.busy = true;
        let RepositorySpec { url, r#ref, .. } = stored.resource.spec.clone();
        let (content, name) = (shared.content.clone(), name.clone());
        looks.spawn(async move {
            let result = content.resolve(&name, &url, &r#ref).await;
            (name, result)
        });
    }
}

async fn finish(
    shared: &Shared,
    due: &mut BTreeMap<Name, Due>,
    name: Name,
    result: Result<crate::content::refs::Resolved, ContentFailed>,
) {
    let state = shared.consensus.state().state;
    let Some(stored) = state.repositories().get(&name) else { return };
    let RepositorySpec { poll, jitter, .. } = stored.resource.spec;
    if let Some(entry) = due.get_mut(&name) {
        entry.busy = false;
        let extra = Duration::from_millis(rand::random_range(0..=jitter.0));
        let pause = Duration::from(poll) + extra;
        let pause = if result.is_err() { pause.max(RETRY) } else { pause };
        entry.at = (poll.0 > 0).then(|| Instant::now() + pause);
    }
    let known = state.release(&name);
    let body = match result {
        Ok(resolved) => {
            let same = known.is_some_and(|release| {
                release.commit == resolved.commit
                    && release.reference == resolved.reference
                    && release.error.is_empty()
            });
            if same {
                return;
            }
            Body::ResolveRelease(ResolveRelease {
                repository: name,
                reference: resolved.reference,
                commit: resolved.commit,
                author: resolved.author,
                subject: resolved.subject,
                committed_at: resolved.committed_at,
            })
        }
        Err(error) => {
            let message: String = error.to_string().chars().take(500).collect();
            if known.is_some_and(|release| release.error == message) {
                return;
            }
            tracing::warn!(repository = %name, %message, "cannot resolve");
            Body::ReleaseFailed { repository: name, message }
        }
    };
    if let Err(error) = shared.consensus.propose(&edge::command(shared, body)).await {
        tracing::warn!(%error, "cannot record what a ref means");
    }
}
