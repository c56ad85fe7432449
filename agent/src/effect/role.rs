//! Which node of a pair may be written: asked before anything is staged, again right before the
//! commit, and looked at once more afterwards. A backup is never written.

use std::time::Duration;

use millwright_agent_domain::redundancy::{Gate, may_write};
use millwright_model::{
    id::Member,
    report::{Failure, FailureKind, Step},
    time::Span,
};
use tokio::time::Instant;

use super::{Tools, Work};

/// Between two looks at a pair whose master is not active.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits, as long as the policy says, for this node to be the one that may be written.
pub async fn wait(tools: &Tools, work: &mut Work, step: Step) -> Result<(), Failure> {
    let began = Instant::now();
    let mut told = String::new();
    loop {
        let waited = Span(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        match look(tools, work, waited, step).await? {
            None => return Ok(()),
            Some(reason) => {
                if reason != told {
                    tracing::info!(reason, "waiting");
                    told = reason;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One look: nothing when it may be written, the reason when it may not yet.
pub async fn look(
    tools: &Tools,
    work: &mut Work,
    waited: Span,
    step: Step,
) -> Result<Option<String>, Failure> {
    // A single gateway changes places with nobody.
    if tools.member == Member::Single && step != Step::Preflight {
        return Ok(None);
    }
    let node = tools.gateway.node_of(work.plan.version).await;
    let node = node.map_err(|trouble| trouble.failure(step))?;
    let peer = tools.peer.borrow().clone();
    match may_write(tools.member, &node, &peer, &work.assignment.policies.redundancy, waited) {
        Gate::Write { notices } => {
            for notice in notices {
                if !work.plan.notices.contains(&notice) {
                    work.plan.notices.push(notice);
                }
            }
            Ok(None)
        }
        Gate::Refuse(mut failure) => {
            failure.step = step;
            Err(failure)
        }
        Gate::Wait { reason } => Ok(Some(reason)),
    }
}

/// What people should know when the pair has changed places under a change: it is finished on the
/// node on which it was begun, and the other one is left alone.
pub async fn moved(tools: &Tools, work: &Work) -> Option<Failure> {
    if tools.member != Member::Master {
        return None;
    }
    // What cannot be asked now is the health check's to tell.
    let node = tools.gateway.node_of(work.plan.version).await.ok()?;
    if node.activity == "Active" {
        return None;
    }
    let message = format!(
        "the master became {} while the change was applied: it was finished there, and the backup takes it over once the master is active again",
        if node.activity.is_empty() { "of unknown activity" } else { &node.activity }
    );
    Some(Failure::new(Step::Verify, FailureKind::NotActive, message))
}
