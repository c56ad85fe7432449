//! Keeping what is there: a snapshot by policy, and in any case everything that the commit will
//! replace or delete.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use millwright_agent_domain::{changes::Changes, job::Event};
use millwright_model::{
    facts::SnapshotInfo,
    path::ManagedPath,
    policy::{SnapshotScope, SnapshotWhen, Snapshots},
    report::{Failure, FailureKind, Step},
};

use super::{Tools, Work, event, failed};
use crate::{
    faults,
    fs::Done,
    local::Local,
    snapshot::{Remote, RemoteFailed, Snapshot, Wanted},
};

/// Top folders of a data directory that hold what people configure.
const DATA_ROOTS: [&str; 2] = ["projects", "config"];

/// Keeps.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    event(keep(tools, work).await)
}

async fn keep(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    let policy = work.assignment.policies.snapshots.clone();
    let changes = Arc::clone(&work.plan.changes);
    let cause = work.assignment.trigger.clone();
    let wanted_roots = work.manifest.as_ref().map(|m| m.roots().to_vec()).unwrap_or_default();
    let take = wants(&policy, &changes);
    let settings = policy.clone();
    let taken = tools
        .on_disk(Step::Snapshot, move |tools, local| {
            let taken = match take {
                true => Some(take_now(tools, local, &settings, &wanted_roots, &cause)?),
                false => None,
            };
            pre_images(tools, local, &changes)?;
            Ok(taken)
        })
        .await
        .map_err(as_snapshot_failure)?;
    if let Some(taken) = taken {
        let id = taken.id.clone();
        work.plan.snapshot.clone_from(&id);
        if policy.gwbk {
            super::super::backup::download(tools, &id).await.map_err(|why| refused(&why))?;
        }
        if policy.remote.as_ref().is_some_and(|remote| remote.wait_for_upload) {
            upload(tools, &policy, &id).await.map_err(|error| refused(&error.to_string()))?;
        }
    }
    Ok(Event::Done)
}

fn refused(why: &str) -> Event {
    let message = format!("the snapshot cannot be completed: {why}");
    failed(Failure::new(Step::Snapshot, FailureKind::SnapshotFailed, message))
}

/// A full disk stays a full disk; everything else is a failed snapshot.
fn as_snapshot_failure(event: Event) -> Event {
    let Event::Failed(mut failures) = event else { return event };
    for failure in &mut failures {
        if failure.kind == FailureKind::Internal {
            failure.kind = FailureKind::SnapshotFailed;
        }
    }
    Event::Failed(failures)
}

fn wants(policy: &Snapshots, changes: &Changes) -> bool {
    match policy.when {
        SnapshotWhen::Always => true,
        SnapshotWhen::Never => false,
        SnapshotWhen::ChangesExceed { files, bytes } => {
            changes.paths().count() as u64 > u64::from(files) || changes.bytes() > bytes
        }
    }
}

/// Takes a snapshot of what the policy says.
pub fn take_now(
    tools: &Tools,
    local: &mut Local,
    policy: &Snapshots,
    wanted_roots: &[ManagedPath],
    cause: &str,
) -> Done<SnapshotInfo> {
    let outer = match policy.scope {
        SnapshotScope::Roots => outer_roots(local, wanted_roots),
        SnapshotScope::Data => DATA_ROOTS
            .iter()
            .map(|root| ManagedPath::parse(root).expect("plain names are paths"))
            .collect(),
    };
    let began = Instant::now();
    local.look_lately(tools.data_dir(), &outer)?;
    let wanted = Wanted {
        data_dir: tools.data_dir(),
        roots: &outer,
        now: tools.now(),
        began,
        commit: tools.state.applied()?.map(|applied| applied.commit),
        manifest: local.applied.as_ref().map(|manifest| manifest.digest()),
        cause: cause.to_owned(),
        min_free_bytes: policy.min_free_bytes,
    };
    let taken = local.store.take(&wanted, &mut local.inventory)?;
    if local.applied.is_some() && tools.state.unread()?.kinds.is_empty() {
        tools.state.keep_good_snapshot(&taken.id)?;
    }
    Ok(taken)
}

/// The managed roots of what is applied and of what is wanted, without those inside others.
pub fn outer_roots(local: &Local, wanted: &[ManagedPath]) -> Vec<ManagedPath> {
    let applied = local.applied.iter().flat_map(|manifest| manifest.roots());
    let roots: BTreeSet<&ManagedPath> = applied.chain(wanted).collect();
    let nested = |root: &ManagedPath| {
        roots.iter().any(|other| *other != root && root.starts_with_dir(other))
    };
    roots.iter().filter(|root| !nested(root)).map(|root| (*root).clone()).collect()
}

/// What the commit replaces or deletes is kept whatever the policy says: undoing needs it.
fn pre_images(tools: &Tools, local: &mut Local, changes: &Changes) -> Done<()> {
    let writes = changes.write.iter().filter_map(|w| Some((&w.file.path, w.before?)));
    let removes = changes.remove.iter().map(|remove| (&remove.path, remove.before));
    for (path, before) in writes.chain(removes) {
        // Read once more while there is something to keep instead: later there is not.
        if local.store.is_whole(&before) {
            continue;
        }
        faults::point("snapshot.pre_image");
        if local.inventory.look(tools.data_dir(), path)?.is_some() {
            local.store.keep_live(tools.data_dir(), path, &mut local.inventory)?;
        }
    }
    local.store.sync()
}

/// Uploads a snapshot to the remote store of the policy, if there is one.
pub async fn upload(tools: &Tools, policy: &Snapshots, id: &str) -> Result<(), RemoteFailed> {
    let Some(settings) = &policy.remote else { return Ok(()) };
    Remote::open(settings, tools).await?.upload(tools, id).await
}

/// A snapshot that only the remote store has, brought here with its contents.
pub async fn fetch_remote(tools: &Tools, id: &str) -> Result<Option<Snapshot>, Event> {
    let policies = tools.policies.borrow().clone();
    let Some(settings) = policies.snapshots.remote else { return Ok(None) };
    let fetched = async { Remote::open(&settings, tools).await?.download(tools, id).await };
    fetched.await.map_err(|error| refused(&error.to_string()))
}
