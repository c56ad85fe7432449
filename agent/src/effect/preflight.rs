//! Checks before anything is staged or locked; every failure is reported at once, each with what it
//! is about and what to do. Waits, bounded, for a gateway that starts and for a master that is to be
//! active again.

mod plan;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use millwright_agent_domain::{
    changes::Changes,
    job::{Event, Mode},
    preflight::{missing_modules, needed_modules, tag_units_in_mode},
};
use millwright_model::{
    id::Member,
    path::ManagedPath,
    report::{Failure, FailureKind, Retry, Step},
};
use tokio::time::Instant;

use super::{Tools, Work, content, event, fetch, manifest, role};
use crate::{
    fs::{self, Done},
    gateway::{ScanKind, Trouble, Version},
};

/// Between two looks at a gateway that is not ready.
const PAUSE: Duration = Duration::from_secs(1);
/// Content that is fetched only to complete a list of failures.
const FETCH_FOR_CHECKS_BYTES_MAX: u64 = 64 << 20;

fn fault(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure::new(Step::Preflight, kind, message)
}

/// Plans, then checks.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    event(check(tools, work).await)
}

async fn check(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    let wanted = manifest::wanted(tools, work).await?;
    plan::run(tools, work, &wanted).await?;
    work.manifest = Some(Arc::clone(&wanted));
    work.plan.manifest = wanted.digest();
    let right = work.plan.changes.is_empty() && work.unread.kinds.is_empty();
    if right && work.mode == Mode::Apply {
        let keep = Arc::clone(&wanted);
        tools
            .on_disk(Step::Preflight, move |tools, local| {
                match local.applied.as_ref().is_some_and(|a| a.digest() == keep.digest()) {
                    // Else what a power cut left of another change would be promoted.
                    true => tools.state.forget_next_manifest(),
                    false => tools.state.keep_next_manifest(&keep),
                }
            })
            .await?;
        return Ok(Event::Unchanged { manifest: wanted.digest() });
    }
    let mut failures = Vec::new();
    match running(tools, work).await {
        Ok(()) => gateway(tools, work, &mut failures).await,
        Err(failure) => failures.push(failure),
    }
    if tools.member != Member::Single {
        failures.extend(tag_units_in_mode(work.plan.changes.paths()));
    }
    failures.extend(disk(tools, work).await?);
    if failures.is_empty() {
        return Ok(Event::Done);
    }
    // What the content says belongs into the same list.
    if work.plan.changes.bytes() <= FETCH_FOR_CHECKS_BYTES_MAX
        && fetch::contents(tools, work).await.is_ok()
    {
        failures.extend(content::check(tools, work).await?);
    }
    Err(Event::Failed(failures))
}

async fn running(tools: &Tools, work: &mut Work) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from(tools.config.gateway.wait);
    loop {
        let failure = match tools.gateway.state().await {
            Ok(state) if state == "RUNNING" => match tools.gateway.version().await {
                Ok(version) => {
                    work.plan.version = version;
                    return Ok(());
                }
                Err(trouble) => trouble.failure(Step::Preflight),
            },
            Ok(state) => fault(
                FailureKind::GatewayNotRunning,
                format!("the gateway is {state}, not RUNNING"),
            )
            .remedy("commission or start the gateway"),
            Err(trouble) => trouble.failure(Step::Preflight),
        };
        if Instant::now() >= deadline {
            return Err(failure);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn gateway(tools: &Tools, work: &mut Work, failures: &mut Vec<Failure>) {
    if work.plan.version == Version::V81 {
        if work.plan.changes.touches("config") {
            let message =
                "Ignition 8.1 keeps its configuration in a database: only projects/ can be mapped";
            failures.push(fault(FailureKind::NeverTouch, message).retry(Retry::Never));
        }
        failures.extend(role::wait(tools, work, Step::Preflight).await.err());
        return;
    }
    let mut note = |result: Result<(), Failure>| failures.extend(result.err());
    note(identity(tools).await);
    note(role::wait(tools, work, Step::Preflight).await);
    note(trial(tools).await);
    note(token(tools).await);
    match tools.gateway.active_modules().await {
        Ok(active) => {
            let needed = needed_modules(work.plan.changes.write.iter().map(|w| &w.file.path));
            work.plan.notices.extend(missing_modules(&needed, &active));
            work.plan.active_modules = active;
        }
        Err(trouble) => note(Err(trouble.failure(Step::Preflight))),
    }
    if let Ok(pending) = tools.gateway.pending_restarts().await
        && !pending.is_empty()
    {
        let message = format!("the gateway waits for a restart: {}", pending.join(", "));
        work.plan.notices.push(fault(FailureKind::GatewayNotRunning, message));
    }
}

/// The data directory and the web server must belong to the same gateway.
async fn identity(tools: &Tools) -> Result<(), Failure> {
    let trouble = |trouble: Trouble| trouble.failure(Step::Preflight);
    let (name, _) = tools.gateway.info().await.map_err(trouble)?;
    let found = ["core", "external"].iter().find_map(|collection| {
        let path = format!("config/resources/{collection}/ignition/system-properties/config.json");
        let bytes = fs::read_if_there(&tools.data_dir().join(path)).ok()??;
        let config: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        config["systemName"].as_str().map(str::to_owned)
    });
    let message = match found {
        Some(found) if found == name => return Ok(()),
        Some(found) => format!(
            "the data directory belongs to {found:?}, but {name:?} answers at {}",
            tools.gateway.url()
        ),
        None => format!(
            "{} has no system-properties with a systemName: is it an Ignition 8.3 data directory?",
            tools.data_dir().display()
        ),
    };
    Err(fault(FailureKind::WrongGateway, message)
        .about(name)
        .remedy("correct gateway.data_dir or gateway.url in agent.toml")
        .retry(Retry::Never))
}

async fn trial(tools: &Tools) -> Result<(), Failure> {
    match tools.gateway.trial().await {
        Ok(trial) if trial.expired => Err(fault(
            FailureKind::TrialExpired,
            "the trial of the gateway has expired: modules are stopped",
        )
        .remedy("license the gateway, or reset the trial on its web page")),
        Ok(_) => Ok(()),
        Err(trouble) if trouble.is_absent() => Ok(()),
        Err(trouble) => Err(trouble.failure(Step::Preflight)),
    }
}

/// The token must write. The probe is a real scan over a tree that nobody has changed yet; it is
/// left out while somebody holds a lock, since a scan of one kind may free that of the other too.
async fn token(tools: &Tools) -> Result<(), Failure> {
    let trouble = |trouble: Trouble| trouble.failure(Step::Preflight);
    for kind in ScanKind::ALL {
        if tools.gateway.lock_holder(kind).await.map_err(trouble)?.is_some() {
            return Ok(());
        }
    }
    tools.gateway.may_write().await.map_err(trouble)?;
    Ok(())
}

/// Space, file systems, rights, other managers, names that differ only in case.
async fn disk(tools: &Tools, work: &Work) -> Result<Vec<Failure>, Event> {
    let changes = Arc::clone(&work.plan.changes);
    let reserve = work.assignment.policies.snapshots.min_free_bytes;
    tools
        .on_disk(Step::Preflight, move |tools, _| {
            let mut failures = Vec::new();
            let mut note = |done: Done<()>| {
                failures.extend(done.err().map(|error| error.failure(Step::Preflight)));
            };
            note(space(tools, &changes, reserve));
            note(file_system(tools));
            let folders: BTreeSet<ManagedPath> =
                changes.paths().filter_map(ManagedPath::parent).collect();
            for folder in &folders {
                note(writable(tools, folder));
            }
            for project in changes.projects() {
                failures.extend(foreign_manager(tools, project));
            }
            for write in changes.write.iter().filter(|write| write.before.is_none()) {
                failures.extend(case_collision(tools, &write.file.path)?);
            }
            failures.truncate(FAILURES_MAX);
            Ok(failures)
        })
        .await
}

/// Failures of the disk that are named.
const FAILURES_MAX: usize = 40;

/// Room for the staged files and for what they replace.
fn space(tools: &Tools, changes: &Changes, reserve: u64) -> Done<()> {
    let free = fs::free_bytes(tools.state.path())?;
    let needed = changes.bytes().saturating_mul(2);
    match free >= needed.saturating_add(reserve) {
        true => Ok(()),
        false => Err(fs::no_space(tools.state.path(), free, needed, reserve)),
    }
}

fn file_system(tools: &Tools) -> Done<()> {
    if fs::device(tools.data_dir())? == fs::device(tools.state.path())? {
        return Ok(());
    }
    let why = format!(
        "it is not on the file system of {}, so files cannot be renamed into place: move the agent's folder there",
        tools.data_dir().display()
    );
    Err(fs::refused("stage in", tools.state.path(), &why))
}

fn writable(tools: &Tools, folder: &ManagedPath) -> Done<()> {
    fs::through_folders(tools.data_dir(), folder.as_str())?;
    let mut at = tools.target(folder);
    while !fs::exists(&at) && at.pop() {}
    fs::check_writable(&at)
}

/// A project with a `.git` entry belongs to another program.
fn foreign_manager(tools: &Tools, project: &str) -> Option<Failure> {
    let entry = tools.data_dir().join("projects").join(project).join(".git");
    fs::exists(&entry).then(|| {
        let message = format!("project {project} has a .git entry: another program manages it");
        fault(FailureKind::ForeignManager, message)
            .about(project)
            .remedy("end the other program's management and remove the entry")
            .retry(Retry::Never)
    })
}

/// An entry whose name differs from a new file's only in case or Unicode form.
fn case_collision(tools: &Tools, path: &ManagedPath) -> Done<Option<Failure>> {
    let mut parts: Vec<&str> = path.as_str().split('/').collect();
    // The first folder that is not there yet is where names may clash.
    while parts.len() > 1 && !fs::exists(&tools.data_dir().join(parts[..parts.len() - 1].join("/")))
    {
        parts.pop();
    }
    let (Some(name), above) = (parts.last(), &parts[..parts.len() - 1]) else { return Ok(None) };
    let dir = tools.data_dir().join(above.join("/"));
    let key = |text: &str| ManagedPath::parse(text).map(|path| path.case_key()).ok();
    let mut entries = fs::folders(&dir)?;
    entries.extend(fs::files(&dir)?);
    let clash = entries.into_iter().find(|entry| entry != name && key(entry) == key(name));
    Ok(clash.map(|entry| {
        let message =
            format!("{path} and the existing {entry} differ only in case or Unicode form");
        fault(FailureKind::CaseCollision, message)
            .about(path.as_str())
            .remedy("rename one of them")
            .retry(Retry::Never)
    }))
}
