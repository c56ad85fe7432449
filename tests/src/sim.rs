//! Seeded simulation of a fleet: the pure coordinator, agents that lose, repeat and delay what they say,
//! leaders that decide on old states, people who interfere. First everything goes wrong for a while, then
//! everything heals, and whatever was begun must end. Invariants are looked at after every command.
//!
//! One seed decides everything. A planted fault ([`Fault`]) shows that an invariant can fail.

mod agent;
mod chance;
mod gate;
pub mod invariant;
mod people;

use std::collections::BTreeMap;

use millwright_coordinator_domain::{
    State,
    command::{AdvanceRollout, Body, Step},
    state::{MemberState, Rollout, RolloutMember, RolloutPhase},
};
use millwright_model::{id::GatewayName, time::Span};
use rand::{Rng, SeedableRng, rngs::StdRng};

use self::{agent::Agent, invariant::Watch};
use crate::world::World;

/// Rounds in which things go wrong.
const ROUNDS: usize = 60;
/// Rounds of calm in which everything must end.
const CALM: usize = 400;
/// Between two rounds.
const ROUND: Span = Span(20_000);

/// A fault that is planted into what the leader decides, or into what agents say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// None.
    #[default]
    None,
    /// Everything that waits is assigned at once.
    NoLimit,
    /// Dependencies do not count.
    NoOrder,
    /// Stages open at once.
    NoStages,
    /// Windows do not count.
    NoWindows,
    /// Agents say that they have what they do not have.
    Lies,
    /// Rollouts of held commits go on.
    NoHolds,
    /// Gates do not count.
    NoGates,
    /// A gate that has answered is asked again.
    AsksTwice,
    /// Dry runs are not waited for.
    NoDryRuns,
    /// Agents do not look at windows again before they write.
    LateWrites,
    /// The leader sleeps when all is calm.
    Asleep,
}

impl Fault {
    /// All that can be planted.
    pub const ALL: [Fault; 11] = [
        Fault::NoLimit,
        Fault::NoOrder,
        Fault::NoStages,
        Fault::NoWindows,
        Fault::Lies,
        Fault::NoHolds,
        Fault::NoGates,
        Fault::AsksTwice,
        Fault::NoDryRuns,
        Fault::LateWrites,
        Fault::Asleep,
    ];
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Log entries.
    pub commands: u64,
    /// Rollouts that began.
    pub rollouts: u64,
    /// Attempts that ended.
    pub attempts: u64,
}

impl Tally {
    /// Both together.
    pub fn add(&mut self, other: Tally) {
        self.commands += other.commands;
        self.rollouts += other.rollouts;
        self.attempts += other.attempts;
    }
}

/// One simulated fleet.
struct Sim {
    world: World,
    rng: StdRng,
    agents: BTreeMap<GatewayName, Agent>,
    /// States as leaders may still believe them to be.
    past: Vec<State>,
    watch: Watch,
    fault: Fault,
    commits: u8,
    attempts: u64,
}

/// Runs one seed; the error says which invariant broke, and when.
pub fn run(seed: u64, fault: Fault) -> Result<Tally, String> {
    let mut sim = Sim::new(seed, fault);
    let outcome = sim.play();
    outcome.map_err(|why| format!("seed {seed}: {why}"))?;
    Ok(Tally {
        commands: sim.world.index(),
        rollouts: sim.watch.rollouts(),
        attempts: sim.attempts,
    })
}

impl Sim {
    fn new(seed: u64, fault: Fault) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::default();
        let plant = people::plant(&mut rng);
        world.put(&plant).expect("the made-up plant is valid");
        let names = world.state.gateways_named();
        let agents = names.map(|name| (name.clone(), Agent::new(&mut rng))).collect();
        Self {
            world,
            rng,
            agents,
            past: Vec::new(),
            watch: Watch::default(),
            fault,
            commits: 0,
            attempts: 0,
        }
    }

    fn play(&mut self) -> Result<(), String> {
        for name in self.agents.keys().cloned().collect::<Vec<_>>() {
            self.link(&name, true)?;
        }
        for _ in 0..ROUNDS {
            self.world.wait(Span(self.rng.random_range(1..2 * ROUND.0)));
            people::interfere(self)?;
            self.lead()?;
            gate::round(self, true)?;
            agent::round(self, true)?;
        }
        self.heal()?;
        for _ in 0..CALM {
            self.world.wait(ROUND);
            people::agree(self)?;
            if self.fault != Fault::Asleep {
                self.lead()?;
            }
            gate::round(self, false)?;
            agent::round(self, false)?;
            let calm = self.agents.values().all(Agent::is_idle);
            if calm && invariant::every_rollout_ends(&self.world.state).is_ok() {
                return Ok(());
            }
        }
        invariant::every_rollout_ends(&self.world.state)
    }

    /// Puts a command into the log and looks at the invariants.
    fn apply(&mut self, actor: &str, body: Body) -> Result<(), String> {
        let before = self.world.state.clone();
        self.world.apply(actor, "because", body.clone());
        let now = self.world.now;
        self.watch.look(&before, &self.world.state, &body, now)
    }

    fn link(&mut self, name: &GatewayName, connected: bool) -> Result<(), String> {
        if let Some(agent) = self.agents.get_mut(name) {
            agent.come(connected);
        }
        let before = self.world.state.clone();
        self.world.link(name, connected, "RUNNING");
        let body = Body::NodeLost { node: 9 };
        self.watch.look(&before, &self.world.state, &body, self.world.now)
    }

    /// One or two leaders decide, perhaps on a state that is old by now.
    fn lead(&mut self) -> Result<(), String> {
        let leaders = if self.rng.random_bool(0.2) { 2 } else { 1 };
        for _ in 0..leaders {
            let stale = !self.past.is_empty() && self.rng.random_bool(0.15);
            let bodies = if stale {
                let at = self.rng.random_range(0..self.past.len());
                let state = self.past[at].clone();
                let mut view = World { state, planned: None, ..self.world.clone() };
                view.decided()
            } else {
                self.world.decided()
            };
            for body in bodies {
                let body = self.spoil(body);
                // A command may be lost with its leader.
                if self.rng.random_bool(0.95) {
                    self.apply("coordinator/n1", body)?;
                }
            }
        }
        for body in self.besides() {
            self.apply("coordinator/n1", body)?;
        }
        self.past.push(self.world.state.clone());
        if self.past.len() > 8 {
            self.past.remove(0);
        }
        Ok(())
    }

    /// Plants the fault into a decision.
    fn spoil(&self, body: Body) -> Body {
        let Body::AdvanceRollout(mut advance) = body else { return body };
        let Some(known) = self.world.state.rollouts().get(&advance.rollout) else {
            return Body::AdvanceRollout(advance);
        };
        match self.fault {
            Fault::NoLimit => advance.steps.extend(pending(known, |_| true)),
            Fault::NoStages => {
                let all = 0..u32::try_from(known.stages.len()).unwrap_or(0);
                advance.steps.extend(all.map(|stage| Step::OpenStage { stage }));
            }
            Fault::NoDryRuns if known.policy.dry_run => {
                advance.steps.push(Step::OpenStage { stage: 0 });
            }
            Fault::AsksTwice => advance.steps.extend(
                known.questions().iter().map(|record| Step::AskGate { key: record.key.clone() }),
            ),
            Fault::None
            | Fault::NoOrder
            | Fault::NoWindows
            | Fault::Lies
            | Fault::NoHolds
            | Fault::NoGates
            | Fault::NoDryRuns
            | Fault::LateWrites
            | Fault::Asleep => {}
        }
        Body::AdvanceRollout(advance)
    }

    /// What a leader with the fault decides besides: one member that should wait, within the limit.
    fn besides(&self) -> Vec<Body> {
        let (state, mut bodies) = (&self.world.state, Vec::new());
        for (id, rollout) in state.rollouts() {
            let Some(at) = rollout.current().filter(|_| rollout.phase == RolloutPhase::Running)
            else {
                continue;
            };
            let room = rollout.counts()[at].running < rollout.stages[at].max_concurrent;
            if !room || rollout.progress_of(at).opened_at.is_none() {
                continue;
            }
            let has_dependency = |member: &RolloutMember| {
                let dependencies =
                    member.depends_on.iter().filter_map(|on| rollout.members.get(on));
                dependencies.into_iter().any(|on| on.state == MemberState::Pending)
            };
            let steps = match self.fault {
                Fault::NoOrder => pending(rollout, has_dependency),
                Fault::NoWindows | Fault::NoHolds | Fault::NoGates => {
                    pending(rollout, |m| !has_dependency(m))
                }
                Fault::None
                | Fault::NoLimit
                | Fault::NoStages
                | Fault::Lies
                | Fault::AsksTwice
                | Fault::NoDryRuns
                | Fault::LateWrites
                | Fault::Asleep => Vec::new(),
            };
            bodies.extend(steps.into_iter().take(1).map(|step| {
                Body::AdvanceRollout(AdvanceRollout {
                    rollout: id.clone(),
                    seen: rollout.revision,
                    config: state.config_version(),
                    steps: vec![step],
                })
            }));
        }
        bodies
    }

    fn heal(&mut self) -> Result<(), String> {
        self.agents.values_mut().for_each(Agent::set_clock);
        for name in self.agents.keys().cloned().collect::<Vec<_>>() {
            self.link(&name, true)?;
        }
        people::calm(self)
    }
}

/// Members of the open stage that wait.
fn pending(rollout: &Rollout, wanted: impl Fn(&RolloutMember) -> bool) -> Vec<Step> {
    let open = rollout.current().and_then(|at| u32::try_from(at).ok());
    let waiting = rollout.members.iter().filter(|(_, member)| {
        member.state == MemberState::Pending && Some(member.stage) == open && wanted(member)
    });
    waiting.map(|(gateway, _)| Step::Assign { gateway: gateway.clone() }).collect()
}
