//! Stories of the state: commands in, decisions out, without a runtime.

mod audit;
mod back;
mod dry_run;
mod identity;
mod refs;
mod retry;
mod secret;
mod windows;

use millwright_coordinator_domain::{
    State,
    assignment::assignment_of,
    command::{
        AgentRef, Body, Bootstrap, Command, GatewayAction, LogContext, NodeRecord, Outcome,
        PlanMember, ResolveRelease, StartRollout, Step,
    },
    rollout::{decide, wanted},
    state::{Followed, RolloutPhase, Touched},
    view,
};
use millwright_model::{
    digest::{Digest, GitId},
    facts::GatewayFacts,
    generation::{Epoch, Generation},
    id::{GatewayName, Member, RequestId},
    report::{self, Failure, FailureKind, Phase, Report},
    resource::{Kind, parse_documents},
    selector::Selector,
    time::Timestamp,
};

const PLANT: &str = "
{apiVersion: millwright.dev/v1, kind: Repository, metadata: {name: plant}, spec: {url: 'file:///x', ref: {branch: main}}}
---
{apiVersion: millwright.dev/v1, kind: SyncProfile, metadata: {name: p}, spec: {mappings: [{source: a, destination: projects/a}]}}
---
{apiVersion: millwright.dev/v1, kind: Fleet, metadata: {name: all}, spec: {repository: plant, stages: [{name: canary, select: canary=true}, {name: rest, maxConcurrent: 2}]}}
---
{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {name: g1, labels: {canary: 'true'}}, spec: {site: s, profile: p}}
---
{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {name: g2}, spec: {site: s, profile: p}}
---
{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {name: g3}, spec: {site: s, profile: p}}
---
{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {name: g4}, spec: {site: s, profile: p}}
";

const QUESTION: &str = "60 of 100 files (60 %) would be deleted";

struct Cluster {
    state: State,
    index: u64,
    log: Vec<Command>,
}

impl Cluster {
    fn new() -> Self {
        let mut cluster = Self { state: State::default(), index: 0, log: Vec::new() };
        let node = NodeRecord {
            name: "n1".parse().expect("a name"),
            api_address: "127.0.0.1:1".into(),
            peer_address: "127.0.0.1:2".into(),
            version: "0".into(),
            key_digest: [1; 32],
        };
        cluster.accepted(Body::Bootstrap(Bootstrap {
            cluster_id: "c1".parse().expect("an id"),
            ca_pem: "ca".into(),
            sealed_ca_key: vec![1],
            node_id: 1,
            node,
            operator: "ann".parse().expect("a name"),
            operator_key: [2; 32],
        }));
        cluster.put(PLANT);
        for gateway in ["g1", "g2", "g3", "g4"] {
            cluster.link(gateway, true);
        }
        cluster
    }

    fn put(&mut self, text: &str) {
        let resources = parse_documents(text, "plant.yaml").expect("valid resources");
        self.accepted(Body::PutResources { resources });
    }

    fn apply(&mut self, body: Body) -> Outcome {
        self.applied(body).0
    }

    /// With what it touched.
    fn applied(&mut self, body: Body) -> (Outcome, Touched) {
        self.index += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.index.to_be_bytes());
        let command = Command {
            request_id: RequestId(id),
            at: Timestamp(1_000 * self.index),
            epoch: self.state.epoch(),
            actor: "test".into(),
            from: String::new(),
            reason: String::new(),
            body,
        };
        self.log.push(command.clone());
        self.state.apply(LogContext { index: self.index }, command)
    }

    fn accepted(&mut self, body: Body) {
        let outcome = self.apply(body);
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }

    /// Resolves the branch and starts the rollout that this asks for.
    fn release(&mut self, commit: u8) {
        self.release_asking(commit, false);
    }

    /// The same; a person is asked about every member if `asks`.
    fn release_asking(&mut self, commit: u8, asks: bool) {
        self.accepted(Body::ResolveRelease(ResolveRelease {
            followed: Followed::own("plant".parse().expect("a name")),
            reference: "branch main".into(),
            commit: GitId([commit; 20]),
            author: "ann".into(),
            subject: "change".into(),
            committed_at: Timestamp(1),
        }));
        self.start(commit, asks);
        assert!(wanted(&self.state).is_empty(), "a planned rollout is not wanted again");
    }

    /// Starts the one rollout that is wanted.
    fn start(&mut self, commit: u8, asks: bool) {
        let [request] = <[_; 1]>::try_from(wanted(&self.state)).expect("one rollout is wanted");
        let request = request.expect("it can be planned");
        let members = request
            .members
            .iter()
            .map(|member| PlanMember {
                gateway: member.gateway.clone(),
                manifest: Digest::of(&[commit]),
                render: member.render.clone(),
                stage: member.stage,
                order: member.order,
                depends_on: member.depends_on.clone(),
                roots: vec!["projects/a".parse().expect("a path")],
                question: if asks { QUESTION.to_owned() } else { String::new() },
            })
            .collect();
        self.accepted(Body::StartRollout(StartRollout::of(request, members)));
    }

    /// Carries decisions out until there are none; returns who was assigned, or gets the previous files.
    fn drive(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..100 {
            let decided = decide(&self.state, self.now());
            if decided.is_empty() {
                return told;
            }
            for body in decided {
                if let Body::AdvanceRollout(advance) = &body {
                    told.extend(advance.steps.iter().filter_map(|step| match step {
                        Step::Assign { gateway } => Some(gateway.to_string()),
                        Step::Revert { gateway } => Some(format!("-{gateway}")),
                        _ => None,
                    }));
                }
                self.accepted(body);
            }
        }
        panic!("the decisions never end");
    }

    /// The clock of whoever proposes next.
    fn now(&self) -> Timestamp {
        Timestamp(1_000 * (self.index + 1))
    }

    /// An agent comes or goes.
    fn link(&mut self, gateway: &str, connected: bool) {
        let gateway: GatewayName = gateway.parse().expect("a name");
        let agent = AgentRef {
            gateway: gateway.clone(),
            member: Member::Single,
            version: "0".into(),
            address: "here".into(),
            facts: GatewayFacts { state: "RUNNING".into(), ..GatewayFacts::default() },
            instance: "i".into(),
        };
        let (connected, lost) = match connected {
            true => (vec![agent], Vec::new()),
            false => (Vec::new(), vec![(gateway, Member::Single)]),
        };
        self.accepted(Body::RecordPresence { node: 1, full: false, connected, lost });
    }

    fn report(&mut self, gateway: &str, generation: u64, phase: Phase) {
        self.report_try(gateway, (generation, 1, 0), phase);
    }

    /// Of a generation, a try of it, and a repair after that.
    fn report_try(
        &mut self,
        gateway: &str,
        (generation, attempt, repair): (u64, u32, u32),
        phase: Phase,
    ) {
        let report = Report {
            gateway: gateway.parse().expect("a name"),
            member: Member::Single,
            generation: Generation(generation),
            epoch: Epoch(1),
            attempt,
            repair,
            phase,
            trigger: String::new(),
            commit: None,
            files_added: 0,
            files_changed: 1,
            files_deleted: 0,
            projects: Vec::new(),
            snapshot: String::new(),
            notices: Vec::new(),
            sessions: Vec::new(),
            bytes_fetched: 1,
            duration_ms: 1,
            finished_at: Timestamp(1),
        };
        self.accepted(Body::RecordReports { reports: vec![report] });
    }

    fn phase(&self, rollout: &str) -> String {
        let found = view::list(&self.state, Kind::Rollout, Some(rollout), &Selector::default());
        found[0].json["status"]["phase"].as_str().expect("a phase").to_owned()
    }
}

fn applied(commit: u8) -> Phase {
    Phase::Applied { manifest: Digest::of(&[commit]) }
}

fn failed() -> Phase {
    Phase::Failed {
        failures: vec![Failure::new(report::Step::Scan, FailureKind::ScanFailed, "no answer")],
    }
}

#[test]
fn the_canary_goes_first_and_the_limit_holds() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    assert_eq!(cluster.drive(), ["g1"]);
    assert!(cluster.drive().is_empty(), "nothing more until the canary has applied");
    cluster.report("g1", 1, applied(1));
    assert_eq!(cluster.drive(), ["g2", "g3"]);
    cluster.report("g2", 1, applied(1));
    assert_eq!(cluster.drive(), ["g4"]);
    cluster.report("g3", 1, applied(1));
    cluster.report("g4", 1, applied(1));
    cluster.drive();
    assert_eq!(cluster.phase("all-1"), "Completed");
}

#[test]
fn a_stage_waits_for_evidence_of_its_own_generation() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    cluster.drive();
    cluster.report("g1", 1, applied(1));
    cluster.release(2);
    assert_eq!(cluster.phase("all-1"), "Superseded");
    assert_eq!(cluster.drive(), ["g1"]);
    // The old good report comes once more: it opens nothing.
    cluster.report("g1", 1, applied(1));
    assert!(cluster.drive().is_empty());
    cluster.report("g1", 2, applied(2));
    assert!(!cluster.drive().is_empty());
}

#[test]
fn a_failed_canary_stops_the_rollout_and_the_next_commit_starts_a_new_one() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    cluster.drive();
    cluster.report("g1", 1, failed());
    assert!(cluster.drive().is_empty());
    assert_eq!(cluster.phase("all-1"), format!("{:?}", RolloutPhase::Failed));
    assert!(
        assignment_of(
            &cluster.state,
            &"g2".parse::<GatewayName>().expect("a name"),
            Member::Single
        )
        .is_none()
    );
    cluster.release(2);
    assert_eq!(cluster.drive(), ["g1"]);
}

#[test]
fn a_member_that_a_person_is_asked_about_waits_for_the_answer() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    cluster.drive();
    cluster.report("g1", 1, applied(1));
    cluster.release_asking(2, true);
    assert!(cluster.drive().is_empty(), "nothing goes on by itself");
    let g1: GatewayName = "g1".parse().expect("a name");
    let status = |cluster: &Cluster| {
        let found =
            view::list(&cluster.state, Kind::Gateway, Some("g1"), &Selector::default()).remove(0);
        found.json["status"].clone()
    };
    assert_eq!(status(&cluster)["question"]["text"], QUESTION);
    assert_eq!(status(&cluster)["question"]["manifest"], Digest::of(&[2]).to_string());
    let confirm = |commit: u8| Body::ActOnGateway {
        gateway: g1.clone(),
        action: GatewayAction::Confirm { manifest: Digest::of(&[commit]) },
    };
    match cluster.apply(confirm(1)) {
        Outcome::Rejected(rejection) => assert!(rejection.message().contains("other files")),
        Outcome::Accepted(accepted) => panic!("{accepted:?}"),
    }
    cluster.accepted(confirm(2));
    assert_eq!(status(&cluster)["confirmed"]["by"], "test");
    assert!(status(&cluster)["question"].is_null());
    assert_eq!(cluster.drive(), ["g1"]);
    assert!(matches!(cluster.apply(confirm(2)), Outcome::Rejected(_)), "nothing is asked now");
    // What was agreed to is those files alone.
    cluster.report("g1", 2, applied(2));
    cluster.release_asking(3, true);
    assert!(cluster.drive().is_empty());
}

#[test]
fn a_read_back_of_other_files_is_a_failure() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    cluster.drive();
    cluster.report("g1", 1, applied(9));
    cluster.drive();
    assert_eq!(cluster.phase("all-1"), "Failed");
}

#[test]
fn the_same_log_gives_the_same_state_and_a_repeat_changes_nothing() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    cluster.drive();
    cluster.report("g1", 1, applied(1));
    let mut again = State::default();
    for (at, command) in cluster.log.iter().enumerate() {
        let context = LogContext { index: at as u64 + 1 };
        let (first, _) = again.apply(context, command.clone());
        let before = again.clone();
        let (second, touched) = again.apply(context, command.clone());
        assert_eq!(first, second);
        assert!(touched.gateways.is_empty());
        assert_eq!(before, again);
    }
    assert_eq!(again, cluster.state);
}

#[test]
fn a_set_with_a_dangling_reference_is_refused_whole() {
    let mut cluster = Cluster::new();
    let before = cluster.state.gateways_len();
    let text = "
{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {name: g8}, spec: {site: s, profile: p}}
---
{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {name: g9}, spec: {site: s, profile: nope}}
";
    let resources = parse_documents(text, "x").expect("valid resources");
    assert!(matches!(cluster.apply(Body::PutResources { resources }), Outcome::Rejected(_)));
    assert_eq!(cluster.state.gateways_len(), before);
}
