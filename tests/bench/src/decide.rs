//! What a decision costs in a fleet of ten thousand gateways: planning, `decide` in the middle of a
//! rollout and with nothing to do, and the commands of a rollout while somebody holds the state before,
//! as every published state is held.
//!
//! All of it is the pure domain in one process: no files are rendered and nothing is sent.

use std::time::Instant;

use anyhow::{Context, bail, ensure};
use fleet_tests::world::{End, World};
use millwright_coordinator_domain::{
    command::{Body, Outcome, Step},
    rollout::{decide, wanted},
    state::{MemberState, Rollout, RolloutPhase},
};
use millwright_model::{id::GatewayName, report::Report, time::Span};
use serde_json::{Value, json};

use crate::{
    machine::milliseconds,
    output::{Output, say},
    stats::{median, rounded},
};

/// Goals in milliseconds: a decision in the middle of a rollout, and one with nothing to do.
const BUSY_MS: f64 = 10.0;
const IDLE_MS: f64 = 0.1;
/// Gateways at a time in the last stage, and reports in one log entry.
const AT_A_TIME: usize = 100;
/// Gateways put with one command.
const PUT: usize = 1_000;

/// `decide`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Gateways.
    #[arg(long, default_value_t = 10_000)]
    gateways: usize,
    /// How often each thing is measured; the median is printed.
    #[arg(long, default_value_t = 21)]
    runs: usize,
}

fn name(n: usize) -> String {
    format!("gw{n:05}")
}

fn gateway(n: usize) -> String {
    let ring = if n.is_multiple_of(100) {
        "first"
    } else if n.is_multiple_of(10) {
        "second"
    } else {
        "third"
    };
    json!({"apiVersion": "millwright.dev/v1", "kind": "Gateway",
        "metadata": {"name": name(n), "labels": {"ring": ring}},
        "spec": {"site": format!("site{}", n % 500), "profile": "area"}})
    .to_string()
}

/// Three stages: a hundredth, a tenth, the rest.
fn company() -> String {
    let stage = |ring: &str, at_a_time: usize| json!({"name": ring, "select": format!("ring={ring}"), "maxConcurrent": at_a_time});
    let all = [
        json!({"apiVersion": "millwright.dev/v1", "kind": "Repository", "metadata": {"name": "plant"},
            "spec": {"url": "file:///plant", "ref": {"branch": "main"}}}),
        json!({"apiVersion": "millwright.dev/v1", "kind": "SyncProfile", "metadata": {"name": "area"},
            "spec": {"mappings": [{"source": "a", "destination": "projects/{{.Site}}"}],
                "normalize": [{"files": "**/config.json", "set": {".systemName": "{{.GatewayName}}"}}]}}),
        json!({"apiVersion": "millwright.dev/v1", "kind": "Fleet", "metadata": {"name": "all"},
            "spec": {"repository": "plant", "stages": [
                stage("first", AT_A_TIME), stage("second", AT_A_TIME), stage("third", AT_A_TIME)]}}),
    ];
    all.map(|one| one.to_string()).join("\n---\n")
}

fn world(gateways: usize) -> anyhow::Result<World> {
    let mut world = World::default();
    let put = |world: &mut World, text: &str| match world.put(text)? {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Rejected(rejection) => bail!("refused: {}", rejection.message()),
    };
    put(&mut world, &company())?;
    for from in (0..gateways).step_by(PUT) {
        let some: Vec<String> = (from..gateways.min(from + PUT)).map(gateway).collect();
        put(&mut world, &some.join("\n---\n"))?;
    }
    for n in 0..gateways {
        world.link(&name(n).parse()?, true, "RUNNING");
    }
    Ok(world)
}

fn rollout(world: &World) -> anyhow::Result<&Rollout> {
    let newest = world.state.rollouts().values().max_by_key(|rollout| rollout.started_at);
    newest.map(|rollout| &**rollout).context("there is no rollout")
}

/// Those that are told and have not answered, with their answers.
fn answers(world: &World, most: usize) -> anyhow::Result<Vec<Report>> {
    let members = rollout(world)?.members.iter();
    let told = members.filter(|(_, member)| matches!(member.state, MemberState::Assigned { .. }));
    let names: Vec<GatewayName> = told.take(most).map(|(name, _)| name.clone()).collect();
    names
        .iter()
        .map(|name| {
            let assignment = world.assignment(name).context("it was told")?;
            Ok(world.report(&assignment, End::Applied, ""))
        })
        .collect()
}

/// The rollout goes on until `stop` or its end.
fn play(world: &mut World, stop: impl Fn(&Rollout) -> bool) -> anyhow::Result<()> {
    loop {
        world.wait(Span(1_000));
        world.lead();
        let now = rollout(world)?;
        if stop(now) || now.phase != RolloutPhase::Running {
            return Ok(());
        }
        let reports = answers(world, usize::MAX)?;
        ensure!(!reports.is_empty(), "the rollout stands still");
        world.apply("coordinator/n1", "", Body::RecordReports { reports });
    }
}

/// Medians of repeated measurements.
struct Clock {
    runs: usize,
}

impl Clock {
    /// Milliseconds of something that changes nothing.
    fn of<T>(&self, mut work: impl FnMut() -> T) -> f64 {
        let one = |_| {
            let began = Instant::now();
            let made = work();
            let took = milliseconds(began.elapsed());
            drop(made);
            took
        };
        rounded(median(&(0..self.runs).map(one).collect::<Vec<_>>()))
    }

    /// Milliseconds of a command, each time on the same state, which is held meanwhile.
    fn apply(&self, world: &World, body: &Body) -> anyhow::Result<f64> {
        let mut taken = Vec::with_capacity(self.runs);
        for _ in 0..self.runs {
            let mut next = world.clone();
            let body = body.clone();
            let began = Instant::now();
            let (outcome, _) = next.apply("coordinator/n1", "", body);
            taken.push(milliseconds(began.elapsed()));
            if let Outcome::Rejected(rejection) = outcome {
                bail!("refused: {}", rejection.message());
            }
        }
        Ok(rounded(median(&taken)))
    }
}

/// What a rollout costs in its middle.
fn busy(world: &World, clock: &Clock) -> anyhow::Result<Value> {
    let full = clock.of(|| decide(&world.state, world.now));
    ensure!(decide(&world.state, world.now).is_empty(), "there is something to do");
    let one = Body::RecordReports { reports: answers(world, 1)? };
    let one_report = clock.apply(world, &one)?;
    let many = Body::RecordReports { reports: answers(world, AT_A_TIME)? };
    let many_reports = clock.apply(world, &many)?;
    let mut ready = world.clone();
    ready.apply("coordinator/n1", "", many);
    let next = decide(&ready.state, ready.now).pop().context("nothing to do")?;
    let Body::AdvanceRollout(advance) = &next else { bail!("another decision: {next:?}") };
    let assigned = advance.steps.iter().filter(|step| matches!(step, Step::Assign { .. })).count();
    ensure!(assigned == AT_A_TIME, "{assigned} members are assigned");
    let room = clock.of(|| decide(&ready.state, ready.now));
    let advance = clock.apply(&ready, &next)?;
    let met = full.max(room) <= BUSY_MS;
    let word = if met { "met" } else { "missed" };
    say(&format!(
        "  in the middle: decide {full} ms with nothing to do, {room} ms for {AT_A_TIME} assignments (goal {BUSY_MS} ms: {word}); apply {advance} ms for those, {one_report} ms for one report, {many_reports} ms for {AT_A_TIME}"
    ));
    Ok(json!({"decideFullMs": full, "decideAssignMs": room, "advanceMs": advance,
        "oneReportMs": one_report, "reportsMs": many_reports, "goalMs": BUSY_MS,
        "met": met}))
}

/// Measures and prints.
pub fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    let clock = Clock { runs: args.runs.max(1) };
    let mut world = world(args.gateways)?;
    let setting = json!({"gateways": args.gateways, "stages": 3, "runs": clock.runs});
    world.resolve("plant", 1, "Ann <ann@plant.example>")?;
    play(&mut world, |_| false)?;
    ensure!(rollout(&world)?.phase == RolloutPhase::Completed, "the first rollout did not end");

    world.resolve("plant", 2, "Ann <ann@plant.example>")?;
    let planning = clock.of(|| wanted(&world.state));
    let start = world.decided().pop().context("no rollout is wanted")?;
    let starting = clock.apply(&world, &start)?;
    say(&format!("  a new commit: wanted {planning} ms, apply of its plan {starting} ms"));
    output.emit("planning", setting.clone(), json!({"wantedMs": planning, "startMs": starting}));

    // In the last stage, half way.
    let half = args.gateways / 2;
    play(&mut world, |rollout| {
        rollout.counts().iter().map(|count| count.applied as usize).sum::<usize>() >= half
    })?;
    output.emit("in the middle of a rollout", setting.clone(), busy(&world, &clock)?);

    play(&mut world, |_| false)?;
    ensure!(rollout(&world)?.phase == RolloutPhase::Completed, "the rollout did not end");
    let idle = clock.of(|| decide(&world.state, world.now));
    let again = clock.of(|| wanted(&world.state));
    let met = idle <= IDLE_MS;
    let word = if met { "met" } else { "missed" };
    say(&format!(
        "  all done: decide {idle} ms (goal {IDLE_MS} ms: {word}); wanted {again} ms, asked when resources change"
    ));
    output.emit(
        "all done",
        setting,
        json!({"decideMs": idle, "wantedMs": again, "goalMs": IDLE_MS, "met": met}),
    );
    Ok(())
}
