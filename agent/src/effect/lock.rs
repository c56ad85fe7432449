//! The last moment before the commit: sessions once more, windows, the scan lock where there is one, windows
//! and pre-images once more under it, and the plan on disk.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millwright_agent_domain::{
    job::Event,
    lock::{hold_s, is_ours},
    stamps,
};
use millwright_model::{
    digest::Digest,
    path::ManagedPath,
    report::{Failure, FailureKind, Retry, Step},
    time::Span,
};
use tokio::time::Instant;

use super::{Held, Tools, Work, event, failed, role, sessions, window};
use crate::{
    faults,
    fs::{self, Done},
    gateway::{Locked, ScanKind, Scanned, Version},
};

const PAUSE: Duration = Duration::from_millis(500);
/// A pair that changes places this often right before the commit is no pair to write to.
const ROUNDS_MAX: usize = 3;
/// Paths named in a failure.
const NAMED_MAX: usize = 10;

/// Locks and compares. However it ends but well, what was locked is let go.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    let locked = lock(tools, work).await;
    if locked.is_err() {
        release(tools, work).await;
    }
    event(locked)
}

async fn lock(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    locked(tools, work).await?;
    let changed = changed_since_plan(tools, work).await?;
    if !changed.is_empty() {
        let named = changed.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        let message = format!(
            "{} files were changed by somebody else since the plan was made, nothing was written: {named}",
            changed.len()
        );
        return Err(failed(
            Failure::new(Step::Lock, FailureKind::ChangedUnderneath, message)
                .about(changed[0].clone())
                .remedy("capture the edits, then millctl gateway retry"),
        ));
    }
    work.replaced(tools)?;
    work.unread.kinds.extend(work.scan_kinds());
    let (plan, unread) = (work.plan.clone(), work.unread.clone());
    tools
        .on_disk(Step::Lock, move |tools, _| {
            // First what needs room that is not kept in reserve.
            plan.store(&tools.state.plan_file())?;
            tools.state.keep_unread(&unread)
        })
        .await?;
    Ok(Event::Done)
}

/// Takes the locks while nobody is disturbed and this is the node that may be written. A pair that
/// changed places while the lock was waited for is waited for anew.
async fn locked(tools: &Tools, work: &mut Work) -> Result<(), Event> {
    let patience = Duration::from(tools.config.gateway.lock_wait);
    for _ in 0..ROUNDS_MAX {
        role::wait(tools, work, Step::Lock).await.map_err(failed)?;
        sessions::wait(tools, work).await?;
        // A lock that is not to be used would keep people from saving.
        window::look(tools, work)?;
        if work.plan.version == Version::V83 {
            for kind in work.scan_kinds() {
                take(tools, work, kind, patience).await?;
            }
        }
        match role::look(tools, work, Span(0), Step::Lock).await {
            Ok(None) => return window::look(tools, work),
            Ok(Some(reason)) => {
                tracing::info!(reason, "the pair changed places before the commit");
                release(tools, work).await;
            }
            Err(failure) => return Err(failed(failure)),
        }
    }
    let message = "the nodes of the pair keep changing places";
    Err(failed(
        Failure::new(Step::Lock, FailureKind::NotActive, message)
            .remedy("look at the redundancy page of the pair, then millctl gateway retry"),
    ))
}

/// Takes the lock of a kind. A scan that still reads would read what is about to change, our own of
/// the preflight like anybody's: it is waited for before the lock, and once more under it.
pub(super) async fn take(
    tools: &Tools,
    work: &mut Work,
    kind: ScanKind,
    patience: Duration,
) -> Result<(), Event> {
    let last = idle(tools, kind).await?;
    granted(tools, work, kind, last, patience).await?;
    idle(tools, kind).await?;
    Ok(())
}

async fn idle(tools: &Tools, kind: ScanKind) -> Result<Scanned, Event> {
    let within = Duration::from(tools.config.gateway.scan_timeout);
    let idle = tools.gateway.await_idle(kind, within).await;
    idle.map_err(|trouble| failed(trouble.failure(Step::Lock)))
}

async fn granted(
    tools: &Tools,
    work: &mut Work,
    kind: ScanKind,
    last: Scanned,
    patience: Duration,
) -> Result<(), Event> {
    let trouble = |trouble: crate::gateway::Trouble| failed(trouble.failure(Step::Lock));
    let scan_ms = u64::try_from(last.took_ms).unwrap_or(0);
    let asked_s = hold_s(work.plan.changes.paths().count(), scan_ms);
    let deadline = Instant::now() + patience;
    loop {
        work.replaced(tools)?;
        match tools.gateway.lock(kind, asked_s).await.map_err(trouble)? {
            Locked::Granted(grant) => {
                let held = Held { grant, asked_s, at: Instant::now() };
                work.locks.insert(kind, held);
                return Ok(());
            }
            Locked::Absent => return Ok(()),
            Locked::Held(holder) if Instant::now() >= deadline => {
                let message = format!("the {} scan lock is held by {holder}", kind.top());
                return Err(failed(
                    Failure::new(Step::Lock, FailureKind::LockHeld, message)
                        .about(holder)
                        .remedy("wait until the other program is done, then retry"),
                ));
            }
            Locked::Held(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Paths whose content is no longer what the plan saw. What the gateway has stamped meanwhile, in a scan of
/// ours perhaps, goes into the plan and is kept like anything that the commit replaces.
async fn changed_since_plan(tools: &Tools, work: &mut Work) -> Result<Vec<String>, Event> {
    let (mut plan, plain) = (Arc::clone(&work.plan.changes), work.plain.clone());
    let (changed, plan) = tools
        .on_disk(Step::Lock, move |tools, local| {
            let (mut changed, mut stamped) = (Vec::new(), BTreeMap::new());
            let writes = plan.write.iter().map(|w| (&w.file.path, w.before));
            let removes = plan.remove.iter().map(|r| (&r.path, Some(r.before)));
            for (path, before) in writes.chain(removes) {
                let now = local.inventory.look(tools.data_dir(), path)?.map(|known| known.digest);
                match (now, plain.get(path)) {
                    (now, _) if now == before => {}
                    (Some(now), Some(then)) if plain_now(tools, path)? == Some(*then) => {
                        local.store.keep_live(tools.data_dir(), path, &mut local.inventory)?;
                        stamped.insert(path.clone(), now);
                    }
                    _ => changed.push(path.to_string()),
                }
            }
            if !stamped.is_empty() {
                local.store.sync()?;
                Arc::make_mut(&mut plan).replaces(&stamped);
            }
            Ok((changed, plan))
        })
        .await?;
    work.plan.changes = plan;
    Ok(changed)
}

/// What a file says now, apart from stamps.
fn plain_now(tools: &Tools, path: &ManagedPath) -> Done<Option<Digest>> {
    let live = fs::read_if_there(&tools.target(path))?;
    Ok(live.and_then(|live| stamps::plain_digest(&live)))
}

/// Lets locks of ours go: only a scan does. Nothing was written, so it is harmless.
async fn release(tools: &Tools, work: &mut Work) {
    let within = Duration::from(tools.config.gateway.scan_timeout);
    for (kind, _) in std::mem::take(&mut work.locks) {
        if let Err(trouble) = tools.gateway.scan(kind, within).await {
            tracing::info!(why = trouble.message, "the scan lock ends by itself");
        }
    }
}

/// Fails when a lock that was granted is no longer ours: another writer or a foreign scan may have
/// seen half of the change.
pub async fn still_ours(tools: &Tools, work: &Work) -> Result<(), Event> {
    faults::point("lock.check");
    for (kind, held) in &work.locks {
        let now = tools
            .gateway
            .lock_holder(*kind)
            .await
            .map_err(|trouble| failed(trouble.failure(Step::Scan)))?;
        let held_ms = u64::try_from(held.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !is_ours(&held.grant, now.as_ref(), held_ms, held.asked_s) {
            let holder = match &now {
                Some(other) if other.actor != held.grant.actor => {
                    format!("{} holds it", other.actor)
                }
                Some(_) => "too little of it is left".to_owned(),
                None => "it has ended".to_owned(),
            };
            let message = format!("the {} scan lock is no longer ours: {holder}", kind.top());
            let failure = Failure::new(Step::Commit, FailureKind::LockLost, message);
            return Err(failed(failure.retry(Retry::Later)));
        }
    }
    Ok(())
}
