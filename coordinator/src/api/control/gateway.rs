//! What a person asks of one gateway, completed from the state: which commit a short id means, which
//! member an instruction goes to.

use millwright_coordinator_domain::{
    State,
    access::Deed,
    command::{Body, GatewayAction, Instruct},
    render::of_commit,
};
use millwright_model::{
    digest::GitId,
    facts::is_snapshot_id,
    id::{GatewayName, Member},
    instruction::InstructionKind,
    resource::Kind,
    time::Span,
};
use millwright_proto::{control as wire, hint::with_hint};
use tonic::{Code, Request, Response, Status};

use super::{Ask, ControlApi, Reply, invalid, side};
use crate::{edge, node::Shared, question, source};

/// An instruction that nobody has carried out is void after this.
const LIFE: Span = Span(10 * 60_000);
/// Longest life that may be asked for.
const LIFE_MAX: Span = Span(24 * 3_600_000);

/// Answers `act_on_gateway`.
pub(super) async fn act(
    api: &ControlApi,
    request: Request<wire::ActOnGatewayRequest>,
) -> Reply<wire::ActOnGatewayResponse> {
    let wire::ActOnGatewayRequest { gateway: name, action: what, reason, .. } =
        request.get_ref().clone();
    let ask = Ask { what: &what, kind: Kind::Gateway.as_str(), name: &name, reason: &reason };
    let asker = api.admitted(&request, Deed::Write, ask).await?;
    let gateway = name.parse().map_err(invalid)?;
    let action = match action(&api.shared, &gateway, request.into_inner()).await {
        Ok(action) => action,
        Err(status) => return Err(api.refused(&asker, ask, status).await),
    };
    let decided =
        api.propose(asker, reason.clone(), Body::ActOnGateway { gateway, action }).await?;
    Ok(Response::new(wire::ActOnGatewayResponse { index: decided.index }))
}

/// Answers `instruct`.
pub(super) async fn ask(
    api: &ControlApi,
    request: Request<wire::InstructRequest>,
) -> Reply<wire::InstructResponse> {
    let wire::InstructRequest { gateway, kind: what, reason, .. } = request.get_ref();
    let ask = Ask { what, kind: Kind::Gateway.as_str(), name: gateway, reason };
    let asker = api.admitted(&request, Deed::Write, ask).await?;
    let state = api.shared.consensus.state().state;
    let instruct = match instruct(&state, request.get_ref()) {
        Ok(instruct) => instruct,
        Err(status) => return Err(api.refused(&asker, ask, status).await),
    };
    let (id, reason) = (instruct.id.clone(), reason.clone());
    let decided = api.propose(asker, reason, Body::Instruct(instruct)).await?;
    Ok(Response::new(wire::InstructResponse { id, index: decided.index }))
}

/// The action that is meant; a commit is rendered.
async fn action(
    shared: &Shared,
    gateway: &GatewayName,
    request: wire::ActOnGatewayRequest,
) -> Result<GatewayAction, Status> {
    let wire::ActOnGatewayRequest { action, to, project, allow_deletions, gateway: _, reason: _ } =
        request;
    let project = (!project.is_empty()).then_some(project);
    match action.as_str() {
        "retry" => Ok(GatewayAction::Retry),
        "sync" => Ok(GatewayAction::Sync),
        "pause" => Ok(GatewayAction::Pause),
        "resume" => Ok(GatewayAction::Resume),
        "confirm" => {
            let manifest =
                to.parse().map_err(|_| invalid("confirm needs the digest of a manifest"))?;
            Ok(GatewayAction::Confirm { manifest })
        }
        "rollback" => {
            let state = shared.consensus.state().state;
            match commit_of(&state, gateway, &to) {
                Some(_) if project.is_some() => {
                    Err(invalid("--project goes with a snapshot, not with a commit"))
                }
                Some(commit) => to_commit(shared, &state, gateway, commit, allow_deletions).await,
                None => {
                    known_snapshot(&state, gateway, &to)?;
                    Ok(GatewayAction::RollbackToSnapshot { id: to, project })
                }
            }
        }
        other => Err(invalid(format!("unknown action {other:?}"))),
    }
}

/// The commit of the gateway's history that this text begins; a full id needs no history.
fn commit_of(state: &State, gateway: &GatewayName, text: &str) -> Option<GitId> {
    if let Ok(commit) = text.parse::<GitId>() {
        return Some(commit);
    }
    if text.len() < 7 || !text.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let history = &state.gateway_status(gateway)?.history;
    let commits = history.iter().rev().filter_map(|attempt| attempt.commit);
    commits.into_iter().find(|commit| commit.to_string().starts_with(&text.to_lowercase()))
}

async fn to_commit(
    shared: &Shared,
    state: &State,
    gateway: &GatewayName,
    commit: GitId,
    allow_deletions: bool,
) -> Result<GatewayAction, Status> {
    if state.assignment(gateway).is_none() {
        return Err(invalid(format!("gateway {gateway} has no assignment to roll back")));
    }
    let render = of_commit(state, gateway, commit).map_err(|error| side::refused(&error))?;
    let manifest = source::ensure(shared, state, &render).await?;
    if !allow_deletions {
        let question = question::of(shared, state, gateway, &render, &manifest).await;
        if !question.is_empty() {
            let hint = format!(
                "look: millctl diff {gateway} --ref {commit} --stat; if it is meant, add --allow-deletions"
            );
            let message = format!("gateway {gateway} is not rolled back: {question}");
            return Err(with_hint(Code::FailedPrecondition, message, &hint));
        }
    }
    Ok(GatewayAction::RollbackToCommit {
        manifest: manifest.digest(),
        roots: manifest.roots().to_vec(),
        render,
    })
}

/// A snapshot that the agent has told of; one that only a remote store has is not refused.
fn known_snapshot(state: &State, gateway: &GatewayName, id: &str) -> Result<(), Status> {
    let told = state.gateway_status(gateway).map(|s| s.written_facts().snapshots);
    let known = told.unwrap_or_default().iter().any(|info| info.id == id);
    if id.is_empty() || known || is_snapshot_id(id) {
        return Ok(());
    }
    Err(invalid(format!(
        "{id:?} is neither a snapshot nor a commit of gateway {gateway}: millctl snapshot list {gateway}"
    )))
}

/// The instruction that is meant.
fn instruct(state: &State, request: &wire::InstructRequest) -> Result<Instruct, Status> {
    let wire::InstructRequest { gateway, member, kind, subject, reason: _, ttl_ms } = request;
    let gateway: GatewayName = gateway.parse().map_err(invalid)?;
    let kind: InstructionKind = kind.parse().map_err(invalid)?;
    let members = state.members_of(&gateway);
    let member = match member.as_str() {
        "" if members.contains(&Member::Master) => Member::Master,
        "" => Member::Single,
        word => word.parse().map_err(invalid)?,
    };
    if !members.contains(&member) {
        return Err(Status::failed_precondition(format!(
            "no agent of gateway {gateway} ({member}) has ever connected"
        )));
    }
    let life = if *ttl_ms == 0 { LIFE } else { Span((*ttl_ms).min(LIFE_MAX.0)) };
    let (id, subject) = (edge::random_id(), subject.clone());
    Ok(Instruct { id, gateway, member, kind, subject, expires_at: edge::now().plus(life) })
}
