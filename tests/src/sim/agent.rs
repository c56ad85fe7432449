//! Made-up agents: they take assignments, are killed, apply or do not, look at windows with clocks of their
//! own, and tell of it over a network that loses, repeats and delays.

mod clock;

use millwright_coordinator_domain::{assignment::instructions_of, command::Body};
use millwright_model::{
    assignment::{Assignment, Origin},
    digest::Digest,
    facts::Waiting,
    generation::Generation,
    id::{GatewayName, Member},
    instruction::Answer,
    report::{Phase, Report},
    time::Timestamp,
};
use rand::{Rng, rngs::StdRng};

use self::clock::{Clock, Write};
use super::{Fault, Sim};
use crate::world::{End, present};

/// Rounds that a change may take.
const LONGEST: u32 = 5;

/// One agent and the files beside it.
#[derive(Debug)]
pub(super) struct Agent {
    connected: bool,
    clock: Clock,
    /// What its gateway has, as a manifest.
    files: Option<Digest>,
    /// Newest assignment that it has taken or dealt with.
    handled: (Generation, u32),
    job: Option<Job>,
    /// What the coordinator knows that it has put aside.
    told: Option<Generation>,
    /// Reports that nobody has acknowledged.
    reports: Vec<Report>,
}

impl Agent {
    pub(super) fn new(rng: &mut StdRng) -> Self {
        Self {
            connected: false,
            clock: Clock::some(rng),
            files: None,
            handled: (Generation(0), 0),
            job: None,
            told: None,
            reports: Vec::new(),
        }
    }

    /// Whether it has nothing to do and nothing to tell.
    pub(super) fn is_idle(&self) -> bool {
        self.job.is_none() && self.reports.is_empty()
    }

    /// Somebody looks after its clock.
    pub(super) fn set_clock(&mut self) {
        self.clock = Clock::right();
    }

    /// Its connection comes or goes; what it says first tells of nothing put aside.
    pub(super) fn come(&mut self, connected: bool) {
        self.connected = connected;
        self.told = None;
    }
}

#[derive(Debug)]
struct Job {
    assignment: Assignment,
    /// Whether windows let it begin.
    was_allowed: bool,
    /// Rounds until it writes; then nothing stops it any more.
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
        let now = sim.world.now;
        let Some(agent) = sim.agents.get_mut(&name) else { continue };
        let hears = agent.connected && !(faults && sim.rng.random_bool(0.2));
        if let Some(assignment) = assignment.filter(|_| hears) {
            let order = (assignment.generation, assignment.attempt);
            // At its next safe point a newer one takes the place of an older one.
            let free = agent.job.as_ref().is_none_or(|job| job.left > 0);
            if order > agent.handled && free {
                agent.handled = order;
                let was_allowed = agent.clock.lets_begin(&assignment, now);
                let left = sim.rng.random_range(1..=LONGEST);
                agent.job = Some(Job { assignment, was_allowed, left });
            }
        }
        dry_run(sim, &name, faults)?;
        work(sim, &name)?;
        tell(sim, &name, faults)?;
    }
    Ok(())
}

fn work(sim: &mut Sim, name: &GatewayName) -> Result<(), String> {
    let now = sim.world.now;
    let Some(agent) = sim.agents.get_mut(name) else { return Ok(()) };
    let Some(job) = &mut agent.job else { return Ok(()) };
    job.left = job.left.saturating_sub(1);
    if job.left > 0 {
        return Ok(());
    }
    let write = match sim.fault {
        Fault::LateWrites => Write::Now,
        _ => agent.clock.lets_write(&job.assignment, job.was_allowed, now),
    };
    if write == Write::Later {
        // A newer assignment may still take its place.
        job.left = 1;
        return put_aside(sim, name, now);
    }
    let Some(job) = agent.job.take() else { return Ok(()) };
    let assignment = job.assignment;
    if write == Write::Now {
        agent.clock.check(&assignment, job.was_allowed, now)?;
    }
    sim.attempts += 1;
    // What does harm does so on some gateways, every time; now and then anything fails.
    let bad = assignment.commit.0[0] % 4 == 3 && name.as_str().len().is_multiple_of(2);
    let end = match sim.rng.random_range(0..100) {
        _ if write == Write::Never => End::Failed,
        _ if bad && assignment.origin == Origin::Manifest => End::RolledBack,
        0..3 => End::Failed,
        3 => End::Inconsistent,
        _ => End::Applied,
    };
    let lies = sim.fault == Fault::Lies && sim.rng.random_bool(0.1);
    let end = if lies { End::Applied } else { end };
    match end {
        End::Applied if lies => {}
        End::Applied => agent.files = Some(assignment.manifest),
        End::Failed | End::RolledBack => {}
        End::Inconsistent => agent.files = None,
    }
    let report = sim.world.report(&assignment, end, "made up");
    sim.watch.ended(&report, agent.files);
    agent.reports.push(report);
    Ok(())
}

/// Says what would change, now and then that something would stop it; the answer may be lost.
fn dry_run(sim: &mut Sim, name: &GatewayName, faults: bool) -> Result<(), String> {
    let connected = sim.agents.get(name).is_some_and(|agent| agent.connected);
    let asked = instructions_of(&sim.world.state, name, Member::Single).into_iter().next();
    let Some(asked) = asked.filter(|_| connected && !(faults && sim.rng.random_bool(0.5))) else {
        return Ok(());
    };
    let ok = !(faults && sim.rng.random_bool(0.05));
    let (gateway, member) = (name.clone(), Member::Single);
    let message = if ok { "fine" } else { "1 checks failed" }.to_owned();
    let answer = Answer { id: asked.id, gateway, member, ok, message, detail: String::new() };
    sim.apply("coordinator/n1", Body::RecordAnswers { answers: vec![answer] })
}

/// The coordinator hears that windows hold it back, once for each assignment and connection.
fn put_aside(sim: &mut Sim, name: &GatewayName, now: Timestamp) -> Result<(), String> {
    let Some(agent) = sim.agents.get_mut(name) else { return Ok(()) };
    let generation = agent.handled.0;
    if !agent.connected || agent.told == Some(generation) {
        return Ok(());
    }
    agent.told = Some(generation);
    let waiting = Waiting { generation, message: "outside of w".into(), since: now, until: None };
    let body = present(name, "RUNNING", Some(waiting));
    sim.apply("coordinator/n1", body)
}

fn tell(sim: &mut Sim, name: &GatewayName, faults: bool) -> Result<(), String> {
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
