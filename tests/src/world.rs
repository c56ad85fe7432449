//! A cluster without machines: the state, a clock that is set, and whoever proposes to it. Files are not
//! rendered: a gateway's manifest is told by its name and the commit.

use std::collections::BTreeMap;

use millwright_coordinator_domain::{
    State, Touched,
    assignment::assignment_of,
    command::{
        AgentRef, Body, Bootstrap, Command, GateAnswered, LogContext, NodeRecord, Outcome,
        PlanMember, ResolveRelease, StartRollout,
    },
    rollout::{OpenQuestion, PlanRequest, Refused, decide, open_questions, wanted},
    state::{Followed, GateAsked, GateRecord},
};
use millwright_model::{
    assignment::Assignment,
    digest::{Digest, GitId},
    facts::{GatewayFacts, Waiting},
    gate::GateAnswer,
    id::{GatewayName, Member, Name, RequestId},
    report::{Failure, FailureKind, Phase, Report, Step},
    resource::parse_documents,
    time::{Span, Timestamp},
};

/// The cluster's beginning: a Monday.
const BEGINNING: Timestamp = Timestamp(1_767_571_200_000);

/// How an attempt of an agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The files are there.
    Applied,
    /// Nothing was changed.
    Failed,
    /// The files were there and did harm: the agent has put the previous ones back.
    RolledBack,
    /// They could not be put back.
    Inconsistent,
}

/// A cluster in memory.
#[derive(Debug, Clone)]
pub struct World {
    /// What it agrees on.
    pub state: State,
    /// Its clock.
    pub now: Timestamp,
    pub(crate) index: u64,
    /// Configuration that was planned for.
    pub(crate) planned: Option<u64>,
    /// Every decision comes twice: a leader that does not know that it is none proposes it too.
    pub two_leaders: bool,
    /// What gates answer; one that is not here never does.
    pub gates: BTreeMap<Name, Result<GateAnswer, String>>,
    /// Questions as the gates heard them.
    pub heard: Vec<String>,
}

impl Default for World {
    fn default() -> Self {
        let mut world = Self {
            state: State::default(),
            now: BEGINNING,
            index: 0,
            planned: None,
            two_leaders: false,
            gates: BTreeMap::new(),
            heard: Vec::new(),
        };
        let node = NodeRecord {
            name: "n1".parse().expect("a name"),
            api_address: "127.0.0.1:1".to_owned(),
            peer_address: "127.0.0.1:2".to_owned(),
            version: "0".to_owned(),
            key_digest: [1; 32],
        };
        world.apply(
            "coordinator/n1",
            "",
            Body::Bootstrap(Bootstrap {
                cluster_id: "c1".parse().expect("an id"),
                ca_pem: "ca".to_owned(),
                sealed_ca_key: vec![1],
                node_id: 1,
                node,
                operator: "ann".parse().expect("a name"),
                operator_key: [2; 32],
            }),
        );
        world
    }
}

/// The manifest of a gateway at a commit.
pub fn manifest_of(gateway: &GatewayName, commit: GitId) -> Digest {
    Digest::of(format!("{gateway} {commit}").as_bytes())
}

impl World {
    /// A new cluster, whose every decision comes twice if `two_leaders`.
    pub fn led_by_two(two_leaders: bool) -> Self {
        Self { two_leaders, ..Self::default() }
    }

    /// Log index of the newest command.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Puts a command into the log.
    pub fn apply(&mut self, actor: &str, reason: &str, body: Body) -> (Outcome, Touched) {
        self.index += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.index.to_be_bytes());
        let command = Command {
            request_id: RequestId(id),
            at: self.now,
            epoch: self.state.epoch(),
            actor: actor.to_owned(),
            from: String::new(),
            reason: reason.to_owned(),
            body,
        };
        self.state.apply(LogContext { index: self.index }, command)
    }

    /// Puts resources.
    pub fn put(&mut self, text: &str) -> anyhow::Result<Outcome> {
        let read = parse_documents(text, "script");
        let resources = read.map_err(|errors| {
            anyhow::anyhow!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        Ok(self.apply("operator/ann", "", Body::PutResources { resources }).0)
    }

    /// A ref means another commit.
    pub fn resolve(&mut self, repository: &str, commit: u8, author: &str) -> anyhow::Result<()> {
        let release = ResolveRelease {
            followed: Followed::own(repository.parse()?),
            reference: "branch main".to_owned(),
            commit: GitId([commit; 20]),
            author: author.to_owned(),
            subject: format!("change {commit}"),
            committed_at: self.now,
        };
        self.apply("coordinator/n1", "", Body::ResolveRelease(release));
        Ok(())
    }

    /// What the leader proposes now.
    pub fn decided(&mut self) -> Vec<Body> {
        let mut bodies = decide(&self.state, self.now);
        // As the driver does: plans are made again only when something they depend on has changed.
        if self.planned == Some(self.state.config_version()) {
            return bodies;
        }
        let before = bodies.len();
        bodies.extend(wanted(&self.state).into_iter().filter_map(|wish| match wish {
            Ok(request) => Some(Body::StartRollout(plan(request))),
            Err(Refused { fleet, fault }) => {
                let message = fault.map(|fault| fault.to_string()).unwrap_or_default();
                let is_news = self.state.plan_fault(&fleet).unwrap_or_default() != message;
                is_news.then_some(Body::PlanRefused { fleet, message })
            }
        }));
        if bodies.len() == before {
            self.planned = Some(self.state.config_version());
        }
        bodies
    }

    /// Carries out what the leader decides until it decides nothing.
    pub fn lead(&mut self) {
        for _ in 0..1_000 {
            let mut bodies = self.decided();
            bodies.extend(self.answers());
            if bodies.is_empty() {
                return;
            }
            for body in bodies {
                self.apply("coordinator/n1", "", body.clone());
                if self.two_leaders {
                    self.apply("coordinator/n2", "", body);
                }
            }
        }
        panic!("the decisions never end: {:?}", self.decided());
    }

    /// What gates that are asked now answer.
    pub fn answers(&mut self) -> Vec<Body> {
        let mut answers = Vec::new();
        for OpenQuestion { rollout, record } in open_questions(&self.state) {
            let GateRecord { key, attempt, .. } = record.as_ref();
            let line = format!("{} hears of {} ({}), {attempt}", key.gate, key.subject, key.phase);
            if !self.heard.contains(&format!("{rollout} {line}")) {
                self.heard.push(format!("{rollout} {line}"));
            }
            let Some(outcome) = self.gates.get(&key.gate).cloned() else { continue };
            answers.push(Body::GateAnswered(GateAnswered {
                rollout,
                key: key.clone(),
                attempt: *attempt,
                outcome,
                asked: GateAsked::default(),
            }));
        }
        answers
    }

    /// What an agent would be told.
    pub fn assignment(&self, gateway: &GatewayName) -> Option<Assignment> {
        assignment_of(&self.state, gateway, Member::Single)
    }

    /// An agent comes, or goes.
    pub fn link(&mut self, gateway: &GatewayName, connected: bool, state: &str) {
        let body = match connected {
            true => present(gateway, state, None),
            false => {
                let lost = vec![(gateway.clone(), Member::Single)];
                Body::RecordPresence { node: 1, full: false, connected: Vec::new(), lost }
            }
        };
        self.apply("coordinator/n1", "", body);
    }

    /// What an agent tells of an assignment.
    pub fn report(&self, assignment: &Assignment, end: End, why: &str) -> Report {
        let failures = || vec![Failure::new(Step::Verify, FailureKind::Unhealthy, why)];
        let phase = match end {
            End::Applied => Phase::Applied { manifest: assignment.manifest },
            End::Failed => Phase::Failed { failures: failures() },
            End::RolledBack => Phase::RolledBack { failures: failures(), kept: Vec::new() },
            End::Inconsistent => Phase::Inconsistent { failures: failures() },
        };
        Report {
            gateway: assignment.gateway.clone(),
            member: Member::Single,
            generation: assignment.generation,
            epoch: assignment.epoch,
            attempt: assignment.attempt,
            repair: 0,
            phase,
            trigger: assignment.trigger.clone(),
            commit: Some(assignment.commit),
            files_added: 0,
            files_changed: 1,
            files_deleted: 0,
            projects: Vec::new(),
            snapshot: format!("before-{}", assignment.generation),
            notices: Vec::new(),
            sessions: Vec::new(),
            bytes_fetched: 1,
            duration_ms: 1,
            finished_at: self.now,
        }
    }

    /// A report reaches the cluster.
    pub fn record(&mut self, report: Report) {
        self.apply("coordinator/n1", "", Body::RecordReports { reports: vec![report] });
    }

    /// Time passes.
    pub fn wait(&mut self, span: Span) {
        self.now = self.now.plus(span);
    }
}

/// A wish with its members' files.
pub(crate) fn plan(request: PlanRequest) -> StartRollout {
    let commit = request.commit;
    let members = request
        .members
        .iter()
        .map(|member| PlanMember {
            gateway: member.gateway.clone(),
            manifest: manifest_of(&member.gateway, commit),
            render: member.render.clone(),
            stage: member.stage,
            order: member.order,
            depends_on: member.depends_on.clone(),
            roots: vec!["projects/a".parse().expect("a path")],
            question: String::new(),
        })
        .collect();
    StartRollout::of(request, members)
}

/// An agent is there and says what it sees, and what it has put aside.
pub fn present(gateway: &GatewayName, state: &str, waiting: Option<Waiting>) -> Body {
    let agent = AgentRef {
        gateway: gateway.clone(),
        member: Member::Single,
        version: "0".to_owned(),
        address: "127.0.0.1".to_owned(),
        facts: GatewayFacts { state: state.to_owned(), waiting, ..GatewayFacts::default() },
        instance: "i".to_owned(),
    };
    Body::RecordPresence { node: 1, full: false, connected: vec![agent], lost: Vec::new() }
}
