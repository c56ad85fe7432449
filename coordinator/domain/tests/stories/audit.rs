//! Who did what: what is recorded, what is not, and that it holds together.

use millwright_coordinator_domain::{
    State,
    command::{
        Body, Command, CreateToken, GatewayAction, Instruct, LogContext, NodeRecord, NoteRefusal,
        RolloutAction, TokenRole, UseToken,
    },
};
use millwright_model::{
    audit::{Entry, Outcome, verify},
    generation::Epoch,
    id::{Member, RequestId},
    instruction::InstructionKind,
    resource::{Kind, parse_documents},
    time::Timestamp,
};

use super::{Cluster, applied, failed};

impl Cluster {
    /// What a person asks, from where and why.
    fn asks(&mut self, who: &str, body: Body) {
        self.index += 1;
        let mut id = [1; 16];
        id[..8].copy_from_slice(&self.index.to_be_bytes());
        let command = Command {
            request_id: RequestId(id),
            at: self.now(),
            epoch: self.state.epoch(),
            actor: format!("spiffe://c1/{who}"),
            from: "10.0.0.7:1".into(),
            reason: "because".into(),
            body,
        };
        self.log.push(command.clone());
        self.state.apply(LogContext { index: self.index }, command);
    }

    fn entries(&self) -> Vec<Entry> {
        self.state.audit().entries().iter().map(|one| Entry::clone(one)).collect()
    }

    /// Entries since a moment: outcome, verb, subject, before and after.
    fn told_since(&self, index: u64) -> Vec<String> {
        let line = |one: &Entry| {
            let sign = if one.outcome == Outcome::Accepted { '+' } else { '-' };
            // A digest is as good as another.
            let word = |text: &str| if text.len() == 64 { "digest" } else { text }.to_owned();
            let (before, after) = (word(&one.before), word(&one.after));
            format!("{sign} {} {}/{}: {before} -> {after}", one.what, one.kind, one.name)
        };
        self.state.audit().after(index).iter().map(|one| line(one)).collect()
    }

    fn told_of(&mut self, who: &str, body: Body) -> Vec<String> {
        let index = self.state.audit().head().index;
        self.asks(who, body);
        self.told_since(index)
    }

    /// What a person asks is recorded like this.
    fn tells(&mut self, body: Body, told: &[&str]) {
        let what = format!("{body:?}");
        assert_eq!(self.told_of("operator/bob", body), told, "{what}");
    }

    fn holds(&self) {
        let audit = self.state.audit();
        let entries = self.entries();
        assert_eq!(verify(audit.base(), &entries), Ok(audit.head()));
    }
}

fn put(text: &str) -> Body {
    Body::PutResources { resources: parse_documents(text, "x").expect("valid resources") }
}

fn gateway(name: &str) -> millwright_model::id::GatewayName {
    name.parse().expect("a name")
}

#[test]
fn the_first_entries_are_how_the_cluster_was_made() {
    let cluster = Cluster::new();
    let entries = cluster.entries();
    assert_eq!(entries[0].what, "init");
    assert_eq!((entries[0].name.as_str(), entries[0].log_index), ("c1", 1));
    assert_eq!(entries[0].after, "node n1, operator ann");
    assert_eq!(entries.len(), 8, "one for each resource, none for agents that connect");
    cluster.holds();
}

#[test]
fn everything_that_a_person_asks_is_recorded() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    let plant = || "plant".parse().expect("a name");
    let commit = "ab".repeat(20).parse().expect("a commit");
    let act = |action| Body::ActOnGateway { gateway: gateway("g1"), action };
    let instruct = Instruct {
        id: "i1".into(),
        gateway: gateway("g1"),
        member: Member::Single,
        kind: InstructionKind::DryRun,
        subject: String::new(),
        expires_at: Timestamp(9_000_000),
    };
    let pump = "{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {name: g1, labels: {canary: 'true'}}, spec: {site: t, profile: p}}";
    for (body, told) in [
        (put(pump), &["+ apply Gateway/g1: digest -> digest"][..]),
        (put(pump), &[]),
        (
            Body::DeleteResource { kind: Kind::Gateway, name: "g9".into() },
            &["- delete Gateway/g9:  -> "],
        ),
        (
            Body::DeleteResource { kind: Kind::Gateway, name: "g4".into() },
            &["+ delete Gateway/g4: digest -> "],
        ),
        (Body::Instruct(instruct), &["+ dry_run Gateway/g1: no assignment -> no assignment"]),
        (
            act(GatewayAction::Pause),
            &["+ pause Gateway/g1: no assignment -> no assignment, paused"],
        ),
        (act(GatewayAction::Retry), &["- retry Gateway/g1: no assignment, paused -> "]),
        (
            Body::HoldCommit { repository: plant(), commit, lift: false },
            &["+ hold Repository/plant:  -> abababab held"],
        ),
        (
            Body::HoldCommit { repository: plant(), commit, lift: true },
            &["+ lift Repository/plant: abababab held -> abababab lifted"],
        ),
        (
            Body::ActOnRollout {
                rollout: "all-1".parse().expect("an id"),
                action: RolloutAction::Pause,
            },
            &["+ pause Rollout/all-1: Running -> Paused"],
        ),
        (
            Body::NoteRefusal(NoteRefusal {
                what: "apply".into(),
                kind: "Operator".into(),
                name: "eve".into(),
                message: "this needs Admin".into(),
            }),
            &["- apply Operator/eve:  -> "],
        ),
    ] {
        cluster.tells(body, told);
    }
    let last = cluster.entries().pop().expect("an entry");
    assert_eq!((last.who.as_str(), last.from.as_str()), ("spiffe://c1/operator/bob", "10.0.0.7:1"));
    assert_eq!((last.why.as_str(), last.message.as_str()), ("because", "this needs Admin"));
    cluster.holds();
}

#[test]
fn who_may_come_in_is_recorded() {
    let mut cluster = Cluster::new();
    let token = CreateToken {
        id: "t1".into(),
        secret_digest: [7; 32],
        role: TokenRole::Agent,
        name: "g1".into(),
        member: Member::Single,
        expires_at: Timestamp(9_000_000),
    };
    let using = |secret: u8| {
        let (id, name, member) = ("t1".into(), "g1".into(), Member::Single);
        Body::UseToken(UseToken {
            id,
            secret_digest: [secret; 32],
            name,
            member,
            key_digest: [9; 32],
        })
    };
    for (body, told) in [
        (Body::CreateToken(token), &["+ create JoinToken/t1:  -> open"][..]),
        (using(8), &["- enrol Gateway/g1:  -> "]),
        (using(7), &["+ enrol Gateway/g1:  -> admitted"]),
        (using(7), &["- enrol Gateway/g1: admitted -> "]),
        (Body::RevokeToken { id: "t1".into() }, &["- revoke JoinToken/t1: used -> "]),
        (
            Body::RevokeAgent { gateway: gateway("g1"), member: Member::Single, ban: true },
            &["+ ban Gateway/g1: admitted -> banned"],
        ),
    ] {
        cluster.tells(body, told);
    }
    cluster.holds();
}

#[test]
fn a_change_names_the_fields_and_no_value() {
    let mut cluster = Cluster::new();
    let secret = |value: &str| {
        put(&format!(
            "{{apiVersion: millwright.dev/v1, kind: Secret, metadata: {{name: store}}, spec: {{data: {{KEY: \"{value}\", OTHER: \"sealed:v1:77\"}}}}}}"
        ))
    };
    assert_eq!(cluster.told_of("operator/bob", secret("plain")), ["- apply Secret/store:  -> "]);
    cluster.asks("operator/bob", secret("sealed:v1:00ff"));
    cluster.asks("operator/bob", secret("sealed:v1:00aa"));
    let entries = cluster.entries();
    let last = entries.last().expect("an entry");
    assert_eq!(last.fields, ["spec.data.KEY"]);
    assert_ne!(last.before, last.after);
    let all = serde_json::to_string(&entries).expect("JSON");
    for value in ["plain", "00ff", "00aa", "sealed"] {
        assert!(!all.replace("is not sealed", "").contains(value), "{value}");
    }
    // Taken whole or not at all.
    let set =
        format!("{}\n---\n{}", PUMP, PUMP.replace("g8", "g9").replace("profile: p", "profile: q"));
    let told = cluster.told_of("operator/bob", put(&set));
    assert_eq!(told, ["- apply Resources/Gateway/g8, Gateway/g9:  -> "]);
}

const PUMP: &str = "{apiVersion: millwright.dev/v1, kind: Gateway, metadata: {name: g8}, spec: {site: t, profile: p}}";

#[test]
fn what_the_coordinators_decide_is_recorded_where_it_matters() {
    let mut cluster = Cluster::new();
    let index = cluster.state.audit().head().index;
    cluster.release(1);
    assert_eq!(cluster.drive(), ["g1"]);
    assert_eq!(cluster.told_since(index), ["+ start Rollout/all-1:  -> Running"]);
    let index = index + 1;
    cluster.release(2);
    assert_eq!(
        cluster.told_since(index),
        ["+ supersede Rollout/all-1: Running -> Superseded", "+ start Rollout/all-2:  -> Running"]
    );
    let index = index + 2;
    cluster.drive();
    cluster.report("g1", 2, failed());
    cluster.drive();
    assert_eq!(cluster.told_since(index), ["+ stop Rollout/all-2: Running -> Failed"]);
    let entry = cluster.entries().pop().expect("an entry");
    assert!(entry.why.contains("failed") && entry.from.is_empty(), "{entry:?}");

    // Trying the gateway again sets its rollout going again.
    let index = cluster.state.audit().head().index;
    let retry = Body::ActOnGateway { gateway: gateway("g1"), action: GatewayAction::Retry };
    assert_eq!(
        cluster.told_of("operator/bob", retry),
        [
            "+ retry Gateway/g1: generation 2 try 1 -> generation 2 try 2",
            "+ resume Rollout/all-2: Failed -> Running"
        ]
    );
    cluster.report_try("g1", (2, 2, 0), failed());
    cluster.drive();
    assert_eq!(cluster.told_since(index + 2), ["+ stop Rollout/all-2: Running -> Failed"]);

    let index = cluster.state.audit().head().index;
    let undo = Body::ActOnRollout {
        rollout: "all-2".parse().expect("an id"),
        action: RolloutAction::Undo,
    };
    assert_eq!(
        cluster.told_of("operator/bob", undo),
        [
            "+ undo Rollout/all-2: Failed -> RollingBack",
            "+ hold Repository/plant:  -> 02020202 held"
        ]
    );
    let fleet = "all".parse().expect("a name");
    let refused = |message: &str| Body::PlanRefused { fleet, message: message.into() };
    let refused = refused("nothing selects g1");
    cluster.accepted(refused.clone());
    cluster.accepted(refused);
    cluster.accepted(Body::NodeLost { node: 1 });
    let told = cluster.told_since(index + 2);
    assert_eq!(told[0], "+ refuse_plan Fleet/all:  -> CannotPlan");
    assert!(told[1].starts_with("+ lose Node/n1: ") && told[1].ends_with(", 0 agents"), "{told:?}");
    assert_eq!(told.len(), 2, "the same fault is told once");
    let node = NodeRecord { version: "1".into(), ..cluster.state.nodes()[&1].clone() };
    let told = cluster.told_of("coordinator/n1", Body::PutNode { id: 1, node: node.clone() });
    assert!(told[0].starts_with("+ register Node/n1: "), "{told:?}");
    assert!(cluster.told_of("coordinator/n1", Body::PutNode { id: 1, node }).is_empty());
    cluster.holds();
}

#[test]
fn a_whole_rollout_is_few_entries() {
    let mut cluster = Cluster::new();
    let index = cluster.state.audit().head().index;
    cluster.release(1);
    for round in [&["g1"][..], &["g2", "g3"], &["g4"]] {
        assert_eq!(cluster.drive(), round);
        for gateway in round {
            cluster.report(gateway, 1, applied(1));
        }
    }
    cluster.drive();
    assert_eq!(
        cluster.told_since(index),
        ["+ start Rollout/all-1:  -> Running", "+ finish Rollout/all-1: Running -> Completed"]
    );
}

#[test]
fn our_own_decisions_that_came_too_late_and_made_up_tokens_leave_no_trace() {
    let mut cluster = Cluster::new();
    let late = Body::HoldCommit {
        repository: "nope".parse().expect("a name"),
        commit: "ab".repeat(20).parse().expect("a commit"),
        lift: true,
    };
    assert!(cluster.told_of("coordinator/n1", late).is_empty());
    let made_up = Body::UseToken(UseToken {
        id: "t9".into(),
        secret_digest: [7; 32],
        name: "g1".into(),
        member: Member::Single,
        key_digest: [9; 32],
    });
    assert!(cluster.told_of("token:t9", made_up).is_empty());
}

#[test]
fn the_same_log_gives_the_same_chain_and_a_repeat_adds_nothing() {
    let mut cluster = Cluster::new();
    cluster.release(1);
    cluster.drive();
    cluster.asks("operator/bob", Body::DeleteResource { kind: Kind::Fleet, name: "nope".into() });
    let mut again = State::default();
    for (at, command) in cluster.log.iter().enumerate() {
        for _ in 0..2 {
            again.apply(LogContext { index: at as u64 + 1 }, command.clone());
        }
    }
    assert_eq!(again.audit(), cluster.state.audit());
    // Another life of the cluster: refused, and that is told.
    let index = cluster.state.audit().head().index;
    let mut command = cluster.log.pop().expect("a command");
    command.request_id = RequestId([9; 16]);
    command.epoch = Epoch(7);
    cluster.state.apply(LogContext { index: 99 }, command);
    assert_eq!(cluster.told_since(index), ["- delete Fleet/nope:  -> "]);
}

#[test]
fn events_of_one_log_index_are_told_apart_and_gaps_are_known() {
    let mut cluster = Cluster::new();
    cluster.put(
        &(0..10).map(|n| PUMP.replace("g8", &format!("h{n}"))).collect::<Vec<_>>().join("\n---\n"),
    );
    let subs = |cluster: &Cluster, index| -> Vec<u32> {
        cluster.state.events().iter().filter(|one| one.index == index).map(|one| one.sub).collect()
    };
    assert_eq!(subs(&cluster, cluster.index), (1..=10).collect::<Vec<_>>());
    let seen = cluster.index;
    assert!(!cluster.state.has_gap_after(1, 1), "everything is kept");
    let mut site = 0;
    while subs(&cluster, seen).len() == 10 {
        site += 1;
        let text = PUMP.replace("site: t", &format!("site: s{site}"));
        cluster.put(&text);
    }
    // The first of ten is gone.
    assert_eq!(subs(&cluster, seen), (2..=10).collect::<Vec<_>>());
    for (index, sub, gap) in [
        (0, 0, false),
        (seen - 1, 0, true),
        (seen - 1, 1, true),
        (seen, 1, false),
        (seen, 5, false),
        (seen, 0, false),
    ] {
        assert_eq!(cluster.state.has_gap_after(index, sub), gap, "{index} {sub}");
    }
}
