//! What people ask of rollouts and of commits, and why something does not go on.

use millwright_coordinator_domain::{
    State,
    access::Deed,
    command::{Body, RolloutAction},
    state::Hold,
    why,
};
use millwright_model::{
    digest::{Digest, GitId},
    id::{Name, RolloutId},
    resource::Kind,
};
use millwright_proto::{
    control::{self as wire},
    hint::with_hint,
};
use tonic::{Code, Request, Response, Status};

use super::{Ask, ControlApi, Reply, invalid};
use crate::edge;

/// What an action needs.
fn deed(action: &RolloutAction) -> Deed {
    match action {
        RolloutAction::Approve { .. } | RolloutAction::Deny { .. } => Deed::Approve,
        RolloutAction::Start { .. }
        | RolloutAction::Pause
        | RolloutAction::Resume
        | RolloutAction::Promote
        | RolloutAction::Retry { .. }
        | RolloutAction::Skip { .. }
        | RolloutAction::Abort
        | RolloutAction::Undo => Deed::Write,
    }
}

fn action_of(request: &wire::ActOnRolloutRequest) -> Result<RolloutAction, Status> {
    let wire::ActOnRolloutRequest { rollout: _, action, stage, gateway, plan_hash, reason: _ } =
        request;
    let hash = (!plan_hash.is_empty()).then(|| plan_hash.parse::<Digest>()).transpose();
    let hash = hash.map_err(|_| invalid(format!("{plan_hash:?} is no hash of a plan")))?;
    RolloutAction::parse(action, stage, gateway, hash).map_err(invalid)
}

/// Answers `act_on_rollout`.
pub(super) async fn act(
    api: &ControlApi,
    request: Request<wire::ActOnRolloutRequest>,
) -> Reply<wire::ActOnRolloutResponse> {
    let action = action_of(request.get_ref())?;
    let wire::ActOnRolloutRequest { rollout, action: what, reason, .. } = request.get_ref();
    let ask = Ask { what, kind: Kind::Rollout.as_str(), name: rollout, reason };
    let actor = api.admitted(&request, deed(&action), ask).await?;
    let wire::ActOnRolloutRequest { rollout, reason, .. } = request.into_inner();
    let rollout: RolloutId = rollout.parse().map_err(invalid)?;
    let body = Body::ActOnRollout { rollout, action };
    let index = api.propose(actor, reason, body).await?.index;
    Ok(Response::new(wire::ActOnRolloutResponse { index }))
}

/// Answers `why`.
pub(super) async fn why(
    api: &ControlApi,
    request: Request<wire::WhyRequest>,
) -> Reply<wire::WhyResponse> {
    api.allowed(&request, Deed::Read)?;
    let wire::WhyRequest { kind, name, stale } = request.into_inner();
    let kind: Kind = kind.parse().map_err(invalid)?;
    let (index, state) = api.read(stale).await?;
    let now = edge::now();
    let found = match kind {
        Kind::Gateway => why::gateway(&state, &name.parse().map_err(invalid)?, now),
        Kind::Rollout => {
            let id: RolloutId = name.parse().map_err(invalid)?;
            if !state.rollouts().contains_key(&id) {
                return Err(Status::not_found(format!("rollout {id} does not exist")));
            }
            why::rollout(&state, &id, now)
        }
        Kind::Repository
        | Kind::SyncProfile
        | Kind::Fleet
        | Kind::Operator
        | Kind::Secret
        | Kind::JoinToken => {
            return Err(with_hint(
                Code::InvalidArgument,
                format!("nobody can say why of a {kind}"),
                "millctl why gateway NAME, or millctl why rollout ID",
            ));
        }
    };
    let blockers = found.into_iter().map(blocker_out).collect();
    Ok(Response::new(wire::WhyResponse { blockers, index, at_ms: now.0 }))
}

fn blocker_out(blocker: why::Blocker) -> wire::Blocker {
    let why::Blocker { code, subject, message, owner, since, next, clear } = blocker;
    wire::Blocker {
        code: code.to_owned(),
        subject,
        message,
        owner,
        since_ms: since.map_or(0, |at| at.0),
        next_ms: next.map_or(0, |at| at.0),
        clear,
    }
}

/// The commit that this text begins: a full id, or one that a hold, a release or a rollout names.
fn commit_of(state: &State, repository: &Name, text: &str) -> Result<GitId, Status> {
    if let Ok(commit) = text.parse() {
        return Ok(commit);
    }
    if text.len() < 7 || !text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(invalid(format!("{text:?} is no commit: 7 to 40 hexadecimal characters")));
    }
    let held = state.holds().values().filter(|hold| hold.repository == *repository);
    let rolled = state.rollouts().values().filter(|one| one.repository == *repository);
    let known = held
        .map(|hold| hold.commit)
        .chain(rolled.map(|rollout| rollout.commit))
        .chain(state.releases_of(repository).map(|(_, release)| release.commit));
    let found =
        known.into_iter().find(|commit| commit.to_string().starts_with(&text.to_lowercase()));
    found.ok_or_else(|| {
        let message = format!("no rollout, release or hold of {repository} has a commit {text}");
        with_hint(Code::NotFound, message, "give all 40 characters")
    })
}

/// Answers `hold_commit`.
pub(super) async fn hold(
    api: &ControlApi,
    request: Request<wire::HoldCommitRequest>,
) -> Reply<wire::HoldCommitResponse> {
    let wire::HoldCommitRequest { repository, commit: _, lift, reason } = request.get_ref();
    let what = if *lift { "lift" } else { "hold" };
    let ask = Ask { what, kind: Kind::Repository.as_str(), name: repository, reason };
    let actor = api.admitted(&request, Deed::Write, ask).await?;
    let wire::HoldCommitRequest { repository, commit, lift, reason } = request.get_ref().clone();
    let repository: Name = repository.parse().map_err(invalid)?;
    let commit = match commit_of(&api.shared.consensus.state().state, &repository, &commit) {
        Ok(commit) => commit,
        Err(status) => return Err(api.refused(&actor, ask, status).await),
    };
    let body = Body::HoldCommit { repository, commit, lift };
    let index = api.propose(actor, reason, body).await?.index;
    Ok(Response::new(wire::HoldCommitResponse { index, commit: commit.to_string() }))
}

/// Answers `list_holds`.
pub(super) async fn holds(
    api: &ControlApi,
    request: Request<wire::ListHoldsRequest>,
) -> Reply<wire::ListHoldsResponse> {
    api.allowed(&request, Deed::Read)?;
    let (index, state) = api.read(request.get_ref().stale).await?;
    let mut holds: Vec<wire::Hold> = state.holds().values().map(hold_out).collect();
    holds.sort_by_key(|hold| (!hold.lifted_by.is_empty(), std::cmp::Reverse(hold.at_ms)));
    Ok(Response::new(wire::ListHoldsResponse { holds, index }))
}

fn hold_out(hold: &Hold) -> wire::Hold {
    let Hold { repository, commit, by, reason, at, lifted } = hold;
    let lifted = lifted.as_ref();
    wire::Hold {
        repository: repository.to_string(),
        commit: commit.to_string(),
        by: by.clone(),
        reason: reason.clone(),
        at_ms: at.0,
        lifted_by: lifted.map(|said| said.by.clone()).unwrap_or_default(),
        lifted_reason: lifted.map(|said| said.reason.clone()).unwrap_or_default(),
        lifted_at_ms: lifted.map_or(0, |said| said.at.0),
    }
}
