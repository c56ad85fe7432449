//! Putting the previous files back: copies, so that it can be repeated; before any scan; then one
//! scan. It needs no network but the gateway's. A file that somebody else has changed since is left
//! as it is and named.

use std::{path::PathBuf, time::Duration};

use millwright_agent_domain::{changes::Changes, job::Event, stamps};
use millwright_model::{
    digest::Digest,
    path::ManagedPath,
    report::{Failure, FailureKind, Step},
};
use tokio::time::Instant;

use super::{
    Tools, Work,
    commit::{patiently, stop_of},
    event, failed, lock, scan,
};
use crate::{
    faults,
    fs::{self, Done},
    gateway::Version,
    local::Local,
    plan::Plan,
};

const PAUSE: Duration = Duration::from_secs(1);

/// Restores and scans.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    event(restore(tools, work).await)
}

async fn restore(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    hold(tools, work).await;
    let kept = files(tools).await?;
    let kinds = work.scan_kinds();
    let within = Duration::from(tools.config.gateway.scan_timeout);
    running(tools, work).await;
    scan::all(tools, work.plan.version, &kinds, within).await.map_err(|failure| {
        let message = format!(
            "the previous files are back, but the gateway has not confirmed that it read them: {}",
            failure.message
        );
        let remedy = "look at the gateway; once it is well, millctl gateway retry";
        failed(Failure::new(Step::Restore, FailureKind::RestoreFailed, message).remedy(remedy))
    })?;
    work.locks.clear();
    let read = tools.on_disk(Step::Restore, |tools, _| match tools.state.unread()?.log_from_ms {
        // What was there before was not well either.
        Some(_) => Ok(()),
        None => tools.state.forget_unread(),
    });
    read.await?;
    Ok(Event::Restored { kept })
}

/// No scan, ours or another's, shall read the half of what comes back: one that runs is waited for, and
/// the lock taken where it can be had. A gateway that does not answer keeps nothing from coming back.
async fn hold(tools: &Tools, work: &mut Work) {
    if work.plan.version == Version::V81 || lock::still_ours(tools, work).await.is_err() {
        work.locks.clear();
    }
    for kind in work.scan_kinds() {
        if work.plan.version == Version::V83
            && !work.locks.contains_key(&kind)
            && let Err(why) = lock::take(tools, work, kind, Duration::ZERO).await
        {
            tracing::info!(?kind, ?why, "the previous files come back without the scan lock");
        }
    }
}

/// Puts the files of the plan on disk back, without a scan. Names what was left as it is.
pub async fn files(tools: &Tools) -> Result<Vec<String>, Event> {
    tools
        .on_disk(Step::Restore, |tools, local| {
            if !fs::exists(&tools.state.plan_file()) {
                return Ok(Vec::new());
            }
            let plan = Plan::load(&tools.state.plan_file())?;
            match put_back(tools, local, &plan.changes) {
                // What was staged and not placed is of no use now, and makes room.
                Err(error) if error.is_full() => {
                    fs::clear_dir(&tools.state.blobs())?;
                    tools.state.give_reserve()?;
                    put_back(tools, local, &plan.changes)
                }
                done => done,
            }
        })
        .await
        .map_err(|event| match event {
            Event::Failed(mut failures) => {
                for failure in &mut failures {
                    failure.kind = FailureKind::RestoreFailed;
                    failure.remedy = "free the named path, then millctl gateway retry".to_owned();
                }
                Event::Failed(failures)
            }
            other => other,
        })
}

/// A file to put back or to take away.
struct Undo<'a> {
    path: &'a ManagedPath,
    before: Option<Digest>,
    /// For a file that is not there any more.
    mode: u32,
    after: Option<Digest>,
    /// What was written, apart from stamps, where there are any.
    plain: Option<Digest>,
}

impl Undo<'_> {
    /// Whether it lies there as it was before; nothing when somebody else has written it since.
    fn is_undone(&self, tools: &Tools, local: &mut Local) -> Done<Option<bool>> {
        let live = local.inventory.look(tools.data_dir(), self.path)?.map(|known| known.digest);
        if live == self.before {
            return Ok(Some(true));
        }
        if live.is_none() || live == self.after {
            return Ok(Some(false));
        }
        // A gateway that stamps what it reads has not edited it.
        let content = match self.plain {
            Some(_) => fs::read_if_there(&tools.target(self.path))?,
            None => None,
        };
        let plain = content.and_then(|content| stamps::plain_digest(&content));
        Ok((plain.is_some() && plain == self.plain).then_some(false))
    }
}

/// Deletions come back first.
fn undos(changes: &Changes) -> Vec<Undo<'_>> {
    let removes = changes.remove.iter().map(|remove| Undo {
        path: &remove.path,
        before: Some(remove.before),
        mode: remove.mode,
        after: None,
        plain: None,
    });
    let writes = changes.write.iter().map(|write| Undo {
        path: &write.file.path,
        before: write.before,
        mode: write.file.mode,
        after: Some(write.file.digest),
        plain: write.plain,
    });
    removes.chain(writes).collect()
}

fn put_back(tools: &Tools, local: &mut Local, changes: &Changes) -> Done<Vec<String>> {
    let undos = undos(changes);
    let mut kept = Vec::new();
    let mut back: Vec<(&Undo<'_>, PathBuf)> = Vec::new();
    let mut away: Vec<&Undo<'_>> = Vec::new();
    let folder = tools.state.path().join("restore");
    fs::clear_dir(&folder)?;
    for (index, undo) in undos.iter().enumerate() {
        match undo.is_undone(tools, local)? {
            Some(true) => continue,
            Some(false) => {}
            None => {
                kept.push(undo.path.to_string());
                continue;
            }
        }
        match undo.before {
            Some(digest) => {
                faults::point("restore.stage");
                let staged = folder.join(index.to_string());
                fs::write(&staged, &local.store.content(&digest)?)?;
                back.push((undo, staged));
            }
            None => away.push(undo),
        }
    }
    faults::point("restore.sync");
    fs::sync_all(&folder)?;
    let root = tools.data_dir();
    for (undo, staged) in back {
        fs::make_parents(root, undo.path.as_str())?;
        let target = tools.target(undo.path);
        fs::dress(&staged, &target, undo.mode)?;
        if undo.is_undone(tools, local)?.is_none() {
            kept.push(undo.path.to_string());
            continue;
        }
        faults::point("restore.rename");
        patiently(|| fs::put(&staged, &target))?;
    }
    for undo in away {
        if undo.is_undone(tools, local)?.is_none() {
            kept.push(undo.path.to_string());
            continue;
        }
        faults::point("restore.remove");
        // Folders that the commit made go too, whole new projects included.
        let stop = match stop_of(root, undo.path) {
            project if undo.path.as_str().starts_with("projects/") => {
                project.parent().map_or(project.clone(), PathBuf::from)
            }
            other => other,
        };
        patiently(|| fs::remove(root, undo.path.as_str(), &stop))?;
    }
    faults::point("restore.synced");
    fs::sync_all(root)?;
    fs::clear_dir(&folder)?;
    Ok(kept)
}

/// Waits, bounded, for a gateway that is away: it reads the files when it starts, and the scan then
/// confirms it.
async fn running(tools: &Tools, work: &mut Work) {
    let deadline = Instant::now() + Duration::from(tools.config.gateway.wait);
    while Instant::now() < deadline {
        if tools.gateway.state().await.is_ok_and(|state| state == "RUNNING") {
            work.plan.version = tools.gateway.version().await.unwrap_or(Version::V83);
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
