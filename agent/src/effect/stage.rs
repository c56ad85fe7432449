//! One staged file per write, durable, beside the tree on the same file system. A blob that is
//! written once is staged where it lies; one that is written more often gets a copy for each.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use millwright_agent_domain::{
    changes::{Changes, Write},
    job::{Event, Mode},
    stamps,
};
use millwright_model::report::{FailureKind, Step};

use super::{Tools, Work, event, failed};
use crate::{
    faults,
    fs::{self, Done},
    state::StateDir,
};

/// The staged file of each write, in their order.
pub fn staged_files<'a>(
    state: &'a StateDir,
    changes: &'a Changes,
) -> impl Iterator<Item = PathBuf> + 'a {
    let mut used = BTreeSet::new();
    changes.write.iter().enumerate().map(move |(index, Write { file, .. })| {
        match used.insert(file.digest) {
            true => state.blob(&file.digest),
            false => state.blobs().join(format!("{}.{index}", file.digest)),
        }
    })
}

/// Stages.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    event(stage(tools, work).await)
}

async fn stage(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    let Some(manifest) = work.manifest.clone() else {
        let message = "there is no manifest to stage";
        let kind = FailureKind::Internal;
        return Err(failed(millwright_model::report::Failure::new(Step::Stage, kind, message)));
    };
    let mut changes = work.plan.changes.clone();
    let (digest, mode) = (manifest.digest(), work.mode);
    work.plan.changes = tools
        .on_disk(Step::Stage, move |tools, _| {
            copy_and_dress(tools, &changes)?;
            plain(tools, Arc::make_mut(&mut changes))?;
            faults::point("stage.manifest");
            // What is only tried is never ours.
            if mode == Mode::Apply {
                tools.state.keep_next_manifest(&manifest)?;
            }
            faults::point("stage.sync");
            match changes.write.len() <= fs::SYNC_EACH_MAX {
                true => fs::sync_each(tools.state.path(), staged_files(&tools.state, &changes)),
                false => fs::sync_all(tools.state.path()),
            }?;
            Ok(changes)
        })
        .await?;
    Ok(Event::Staged { manifest: digest })
}

/// What each file with stamps says without them: the gateway may stamp it anew, and then only this tells its
/// work from a person's.
fn plain(tools: &Tools, changes: &mut Changes) -> Done<()> {
    for Write { file, plain, .. } in &mut changes.write {
        if stamps::has_stamps(file.path.as_str()) {
            *plain = stamps::plain_digest(&fs::read(&tools.state.blob(&file.digest))?);
        }
    }
    Ok(())
}

fn copy_and_dress(tools: &Tools, changes: &Changes) -> Done<()> {
    let staged = staged_files(&tools.state, changes);
    for (write, at) in changes.write.iter().zip(staged) {
        let blob = tools.state.blob(&write.file.digest);
        if at != blob {
            faults::point("stage.copy");
            fs::copy(&blob, &at)?;
        }
        fs::dress(&at, &tools.target(&write.file.path), write.file.mode)?;
    }
    Ok(())
}
