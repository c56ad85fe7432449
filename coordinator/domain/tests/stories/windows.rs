//! What agents are told of windows, and what it means that one waits for them.

use millwright_coordinator_domain::{
    assignment::assignment_of,
    command::{AgentRef, Body, GatewayAction, Step},
    rollout::decide,
    view, why,
};
use millwright_model::{
    assignment::{Assignment, Begun},
    facts::{GatewayFacts, Waiting},
    generation::Generation,
    id::{GatewayName, Member},
    resource::{Kind, parse_documents},
    selector::Selector,
    time::Timestamp,
};

use super::{Cluster, applied, failed};

const HOUR: u64 = 3_600_000;

fn fleet(windows: &str) -> String {
    format!(
        "{{apiVersion: millwright.dev/v1, kind: Fleet, metadata: {{name: all}}, spec: {{repository: plant, \
         stages: [{{name: canary, select: canary=true}}, {{name: rest, maxConcurrent: 2}}], windows: [{windows}]}}}}"
    )
}

const NIGHT: &str = r#"{name: night, kind: allow, schedule: "0 0 * * *", duration: 8h}"#;
const CANARIES: &str =
    r#"{name: canaries, kind: deny, schedule: "0 9 * * *", duration: 1h, select: canary=true}"#;

fn told(cluster: &Cluster, gateway: &str) -> Assignment {
    let gateway = gateway.parse().expect("a name");
    assignment_of(&cluster.state, &gateway, Member::Single).expect("an assignment")
}

fn names(assignment: &Assignment) -> Vec<&str> {
    assert!(assignment.windows.iter().all(|window| window.select == Selector::default()));
    assignment.windows.iter().map(|window| window.name.as_str()).collect()
}

/// What g1's agent says of itself.
fn says(cluster: &mut Cluster, waiting: Option<Waiting>) {
    let agent = AgentRef {
        gateway: "g1".parse().expect("a name"),
        member: Member::Single,
        version: "0".into(),
        address: "here".into(),
        facts: GatewayFacts { state: "RUNNING".into(), waiting, ..GatewayFacts::default() },
        instance: "i".into(),
    };
    let connected = vec![agent];
    cluster.accepted(Body::RecordPresence { node: 1, full: false, connected, lost: Vec::new() });
}

fn waits(generation: u64) -> Option<Waiting> {
    Some(Waiting {
        generation: Generation(generation),
        message: "outside of night".into(),
        since: Timestamp(1),
        until: Some(Timestamp(20 * HOUR)),
    })
}

/// Who fails when this much time has passed.
fn fails(cluster: &Cluster, after: u64) -> Vec<String> {
    let decided = decide(&cluster.state, Timestamp(cluster.now().0 + after));
    let steps = decided.into_iter().flat_map(|body| match body {
        Body::AdvanceRollout(advance) => advance.steps,
        _ => Vec::new(),
    });
    steps
        .filter_map(|step| match step {
            Step::Fail { gateway, .. } => Some(gateway.to_string()),
            Step::Finish { message, .. } => Some(message),
            _ => None,
        })
        .collect()
}

#[test]
fn an_agent_is_told_its_windows_and_who_began() {
    let mut cluster = Cluster::new();
    cluster.put(&fleet(&format!("{NIGHT}, {CANARIES}")));
    cluster.release(1);
    cluster.drive();
    assert_eq!(names(&told(&cluster, "g1")), ["night", "canaries"]);
    assert_eq!(told(&cluster, "g1").begun, Begun::Rollout);
    cluster.report("g1", 1, applied(1));
    cluster.drive();
    assert_eq!(names(&told(&cluster, "g2")), ["night"]);
    let act = |gateway: &str, action| {
        let gateway: GatewayName = gateway.parse().expect("a name");
        Body::ActOnGateway { gateway, action }
    };
    cluster.accepted(act("g2", GatewayAction::Retry));
    assert_eq!(told(&cluster, "g2").begun, Begun::Person);
    let id = "20260101t000000z".to_owned();
    cluster.accepted(act("g1", GatewayAction::RollbackToSnapshot { id, project: None }));
    assert_eq!(told(&cluster, "g1").begun, Begun::Person);
}

#[test]
fn what_goes_back_asks_no_window_whoever_retries_it() {
    let mut cluster = Cluster::new();
    cluster.put(&fleet(NIGHT).replace("windows:", "onFailure: rollbackAll, windows:"));
    cluster.release(1);
    cluster.drive();
    for gateway in ["g1", "g2", "g3", "g4"] {
        cluster.report(gateway, 1, applied(1));
        cluster.drive();
    }
    cluster.release(2);
    cluster.drive();
    cluster.report("g1", 2, applied(2));
    cluster.drive();
    cluster.report("g2", 2, failed());
    cluster.report("g3", 2, failed());
    assert_eq!(cluster.drive(), ["-g1"]);
    assert_eq!(told(&cluster, "g1").begun, Begun::Rollback);
    let gateway = "g1".parse().expect("a name");
    cluster.accepted(Body::ActOnGateway { gateway, action: GatewayAction::Retry });
    assert_eq!((told(&cluster, "g1").begun, told(&cluster, "g1").attempt), (Begun::Rollback, 2));
}

#[test]
fn a_freeze_wakes_the_agents_that_it_means() {
    let mut cluster = Cluster::new();
    let put = |cluster: &mut Cluster, text: &str| {
        let resources = parse_documents(text, "plant.yaml").expect("valid resources");
        cluster.applied(Body::PutResources { resources }).1.gateways.len()
    };
    assert_eq!(put(&mut cluster, &fleet(NIGHT)), 4);
    assert_eq!(put(&mut cluster, &fleet(NIGHT)), 0);
    let other = fleet(NIGHT).replace("maxConcurrent: 2", "maxConcurrent: 1");
    assert_eq!(put(&mut cluster, &other), 0);
    assert_eq!(put(&mut cluster, &fleet("")), 4);
}

#[test]
fn no_deadline_counts_while_an_agent_waits_for_a_window() {
    let mut cluster = Cluster::new();
    cluster.put(&fleet(NIGHT));
    cluster.release(1);
    assert_eq!(cluster.drive(), ["g1"]);
    assert_eq!(fails(&cluster, 2 * HOUR), ["g1"]);
    // Of another generation it says nothing of this one.
    says(&mut cluster, waits(7));
    assert_eq!(fails(&cluster, 2 * HOUR), ["g1"]);
    says(&mut cluster, waits(1));
    assert!(fails(&cluster, 20 * HOUR).is_empty());

    let g1: GatewayName = "g1".parse().expect("a name");
    let blockers = why::gateway(&cluster.state, &g1, cluster.now());
    let [blocker] = &blockers[..] else { panic!("{blockers:?}") };
    assert_eq!((blocker.code, blocker.next), ("Window", Some(Timestamp(20 * HOUR))));
    let message = "has its files to take, and its agent waits: outside of night";
    assert_eq!(blocker.message, message);
    let found = view::list(&cluster.state, Kind::Gateway, Some("g1"), &Selector::default());
    let status = &found[0].json["status"];
    assert_eq!((&status["state"], &status["reason"]), (&"Waiting".into(), &"WindowClosed".into()));

    // From when it goes on it has its time again.
    says(&mut cluster, None);
    assert!(fails(&cluster, HOUR / 3).is_empty());
    assert_eq!(fails(&cluster, 2 * HOUR), ["g1"]);
    cluster.report("g1", 1, failed());
    cluster.drive();
    assert_eq!(cluster.phase("all-1"), "Failed");
}
