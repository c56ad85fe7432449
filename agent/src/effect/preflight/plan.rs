//! What must change: the manifest beside the tree as it is now.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millwright_agent_domain::{
    beside::{Beside, beside},
    changes::{Changes, Forbidden, changes, project_of},
    job::Event,
    stamps::{has_stamps, plain_digest},
};
use millwright_model::{
    assignment::Origin,
    digest::Digest,
    manifest::Manifest,
    path::{ManagedPath, needs_permission},
    report::{FailureKind, Step},
};

use super::{
    super::{Tools, Work, failed, snapshot::outer_roots},
    fault,
};
use crate::{
    fs::{self, Done, inventory::Known},
    local::Local,
    state::Restamped,
};

/// Compares the manifest with the tree.
pub(super) async fn run(
    tools: &Tools,
    work: &mut Work,
    wanted: &Arc<Manifest>,
) -> Result<(), Event> {
    let (wanted, full) = (Arc::clone(wanted), work.assignment.full);
    let origin = work.assignment.origin.clone();
    let planned = tools
        .on_disk(Step::Preflight, move |tools, local| {
            if full {
                local.forget();
            }
            let planned = planned(tools, local, &wanted, &origin, full)?;
            let plain = planned.0.as_ref().map_or(Ok(BTreeMap::new()), |c| plain(tools, c))?;
            Ok((planned, plain, tools.state.unread()?))
        })
        .await?;
    let ((changes, unmanaged), plain, unread) = planned;
    (work.plain, work.unread) = (plain, unread);
    work.unmanaged = Some(unmanaged);
    let mut changes = changes.map_err(|error| {
        failed(fault(FailureKind::NeverTouch, error.to_string()).about(error.path.to_string()))
    })?;
    // Whoever asks for one project back means that one: the rest stays as it lies there.
    if let Origin::Snapshot { project: Some(project), .. } = &work.assignment.origin {
        changes.keep_project(project);
    }
    work.plan.changes = Arc::new(changes);
    work.plan.projects = work.plan.changes.projects().into_iter().map(str::to_owned).collect();
    Ok(())
}

/// What must change, and what lies there and is nobody's. A snapshot is restored exactly: what came since
/// then goes, but only where files are ours to bring, never what the gateway or people keep beside them.
fn planned(
    tools: &Tools,
    local: &mut Local,
    wanted: &Manifest,
    origin: &Origin,
    full: bool,
) -> Done<(Result<Changes, Forbidden>, BTreeSet<ManagedPath>)> {
    let roots = outer_roots(local, wanted.roots());
    match full {
        true => local.look_anew(tools.data_dir(), &roots)?,
        false => local.look(tools.data_dir(), &roots)?,
    }
    let mut ours: BTreeSet<ManagedPath> = match &local.applied {
        Some(applied) => wanted.diff(applied).removed.into_iter().collect(),
        None => BTreeSet::new(),
    };
    // An interrupted first sync has written files that no manifest names yet.
    if let Some(next) = tools.state.next_manifest()? {
        ours.extend(next.files().map(|file| file.path));
    }
    let applied = local.applied.clone();
    let exact = |path: &ManagedPath| {
        is_exact(origin, applied.as_deref().map_or(&[], Manifest::roots), path)
    };
    let seen = || local.inventory.below(&roots);
    let mut answerable: Vec<(ManagedPath, Known)> =
        seen().filter(|(path, _)| exact(path)).map(|(path, known)| (path, *known)).collect();
    ours.retain(|path| answerable.binary_search_by(|(other, _)| other.cmp(path)).is_err());
    let Beside { mut live, foreign } =
        beside(wanted, seen().map(|(path, known)| (path, known.digest)));
    let nobodys = |path: &ManagedPath| !(ours.contains(path) || exact(path));
    let unmanaged = foreign.into_iter().filter(nobodys).collect();
    // What a walk leaves out is looked at by name: a link in the place of a file is an error.
    let mut by_name = |path: &ManagedPath| local.inventory.look(tools.data_dir(), path);
    for (file, live) in wanted.files().zip(&mut live).filter(|(_, live)| live.is_none()) {
        *live = by_name(&file.path)?.map(|known| known.digest);
    }
    as_written(&tools.state.restamped()?, wanted, &mut live);
    for path in ours {
        let there = by_name(&path)?;
        answerable.extend(there.map(|known| (path, known)));
    }
    let answerable = answerable.iter().map(|(path, known)| (path, known.digest, known.mode));
    Ok((changes(wanted, live, answerable), unmanaged))
}

/// Whether a file that a snapshot does not have goes when that is restored.
fn is_exact(origin: &Origin, managed: &[ManagedPath], path: &ManagedPath) -> bool {
    match origin {
        Origin::Manifest => false,
        Origin::Snapshot { project, .. } => {
            project.as_deref().is_none_or(|name| project_of(path) == Some(name))
                && managed.iter().any(|root| path.starts_with_dir(root))
                && needs_permission(path).is_none()
        }
    }
}

/// What the files with stamps that are replaced say, apart from the stamps.
fn plain(tools: &Tools, changes: &Changes) -> Done<BTreeMap<ManagedPath, Digest>> {
    let writes = changes.write.iter().filter_map(|write| Some((&write.file.path, write.before?)));
    let removes = changes.remove.iter().map(|remove| (&remove.path, remove.before));
    let mut all = BTreeMap::new();
    for (path, before) in writes.chain(removes).filter(|(path, _)| has_stamps(path.as_str())) {
        let live = fs::read_if_there(&tools.target(path))?;
        let live = live.filter(|live| Digest::of(live) == before);
        all.extend(live.and_then(|live| plain_digest(&live)).map(|plain| (path.clone(), plain)));
    }
    Ok(all)
}

/// Stamps are the gateway's own: what it has stamped since is what was written.
fn as_written(restamped: &Restamped, wanted: &Manifest, live: &mut [Option<Digest>]) {
    if restamped.is_empty() {
        return;
    }
    for (file, live) in wanted.files().zip(live) {
        if let Some((written, there)) = restamped.get(&file.path)
            && *live == Some(*there)
            && *written == file.digest
        {
            *live = Some(*written);
        }
    }
}
