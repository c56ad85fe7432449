//! Waiting until nobody is at work whose work the change would disturb.

use std::{collections::BTreeSet, time::Duration};

use millwright_agent_domain::{
    job::Event,
    sessions::{AllSeen, Gate, decide},
};
use millwright_model::time::Span;
use tokio::time::Instant;

use super::{Tools, Work, content::reached_projects, event};
use crate::gateway::Version;

/// Waits by policy.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    event(wait(tools, work).await.map(|()| Event::Done))
}

/// Waits by policy; what is open all the same goes into the report.
pub async fn wait(tools: &Tools, work: &mut Work) -> Result<(), Event> {
    let touched = reached_projects(tools, work).await?;
    let began = Instant::now();
    let policy = work.assignment.policies.sessions.clone();
    let mut told = Vec::new();
    loop {
        work.replaced(tools)?;
        let seen = look(tools, work.plan.version, &touched).await;
        let waited = Span(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        match decide(&policy, &seen, &touched, waited) {
            Gate::Proceed { sessions, notices } => {
                work.plan.sessions = sessions;
                for notice in notices {
                    if !work.plan.notices.contains(&notice) {
                        work.plan.notices.push(notice);
                    }
                }
                return Ok(());
            }
            Gate::Fail(failures) => return Err(Event::Failed(failures)),
            Gate::Wait { blockers } => {
                if blockers != told {
                    tracing::info!(blockers = blockers.join("; "), "waiting for sessions to end");
                    told = blockers;
                }
                tokio::time::sleep(Duration::from(tools.config.gateway.sessions_poll)).await;
            }
        }
    }
}

async fn look(tools: &Tools, version: Version, touched: &BTreeSet<String>) -> AllSeen {
    match version {
        Version::V83 => tools.gateway.sessions(tools.now()).await,
        Version::V81 => {
            let unknown = Err("Ignition 8.1 does not tell".to_owned());
            // A change that touches no project disturbs nobody on 8.1.
            let designers = if touched.is_empty() { Ok(Vec::new()) } else { unknown };
            AllSeen { designers, perspective: Ok(Vec::new()), vision: Ok(Vec::new()) }
        }
    }
}
