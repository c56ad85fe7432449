//! Remembering: the new manifest names what is ours from now on; what was staged goes; old snapshots
//! go. May be repeated.

use std::{collections::BTreeSet, sync::Arc};

use millwright_agent_domain::{job::{Event, Verdict}, retention};
use millwright_model::{manifest::Manifest, path::ManagedPath, report::Step};

use super::{Local, Tools, Work, event};
use crate::{
    faults,
    fs::{self, Done},
};

/// Remembers.
pub async fn run(tools: &Tools, work: &Work, verdict: &Verdict) -> Event {
    event(finalize(tools, work, verdict).await)
}

async fn finalize(tools: &Tools, work: &Work, verdict: &Verdict) -> Result<Event, Event> {
    let good = matches!(verdict, Verdict::Applied { .. });
    let commit = work.assignment.commit;
    let keep = work.assignment.policies.snapshots.keep;
    let snapshot = work.plan.snapshot.clone();
    let changed = !work.plan.changes.is_empty();
    tools
        .on_disk(Step::Finalize, move |tools, local| {
            faults::point("finalize.promote");
            tools.state.promote_manifest()?;
            local.applied = tools.state.manifest()?.map(Arc::new);
            if good && tools.state.applied_commit()? != Some(commit) {
                tools.state.keep_applied_commit(Some(commit))?;
            }
            if changed {
                remember_unmanaged(tools, local)?;
            }
            faults::point("finalize.retention");
            // The snapshot of the last good state stays until a newer good one is there.
            let last = (!snapshot.is_empty()).then_some(snapshot.as_str());
            let surplus = retention::surplus(&local.store.infos(), keep, last);
            local.store.remove(&surplus)?;
            fs::clear_dir(&tools.state.blobs())?;
            fs::discard(&tools.state.plan_file())
        })
        .await?;
    Ok(Event::Done)
}

/// What lies below the roots and belongs to nobody is no drift later.
fn remember_unmanaged(tools: &Tools, local: &mut Local) -> Done<()> {
    let Some(applied) = local.applied.clone() else { return Ok(()) };
    let unmanaged = unmanaged(tools, local, &applied)?;
    if tools.state.unmanaged()? != unmanaged {
        tools.state.keep_unmanaged(&unmanaged)?;
    }
    Ok(())
}

fn unmanaged(tools: &Tools, local: &mut Local, applied: &Manifest) -> Done<BTreeSet<ManagedPath>> {
    let mut found = BTreeSet::new();
    for root in applied.roots() {
        let seen = local.inventory.walk(tools.data_dir(), root)?;
        found.extend(seen.into_keys().filter(|path| applied.get(path).is_none()));
    }
    Ok(found)
}
