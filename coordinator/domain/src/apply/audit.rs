//! Who did what: an entry of the audit for everything that an operator asks, taken or refused, and
//! for what the coordinators decide by themselves, in so far as somebody may ask about it later. Not
//! for what agents say, and not for each gateway of a rollout: that is the rollout's own record.
//!
//! What a command is about is noted before it is carried out, and compared with how that stands
//! after it, so that whatever changes a rollout's phase is found here without having to say so.

mod fields;
mod subject;

use std::{collections::BTreeSet, sync::Arc};

use millwright_model::{
    audit::{Entry, Outcome, short_identity},
    digest::{Digest, GitId},
    gate::{self, GateVerdict},
    id::{Name, RolloutId},
    resource::{Kind, Resource},
};
use serde_json::Value;

use self::{fields::changed, subject::Subject};
use crate::{
    State,
    command::{Body, Command, Rejection},
    state::{GateKey, RolloutPhase, Stored},
};

/// Characters of prose in an entry.
const PROSE_CHARS_MAX: usize = 500;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 200;

/// The first characters of a text.
fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// What is known of a command before it is carried out.
pub(super) struct Note {
    entry: Entry,
    subject: Subject,
    /// A coordinator decided it, nobody asked.
    is_own: bool,
    before: Before,
}

/// How things were.
enum Before {
    /// The subject's word says it all.
    Word,
    /// All of it, to compare resources.
    State(Box<State>),
    /// A rollout's phase, and whether its commit was held.
    Rollout { phase: RolloutPhase, is_held: bool },
    /// A rollout that may come to another phase by the way: a fleet's newest, or a gateway's.
    Other(Option<(RolloutId, RolloutPhase)>),
    /// What a gate was asked.
    Gate(Box<GateKey>),
    /// Why a fleet could not be planned.
    Fault(Option<String>),
    /// It was refused before it came into the log.
    Refusal(String),
}

impl State {
    /// Notes what a command is about; `None` when the audit leaves it out.
    pub(super) fn note(&self, command: &Command) -> Option<Note> {
        let (what, subject) = subject::of(self, &command.body)?;
        let (kind, name) = subject.named();
        let entry = Entry {
            format: 0,
            index: 0,
            log_index: 0,
            at: self.now,
            who: cut(&command.actor, NAME_CHARS_MAX),
            from: cut(&command.from, NAME_CHARS_MAX),
            what: cut(&what, NAME_CHARS_MAX),
            kind: cut(&kind, NAME_CHARS_MAX),
            name: cut(&name, NAME_CHARS_MAX),
            why: cut(&command.reason, PROSE_CHARS_MAX),
            before: subject.word(self),
            after: String::new(),
            fields: Vec::new(),
            outcome: Outcome::Accepted,
            message: String::new(),
            hash: Digest::default(),
        };
        let decided = matches!(
            command.body,
            Body::StartRollout(_)
                | Body::PlanRefused { .. }
                | Body::AdvanceRollout(_)
                | Body::GateAnswered(_)
                | Body::NodeLost { .. }
                | Body::PutNode { .. }
        );
        let is_own = decided || short_identity(&command.actor).starts_with("coordinator/");
        Some(Note { entry, subject, is_own, before: self.before_of(&command.body) })
    }

    fn before_of(&self, body: &Body) -> Before {
        let rollout = |id: &RolloutId| match self.rollouts.get(id) {
            Some(rollout) => {
                let is_held = self.is_held(&rollout.repository, rollout.commit);
                Before::Rollout { phase: rollout.phase, is_held }
            }
            None => Before::Word,
        };
        match body {
            // Shares everything with the state; both are changed on a copy anyway.
            Body::PutResources { .. } | Body::DeleteResource { .. } => {
                Before::State(Box::new(self.clone()))
            }
            Body::StartRollout(start) => {
                Before::Other(self.newest.get(&start.fleet).and_then(|id| self.phase_of(id)))
            }
            Body::ActOnGateway { gateway, .. } => {
                let desired = self.desired.get(gateway);
                Before::Other(desired.and_then(|desired| self.phase_of(&desired.rollout)))
            }
            Body::AdvanceRollout(advance) => rollout(&advance.rollout),
            Body::ActOnRollout { rollout: id, .. } => rollout(id),
            Body::GateAnswered(answered) => Before::Gate(Box::new(answered.key.clone())),
            Body::PlanRefused { fleet, .. } => {
                Before::Fault(self.plan_fault(fleet).map(str::to_owned))
            }
            Body::NoteRefusal(refusal) => Before::Refusal(refusal.message.clone()),
            Body::Bootstrap(_)
            | Body::CreateToken(_)
            | Body::UseToken(_)
            | Body::RevokeToken { .. }
            | Body::RevokeAgent { .. }
            | Body::ResolveRelease(_)
            | Body::ReleaseFailed { .. }
            | Body::HoldCommit { .. }
            | Body::RecordReports { .. }
            | Body::RecordPresence { .. }
            | Body::Instruct(_)
            | Body::RecordAnswers { .. }
            | Body::AuditExported { .. }
            | Body::NodeLost { .. }
            | Body::PutNode { .. } => Before::Word,
        }
    }

    fn phase_of(&self, id: &RolloutId) -> Option<(RolloutId, RolloutPhase)> {
        Some((id.clone(), self.rollouts.get(id)?.phase))
    }

    fn is_held(&self, repository: &Name, commit: GitId) -> bool {
        let hold = self.holds.get(&format!("{repository}/{commit}"));
        hold.is_some_and(|hold| hold.lifted.is_none())
    }

    /// Records what became of a command.
    pub(super) fn record(&mut self, index: u64, note: Note, refused: Option<&Rejection>) {
        let Note { mut entry, subject, is_own, before } = note;
        entry.log_index = index;
        if let Some(rejection) = refused {
            // A decision of our own that came too late is made again.
            if !is_own {
                self.refused(entry, rejection.message());
            }
            return;
        }
        match (before, &subject) {
            (Before::Refusal(message), _) => self.refused(entry, &message),
            (Before::State(earlier), Subject::Resources(named)) => {
                self.record_resources(&entry, &earlier, named);
            }
            (Before::Rollout { phase, is_held }, Subject::Rollout(id)) => {
                self.record_rollout(entry, id, is_own, phase, is_held);
            }
            (Before::Other(older), Subject::Plan(fleet)) => {
                self.record_other(&entry, older);
                self.record_start(&entry, fleet);
            }
            (Before::Other(rollout), Subject::Gateway(_)) => {
                self.record_one(entry.clone(), &subject);
                self.record_other(&entry, rollout);
            }
            (Before::Gate(key), Subject::Rollout(id)) => {
                if let Some(what) = self.gate_verb(id, &key) {
                    entry.what = what.to_owned();
                    self.record_one(entry, &subject);
                }
            }
            (Before::Fault(old), Subject::Plan(fleet)) => {
                let fault = self.plan_fault(fleet).map(str::to_owned);
                if let Some(fault) = fault.filter(|new| old.as_ref() != Some(new)) {
                    entry.why = cut(&fault, PROSE_CHARS_MAX);
                    self.record_one(entry, &subject);
                }
            }
            // A node says who it is at every start.
            (_, Subject::Node(..)) if entry.what == "register" => {
                if subject.word(self) != entry.before {
                    self.record_one(entry, &subject);
                }
            }
            _ => self.record_one(entry, &subject),
        }
    }

    fn refused(&mut self, mut entry: Entry, message: &str) {
        entry.outcome = Outcome::Refused;
        entry.message = cut(message, PROSE_CHARS_MAX);
        self.push_entry(entry);
    }

    fn record_one(&mut self, mut entry: Entry, subject: &Subject) {
        entry.after = subject.word(self);
        entry.message = if let Subject::Token(id) = subject {
            self.token_line(id)
        } else if let Subject::Key(path, ..) = subject {
            path.clone()
        } else {
            self.said(&entry)
        };
        self.push_entry(entry);
    }

    /// What the command itself told watchers of the same thing.
    fn said(&self, entry: &Entry) -> String {
        let here = self.events.newest().take_while(|event| event.index == entry.log_index);
        let mut same = here.filter(|event| event.kind == entry.kind && event.name == entry.name);
        same.next().map(|event| cut(&event.message, PROSE_CHARS_MAX)).unwrap_or_default()
    }

    fn token_line(&self, id: &str) -> String {
        let line = self.tokens.get(id).map(|token| {
            format!(
                "{} {} ({}), until {}",
                token.role.as_str(),
                token.name,
                token.member,
                token.expires_at
            )
        });
        line.unwrap_or_default()
    }

    fn push_entry(&mut self, entry: Entry) {
        let cluster = self.cluster.as_ref().map(|cluster| cluster.id.to_string());
        if let Some(cluster) = cluster {
            Arc::make_mut(&mut self.audit).push(&cluster, entry);
        }
    }

    /// One entry for each resource that is another one now.
    fn record_resources(&mut self, entry: &Entry, earlier: &State, named: &[(Kind, String)]) {
        let once: BTreeSet<&(Kind, String)> = named.iter().collect();
        for (kind, name) in once {
            let (old, new) = (earlier.resource(*kind, name), self.resource(*kind, name));
            let version = |one: &Option<(u64, Resource)>| one.as_ref().map(|(version, _)| *version);
            if version(&old) == version(&new) {
                continue;
            }
            let (old, new) = [old, new].map(|one| one.map(|(_, one)| one.to_value())).into();
            // Put twice, the second time as it was.
            if old == new {
                continue;
            }
            let digest = |value: &Option<Value>| match value {
                Some(value) => Digest::of(value.to_string().as_bytes()).to_string(),
                None => String::new(),
            };
            let mut one = Entry {
                kind: kind.as_str().to_owned(),
                name: cut(name, NAME_CHARS_MAX),
                before: digest(&old),
                after: digest(&new),
                ..entry.clone()
            };
            if let (Some(old), Some(new)) = (&old, &new) {
                one.fields = changed(old, new);
            }
            one.message = self.said(&one);
            self.push_entry(one);
        }
    }

    /// A resource and the version of it; the values of secrets are sealed.
    fn resource(&self, kind: Kind, name: &str) -> Option<(u64, Resource)> {
        fn read<T: Clone>(stored: &Stored<T>, whole: fn(T) -> Resource) -> (u64, Resource) {
            (stored.version, whole(stored.resource.clone()))
        }
        Some(match kind {
            Kind::Repository => read(self.repositories.get(name)?, Resource::Repository),
            Kind::SyncProfile => read(self.profiles.get(name)?, Resource::SyncProfile),
            Kind::Gateway => read(self.gateways.get(name)?, Resource::Gateway),
            Kind::Fleet => read(self.fleets.get(name)?, Resource::Fleet),
            Kind::Operator => read(self.operators.get(name)?, Resource::Operator),
            Kind::Secret => read(self.secrets.get(name)?, Resource::Secret),
            Kind::Rollout | Kind::JoinToken => return None,
        })
    }

    /// What a person asked of a rollout, or that it has come to another phase; and the hold that
    /// either may bring.
    fn record_rollout(
        &mut self,
        mut entry: Entry,
        id: &RolloutId,
        is_own: bool,
        phase: RolloutPhase,
        was_held: bool,
    ) {
        let Some(rollout) = self.rollouts.get(id).cloned() else { return };
        let cause = rollout.stop.as_ref().map(|stop| cut(&stop.cause, PROSE_CHARS_MAX));
        let cause = cause.unwrap_or_default();
        let held = entry.clone();
        if is_own && rollout.phase != phase {
            entry.what = phase_verb(rollout.phase).to_owned();
            entry.why.clone_from(&cause);
        }
        if !is_own || rollout.phase != phase {
            self.record_one(entry, &Subject::Rollout(id.clone()));
        }
        if !was_held && self.is_held(&rollout.repository, rollout.commit) {
            let subject = Subject::Commit(rollout.repository.clone(), rollout.commit);
            let (kind, name) = subject.named();
            let what = "hold".to_owned();
            let entry = Entry { what, kind, name, why: cause, before: String::new(), ..held };
            self.record_one(entry, &subject);
        }
    }

    /// What a gate said, if it is its last word. That one agreed to each gateway of a stage is the
    /// rollout's own record, as that each was assigned.
    fn gate_verb(&self, id: &RolloutId, key: &GateKey) -> Option<&'static str> {
        let answer = self.rollouts.get(id)?.question(key)?.answer.as_ref()?;
        match &answer.verdict {
            GateVerdict::Denied { .. } => Some("gate_deny"),
            GateVerdict::Allowed { failed_open: Some(_), .. } => Some("gate_pass_over"),
            GateVerdict::Allowed { .. } => {
                let is_gateway = matches!(key.subject, gate::Subject::Gateway { .. });
                (!is_gateway).then_some("gate_allow")
            }
            GateVerdict::Deferred { .. } => None,
        }
    }

    /// A new rollout.
    fn record_start(&mut self, entry: &Entry, fleet: &Name) {
        let Some(newest) = self.newest.get(fleet).cloned() else { return };
        let phase = self.rollouts.get(&newest).map(|rollout| rollout.phase);
        let what = if phase == Some(RolloutPhase::Planned) { "plan" } else { "start" };
        self.record_one(about(entry, &newest, what, String::new()), &Subject::Rollout(newest));
    }

    /// A rollout that has come to another phase by the way.
    fn record_other(&mut self, entry: &Entry, before: Option<(RolloutId, RolloutPhase)>) {
        let Some((id, before)) = before else { return };
        let Some(now) = self.rollouts.get(&id).map(|rollout| rollout.phase) else { return };
        if now != before {
            let entry = about(entry, &id, phase_verb(now), format!("{before:?}"));
            self.record_one(entry, &Subject::Rollout(id));
        }
    }
}

/// As an entry, but about a rollout.
fn about(entry: &Entry, id: &RolloutId, what: &str, before: String) -> Entry {
    Entry {
        what: what.to_owned(),
        kind: Kind::Rollout.as_str().to_owned(),
        name: id.to_string(),
        before,
        ..entry.clone()
    }
}

/// How a rollout came to a phase.
fn phase_verb(phase: RolloutPhase) -> &'static str {
    match phase {
        RolloutPhase::Planned => "plan",
        RolloutPhase::Running => "resume",
        RolloutPhase::RollingBack => "roll_back",
        RolloutPhase::Completed => "finish",
        RolloutPhase::Failed => "stop",
        RolloutPhase::Aborted => "abort",
        RolloutPhase::Superseded => "supersede",
    }
}
