//! The one function that changes the state. The same commands in the same order give the same state
//! on every node; a bad command is a `Rejection`, never a panic.

mod audit;
mod gateway;
mod hold;
mod identity;
mod presence;
mod release;
mod report;
mod resource;
mod rollout;

use std::sync::Arc;

use crate::{
    State, Touched,
    command::{Accepted, Body, Command, LogContext, Outcome, Rejection},
    state::{Cluster, REQUESTS_MAX, Standing},
};

/// What one body does.
pub(crate) type Judged = Result<Accepted, Rejection>;

/// Everything that a body may look at besides the state.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) index: u64,
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) touched: &'a mut Touched,
}

pub(crate) fn invalid(message: impl Into<String>) -> Rejection {
    Rejection::Invalid { message: message.into() }
}

pub(crate) fn not_found(message: impl Into<String>) -> Rejection {
    Rejection::NotFound { message: message.into() }
}

impl State {
    /// Applies one command.
    pub fn apply(&mut self, context: LogContext, command: Command) -> (Outcome, Touched) {
        let mut touched = Touched::default();
        let id = command.request_id.0;
        if let Some((_, outcome)) = self.requests.newest().find(|(known, _)| *known == id) {
            return (Outcome::clone(outcome), touched);
        }
        // A new leader's clock may be behind the old one's.
        self.now = self.now.max(command.at);
        let note = self.note(&command);
        let judged = if self.cluster.is_some() && command.epoch != self.epoch {
            let message = "the command comes from another life of the cluster".to_owned();
            Err(Rejection::Epoch { message })
        } else {
            let mut scene = Scene {
                index: context.index,
                actor: &command.actor,
                reason: &command.reason,
                touched: &mut touched,
            };
            self.judge(&mut scene, command.body)
        };
        if let Some(note) = note {
            self.record(context.index, note, judged.as_ref().err());
        }
        let outcome = match judged {
            Ok(accepted) => Outcome::Accepted(accepted),
            Err(rejection) => Outcome::Rejected(rejection),
        };
        self.requests.push((id, Arc::new(outcome.clone())), REQUESTS_MAX);
        (outcome, touched)
    }

    fn judge(&mut self, scene: &mut Scene<'_>, body: Body) -> Judged {
        match body {
            Body::Bootstrap(bootstrap) => self.bootstrap(scene, bootstrap),
            Body::PutResources { resources } => self.put_resources(scene, resources),
            Body::DeleteResource { kind, name } => self.delete_resource(scene, kind, &name),
            Body::CreateToken(token) => self.create_token(scene, token),
            Body::UseToken(token) => self.use_token(scene, token),
            Body::RevokeToken { id } => self.revoke_token(&id),
            Body::RevokeAgent { gateway, member, ban } => {
                let standing = if ban { Standing::Banned } else { Standing::Evicted };
                self.revoke_agent(scene, &gateway, member, standing)
            }
            Body::ResolveRelease(release) => self.resolve_release(scene, release),
            Body::ReleaseFailed { followed, message } => {
                self.release_failed(scene, followed, message)
            }
            Body::StartRollout(start) => self.start_rollout(scene, start),
            Body::PlanRefused { fleet, message } => self.plan_refused(scene, &fleet, message),
            Body::AdvanceRollout(advance) => self.advance_rollout(scene, advance),
            Body::GateAnswered(answered) => self.gate_answered(scene, answered),
            Body::ActOnRollout { rollout, action } => self.act_on_rollout(scene, &rollout, action),
            Body::HoldCommit { repository, commit, lift } => {
                self.hold_commit(scene, repository, commit, lift)
            }
            Body::RecordReports { reports } => self.record_reports(scene, reports),
            Body::RecordPresence { node, full, connected, lost } => {
                Ok(self.record_presence(scene, node, full, connected, &lost))
            }
            Body::ActOnGateway { gateway, action } => self.act_on_gateway(scene, &gateway, action),
            Body::Instruct(instruct) => self.instruct(scene, instruct),
            Body::RecordAnswers { answers } => self.record_answers(scene, answers),
            Body::NoteRefusal(_) => Ok(Accepted::Done),
            Body::AuditExported { up_to } => {
                Arc::make_mut(&mut self.audit).note_exported(up_to);
                Ok(Accepted::Done)
            }
            Body::NodeLost { node } => Ok(self.node_lost(scene, node)),
            Body::PutNode { id, node } => {
                Arc::make_mut(&mut self.nodes).insert(id, node);
                Ok(Accepted::Done)
            }
        }
    }

    fn bootstrap(&mut self, scene: &mut Scene<'_>, boot: crate::command::Bootstrap) -> Judged {
        use millwright_model::resource::{
            Metadata, Operator, OperatorSpec, Resource, Role, Strings,
        };
        if self.cluster.is_some() {
            return Err(invalid("the cluster exists already"));
        }
        self.epoch.0 = 1;
        self.cluster = Some(Arc::new(Cluster {
            id: boot.cluster_id,
            ca_pem: boot.ca_pem,
            sealed_ca_key: boot.sealed_ca_key,
        }));
        self.admit(format!("coordinator/{}", boot.node.name), boot.node.key_digest);
        self.admit(format!("operator/{}", boot.operator), boot.operator_key);
        Arc::make_mut(&mut self.nodes).insert(boot.node_id, boot.node);
        let operator = Operator {
            metadata: Metadata {
                name: boot.operator,
                labels: Strings::new(),
                annotations: Strings::new(),
            },
            spec: OperatorSpec { role: Role::Admin },
        };
        self.put_resources(scene, vec![Resource::Operator(operator)])?;
        Ok(Accepted::Done)
    }
}
