//! The leader looks at the remotes: each repository at its own interval with jitter, and at once
//! when what is followed there changes. One look serves its own ref and those that fleets name. Only a
//! change or a new kind of failure becomes a command.

use std::{collections::BTreeMap, time::Duration};

use millwright_coordinator_domain::{
    State,
    command::{Body, ResolveRelease},
    state::Followed,
};
use millwright_model::{
    id::Name,
    resource::{RefSpec, RepositorySpec},
};
use tokio::{task::JoinSet, time::Instant};

use crate::{content::refs::Resolved, edge, node::Shared};

/// How often due times are looked at.
const TICK: Duration = Duration::from_millis(250);
/// After a failed look, at least this long.
const RETRY: Duration = Duration::from_secs(2);
/// Longest message that is recorded, in characters.
const MESSAGE_MAX: usize = 500;

/// What is followed in one repository.
#[derive(Debug, Clone, PartialEq)]
struct Subject {
    /// When this repository, or a fleet that names a ref of it, changed last.
    version: u64,
    url: String,
    refs: Vec<(Followed, RefSpec)>,
}

#[derive(Debug)]
struct Due {
    subject: Subject,
    /// It changed since the newest look began.
    changed: bool,
    at: Option<Instant>,
    busy: bool,
}

/// What became of each ref: the message of a failure is all that anybody needs of it.
type Found = Vec<(Followed, Result<Resolved, String>)>;

#[derive(Debug, Default)]
struct Looks {
    /// Version of the resources that `due` was made for.
    version: Option<u64>,
    due: BTreeMap<Name, Due>,
    running: JoinSet<(Name, Found)>,
}

/// Runs until the node stops.
pub async fn run(shared: Shared) {
    let mut looks = Looks::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            Some(look) = looks.running.join_next() => {
                if let Ok((name, found)) = look {
                    looks.finish(&shared, &name, &found);
                    record(&shared, found).await;
                }
                continue;
            }
            () = shared.stop.cancelled() => return,
        }
        if shared.consensus.leads() {
            looks.begin(&shared);
        } else {
            looks = Looks::default();
        }
    }
}

/// What is followed, by repository.
fn subjects(state: &State) -> BTreeMap<Name, Subject> {
    let mut all = BTreeMap::new();
    for (name, stored) in state.repositories() {
        let RepositorySpec { url, r#ref, .. } = stored.resource.spec.clone();
        let refs = vec![(Followed::own(name.clone()), r#ref)];
        all.insert(name.clone(), Subject { version: stored.version, url, refs });
    }
    for stored in state.fleets().values() {
        let spec = &stored.resource.spec;
        let (Some(r#ref), Some(subject)) = (&spec.r#ref, all.get_mut(&spec.repository)) else {
            continue;
        };
        subject.version = subject.version.max(stored.version);
        let named = Followed::by(spec);
        if subject.refs.iter().all(|(known, _)| *known != named) {
            subject.refs.push((named, r#ref.clone()));
        }
    }
    all
}

impl Looks {
    fn begin(&mut self, shared: &Shared) {
        let state = shared.consensus.state().state;
        if self.version != Some(state.config_version()) {
            self.version = Some(state.config_version());
            self.plan(subjects(&state));
        }
        let now = Instant::now();
        for (name, due) in &mut self.due {
            if due.busy || !(due.changed || due.at.is_some_and(|at| at <= now)) {
                continue;
            }
            (due.busy, due.changed) = (true, false);
            let (content, name) = (shared.content.clone(), name.clone());
            let Subject { url, refs, .. } = due.subject.clone();
            self.running.spawn(async move {
                let (followed, specs): (Vec<_>, Vec<_>) = refs.into_iter().unzip();
                let found = match content.resolve(&name, &url, specs).await {
                    Ok(found) => found
                        .into_iter()
                        .map(|one| one.map_err(|error| error.to_string()))
                        .collect(),
                    Err(error) => vec![Err(error.to_string()); followed.len()],
                };
                (name, followed.into_iter().zip(found).collect())
            });
        }
    }

    fn plan(&mut self, mut subjects: BTreeMap<Name, Subject>) {
        self.due.retain(|name, _| subjects.contains_key(name));
        for (name, due) in &mut self.due {
            if let Some(subject) = subjects.remove(name)
                && due.subject != subject
            {
                (due.subject, due.changed) = (subject, true);
            }
        }
        let new = |subject| Due { subject, changed: true, at: None, busy: false };
        self.due.extend(subjects.into_iter().map(|(name, subject)| (name, new(subject))));
    }

    /// When it is looked at again.
    fn finish(&mut self, shared: &Shared, name: &Name, found: &Found) {
        let state = shared.consensus.state().state;
        let stored = state.repositories().get(name);
        let (Some(stored), Some(due)) = (stored, self.due.get_mut(name)) else { return };
        let RepositorySpec { poll, jitter, .. } = stored.resource.spec;
        let extra = Duration::from_millis(rand::random_range(0..=jitter.0));
        let pause = Duration::from(poll) + extra;
        let failed = found.iter().any(|(_, one)| one.is_err());
        let pause = if failed { pause.max(RETRY) } else { pause };
        due.busy = false;
        due.at = (poll.0 > 0).then(|| Instant::now() + pause);
    }
}

async fn record(shared: &Shared, found: Found) {
    for (followed, result) in found {
        let Some(body) = news(&shared.consensus.state().state, followed, result) else { continue };
        if let Err(error) = shared.consensus.propose(&edge::command(shared, body)).await {
            tracing::warn!(%error, "cannot record what a ref means");
        }
    }
}

/// A change or a new kind of failure.
fn news(state: &State, followed: Followed, result: Result<Resolved, String>) -> Option<Body> {
    let known = state.release(&followed);
    match result {
        Ok(resolved) => {
            let same = known.is_some_and(|release| {
                release.commit == resolved.commit
                    && release.reference == resolved.reference
                    && release.error.is_empty()
            });
            (!same).then(|| {
                Body::ResolveRelease(ResolveRelease {
                    followed,
                    reference: resolved.reference,
                    commit: resolved.commit,
                    author: resolved.author,
                    subject: resolved.subject,
                    committed_at: resolved.committed_at,
                })
            })
        }
        Err(error) => {
            let message: String = error.chars().take(MESSAGE_MAX).collect();
            if known.is_some_and(|release| release.error == message) {
                return None;
            }
            tracing::warn!(%followed, %message, "cannot resolve");
            Some(Body::ReleaseFailed { followed, message })
        }
    }
}
