//! Dry runs of a whole rollout: nothing begins before the agents have said what would change.

use millwright_coordinator_domain::{
    assignment::instructions_of,
    command::{Body, RolloutAction},
    rollout::decide,
    state::{Rollout, RolloutPhase},
    why,
};
use millwright_model::{
    digest::Digest,
    id::{GatewayName, Member, RolloutId},
    instruction::{Answer, Instruction},
    time::Timestamp,
};

use super::Cluster;

const FLEET: &str = "{apiVersion: millwright.dev/v1, kind: Fleet, metadata: {name: all}, spec: {repository: plant, \
     dryRun: true, stages: [{name: all, maxConcurrent: 4}]}}";

fn name(gateway: &str) -> GatewayName {
    gateway.parse().expect("a name")
}

/// The one dry run that an agent is asked for.
fn asked(cluster: &Cluster, gateway: &str) -> Instruction {
    let open = instructions_of(&cluster.state, &name(gateway), Member::Single);
    let [one] = <[_; 1]>::try_from(open).expect("one instruction");
    one
}

fn answer(cluster: &mut Cluster, gateway: &str, ok: bool) {
    let id = asked(cluster, gateway).id;
    let detail = match ok {
        true => r#"{"counts": {"added": 1, "changed": 2, "removed": 3}, "bytes": 4}"#.to_owned(),
        false => String::new(),
    };
    let message = if ok { "fine" } else { "1 checks failed" }.to_owned();
    let member = Member::Single;
    let answer = Answer { id, gateway: name(gateway), member, ok, message, detail };
    cluster.accepted(Body::RecordAnswers { answers: vec![answer] });
}

fn newest(cluster: &Cluster) -> (&RolloutId, &Rollout) {
    let newest = cluster.state.rollouts().iter().max_by_key(|(_, rollout)| rollout.started_at);
    newest.map(|(id, rollout)| (id, rollout.as_ref())).expect("a rollout")
}

fn begin() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.put(FLEET);
    cluster.release(1);
    assert!(cluster.drive().is_empty(), "nobody is assigned anything");
    cluster
}

#[test]
fn nothing_begins_before_everybody_has_said_what_would_change() {
    let mut cluster = begin();
    let assignment = asked(&cluster, "g1").assignment.expect("what is planned");
    assert_eq!(assignment.manifest, Digest::of(&[1]));
    let (id, _) = newest(&cluster);
    let waits = why::rollout(&cluster.state, id, cluster.now());
    assert_eq!(waits.iter().map(|one| one.code).collect::<Vec<_>>(), ["DryRun"]);
    for gateway in ["g1", "g2", "g3"] {
        answer(&mut cluster, gateway, true);
        assert!(cluster.drive().is_empty());
    }
    answer(&mut cluster, "g4", true);
    assert_eq!(cluster.drive(), ["g1", "g2", "g3", "g4"]);
    let (_, rollout) = newest(&cluster);
    let dry_run = rollout.members["g1"].dry_run.as_ref().expect("a dry run");
    let diff = dry_run.answer.as_ref().and_then(|answer| answer.diff).expect("its numbers");
    assert_eq!((diff.added, diff.changed, diff.removed, diff.bytes), (1, 2, 3, 4));
}

#[test]
fn what_would_stop_one_stops_all_before_anything_is_changed() {
    let mut cluster = begin();
    for gateway in ["g1", "g2", "g4"] {
        answer(&mut cluster, gateway, true);
    }
    answer(&mut cluster, "g3", false);
    assert!(cluster.drive().is_empty());
    let (id, rollout) = newest(&cluster);
    assert_eq!(rollout.phase, RolloutPhase::Failed);
    let cause = rollout.stop.as_ref().map(|stop| stop.cause.as_str());
    assert_eq!(cause, Some("the dry run found what would stop gateway g3: 1 checks failed"));

    // Whoever has mended it goes on: only that one is asked again, under another number.
    let (rollout, before) = (id.clone(), asked_ids(&cluster, "g3"));
    cluster.accepted(Body::ActOnRollout { rollout, action: RolloutAction::Resume });
    assert!(cluster.drive().is_empty());
    assert!(!before.contains(&asked(&cluster, "g3").id));
    assert!(instructions_of(&cluster.state, &name("g1"), Member::Single).is_empty());
    answer(&mut cluster, "g3", true);
    assert_eq!(cluster.drive(), ["g1", "g2", "g3", "g4"]);
}

fn asked_ids(cluster: &Cluster, gateway: &str) -> Vec<String> {
    let status = cluster.state.gateway_status(&name(gateway)).expect("a status");
    status.instructions.iter().map(|one| one.id.clone()).collect()
}

#[test]
fn who_is_away_or_silent_is_not_waited_for() {
    let mut cluster = Cluster::new();
    cluster.put(FLEET);
    cluster.link("g4", false);
    cluster.release(1);
    cluster.drive();
    for gateway in ["g1", "g2"] {
        answer(&mut cluster, gateway, true);
    }
    assert!(cluster.drive().is_empty(), "g3 may still answer");
    let later = Timestamp(cluster.now().0 + 600_000);
    let begins = decide(&cluster.state, later);
    assert!(!begins.is_empty(), "its time is up");
}

#[test]
fn a_plan_that_nobody_has_begun_is_looked_at_too() {
    let mut cluster = Cluster::new();
    cluster.put(&FLEET.replace("dryRun: true", "dryRun: true, trigger: manual"));
    cluster.release(1);
    cluster.drive();
    for gateway in ["g1", "g2", "g3", "g4"] {
        answer(&mut cluster, gateway, gateway != "g2");
    }
    assert!(cluster.drive().is_empty());
    assert_eq!(newest(&cluster).1.phase, RolloutPhase::Planned, "a person decides");
}
