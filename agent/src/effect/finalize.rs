//! Remembering: the new manifest names what is ours from now on; what was staged goes; later, old
//! snapshots go. May be repeated.

use std::sync::Arc;

use millwright_agent_domain::{
    job::{Event, Verdict},
    retention,
};
use millwright_model::report::Step;

use super::{Tools, Work, event};
use crate::{faults, fs};

/// Remembers.
pub async fn run(tools: &Tools, work: &Work, verdict: &Verdict) -> Event {
    event(finalize(tools, work, verdict).await)
}

async fn finalize(tools: &Tools, work: &Work, verdict: &Verdict) -> Result<Event, Event> {
    let good = matches!(verdict, Verdict::Applied { .. });
    let commit = work.assignment.commit;
    let changed = !work.plan.changes.is_empty();
    let unmanaged = work.unmanaged.clone().filter(|_| good);
    // What was staged is what is promoted; after a restart, or a restoration, the disk tells.
    let known = work.manifest.clone().filter(|_| good);
    tools
        .on_disk(Step::Finalize, move |tools, local| {
            faults::point("finalize.promote");
            tools.state.promote_manifest()?;
            local.applied = match known {
                Some(manifest) => Some(manifest),
                None => tools.state.manifest()?.map(Arc::new),
            };
            if good && tools.state.applied_commit()? != Some(commit) {
                tools.state.keep_applied_commit(Some(commit))?;
            }
            if changed {
                match unmanaged {
                    Some(unmanaged) if tools.state.unmanaged()?.as_ref() == Some(&unmanaged) => {}
                    Some(unmanaged) => tools.state.keep_unmanaged(&unmanaged)?,
                    // The next full look finds what else lies there.
                    None => tools.state.forget_unmanaged()?,
                }
            }
            fs::clear_dir(&tools.state.blobs())?;
            fs::discard(&tools.state.plan_file())
        })
        .await?;
    Ok(Event::Done)
}

/// Removes old snapshots; the one of the last good state stays until a newer good one is there.
pub async fn retain(tools: &Tools, work: &Work) -> Result<(), Event> {
    let keep = work.assignment.policies.snapshots.keep;
    let snapshot = work.plan.snapshot.clone();
    tools
        .on_disk(Step::Finalize, move |_, local| {
            faults::point("finalize.retention");
            let last = (!snapshot.is_empty()).then_some(snapshot.as_str());
            let surplus = retention::surplus(&local.store.infos(), keep, last);
            local.store.remove(&surplus)
        })
        .await
}
