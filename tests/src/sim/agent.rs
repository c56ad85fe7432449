//! Made-up agents: they take assignments, are killed, apply or do not, and tell of it over a network that
//! loses, repeats and delays.

use millwright_coordinator_domain::command::Body;
use millwright_model::{
    assignment::Assignment,
    digest::Digest,
    generation::Generation,
    report::{Phase, Report},
};
use rand::Rng;

use super::{Fault, Sim};
use crate::world::End;

/// Rounds that a change may take.
const LONGEST: u32 = 5;

/// One agent and the files beside it.
#[derive(Debug, Default)]
pub(super) struct Agent {
    pub(super) connected: bool,
    /// What its gateway has, as a manifest.
    pub(super) files: Option<Digest>,
    /// Newest assignment that it has taken or dealt with.
    handled: (Generation, u32),
    job: Option<Job>,
    /// Reports that nobody has acknowledged.
    reports: Vec<Report>,
}

impl Agent {
    /// Whether it has nothing to do and nothing to tell.
    pub(super) fn is_idle(&self) -> bool {
        self.job.is_none() && self.reports.is_empty()
    }
}

#[derive(Debug)]
struct Job {
    assignment: Assignment,
    /// Rounds until it ends; in the last one nothing stops it any more.
    left: u32,
}

/// Lets every agent do a little.
pub(super) fn round(sim: &mut Sim, faults: bool) -> Result<(), String> {
    let names: Vec<_> = sim.agents.keys().cloned().collect();
    for name in names {
        if faults && sim.rng.random_bool(0.03) {
            let connected = sim.agents.get(&name).is_some_and(|agent| agent.connected);
            sim.link(&name, !connected)?;
        }
        let assignment = sim.world.assignment(&name);
        let Some(agent) = sim.agents.get_mut(&name) else { continue };
        let hears = agent.connected && !(faults && sim.rng.random_bool(0.2));
        if let Some(assignment) = assignment.filter(|_| hears) {
            let order = (assignment.generation, assignment.attempt);
            // At its next safe point a newer one takes the place of an older one.
            let free = agent.job.as_ref().is_none_or(|job| job.left > 1);
            if order > agent.handled && free {
                agent.handled = order;
                let left = sim.rng.random_range(1..=LONGEST);
                agent.job = Some(Job { assignment, left });
            }
        }
        work(sim, &name);
        tell(sim, &name, faults)?;
    }
    Ok(())
}

fn work(sim: &mut Sim, name: &millwright_model::id::GatewayName) {
    let Some(agent) = sim.agents.get_mut(name) else { return };
    let Some(job) = &mut agent.job else { return };
    job.left -= 1;
    if job.left > 0 {
        return;
    }
    let Some(Job { assignment, .. }) = agent.job.take() else { return };
    sim.attempts += 1;
    // What does harm does so on some gateways, every time; now and then anything fails.
    let bad = assignment.commit.0[0] % 4 == 3 && name.as_str().len().is_multiple_of(2);
    let end = match sim.rng.random_range(0..100) {
        _ if bad && assignment.origin == millwright_model::assignment::Origin::Manifest => {
            End::RolledBack
        }
        0..3 => End::Failed,
        3 => End::Inconsistent,
        _ => End::Applied,
    };
    let lies = sim.fault == Fault::Lies && sim.rng.random_bool(0.1);
    let end = if lies { End::Applied } else { end };
    let Some(agent) = sim.agents.get_mut(name) else { return };
    match end {
        End::Applied if lies => {}
        End::Applied => agent.files = Some(assignment.manifest),
        End::Failed | End::RolledBack => {}
        End::Inconsistent => agent.files = None,
    }
    let report = sim.world.report(&assignment, end, "made up");
    sim.watch.ended(&report, agent.files);
    agent.reports.push(report);
}

fn tell(
    sim: &mut Sim,
    name: &millwright_model::id::GatewayName,
    faults: bool,
) -> Result<(), String> {
    let Some(agent) = sim.agents.get_mut(name) else { return Ok(()) };
    if !agent.connected || agent.reports.is_empty() || (faults && sim.rng.random_bool(0.3)) {
        return Ok(());
    }
    let reports = agent.reports.clone();
    // The acknowledgement may be lost: then it tells again.
    if !(faults && sim.rng.random_bool(0.2)) {
        agent.reports.clear();
    }
    debug_assert!(reports.iter().all(|r| !matches!(r.phase, Phase::Running { .. })));
    sim.apply("coordinator/n1", Body::RecordReports { reports })
}
