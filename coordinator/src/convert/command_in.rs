//! Commands from protobuf.

use millwright_coordinator_domain::command::{
    AgentRef, Body, Bootstrap, Command, CreateToken, GatewayAction, Instruct, NodeRecord,
    NoteRefusal, ResolveRelease, TokenRole, UseToken,
};
use millwright_coordinator_domain::state::Followed;
use millwright_model::{
    digest::Digest, facts::GatewayFacts, generation::Epoch, id::RequestId, instruction::Answer,
    report::Report, resource::Resource, time::Timestamp,
};
use millwright_proto::log::{self, command::Body as Wire};

use super::{InvalidBytes, invalid, rollout};

fn bad(why: impl ToString) -> InvalidBytes {
    invalid("a command", why)
}

/// A command as it was stored.
pub fn command_from_wire(wire: log::Command) -> Result<Command, InvalidBytes> {
    let log::Command { request_id, at_ms, epoch, actor, reason, from, body } = wire;
    let request_id: [u8; 16] =
        request_id.try_into().map_err(|_| bad("the request id has not 16 bytes"))?;
    Ok(Command {
        request_id: RequestId(request_id),
        at: Timestamp(at_ms),
        epoch: Epoch(epoch),
        actor,
        from,
        reason,
        body: body_in(body.ok_or_else(|| bad("it has no body"))?)?,
    })
}

fn key(bytes: &[u8]) -> Result<[u8; 32], InvalidBytes> {
    bytes.try_into().map_err(|_| bad("a digest has not 32 bytes"))
}

fn body_in(body: Wire) -> Result<Body, InvalidBytes> {
    Ok(match body {
        Wire::Bootstrap(boot) => Body::Bootstrap(bootstrap_in(boot)?),
        Wire::PutResources(log::PutResources { resources }) => Body::PutResources {
            resources: resources
                .iter()
                .map(|resource| Resource::from_json(&resource.json).map_err(bad))
                .collect::<Result<_, _>>()?,
        },
        Wire::DeleteResource(log::DeleteResource { kind, name }) => {
            Body::DeleteResource { kind: kind.parse().map_err(bad)?, name }
        }
        Wire::CreateToken(token) => Body::CreateToken(create_token_in(token)?),
        Wire::UseToken(token) => Body::UseToken(use_token_in(token)?),
        Wire::RevokeToken(log::RevokeToken { id }) => Body::RevokeToken { id },
        Wire::RevokeAgent(log::RevokeAgent { gateway, member, ban }) => Body::RevokeAgent {
            gateway: gateway.parse().map_err(bad)?,
            member: member.parse().map_err(bad)?,
            ban,
        },
        Wire::ResolveRelease(release) => Body::ResolveRelease(release_in(release)?),
        Wire::ReleaseFailed(log::ReleaseFailed { repository, message, other_ref }) => {
            Body::ReleaseFailed { followed: followed_in(&repository, other_ref)?, message }
        }
        Wire::StartRollout(start) => Body::StartRollout(rollout::start_in(start)?),
        Wire::PlanRefused(log::PlanRefused { fleet, message }) => {
            Body::PlanRefused { fleet: fleet.parse().map_err(bad)?, message }
        }
        Wire::AdvanceRollout(advance) => Body::AdvanceRollout(rollout::advance_in(advance)?),
        Wire::GateAnswered(answered) => rollout::gate_in(answered)?,
        Wire::ActOnRollout(act) => rollout::act_in(act)?,
        Wire::HoldCommit(log::HoldCommit { repository, commit, lift }) => Body::HoldCommit {
            repository: repository.parse().map_err(bad)?,
            commit: commit.parse().map_err(bad)?,
            lift,
        },
        Wire::RecordReports(log::RecordReports { reports }) => Body::RecordReports {
            reports: reports
                .into_iter()
                .map(|report| Report::try_from(report).map_err(bad))
                .collect::<Result<_, _>>()?,
        },
        Wire::RecordPresence(presence) => presence_in(presence)?,
        Wire::ActOnGateway(act) => act_in(act)?,
        Wire::Instruct(log::Instruct { id, gateway, member, kind, subject, expires_at_ms }) => {
            Body::Instruct(Instruct {
                id,
                gateway: gateway.parse().map_err(bad)?,
                member: member.parse().map_err(bad)?,
                kind: kind.parse().map_err(bad)?,
                subject,
                expires_at: Timestamp(expires_at_ms),
            })
        }
        Wire::RecordAnswers(log::RecordAnswers { answers }) => Body::RecordAnswers {
            answers: answers.into_iter().map(answer_in).collect::<Result<_, _>>()?,
        },
        Wire::NoteRefusal(log::NoteRefusal { what, kind, name, message }) => {
            Body::NoteRefusal(NoteRefusal { what, kind, name, message })
        }
        Wire::AuditExported(log::AuditExported { up_to }) => Body::AuditExported { up_to },
        Wire::NodeLost(log::NodeLost { node }) => Body::NodeLost { node },
        Wire::PutNode(log::PutNode { node, key_digest, version }) => {
            let (id, node) = node_in(node, &key_digest, version)?;
            Body::PutNode { id, node }
        }
    })
}

fn node_in(
    info: Option<log::NodeInfo>,
    key_digest: &[u8],
    version: String,
) -> Result<(u64, NodeRecord), InvalidBytes> {
    let log::NodeInfo { id, name, api_address, peer_address } =
        info.ok_or_else(|| bad("it names no node"))?;
    let name = name.parse().map_err(bad)?;
    let key_digest = key(key_digest)?;
    Ok((id, NodeRecord { name, api_address, peer_address, version, key_digest }))
}

fn bootstrap_in(boot: log::Bootstrap) -> Result<Bootstrap, InvalidBytes> {
    let log::Bootstrap {
        cluster_id,
        ca_pem,
        sealed_ca_key,
        node,
        operator,
        operator_key,
        node_key,
        node_version,
    } = boot;
    let (node_id, node) = node_in(node, &node_key, node_version)?;
    Ok(Bootstrap {
        cluster_id: cluster_id.parse().map_err(bad)?,
        ca_pem,
        sealed_ca_key,
        node_id,
        node,
        operator: operator.parse().map_err(bad)?,
        operator_key: key(&operator_key)?,
    })
}

fn create_token_in(token: log::CreateToken) -> Result<CreateToken, InvalidBytes> {
    let log::CreateToken { id, secret_digest, role, name, member, expires_at_ms } = token;
    Ok(CreateToken {
        id,
        secret_digest: key(&secret_digest)?,
        role: TokenRole::parse(&role).ok_or_else(|| bad("unknown token role"))?,
        name,
        member: member.parse().map_err(bad)?,
        expires_at: Timestamp(expires_at_ms),
    })
}

fn use_token_in(token: log::UseToken) -> Result<UseToken, InvalidBytes> {
    let log::UseToken { id, secret_digest, name, member, key_digest, role: _ } = token;
    Ok(UseToken {
        id,
        secret_digest: key(&secret_digest)?,
        name,
        member: member.parse().map_err(bad)?,
        key_digest: key(&key_digest)?,
    })
}

fn followed_in(repository: &str, other_ref: String) -> Result<Followed, InvalidBytes> {
    let repository = repository.parse().map_err(bad)?;
    Ok(Followed { repository, other: Some(other_ref).filter(|other| !other.is_empty()) })
}

fn release_in(release: log::ResolveRelease) -> Result<ResolveRelease, InvalidBytes> {
    let log::ResolveRelease {
        repository,
        reference,
        commit,
        author,
        subject,
        committed_at_ms,
        other_ref,
    } = release;
    Ok(ResolveRelease {
        followed: followed_in(&repository, other_ref)?,
        reference,
        commit: commit.parse().map_err(bad)?,
        author,
        subject,
        committed_at: Timestamp(committed_at_ms),
    })
}

fn act_in(act: log::ActOnGateway) -> Result<Body, InvalidBytes> {
    let log::ActOnGateway { gateway, action, snapshot, project, manifest, render_json, roots } =
        act;
    let action = match action.as_str() {
        "retry" => GatewayAction::Retry,
        "sync" => GatewayAction::Sync,
        "pause" => GatewayAction::Pause,
        "resume" => GatewayAction::Resume,
        "confirm" => {
            GatewayAction::Confirm { manifest: Digest::from_slice(&manifest).map_err(bad)? }
        }
        "rollback" if render_json.is_empty() => GatewayAction::RollbackToSnapshot {
            id: snapshot,
            project: (!project.is_empty()).then_some(project),
        },
        "rollback" => GatewayAction::RollbackToCommit {
            manifest: Digest::from_slice(&manifest).map_err(bad)?,
            render: serde_json::from_slice(&render_json).map_err(bad)?,
            roots: rollout::roots_in(&roots)?,
        },
        other => return Err(bad(format!("unknown action {other:?}"))),
    };
    Ok(Body::ActOnGateway { gateway: gateway.parse().map_err(bad)?, action })
}

fn answer_in(answer: log::InstructionAnswer) -> Result<Answer, InvalidBytes> {
    let log::InstructionAnswer { id, gateway, member, ok, message, detail } = answer;
    Ok(Answer {
        id,
        gateway: gateway.parse().map_err(bad)?,
        member: member.parse().map_err(bad)?,
        ok,
        message,
        detail,
    })
}

fn presence_in(presence: log::RecordPresence) -> Result<Body, InvalidBytes> {
    let log::RecordPresence { node, full, connected, lost } = presence;
    let connected = connected.into_iter().map(agent_in).collect::<Result<_, _>>()?;
    let lost = lost.into_iter().map(|agent| {
        let agent = agent_in(agent)?;
        Ok((agent.gateway, agent.member))
    });
    Ok(Body::RecordPresence {
        node,
        full,
        connected,
        lost: lost.collect::<Result<_, InvalidBytes>>()?,
    })
}

fn agent_in(agent: log::AgentRef) -> Result<AgentRef, InvalidBytes> {
    let log::AgentRef { gateway, member, version, address, facts, instance } = agent;
    Ok(AgentRef {
        gateway: gateway.parse().map_err(bad)?,
        member: member.parse().map_err(bad)?,
        version,
        address,
        facts: facts.map(GatewayFacts::try_from).transpose().map_err(bad)?.unwrap_or_default(),
        instance,
    })
}
