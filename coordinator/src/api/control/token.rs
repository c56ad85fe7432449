//! Join tokens: made, listed, made void.

use millwright_certs::{ca, token::JoinToken};
use millwright_coordinator_domain::{
    access::Deed,
    command::{Body, CreateToken, TokenRole},
    state::TokenSpent,
};
use millwright_model::{resource::Kind, time::Span};
use millwright_proto::control as wire;
use tonic::{Request, Response, Status};

use super::{Ask, ControlApi, Reply, invalid, parse_member};
use crate::edge;

/// Default life of a join token.
const TOKEN_LIFE: Span = Span(10 * 60_000);

/// Answers `create_token`.
pub(super) async fn create(
    api: &ControlApi,
    request: Request<wire::CreateTokenRequest>,
) -> Reply<wire::CreateTokenResponse> {
    let wire::CreateTokenRequest { role, name, reason, .. } = request.get_ref();
    let name = format!("for {role} {name}");
    let ask = Ask { what: "create", kind: Kind::JoinToken.as_str(), name: &name, reason };
    let actor = api.admitted(&request, Deed::Admit, ask).await?;
    let wire::CreateTokenRequest { role, name, member, ttl_ms, reason } = request.into_inner();
    let role =
        TokenRole::parse(&role).ok_or_else(|| invalid("role is agent, coordinator or operator"))?;
    let state = api.shared.consensus.state().state;
    let fingerprint = ca::fingerprint_of_pem(state.ca_pem())
        .map_err(|error| Status::internal(error.to_string()))?;
    let token = JoinToken::generate(api.shared.cluster_id.clone(), fingerprint);
    let life = if ttl_ms == 0 { TOKEN_LIFE } else { Span(ttl_ms) };
    let expires_at = edge::now().plus(life);
    let body = Body::CreateToken(CreateToken {
        id: token.id().to_owned(),
        secret_digest: token.secret_digest(),
        role,
        name,
        member: parse_member(&member)?,
        expires_at,
    });
    api.propose(actor, reason, body).await?;
    Ok(Response::new(wire::CreateTokenResponse {
        token: token.reveal(),
        id: token.id().to_owned(),
        expires_at_ms: expires_at.0,
    }))
}

/// Answers `list_tokens`.
pub(super) async fn list(
    api: &ControlApi,
    request: Request<wire::ListTokensRequest>,
) -> Reply<wire::ListTokensResponse> {
    api.allowed(&request, Deed::Read)?;
    let (_, state) = api.read(request.get_ref().stale).await?;
    let now = edge::now();
    let tokens = state
        .tokens()
        .iter()
        .map(|(id, token)| wire::Token {
            id: id.clone(),
            role: token.role.as_str().to_owned(),
            name: token.name.clone(),
            member: token.member.to_string(),
            created_at_ms: token.created_at.0,
            expires_at_ms: token.expires_at.0,
            state: match token.spent {
                TokenSpent::Used => "used",
                TokenSpent::Revoked => "revoked",
                TokenSpent::Open if token.expires_at <= now => "expired",
                TokenSpent::Open => "open",
            }
            .to_owned(),
            created_by: token.created_by.clone(),
        })
        .collect();
    Ok(Response::new(wire::ListTokensResponse { tokens }))
}

/// Answers `revoke_token`.
pub(super) async fn revoke(
    api: &ControlApi,
    request: Request<wire::RevokeTokenRequest>,
) -> Reply<wire::RevokeTokenResponse> {
    let wire::RevokeTokenRequest { id, reason } = request.get_ref();
    let ask = Ask { what: "revoke", kind: Kind::JoinToken.as_str(), name: id, reason };
    let actor = api.admitted(&request, Deed::Admit, ask).await?;
    let wire::RevokeTokenRequest { id, reason } = request.into_inner();
    api.propose(actor, reason, Body::RevokeToken { id }).await?;
    Ok(Response::new(wire::RevokeTokenResponse {}))
}
