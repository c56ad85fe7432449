//! One scan per kind that changed, projects first, each awaited to its end. It is triggered only over
//! a complete tree and while our locks are still ours; it ends them.

use std::time::Duration;

use millwright_agent_domain::job::Event;
use millwright_model::report::{Failure, FailureKind, Step};

use super::{Tools, Work, event, failed};
use crate::{
    faults,
    gateway::{Gateway, ScanKind, Scanned, Version},
};

/// Triggers and awaits.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    event(scan(tools, work).await)
}

async fn scan(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    let within = Duration::from(tools.config.gateway.scan_timeout);
    let kinds = work.scan_kinds();
    work.scans = before_crash(tools, work, &kinds).await;
    work.scans.extend(all(tools, work.plan.version, &kinds, within).await.map_err(failed)?);
    work.locks.clear();
    Ok(Event::Done)
}

/// The scan that may have run before a crash: the gateway tells once what it did not load, and it may
/// have told it then.
async fn before_crash(tools: &Tools, work: &Work, kinds: &[ScanKind]) -> Vec<(ScanKind, Scanned)> {
    let mut scans = Vec::new();
    if work.recovered && work.plan.version == Version::V83 {
        for kind in kinds {
            if let Ok(last) = tools.gateway.last_scan(*kind).await {
                scans.push((*kind, last));
            }
        }
    }
    scans
}

/// Scans these kinds, one after the other.
pub async fn all(
    tools: &Tools,
    version: Version,
    kinds: &[ScanKind],
    within: Duration,
) -> Result<Vec<(ScanKind, Scanned)>, Failure> {
    let mut scans = Vec::new();
    match version {
        Version::V83 => {
            for kind in kinds {
                faults::point("scan.trigger");
                let done = tools.gateway.scan(*kind, within).await;
                scans.push((*kind, done.map_err(|trouble| trouble.failure(Step::Scan))?));
                faults::point("scan.done");
            }
        }
        Version::V81 if !kinds.is_empty() => old(&tools.gateway, &tools.config).await?,
        Version::V81 => {}
    }
    Ok(scans)
}

/// 8.1: through the scan module, or by waiting for the gateway's own scan.
async fn old(gateway: &Gateway, config: &crate::config::Config) -> Result<(), Failure> {
    match gateway.module_scan().await {
        Ok(Some(())) => Ok(()),
        Ok(None) => {
            let own = Duration::from(config.gateway.own_scan_period);
            tracing::info!(seconds = own.as_secs(), "waiting for the gateway's own scan");
            tokio::time::sleep(own).await;
            Ok(())
        }
        Err(mut trouble) => {
            trouble.kind = FailureKind::ScanFailed;
            Err(trouble.failure(Step::Scan))
        }
    }
}
