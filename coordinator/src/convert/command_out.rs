//! Commands to protobuf.

use millwright_coordinator_domain::command::{
    AgentRef, Body, Bootstrap, Command, CreateToken, GatewayAction, Instruct, NodeRecord,
    NoteRefusal, ResolveRelease, UseToken,
};
use millwright_model::{
    id::{GatewayName, Member},
    instruction::Answer,
};
use millwright_proto::log::{self, command::Body as Wire};

use super::rollout;

/// A command as it is stored.
pub fn command_to_wire(command: &Command) -> log::Command {
    let Command { request_id, at, epoch, actor, from, reason, body } = command;
    log::Command {
        request_id: request_id.0.to_vec(),
        at_ms: at.0,
        epoch: epoch.0,
        actor: actor.clone(),
        from: from.clone(),
        reason: reason.clone(),
        body: Some(body_out(body)),
    }
}

fn body_out(body: &Body) -> Wire {
    match body {
        Body::Bootstrap(boot) => Wire::Bootstrap(bootstrap_out(boot)),
        Body::PutResources { resources } => Wire::PutResources(log::PutResources {
            resources: resources
                .iter()
                .map(|resource| log::PutResource {
                    kind: resource.kind().to_string(),
                    name: resource.name().to_owned(),
                    json: resource.to_canonical_json(),
                })
                .collect(),
        }),
        Body::DeleteResource { kind, name } => {
            Wire::DeleteResource(log::DeleteResource { kind: kind.to_string(), name: name.clone() })
        }
        Body::CreateToken(token) => Wire::CreateToken(create_token_out(token)),
        Body::UseToken(token) => Wire::UseToken(use_token_out(token)),
        Body::RevokeToken { id } => Wire::RevokeToken(log::RevokeToken { id: id.clone() }),
        Body::RevokeAgent { gateway, member, ban } => Wire::RevokeAgent(log::RevokeAgent {
            gateway: gateway.to_string(),
            member: member.to_string(),
            ban: *ban,
        }),
        Body::ResolveRelease(release) => Wire::ResolveRelease(release_out(release)),
        Body::ReleaseFailed { followed, message } => Wire::ReleaseFailed(log::ReleaseFailed {
            repository: followed.repository.to_string(),
            message: message.clone(),
            other_ref: followed.other.clone().unwrap_or_default(),
        }),
        Body::StartRollout(start) => Wire::StartRollout(rollout::start_out(start)),
        Body::AdvanceRollout(advance) => Wire::AdvanceRollout(rollout::advance_out(advance)),
        Body::PlanRefused { fleet, message } => Wire::PlanRefused(log::PlanRefused {
            fleet: fleet.to_string(),
            message: message.clone(),
        }),
        Body::GateAnswered(answered) => Wire::GateAnswered(rollout::gate_out(answered)),
        Body::ActOnRollout { rollout, action } => {
            Wire::ActOnRollout(rollout::act_out(rollout, action))
        }
        Body::HoldCommit { repository, commit, lift } => Wire::HoldCommit(log::HoldCommit {
            repository: repository.to_string(),
            commit: commit.to_string(),
            lift: *lift,
        }),
        Body::RecordReports { reports } => Wire::RecordReports(log::RecordReports {
            reports: reports.iter().cloned().map(Into::into).collect(),
        }),
        Body::RecordPresence { node, full, connected, lost } => {
            Wire::RecordPresence(presence_out(*node, *full, connected, lost))
        }
        Body::ActOnGateway { gateway, action } => {
            Wire::ActOnGateway(act_out(gateway.to_string(), action))
        }
        Body::Instruct(instruct) => Wire::Instruct(instruct_out(instruct)),
        Body::RecordAnswers { answers } => Wire::RecordAnswers(log::RecordAnswers {
            answers: answers.iter().map(answer_out).collect(),
        }),
        Body::NoteRefusal(refusal) => Wire::NoteRefusal(refusal_out(refusal)),
        Body::AuditExported { up_to } => Wire::AuditExported(log::AuditExported { up_to: *up_to }),
        Body::NodeLost { node } => Wire::NodeLost(log::NodeLost { node: *node }),
        Body::PutNode { id, node } => Wire::PutNode(log::PutNode {
            node: Some(node_out(*id, node)),
            key_digest: node.key_digest.to_vec(),
            version: node.version.clone(),
        }),
    }
}

fn presence_out(
    node: u64,
    full: bool,
    connected: &[AgentRef],
    lost: &[(GatewayName, Member)],
) -> log::RecordPresence {
    let lost = lost.iter().map(|(gateway, member)| log::AgentRef {
        gateway: gateway.to_string(),
        member: member.to_string(),
        ..log::AgentRef::default()
    });
    let (connected, lost) = (connected.iter().map(agent_out).collect(), lost.collect());
    log::RecordPresence { node, full, connected, lost }
}

fn node_out(id: u64, node: &NodeRecord) -> log::NodeInfo {
    log::NodeInfo {
        id,
        name: node.name.to_string(),
        api_address: node.api_address.clone(),
        peer_address: node.peer_address.clone(),
    }
}

fn refusal_out(refusal: &NoteRefusal) -> log::NoteRefusal {
    let NoteRefusal { what, kind, name, message } = refusal.clone();
    log::NoteRefusal { what, kind, name, message }
}

fn bootstrap_out(boot: &Bootstrap) -> log::Bootstrap {
    let Bootstrap { cluster_id, ca_pem, sealed_ca_key, node_id, node, operator, operator_key } =
        boot;
    log::Bootstrap {
        cluster_id: cluster_id.to_string(),
        ca_pem: ca_pem.clone(),
        sealed_ca_key: sealed_ca_key.clone(),
        node: Some(node_out(*node_id, node)),
        operator: operator.to_string(),
        operator_key: operator_key.to_vec(),
        node_key: node.key_digest.to_vec(),
        node_version: node.version.clone(),
    }
}

fn create_token_out(token: &CreateToken) -> log::CreateToken {
    let CreateToken { id, secret_digest, role, name, member, expires_at } = token;
    log::CreateToken {
        id: id.clone(),
        secret_digest: secret_digest.to_vec(),
        role: role.as_str().to_owned(),
        name: name.clone(),
        member: member.to_string(),
        expires_at_ms: expires_at.0,
    }
}

fn use_token_out(token: &UseToken) -> log::UseToken {
    let UseToken { id, secret_digest, name, member, key_digest } = token;
    log::UseToken {
        id: id.clone(),
        secret_digest: secret_digest.to_vec(),
        name: name.clone(),
        member: member.to_string(),
        key_digest: key_digest.to_vec(),
        role: String::new(),
    }
}

fn release_out(release: &ResolveRelease) -> log::ResolveRelease {
    let ResolveRelease { followed, reference, commit, author, subject, committed_at } = release;
    log::ResolveRelease {
        repository: followed.repository.to_string(),
        other_ref: followed.other.clone().unwrap_or_default(),
        reference: reference.clone(),
        commit: commit.to_string(),
        author: author.clone(),
        subject: subject.clone(),
        committed_at_ms: committed_at.0,
    }
}

fn act_out(gateway: String, action: &GatewayAction) -> log::ActOnGateway {
    let plain = |action: &str| log::ActOnGateway {
        gateway: gateway.clone(),
        action: action.to_owned(),
        ..log::ActOnGateway::default()
    };
    match action {
        GatewayAction::Retry => plain("retry"),
        GatewayAction::Sync => plain("sync"),
        GatewayAction::Pause => plain("pause"),
        GatewayAction::Resume => plain("resume"),
        GatewayAction::Confirm { manifest } => {
            log::ActOnGateway { manifest: manifest.0.to_vec(), ..plain("confirm") }
        }
        GatewayAction::RollbackToSnapshot { id, project } => log::ActOnGateway {
            snapshot: id.clone(),
            project: project.clone().unwrap_or_default(),
            ..plain("rollback")
        },
        GatewayAction::RollbackToCommit { manifest, render, roots } => log::ActOnGateway {
            manifest: manifest.0.to_vec(),
            render_json: serde_json::to_vec(render).expect("a render spec has text keys only"),
            roots: roots.iter().map(ToString::to_string).collect(),
            ..plain("rollback")
        },
    }
}

fn instruct_out(instruct: &Instruct) -> log::Instruct {
    let Instruct { id, gateway, member, kind, subject, expires_at } = instruct;
    log::Instruct {
        id: id.clone(),
        gateway: gateway.to_string(),
        member: member.to_string(),
        kind: kind.to_string(),
        subject: subject.clone(),
        expires_at_ms: expires_at.0,
    }
}

fn answer_out(answer: &Answer) -> log::InstructionAnswer {
    let Answer { id, gateway, member, ok, message, detail } = answer;
    log::InstructionAnswer {
        id: id.clone(),
        gateway: gateway.to_string(),
        member: member.to_string(),
        ok: *ok,
        message: message.clone(),
        detail: detail.clone(),
    }
}

fn agent_out(agent: &AgentRef) -> log::AgentRef {
    let AgentRef { gateway, member, version, address, facts, instance } = agent;
    log::AgentRef {
        gateway: gateway.to_string(),
        member: member.to_string(),
        version: version.clone(),
        address: address.clone(),
        facts: Some(facts.clone().into()),
        instance: instance.clone(),
    }
}
