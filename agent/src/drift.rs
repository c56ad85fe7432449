//! Foreign changes of managed files, noticed as they happen. The kernel tells of single paths; a full
//! comparison comes rarely, and whenever the kernel lost count or cannot watch that many folders.
//! Differences are by digest, so our own writes and the gateway's re-stamping are none.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use millwright_agent_domain::{
    drift::{Difference, NAMED_MAX, differences, status},
    stamps,
};
use millwright_model::{
    digest::Digest,
    facts::{Drift, DriftChange, DriftEntry},
    manifest::Manifest,
    path::{ManagedPath, never_touch},
    report::Step,
};
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    effect::{Tools, verify::only_stamps_differ},
    fs::{
        self, Done,
        watched::{Told, Watched},
    },
    instruct::Said,
    local::Local,
};

/// Changes come in bursts: a save writes several files.
const QUIET: Duration = Duration::from_millis(800);
/// Changed paths waiting to be looked at; more of them lead to a full comparison.
const PATHS_MAX: usize = 10_000;

/// What the watcher found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftEvent {
    /// As it should be, or as it was told before.
    Nothing,
    /// Files differ that did not before.
    Differs {
        /// How many in all.
        count: u32,
    },
}

/// How much of the tree is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// The paths that were told of; everything if one of them differs.
    Told,
    /// Everything, as far as the kernel can vouch for it without a walk.
    Whole,
    /// Everything, by a walk.
    Anew,
}

/// The watcher of one tree.
pub struct Watcher {
    drift: watch::Sender<Drift>,
    seen: mpsc::Receiver<Told>,
    tell: mpsc::Sender<Told>,
    pending: BTreeSet<PathBuf>,
    depth: Depth,
    quiet_until: Option<Instant>,
    next_full: Instant,
    insists: bool,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl Watcher {
    /// A watcher that tells through `drift`.
    pub fn new(drift: watch::Sender<Drift>, check: Duration) -> Self {
        let (tell, seen) = mpsc::channel(PATHS_MAX);
        Self {
            drift,
            seen,
            tell,
            pending: BTreeSet::new(),
            depth: Depth::Told,
            quiet_until: None,
            next_full: Instant::now() + check,
            insists: false,
        }
    }

    /// Watches the roots of what is applied, and compares once.
    pub async fn watch(&mut self, tools: &Tools) {
        let tell = self.tell.clone();
        let watching = tools.on_disk(Step::Verify, |tools, local| {
            start(tools, local, tell);
            Ok(local.applied.is_some())
        });
        if !watching.await.unwrap_or(false) {
            return;
        }
        // What was written meanwhile is ours; the first look clears what was told before.
        while self.seen.try_recv().is_ok() {}
        self.pending.clear();
        self.depth = Depth::Whole;
        self.quiet_until = Some(Instant::now() + QUIET);
    }

    /// Waits until something is to be compared. Nothing is lost when it is not waited for to the end.
    pub async fn due(&mut self, tools: &Tools) {
        loop {
            let quiet =
                self.quiet_until.unwrap_or_else(|| Instant::now() + Duration::from_hours(24));
            tokio::select! {
                Some(seen) = self.seen.recv() => self.note(seen),
                () = tokio::time::sleep_until(quiet), if self.quiet_until.is_some() => {
                    self.quiet_until = None;
                    return;
                }
                () = tokio::time::sleep_until(self.next_full) => {
                    self.depth = Depth::Anew;
                    self.next_full = Instant::now() + Duration::from(tools.config.gateway.drift_check);
                    return;
                }
            }
        }
    }

    fn note(&mut self, seen: Told) {
        match seen {
            Told::Path(path) if self.pending.len() < PATHS_MAX => {
                self.pending.insert(path);
            }
            Told::Path(_) | Told::LostCount => self.depth = self.depth.max(Depth::Whole),
        }
        self.quiet_until = Some(Instant::now() + QUIET);
    }

    /// A full comparison on demand.
    pub async fn check(&mut self, tools: &Tools) -> Said {
        self.depth = Depth::Anew;
        self.quiet_until = None;
        self.compare(tools).await;
        let drift = self.drift.borrow().clone();
        let message = match drift.count {
            0 => "the files are what they should be".to_owned(),
            count => format!("{count} files differ"),
        };
        Said::done(message).with(json!(drift))
    }

    /// What could not be put back is told of again after this long, if it is still there.
    pub fn insist(&mut self, after: Duration) {
        self.insists = true;
        self.depth = self.depth.max(Depth::Whole);
        self.quiet_until = Some(Instant::now() + after);
    }

    /// Compares what is due.
    pub async fn compare(&mut self, tools: &Tools) -> DriftEvent {
        let depth = std::mem::replace(&mut self.depth, Depth::Told);
        let paths = std::mem::take(&mut self.pending);
        if depth == Depth::Told && !self.concerns(tools, &paths) {
            return DriftEvent::Nothing;
        }
        let Ok(found) = found(tools, depth, self.tell.clone()).await else {
            return DriftEvent::Nothing;
        };
        let mut entries = Vec::new();
        for (difference, expected) in found {
            if let Some(expected) = expected
                && difference.change == DriftChange::Modified
                && stamps::has_stamps(difference.path.as_str())
                && only_stamps_differ(tools, &difference.path, &expected).await.unwrap_or(false)
            {
                continue;
            }
            let named = entries.len() < NAMED_MAX;
            let actor = if named { actor(tools, &difference.path) } else { String::new() };
            entries.push(DriftEntry {
                path: difference.path.to_string(),
                change: difference.change,
                actor,
            });
        }
        let before = self.drift.borrow().clone();
        let now = status(entries, &before, tools.now());
        let insists = std::mem::take(&mut self.insists);
        if now == before && !insists {
            return DriftEvent::Nothing;
        }
        let count = now.count;
        if now != before {
            self.drift.send_replace(now);
        }
        if count > 0 { DriftEvent::Differs { count } } else { DriftEvent::Nothing }
    }

    /// Whether any changed path is a managed one with other content than it should have.
    fn concerns(&self, tools: &Tools, paths: &BTreeSet<PathBuf>) -> bool {
        let mut local = tools.lock_local();
        let Some(applied) = local.applied.clone() else { return false };
        let had_drift = self.drift.borrow().count > 0;
        paths.iter().any(|path| {
            let relative = path.strip_prefix(tools.data_dir()).ok().and_then(|p| p.to_str());
            let Some(path) = relative.and_then(|p| ManagedPath::parse(p).ok()) else {
                return false;
            };
            if never_touch(&path).is_some() {
                return false;
            }
            match local.inventory.look(tools.data_dir(), &path) {
                Ok(known) => {
                    let expected = applied.get(&path).map(|file| file.digest);
                    known.map(|known| known.digest) != expected || had_drift
                }
                // A folder, or something that cannot be read: the full look tells.
                Err(_) => true,
            }
        })
    }
}

/// Watches what is applied, unless that is watched already.
fn start(tools: &Tools, local: &mut Local, tell: mpsc::Sender<Told>) {
    let Some(applied) = local.applied.clone() else { return };
    let roots: BTreeSet<ManagedPath> = applied.roots().iter().cloned().collect();
    if local.watches(&roots) {
        return;
    }
    let told = move |told| {
        // A full queue is as good as a lost count: the comparison is of everything then.
        let _full = tell.try_send(told);
    };
    let start = || Watched::start(tools.data_dir(), applied.roots(), &tools.state.cookies(), told);
    if let Err(error) = local.watch(start) {
        tracing::warn!(%error, "changes are noticed by full comparisons only");
    }
}

type Found = Vec<(Difference, Option<Digest>)>;

/// Every difference below the managed roots, with the digest that should be there.
async fn found(tools: &Tools, depth: Depth, tell: mpsc::Sender<Told>) -> Result<Found, ()> {
    let found = tools
        .on_disk(Step::Verify, move |tools, local| {
            // A watch that cannot vouch for the tree any more is replaced by one that can.
            start(tools, local, tell);
            let Some(applied) = local.applied.clone() else { return Ok(Vec::new()) };
            match depth {
                Depth::Told | Depth::Whole => local.look(tools.data_dir(), applied.roots())?,
                Depth::Anew => local.look_anew(tools.data_dir(), applied.roots())?,
            }
            let unmanaged = match tools.state.unmanaged()? {
                Some(known) => known,
                None => first_look(tools, local, &applied)?,
            };
            let restamped = tools.state.restamped()?;
            let live = local.inventory.below(applied.roots());
            let tree = live.map(|(path, known)| match restamped.get(&path) {
                Some((written, there)) if *there == known.digest => (path, *written),
                Some(_) | None => (path, known.digest),
            });
            Ok(differences(&applied, &unmanaged, tree)
                .into_iter()
                .map(|difference| {
                    let expected = applied.get(&difference.path).map(|file| file.digest);
                    (difference, expected)
                })
                .collect())
        })
        .await;
    found.map_err(|_| tracing::warn!("the tree cannot be compared now"))
}

/// What lies below the roots at the first look after a change and belongs to nobody is no drift later.
fn first_look(tools: &Tools, local: &Local, applied: &Manifest) -> Done<BTreeSet<ManagedPath>> {
    let live = local.inventory.below(applied.roots()).map(|(path, _)| path);
    let unmanaged = live.filter(|path| applied.get(path).is_none()).collect();
    tools.state.keep_unmanaged(&unmanaged)?;
    Ok(unmanaged)
}

/// Who the resource of a path says changed it last.
fn actor(tools: &Tools, path: &ManagedPath) -> String {
    let Some(dir) = path.parent() else { return String::new() };
    let resource = tools.target(&dir).join("resource.json");
    fs::read_if_there(&resource).ok().flatten().map(|b| stamps::actor(&b)).unwrap_or_default()
}
