//! Renames into the tree: data files first, `resource.json` last, deletions after. Everything that is
//! needed to undo it is on disk before the first rename. A held file is tried again for a while.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use millwright_agent_domain::job::Event;
use millwright_model::{
    digest::Digest,
    path::ManagedPath,
    report::{Failure, FailureKind, Step},
};

use super::{Tools, Work, event, failed, lock::still_ours, stage::staged_files};
use crate::{
    faults,
    fs::{self, Done},
    local::Local,
};

/// How long a file that another process holds is tried again.
const HELD_PATIENCE: Duration = Duration::from_secs(5);
const HELD_PAUSE: Duration = Duration::from_millis(200);

/// Carries the planned changes out.
pub async fn run(tools: &Tools, work: &Work) -> Event {
    event(commit(tools, work).await)
}

async fn commit(tools: &Tools, work: &Work) -> Result<Event, Event> {
    still_ours(tools, work).await?;
    let changes = Arc::clone(&work.plan.changes);
    let changed = tools
        .on_disk(Step::Commit, move |tools, local| {
            let root = tools.data_dir();
            let staged = staged_files(&tools.state, &changes);
            let mut made = BTreeSet::new();
            for (write, from) in changes.write.iter().zip(staged) {
                let path = &write.file.path;
                make_parents(root, path, &mut made)?;
                if !is_as_planned(local, root, path, write.before)? {
                    return Ok(Some(path.to_string()));
                }
                faults::point("commit.rename");
                patiently(|| fs::put(&from, &tools.target(path)))?;
            }
            for remove in &changes.remove {
                if !is_as_planned(local, root, &remove.path, Some(remove.before))? {
                    return Ok(Some(remove.path.to_string()));
                }
                faults::point("commit.remove");
                patiently(|| fs::remove(root, remove.path.as_str(), &stop_of(root, &remove.path)))?;
            }
            faults::point("commit.sync");
            match changes.paths().count() <= fs::SYNC_EACH_MAX {
                true => fs::sync_each(root, changes.paths().map(|path| tools.target(path))),
                false => fs::sync_all(root),
            }
            .map(|()| None)
        })
        .await?;
    if let Some(path) = changed {
        let message = format!("somebody changed {path} while the files were written");
        let kind = FailureKind::ChangedUnderneath;
        let failure = Failure::new(Step::Commit, kind, message).about(path);
        return Err(failed(failure.remedy("capture the edit, then millctl gateway retry")));
    }
    still_ours(tools, work).await?;
    Ok(Event::Done)
}

/// Nobody holds writers of files back, so each file is looked at right before it is replaced.
fn is_as_planned(
    local: &mut Local,
    root: &Path,
    path: &ManagedPath,
    before: Option<Digest>,
) -> Done<bool> {
    Ok(local.inventory.look(root, path)?.map(|known| known.digest) == before)
}

/// Folders are looked at once for all files in them.
fn make_parents(root: &Path, path: &ManagedPath, made: &mut BTreeSet<ManagedPath>) -> Done<()> {
    let Some(dir) = path.parent() else { return Ok(()) };
    if made.contains(&dir) {
        return Ok(());
    }
    fs::make_parents(root, path.as_str())?;
    made.insert(dir);
    Ok(())
}

/// Folders that become empty go, but never a project's own nor what is above a resource type.
pub(super) fn stop_of(root: &Path, path: &ManagedPath) -> PathBuf {
    match path.as_str().split('/').collect::<Vec<_>>().as_slice() {
        ["projects", project, ..] => root.join("projects").join(project),
        ["config", "resources", collection, module, kind, ..] => {
            root.join("config/resources").join(collection).join(module).join(kind)
        }
        _ => root.to_owned(),
    }
}

/// Tries again while another process holds the file.
pub(super) fn patiently<T>(mut action: impl FnMut() -> Done<T>) -> Done<T> {
    let began = Instant::now();
    loop {
        match action() {
            Err(error) if error.may_pass() && began.elapsed() < HELD_PATIENCE => {
                std::thread::sleep(HELD_PAUSE);
            }
            done => return done,
        }
    }
}
