//! What a command is about: the verb, the thing, and a word for how that stands.

use millwright_model::{
    digest::GitId,
    id::{GatewayName, Name, RolloutId},
    resource::Kind,
};

use crate::{
    State,
    command::{Body, GatewayAction, NodeRecord, RolloutAction, TokenRole, subject_of},
    state::{Standing, TokenSpent, agent_key},
    view::phase_word,
};

/// A thing that something is done to.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// By kind and name.
    Resources(Vec<(Kind, String)>),
    Rollout(RolloutId),
    /// A fleet, and whether it can be planned.
    Plan(Name),
    Gateway(GatewayName),
    /// A commit of a repository, and whether it is held.
    Commit(Name, GitId),
    Token(String),
    /// Somebody's key: its path, and of which kind and name of thing it is.
    Key(String, &'static str, String),
    Node(u64, String),
    Cluster(String),
    /// Whatever else.
    Other(String, String),
}

impl Subject {
    /// Kind and name; of many resources the first ones.
    pub(super) fn named(&self) -> (String, String) {
        let (kind, name) = match self {
            Subject::Resources(all) => {
                let named = all.iter().map(|(kind, name)| (kind.as_str().to_owned(), name.clone()));
                return subject_of(&named.collect::<Vec<_>>());
            }
            Subject::Rollout(id) => (Kind::Rollout.as_str(), id.to_string()),
            Subject::Plan(fleet) => (Kind::Fleet.as_str(), fleet.to_string()),
            Subject::Gateway(gateway) => (Kind::Gateway.as_str(), gateway.to_string()),
            Subject::Commit(repository, _) => (Kind::Repository.as_str(), repository.to_string()),
            Subject::Token(id) => (Kind::JoinToken.as_str(), id.clone()),
            Subject::Key(_, kind, name) => (*kind, name.clone()),
            Subject::Node(_, name) => ("Node", name.clone()),
            Subject::Cluster(id) => ("Cluster", id.clone()),
            Subject::Other(kind, name) => (kind.as_str(), name.clone()),
        };
        (kind.to_owned(), name)
    }

    /// How it stands, in a few words; empty when it is not there or has no word.
    pub(super) fn word(&self, state: &State) -> String {
        match self {
            Subject::Resources(_) | Subject::Other(..) => String::new(),
            Subject::Rollout(id) => {
                let rollout = state.rollouts.get(id);
                rollout.map(|rollout| phase_word(rollout).to_owned()).unwrap_or_default()
            }
            Subject::Plan(fleet) => match state.plan_fault(fleet) {
                Some(_) => "CannotPlan".to_owned(),
                None => String::new(),
            },
            Subject::Gateway(gateway) => gateway_word(state, gateway),
            Subject::Commit(repository, commit) => {
                let hold = state.holds.get(&format!("{repository}/{commit}"));
                match hold.map(|hold| hold.lifted.is_none()) {
                    Some(true) => format!("{} held", commit.short()),
                    Some(false) => format!("{} lifted", commit.short()),
                    None => String::new(),
                }
            }
            Subject::Token(id) => {
                let spent = state.tokens.get(id).map(|token| match token.spent {
                    TokenSpent::Open => "open",
                    TokenSpent::Used => "used",
                    TokenSpent::Revoked => "revoked",
                });
                spent.unwrap_or_default().to_owned()
            }
            Subject::Key(path, ..) => {
                let standing = state.keys.get(path).map(|record| match record.standing {
                    Standing::Admitted => "admitted",
                    Standing::Evicted => "evicted",
                    Standing::Banned => "banned",
                });
                standing.unwrap_or_default().to_owned()
            }
            Subject::Node(id, _) => {
                let node = state.nodes.get(id);
                node.map(|node| node_word(node, state.agents_at(*id))).unwrap_or_default()
            }
            Subject::Cluster(_) => {
                let nodes = state.nodes.values().map(|node| format!("node {}", node.name));
                let people = state.operators.keys().map(|name| format!("operator {name}"));
                nodes.chain(people).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

fn gateway_word(state: &State, gateway: &GatewayName) -> String {
    let mut word = match state.desired.get(gateway) {
        Some(desired) => format!("generation {} try {}", desired.generation.0, desired.attempt),
        None => "no assignment".to_owned(),
    };
    let status = state.status.get(gateway);
    if status.is_some_and(|status| status.paused.is_some()) {
        word.push_str(", paused");
    }
    if let Some(confirmed) = status.and_then(|status| status.confirmed.as_ref()) {
        let manifest = confirmed.manifest.to_string();
        word.push_str(&format!(", confirmed {}", &manifest[..8]));
    }
    word
}

fn node_word(node: &NodeRecord, agents: u32) -> String {
    let NodeRecord { name: _, api_address, peer_address, version, key_digest } = node;
    let [a, b, c, d, ..] = key_digest;
    format!(
        "api {api_address}, peer {peer_address}, version {version}, key \
         {a:02x}{b:02x}{c:02x}{d:02x}, {agents} agents"
    )
}

/// Whose key a token buys: its path, and kind and name of the thing.
fn key_of(state: &State, token: &str) -> Option<Subject> {
    let token = state.tokens.get(token)?;
    let name = token.name.clone();
    let (path, kind) = match token.role {
        TokenRole::Agent => (format!("agent/{name}/{}", token.member), Kind::Gateway.as_str()),
        TokenRole::Coordinator => (format!("coordinator/{name}"), "Node"),
        TokenRole::Operator => (format!("operator/{name}"), Kind::Operator.as_str()),
    };
    Some(Subject::Key(path, kind, name))
}

/// Verb and subject of what the audit is about; `None` for what it leaves out.
pub(super) fn of(state: &State, body: &Body) -> Option<(String, Subject)> {
    let (what, subject) = match body {
        Body::Bootstrap(boot) => ("init", Subject::Cluster(boot.cluster_id.to_string())),
        Body::PutResources { resources } => {
            let named = resources.iter().map(|one| (one.kind(), one.name().to_owned()));
            ("apply", Subject::Resources(named.collect()))
        }
        Body::DeleteResource { kind, name } => {
            ("delete", Subject::Resources(vec![(*kind, name.clone())]))
        }
        Body::CreateToken(token) => ("create", Subject::Token(token.id.clone())),
        Body::RevokeToken { id } => ("revoke", Subject::Token(id.clone())),
        // Anybody can make tokens up: an unknown one leaves no trace that could crowd others out.
        Body::UseToken(token) => ("enrol", key_of(state, &token.id)?),
        Body::RevokeAgent { gateway, member, ban } => {
            let path = agent_key(gateway, *member);
            let subject = Subject::Key(path, Kind::Gateway.as_str(), gateway.to_string());
            (if *ban { "ban" } else { "evict" }, subject)
        }
        Body::StartRollout(start) => ("plan", Subject::Plan(start.fleet.clone())),
        Body::PlanRefused { fleet, .. } => ("refuse_plan", Subject::Plan(fleet.clone())),
        Body::AdvanceRollout(advance) => ("advance", Subject::Rollout(advance.rollout.clone())),
        Body::GateAnswered(answered) => ("gate", Subject::Rollout(answered.rollout.clone())),
        Body::ActOnRollout { rollout, action } => {
            (rollout_verb(action), Subject::Rollout(rollout.clone()))
        }
        Body::HoldCommit { repository, commit, lift } => {
            let subject = Subject::Commit(repository.clone(), *commit);
            (if *lift { "lift" } else { "hold" }, subject)
        }
        Body::ActOnGateway { gateway, action } => {
            (gateway_verb(action), Subject::Gateway(gateway.clone()))
        }
        Body::Instruct(instruct) => {
            let subject = Subject::Gateway(instruct.gateway.clone());
            return Some((instruct.kind.to_string(), subject));
        }
        Body::NodeLost { node } => {
            let known = state.nodes.get(node).map(|node| node.name.to_string());
            ("lose", Subject::Node(*node, known.unwrap_or_else(|| node.to_string())))
        }
        Body::PutNode { id, node } => ("register", Subject::Node(*id, node.name.to_string())),
        Body::NoteRefusal(refusal) => {
            let subject = Subject::Other(refusal.kind.clone(), refusal.name.clone());
            return Some((refusal.what.clone(), subject));
        }
        Body::ResolveRelease(_)
        | Body::ReleaseFailed { .. }
        | Body::RecordReports { .. }
        | Body::RecordPresence { .. }
        | Body::RecordAnswers { .. }
        | Body::AuditExported { .. } => return None,
    };
    Some((what.to_owned(), subject))
}

fn rollout_verb(action: &RolloutAction) -> &'static str {
    match action {
        RolloutAction::Start { .. } => "start",
        RolloutAction::Pause => "pause",
        RolloutAction::Resume => "resume",
        RolloutAction::Approve { .. } => "approve",
        RolloutAction::Deny { .. } => "deny",
        RolloutAction::Promote => "promote",
        RolloutAction::Retry { .. } => "retry",
        RolloutAction::Skip { .. } => "skip",
        RolloutAction::Abort => "abort",
        RolloutAction::Undo => "undo",
    }
}

fn gateway_verb(action: &GatewayAction) -> &'static str {
    match action {
        GatewayAction::Retry => "retry",
        GatewayAction::Sync => "sync",
        GatewayAction::RollbackToSnapshot { .. } | GatewayAction::RollbackToCommit { .. } => {
            "rollback"
        }
        GatewayAction::Pause => "pause",
        GatewayAction::Resume => "resume",
        GatewayAction::Confirm { .. } => "confirm",
    }
}
