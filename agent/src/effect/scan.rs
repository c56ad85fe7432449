//! One scan per kind that changed, projects first, each awaited to its end.

use std::time::Duration;

use millwright_agent_domain::job::Event;
use millwright_model::report::Step;

use super::{Tools, Work, failed};
use crate::gateway::ScanKind;

/// Triggers and awaits.
pub async fn run(tools: &Tools, work: &Work) -> Event {
    let within: Duration = tools.config.gateway.scan_timeout.into();
    for (kind, top) in [(ScanKind::Projects, "projects"), (ScanKind::Config, "config")] {
        if !work.changes.touches(top) {
            continue;
        }
        if let Err(trouble) = tools.gateway.scan(kind, within).await {
            return failed(trouble.failure(Step::Scan));
        }
    }
    Event::Done
}
