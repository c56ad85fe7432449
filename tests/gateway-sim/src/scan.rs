//! Scans: what a trigger does at once, what is read when, and what the log of scans says of it.
//!
//! The tree is read as soon as a scan begins, and becomes what the gateway knows when it ends. A
//! trigger while a scan runs joins that scan: files written after its beginning are not seen.

use std::{sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod load;

pub(crate) use self::load::{Loaded, install, load_tree};
pub use crate::json::gson;
use crate::{
    clock,
    gateway::{Disk, Gateway, State},
    knobs::{OnMismatch, ScanOutcome},
    model,
    pair::Cause,
    stamps,
    tree::{ROOTS, Tree, changed_ms},
};

/// Scans that the log keeps.
const RECORDS_MAX: usize = 10_000;

/// A kind of scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Project files.
    Projects,
    /// Configuration files.
    Config,
}

impl Kind {
    /// As routes spell it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Projects => "projects",
            Kind::Config => "config",
        }
    }

    /// From a segment of a route.
    pub(crate) fn of(segment: &str) -> Option<Self> {
        match segment {
            "projects" => Some(Kind::Projects),
            "config" => Some(Kind::Config),
            _ => None,
        }
    }
}

/// One scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanRecord {
    /// Counts from 1.
    pub number: u64,
    /// Which.
    pub kind: Kind,
    /// Who triggered it.
    pub by: String,
    /// When it was triggered, gateway's clock.
    pub started_ms: i64,
    /// When it ended; absent while it runs.
    pub ended_ms: Option<i64>,
    /// Digest of the complete managed tree when it was triggered; absent until it was read.
    pub digest: Option<String>,
    /// The same of `projects/` alone.
    pub projects_digest: Option<String>,
    /// The same of `config/resources/` alone.
    pub config_digest: Option<String>,
    /// Number of files of this kind.
    pub files: usize,
    /// Folders of resources that were stamped anew.
    pub restamped: Vec<String>,
    /// Resources that did not load.
    pub refused: Vec<String>,
    /// Whether anything was loaded from what was read.
    pub loaded: bool,
}

/// The state of a kind as REST shows it.
pub(crate) fn body(state: &mut State, kind: Kind) -> Value {
    let slot = state.slot(kind);
    json!({
        "scanActive": slot.active.is_some(),
        "lastScanTimestamp": slot.last_timestamp,
        "lastScanDuration": slot.last_duration,
    })
}

/// Begins a scan, or joins the one that runs; frees the lock at once. Answers the state at this
/// moment, or nothing if triggers fail.
pub(crate) fn trigger(gateway: &Arc<Gateway>, kind: Kind, by: &str) -> Option<Value> {
    let (answer, begun) = gateway.change(|state| {
        if state.knobs.scan.outcome == ScanOutcome::Fail {
            return (None, None);
        }
        match kind {
            Kind::Projects => state.counters.project_scans += 1,
            Kind::Config => state.counters.config_scans += 1,
        }
        free_locks(state, kind);
        let begun = begin(state, kind, by);
        let mut answer = body(state, kind);
        answer["scanActive"] = true.into();
        (Some(answer), begun)
    });
    if let Some(number) = begun {
        gateway.tasks.spawn(run(Arc::clone(gateway), kind, number));
    }
    answer
}

/// Scans and waits for the end; whether there was one.
pub(crate) async fn to_the_end(gateway: &Arc<Gateway>, kind: Kind, by: &str) -> bool {
    if trigger(gateway, kind, by).is_none() {
        return false;
    }
    tokio::select! {
        () = gateway.until(|state| state.slot(kind).active.is_none().then_some(())) => true,
        () = gateway.stop.cancelled() => false,
    }
}

/// Scans projects by timer, as 8.1 does; runs as long as the simulation.
pub(crate) async fn by_timer(gateway: Arc<Gateway>) {
    loop {
        let every = gateway.until(|s| Some(s.knobs.scan.automatic_ms).filter(|ms| *ms > 0));
        let every = tokio::select! {
            every = every => every,
            () = gateway.stop.cancelled() => return,
        };
        let other = |s: &mut State| (s.knobs.scan.automatic_ms != every).then_some(());
        tokio::select! {
            waited = gateway.pause(every) => if !waited { return },
            // The interval was changed: wait anew.
            () = gateway.until(other) => continue,
        }
        if gateway.see(|state| state.phase == crate::gateway::Phase::Running) {
            trigger(&gateway, Kind::Projects, "timer");
        }
    }
}

fn free_locks(state: &mut State, kind: Kind) {
    let both = state.knobs.scan.frees_both_locks;
    for other in [Kind::Projects, Kind::Config] {
        if (other == kind || both) && state.slot(other).lock.free(clock::machine_ms()) {
            state.counters.locks_freed += 1;
        }
    }
}

/// Notes a new scan; nothing if one runs.
fn begin(state: &mut State, kind: Kind, by: &str) -> Option<u64> {
    if state.slot(kind).active.is_some() {
        state.counters.joined_scans += 1;
        return None;
    }
    let number = state.next_scan;
    state.next_scan += 1;
    state.slot(kind).active = Some(number);
    if state.scans.len() == RECORDS_MAX {
        state.scans.pop_front();
    }
    let started_ms = state.now_ms();
    state.scans.push_back(ScanRecord {
        number,
        kind,
        by: by.to_owned(),
        started_ms,
        ended_ms: None,
        digest: None,
        projects_digest: None,
        config_digest: None,
        files: 0,
        restamped: Vec::new(),
        refused: Vec::new(),
        loaded: false,
    });
    Some(number)
}

async fn run(gateway: Arc<Gateway>, kind: Kind, number: u64) {
    let began = Instant::now();
    let knobs = gateway.knobs();
    let took = rand::random_range(knobs.scan.min_ms..=knobs.scan.max_ms.max(knobs.scan.min_ms));
    let read = match knobs.scan.outcome {
        ScanOutcome::Blank => Ok(None),
        outcome => {
            let load = outcome != ScanOutcome::Lie;
            gateway.blocking(move |gateway| read(gateway, kind, number, load)).await
        }
    };
    if let Err(error) = &read {
        gateway.change(|state| state.say("ERROR", "ScanManager", &format!("Scan failed: {error}")));
    }
    let spent = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let endless =
        |state: &mut State| (state.knobs.scan.outcome != ScanOutcome::Never).then_some(());
    tokio::select! {
        () = gateway.until(endless) => {}
        () = gateway.stop.cancelled() => return,
    }
    if !gateway.pause(took.saturating_sub(spent)).await {
        return;
    }
    // A restart forgets the scan that runs.
    let forgotten = gateway.see(|state| state.slot(kind).active != Some(number));
    if forgotten {
        return;
    }
    let changed = match read {
        Ok(Some(loaded)) => install(&gateway, loaded),
        Ok(None) | Err(_) => false,
    };
    gateway.change(|state| {
        let now = state.now_ms();
        let slot = state.slot(kind);
        slot.last_timestamp = now.max(slot.last_timestamp + 1);
        slot.last_duration = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        slot.active = None;
        let ended = slot.last_timestamp;
        with_record(state, number, |record| record.ended_ms = Some(ended));
    });
    if changed {
        crate::pair::content_changed(&gateway, Cause::Files);
    }
}

fn with_record(state: &mut State, number: u64, act: impl FnOnce(&mut ScanRecord)) {
    if let Some(record) = state.scans.iter_mut().rev().find(|record| record.number == number) {
        act(record);
    }
}

/// Reads the tree now, and makes of it what the scan will install.
pub(crate) fn read(
    gateway: &Arc<Gateway>,
    kind: Kind,
    number: u64,
    load: bool,
) -> anyhow::Result<Option<Loaded>> {
    let mut disk = gateway.disk();
    let data_dir = &gateway.settings.data_dir;
    let tree = disk.reader.read(data_dir, &ROOTS)?;
    observe(gateway, &mut disk, &tree, kind);
    let digests = ["", ROOTS[0], ROOTS[1]].map(|top| Some(tree.digest(top)));
    let top = if kind == Kind::Projects { ROOTS[0] } else { ROOTS[1] };
    let files = tree.below(top).map(|(_, folder)| folder.files.len()).sum();
    gateway.change(|state| {
        with_record(state, number, |record| {
            [record.digest, record.projects_digest, record.config_digest] = digests;
            record.files = files;
            record.loaded = load;
        });
    });
    if !load {
        return Ok(None);
    }
    let (mut loaded, stale, refused) = load_tree(gateway, &tree, kind);
    let mismatch = gateway.see(|state| match kind {
        Kind::Projects => state.knobs.projects_mismatch,
        Kind::Config => state.knobs.config_mismatch,
    });
    let stamped = if mismatch == OnMismatch::Restamp { stale } else { Vec::new() };
    for folder in &stamped {
        let timestamp = clock::stamp(gateway.see(|state| state.now_ms()));
        stamps::restamp(&data_dir.join(folder), gateway.form(), "external", &timestamp)?;
        disk.witness.wrote(data_dir, &format!("{folder}/resource.json"));
    }
    if !stamped.is_empty() {
        let tree = disk.reader.read(data_dir, &ROOTS)?;
        loaded = load_tree(gateway, &tree, kind).0;
    }
    gateway.change(|state| {
        state.counters.restamps += stamped.len() as u64;
        with_record(state, number, |record| {
            record.restamped = stamped;
            record.refused = refused;
        });
    });
    Ok(Some(loaded))
}

/// Counts what others have done since the last look.
fn observe(gateway: &Gateway, disk: &mut Disk, tree: &Tree, kind: Kind) {
    let data_dir = &gateway.settings.data_dir;
    let top = if kind == Kind::Projects { ROOTS[0] } else { ROOTS[1] };
    let changed: Vec<i64> = disk
        .witness
        .changed(tree, top)
        .iter()
        .filter_map(|path| changed_ms(&data_dir.join(path)))
        .collect();
    let touched = disk.witness.violations(data_dir, tree);
    gateway.change(|state| {
        let slot = state.slot(kind);
        let unlocked = changed.iter().filter(|at| !slot.lock.was_held(**at)).count();
        slot.lock.past.clear();
        state.counters.written_unlocked += unlocked as u64;
        state.counters.never_touched.extend(touched);
    });
}

/// Resources whose signature fits neither form, as paths of `resource.json` below `projects/`.
pub(crate) fn stale(gateway: &Gateway) -> anyhow::Result<Vec<String>> {
    let data_dir = &gateway.settings.data_dir;
    let tree = gateway.disk().reader.read(data_dir, &ROOTS)?;
    let nothing = model::projects::Projects::default();
    let found = model::projects::read(data_dir, &tree, &nothing, OnMismatch::Keep);
    let inside = found.stale.iter().filter_map(|path| path.strip_prefix("projects/"));
    Ok(inside.map(|path| format!("{path}/resource.json")).collect())
}
