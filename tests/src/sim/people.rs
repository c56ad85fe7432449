//! The plant that is made up, and the people who interfere with it.

use std::fmt::Write;

use millwright_coordinator_domain::{
    command::{Body, GatewayAction, ResolveRelease, RolloutAction},
    state::{Followed, RolloutPhase},
};
use millwright_model::{
    digest::GitId,
    id::{GatewayName, RolloutId},
    resource::parse_documents,
};
use rand::{Rng, rngs::StdRng};

use super::{Sim, chance::one};

/// A fleet of some gateways, with rules by chance.
pub(super) fn plant(rng: &mut StdRng) -> String {
    let mut text = String::from(
        "{apiVersion: millwright.dev/v1, kind: Repository, metadata: {name: plant}, spec: {url: 'file:///x', ref: {branch: main}}}\n---\n\
         {apiVersion: millwright.dev/v1, kind: SyncProfile, metadata: {name: hub}, spec: {mappings: [{source: a, destination: projects/a}]}}\n---\n\
         {apiVersion: millwright.dev/v1, kind: SyncProfile, metadata: {name: area}, spec: {dependsOn: [hub], mappings: [{source: a, destination: projects/a}]}}\n---\n",
    );
    text.push_str(&fleet(rng));
    let sites = rng.random_range(2..5);
    for site in 0..sites {
        let stage = if site == 0 { "canary" } else { "rest" };
        for (profile, count) in [("hub", 1), ("area", rng.random_range(1..3))] {
            for n in 0..count {
                let _written = writeln!(
                    text,
                    "---\n{{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {{name: {profile}{site}{}, labels: {{stage: {stage}}}}}, spec: {{site: s{site}, profile: {profile}}}}}",
                    "x".repeat(n)
                );
            }
        }
    }
    text
}

fn fleet(rng: &mut StdRng) -> String {
    let limit = ["1", "2", "50%"][rng.random_range(0..3)];
    let soak = ["0s", "1m"][rng.random_range(0..2)];
    let approval = rng.random_bool(0.3);
    let failure = ["pause", "rollbackGateway", "rollbackStage", "rollbackAll"];
    let failure = failure[rng.random_range(0..4)];
    let dependency = ["hold", "continue", "rollbackDependents"][rng.random_range(0..3)];
    let offline = ["defer", "wait", "fail"][rng.random_range(0..3)];
    let stop = rng.random_range(1..4);
    let windows = match rng.random_range(0..5) {
        0 => ", windows: [{name: w, kind: allow, schedule: \"*/20 * * * *\", duration: 12m}]",
        1 => {
            ", windows: [{name: w, kind: allow, schedule: \"*/20 * * * *\", duration: 12m, overrun: true}]"
        }
        _ => "",
    };
    let dry_run = rng.random_bool(0.2);
    let phase =
        |rng: &mut StdRng| ["prePlan", "preStage", "preSync", "postStage"][rng.random_range(0..4)];
    let sites = match rng.random_range(0..4) {
        0 => ", siteConsistency: {maxSkew: 15m}",
        1 => ", limits: {maxConcurrentFetches: 1}",
        _ => "",
    };
    let gates = match rng.random_bool(0.4) {
        true => format!(
            ", gates: [{{name: one, phase: {}, url: 'http://one.example', expires: 5m, failurePolicy: ignore}}, \
             {{name: two, phase: {}, url: 'http://two.example'}}, \
             {{name: back, phase: preSync, url: 'http://back.example', appliesToRollback: true, match: stage=rest}}]",
            phase(rng),
            phase(rng)
        ),
        false => String::new(),
    };
    format!(
        "{{apiVersion: millwright.dev/v1, kind: Fleet, metadata: {{name: all}}, spec: {{repository: plant, onFailure: {failure}, \
         dependencyFailure: {dependency}, stopWhen: {{failed: {stop}}}, offline: {{policy: {offline}, after: 1m}}, perGatewayDeadline: 10m, dryRun: {dry_run}, \
         stages: [{{name: canary, select: stage=canary, soak: {soak}}}, {{name: rest, maxConcurrent: {limit}, approval: {{required: {approval}, expires: 20m}}}}]{windows}{gates}{sites}}}}}\n"
    )
}

fn newest(sim: &Sim) -> Option<RolloutId> {
    let number = |id: &RolloutId| {
        id.as_str().rsplit('-').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    sim.world.state.rollouts().keys().max_by_key(|id| number(id)).cloned()
}

fn act(sim: &mut Sim, action: RolloutAction) -> Result<(), String> {
    let Some(rollout) = newest(sim) else { return Ok(()) };
    sim.apply("operator/bob", Body::ActOnRollout { rollout, action })
}

fn commit(sim: &mut Sim) -> Result<(), String> {
    sim.commits = sim.commits.wrapping_add(1);
    let release = ResolveRelease {
        followed: Followed::own("plant".parse().expect("a name")),
        reference: "branch main".to_owned(),
        commit: GitId([sim.commits; 20]),
        author: "ann <ann@plant.example>".to_owned(),
        subject: "change".to_owned(),
        committed_at: sim.world.now,
    };
    sim.apply("coordinator/n1", Body::ResolveRelease(release))
}

/// Somebody does something.
pub(super) fn interfere(sim: &mut Sim) -> Result<(), String> {
    if sim.commits == 0 || sim.rng.random_bool(0.06) {
        commit(sim)?;
    }
    let names: Vec<GatewayName> = sim.agents.keys().cloned().collect();
    let Some(gateway) = one(&mut sim.rng, &names).cloned() else { return Ok(()) };
    match sim.rng.random_range(0..60) {
        0 => act(sim, RolloutAction::Pause),
        1 | 2 => act(sim, RolloutAction::Resume),
        3 | 4 => act(sim, RolloutAction::Approve { stage: String::new() }),
        5 => act(sim, RolloutAction::Deny { stage: String::new() }),
        6 => act(sim, RolloutAction::Promote),
        7 => act(sim, RolloutAction::Retry { gateway: None }),
        8 => act(sim, RolloutAction::Retry { gateway: Some(gateway) }),
        9 => act(sim, RolloutAction::Skip { gateway }),
        10 => act(sim, RolloutAction::Abort),
        11 => act(sim, RolloutAction::Undo),
        12 | 13 => hold(sim, false),
        14 | 15 => hold(sim, true),
        16 => on_gateway(sim, gateway, GatewayAction::Pause),
        17 | 18 => on_gateway(sim, gateway, GatewayAction::Resume),
        19 => on_gateway(sim, gateway, GatewayAction::Retry),
        20 => on_gateway(sim, gateway, GatewayAction::Sync),
        21 => other_rules(sim),
        _ => Ok(()),
    }
}

fn on_gateway(sim: &mut Sim, gateway: GatewayName, action: GatewayAction) -> Result<(), String> {
    sim.apply("operator/bob", Body::ActOnGateway { gateway, action })
}

fn hold(sim: &mut Sim, lift: bool) -> Result<(), String> {
    let commit = GitId([sim.commits; 20]);
    let repository = "plant".parse().expect("a name");
    sim.apply("operator/bob", Body::HoldCommit { repository, commit, lift })
}

/// A change of a resource: everything is planned anew.
fn other_rules(sim: &mut Sim) -> Result<(), String> {
    let fleet = fleet(&mut sim.rng);
    let resources = parse_documents(&fleet, "sim").expect("the made-up fleet is valid");
    sim.apply("operator/bob", Body::PutResources { resources })
}

/// Everybody lets go of what they held.
pub(super) fn calm(sim: &mut Sim) -> Result<(), String> {
    for gateway in sim.agents.keys().cloned().collect::<Vec<_>>() {
        on_gateway(sim, gateway, GatewayAction::Resume)?;
    }
    act(sim, RolloutAction::Resume)?;
    // Nobody holds what is to go out last: a commit that does no harm.
    while sim.commits % 4 == 2 {
        commit(sim)?;
    }
    commit(sim)
}

/// Whoever is asked says yes.
pub(super) fn agree(sim: &mut Sim) -> Result<(), String> {
    let Some(rollout) = newest(sim).and_then(|id| sim.world.state.rollouts().get(&id)) else {
        return Ok(());
    };
    match rollout.phase {
        RolloutPhase::Running => act(sim, RolloutAction::Approve { stage: String::new() }),
        RolloutPhase::Planned
        | RolloutPhase::RollingBack
        | RolloutPhase::Completed
        | RolloutPhase::Failed
        | RolloutPhase::Aborted
        | RolloutPhase::Superseded => Ok(()),
    }
}
