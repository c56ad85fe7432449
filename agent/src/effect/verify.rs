//! Looking at what became of it: files read back, the gateway's log, its health, probes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use millwright_agent_domain::{
    changes::Write,
    job::Event,
    stamps,
    verdict::{Evidence, Judgement, Look, judge, keep_unknown},
};
use millwright_model::{
    digest::Digest,
    manifest::Manifest,
    path::ManagedPath,
    policy::OnUnknown,
    report::{Failure, FailureKind, Step},
};
use tokio::time::Instant;

use super::{Tools, Work, event, failed, fetch, role};
use crate::{
    faults,
    gateway::{LogWindow, Version},
    state::Restamped,
};

/// Between two looks at a gateway that is away.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks and judges.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    event(verify(tools, work).await)
}

async fn verify(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    let manifest = match work.manifest.clone() {
        Some(manifest) => manifest,
        None => next_manifest(tools).await?,
    };
    let policy = work.assignment.policies.verify.clone();
    if work.plan.version == Version::V83 && !work.scans.is_empty() {
        tokio::time::sleep(Duration::from(policy.settle)).await;
    }
    faults::point("verify.read");
    let (differing, restamped) = read_back(tools, work).await?;
    let named = restamped.keys().map(ToString::to_string).collect();
    work.restamped = restamped;
    // First, since nothing else can be asked while the gateway is away.
    let health = health(tools, work).await;
    let not_loaded = not_loaded(tools, work).await;
    let mut evidence =
        Evidence { differing, restamped: named, not_loaded, health, probes: Vec::new() };
    for probe in &policy.probes {
        evidence.probes.push((probe.url.clone(), tools.gateway.probe(probe).await));
    }
    let mut judgement = judge(&evidence);
    if policy.on_unknown == OnUnknown::Keep {
        judgement = keep_unknown(judgement);
    }
    let Judgement { failures, notices } = judgement;
    work.plan.notices.extend(notices);
    work.plan.notices.extend(role::moved(tools, work).await);
    match failures.is_empty() {
        true => Ok(Event::Verified { manifest: manifest.digest() }),
        false => Err(Event::Failed(failures)),
    }
}

async fn next_manifest(tools: &Tools) -> Result<Arc<Manifest>, Event> {
    let found = tools.on_disk(Step::Verify, |tools, _| tools.state.next_manifest()).await?;
    found.map(Arc::new).ok_or_else(|| {
        let message = "there is no manifest to verify";
        failed(Failure::new(Step::Verify, FailureKind::Internal, message))
    })
}

/// Files of the change that are not what they should be, and those of which only the stamps differ.
/// The rest was compared before the change and is compared again, for drift, after it.
async fn read_back(tools: &Tools, work: &Work) -> Result<(Vec<String>, Restamped), Event> {
    let changes = Arc::clone(&work.plan.changes);
    let (mut differing, stamped) = tools
        .on_disk(Step::Verify, move |tools, local| {
            let (mut differing, mut stamped) = (Vec::new(), Vec::new());
            for Write { file, .. } in &changes.write {
                let known = local.inventory.look(tools.data_dir(), &file.path)?;
                match known.map(|known| known.digest) {
                    Some(digest) if digest == file.digest => {}
                    Some(digest) if stamps::has_stamps(file.path.as_str()) => {
                        stamped.push((file.path.clone(), file.digest, digest));
                    }
                    Some(_) | None => differing.push(file.path.to_string()),
                }
            }
            for remove in &changes.remove {
                if local.inventory.look(tools.data_dir(), &remove.path)?.is_some() {
                    differing.push(remove.path.to_string());
                }
            }
            Ok((differing, stamped))
        })
        .await?;
    let mut restamped = Restamped::new();
    for (path, written, there) in stamped {
        match only_stamps_differ(tools, &path, &written).await? {
            true => {
                restamped.insert(path, (written, there));
            }
            false => differing.push(path.to_string()),
        }
    }
    Ok((differing, restamped))
}

/// Whether the live `resource.json` says the same as the one of that digest, apart from stamps. The
/// original comes from what is kept here, else from a coordinator; without it, it differs.
pub async fn only_stamps_differ(
    tools: &Tools,
    path: &ManagedPath,
    digest: &Digest,
) -> Result<bool, Event> {
    let Some(original) = fetch::original(tools, digest).await else { return Ok(false) };
    let path = path.clone();
    tools
        .on_disk(Step::Verify, move |tools, _| {
            let live = crate::fs::read_if_there(&tools.target(&path))?;
            Ok(live.is_some_and(|live| stamps::equal(&live, &original)))
        })
        .await
}

async fn not_loaded(tools: &Tools, work: &Work) -> Result<Vec<String>, String> {
    let mut found = BTreeSet::new();
    // What was not loaded then is not loaded now, unless something was done about it.
    let same = work.plan.changes.is_empty() && !work.assignment.full;
    let then = work.unread.log_from_ms.filter(|_| same).map(|from_ms| LogWindow { from_ms });
    let windows = work.scans.iter().map(|(_, scan)| LogWindow::of(*scan));
    for window in then.into_iter().chain(windows) {
        let lines = tools.gateway.not_loaded(window).await;
        found.extend(lines.map_err(|trouble| trouble.message)?);
    }
    Ok(found.into_iter().collect())
}

/// Waits, bounded, for a gateway that is away or starting: it may have been restarted, and reads the
/// files then. One that does not come back is not well; one that cannot be asked is unknown.
async fn health(tools: &Tools, work: &Work) -> Look {
    let deadline = Instant::now() + Duration::from(tools.config.gateway.wait);
    loop {
        let trouble = match tools.gateway.health(&work.plan.active_modules).await {
            Ok(Ok(())) => return Look::Good,
            Ok(Err(why)) => return Look::Bad(why),
            Err(trouble) => trouble,
        };
        let starting = trouble.kind == FailureKind::GatewayNotRunning;
        let away = starting || trouble.kind == FailureKind::GatewayUnreachable;
        if !away || Instant::now() >= deadline {
            return if starting {
                Look::Bad(trouble.message)
            } else {
                Look::Unknown(trouble.message)
            };
        }
        tokio::time::sleep(PAUSE).await;
    }
}
