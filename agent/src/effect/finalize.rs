//! Remembering: the new manifest names what is ours from now on; what was staged goes; later, old
//! snapshots go. May be repeated.

use std::sync::Arc;

use millwright_agent_domain::{
    job::{Event, Verdict},
    retention,
};
use millwright_model::{
    assignment::{Assignment, Origin},
    digest::Digest,
    report::Step,
};

use super::{Tools, Work, event};
use crate::{faults, fs, gateway::LogWindow, state::Unread};

/// Remembers.
pub async fn run(tools: &Tools, work: &Work, verdict: &Verdict) -> Event {
    event(finalize(tools, work, verdict).await)
}

async fn finalize(tools: &Tools, work: &Work, verdict: &Verdict) -> Result<Event, Event> {
    let good = match verdict {
        Verdict::Applied { manifest } => Some(applied(&work.assignment, *manifest)),
        Verdict::DryRun { .. }
        | Verdict::Failed { .. }
        | Verdict::RolledBack { .. }
        | Verdict::Inconsistent { .. } => None,
    };
    let unread = owed(work);
    let (changes, restamped) = (Arc::clone(&work.plan.changes), work.restamped.clone());
    let changed = !work.plan.changes.is_empty();
    let unmanaged = work.unmanaged.clone().filter(|_| good.is_some());
    // What was staged is what is promoted; after a restart, or a restoration, the disk tells.
    let known = work.manifest.clone().filter(|_| good.is_some());
    tools
        .on_disk(Step::Finalize, move |tools, local| {
            faults::point("finalize.promote");
            tools.state.promote_manifest()?;
            local.applied = match known {
                Some(manifest) => Some(manifest),
                None => tools.state.manifest()?.map(Arc::new),
            };
            match good {
                Some(assignment) => {
                    tools.state.keep_applied(&assignment)?;
                    tools.state.forget_unread()?;
                }
                None => tools.state.keep_unread(&unread)?,
            }
            if changed {
                let mut known = tools.state.restamped()?;
                for path in changes.paths() {
                    known.remove(path);
                }
                known.extend(restamped);
                tools.state.keep_restamped(&known)?;
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

/// What an assignment has become once its files are here: nothing but these files, wherever they came from.
fn applied(assignment: &Assignment, manifest: Digest) -> Assignment {
    Assignment { manifest, origin: Origin::Manifest, full: false, ..assignment.clone() }
}

/// What stays to be read and looked at when it has not ended well.
fn owed(work: &Work) -> Unread {
    let first = work.scans.iter().map(|(_, scan)| LogWindow::of(*scan).from_ms).min();
    let Unread { kinds, log_from_ms } = work.unread.clone();
    Unread { kinds, log_from_ms: log_from_ms.or(first) }
}

/// Removes old snapshots; the one of the last good state stays until a newer good one is there.
pub async fn retain(tools: &Tools, work: &Work) -> Result<(), Event> {
    let keep = work.assignment.policies.snapshots.keep;
    tools
        .on_disk(Step::Finalize, move |tools, local| {
            faults::point("finalize.retention");
            let good = tools.state.good_snapshot()?;
            let surplus = retention::surplus(&local.store.infos(), keep, good.as_deref());
            local.store.remove(&surplus)
        })
        .await
}
