//! Tokens and keys: who may become whom, and who may no longer.

use std::sync::Arc;

use millwright_model::id::{GatewayName, Member, Name};

use super::{Judged, Scene, invalid, not_found};
use crate::{
    State,
    command::{Accepted, CreateToken, Rejection, TokenRole, UseToken},
    state::{KeyRecord, Standing, Token, TokenSpent, agent_key},
};

/// Tokens kept, spent ones included.
const TOKENS_MAX: usize = 5_000;
/// Longest life of a token: a day.
const TOKEN_LIFE_MS_MAX: u64 = 86_400_000;

fn denied(message: impl Into<String>) -> Rejection {
    Rejection::Denied { message: message.into() }
}

impl State {
    pub(super) fn admit(&mut self, path: String, digest: [u8; 32]) {
        let record = KeyRecord { digest, standing: Standing::Admitted };
        self.keys.insert(path, record);
    }

    pub(super) fn create_token(&mut self, scene: &mut Scene<'_>, new: CreateToken) -> Judged {
        let named = match new.role {
            TokenRole::Agent => new.name.parse::<GatewayName>().map(drop),
            TokenRole::Coordinator | TokenRole::Operator => new.name.parse::<Name>().map(drop),
        };
        named.map_err(|error| invalid(error.to_string()))?;
        if new.role == TokenRole::Operator && !self.operators.contains_key(new.name.as_str()) {
            return Err(not_found(format!("operator {} does not exist: apply it first", new.name)));
        }
        if new.expires_at.since(self.now).0 > TOKEN_LIFE_MS_MAX {
            return Err(invalid("a token lives for a day at most"));
        }
        let now = self.now;
        let tokens = Arc::make_mut(&mut self.tokens);
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, token| token.spent == TokenSpent::Open && token.expires_at > now);
        }
        if tokens.len() >= TOKENS_MAX {
            return Err(Rejection::Limit { message: format!("{TOKENS_MAX} tokens are open") });
        }
        let token = Token {
            secret_digest: new.secret_digest,
            role: new.role,
            name: new.name,
            member: new.member,
            created_at: now,
            created_by: scene.actor.to_owned(),
            expires_at: new.expires_at,
            spent: TokenSpent::Open,
        };
        tokens.insert(new.id, token);
        Ok(Accepted::Done)
    }

    pub(super) fn use_token(&mut self, _: &mut Scene<'_>, attempt: UseToken) -> Judged {
        let unknown = || denied("the join token is not known to this cluster");
        let token = self.tokens.get(&attempt.id).ok_or_else(unknown)?.clone();
        if token.secret_digest != attempt.secret_digest {
            return Err(unknown());
        }
        match token.spent {
            TokenSpent::Open => {}
            TokenSpent::Used => return Err(denied("the join token has been used")),
            TokenSpent::Revoked => return Err(denied("the join token was revoked")),
        }
        if token.expires_at <= self.now {
            return Err(denied(format!("the join token expired at {}", token.expires_at)));
        }
        if token.name != attempt.name {
            return Err(denied(format!(
                "the join token is for {}, not {}",
                token.name, attempt.name
            )));
        }
        if token.role == TokenRole::Agent && token.member != attempt.member {
            return Err(denied(format!("the join token is for member {}", token.member)));
        }
        let path = match token.role {
            TokenRole::Agent => format!("agent/{}/{}", token.name, token.member),
            TokenRole::Coordinator => format!("coordinator/{}", token.name),
            TokenRole::Operator => format!("operator/{}", token.name),
        };
        if self.keys.get(&path).is_some_and(|record| record.standing == Standing::Banned) {
            return Err(denied(format!("{path} is banned")));
        }
        self.admit(path.clone(), attempt.key_digest);
        let mut spent = token;
        spent.spent = TokenSpent::Used;
        Arc::make_mut(&mut self.tokens).insert(attempt.id, spent);
        Ok(Accepted::Identity(format!("spiffe://{}/{path}", self.cluster_id())))
    }

    pub(super) fn revoke_token(&mut self, id: &str) -> Judged {
        let tokens = Arc::make_mut(&mut self.tokens);
        let token = tokens.get_mut(id).ok_or_else(|| not_found(format!("no token {id}")))?;
        if token.spent == TokenSpent::Used {
            return Err(invalid("the token has been used: evict or ban who used it"));
        }
        token.spent = TokenSpent::Revoked;
        Ok(Accepted::Done)
    }

    pub(super) fn revoke_agent(
        &mut self,
        scene: &mut Scene<'_>,
        gateway: &GatewayName,
        member: Member,
        standing: Standing,
    ) -> Judged {
        let keys = &mut self.keys;
        let record = keys
            .get_mut(&agent_key(gateway, member))
            .ok_or_else(|| not_found(format!("no agent of {gateway} ({member}) is enrolled")))?;
        record.standing = standing;
        scene.touched.revoked.insert((gateway.clone(), member));
        let kind = millwright_model::resource::Kind::Gateway;
        let word = if standing == Standing::Banned { "banned" } else { "evicted" };
        self.say(scene.index, kind, gateway.as_str(), "put", format!("agent {member} {word}"));
        Ok(Accepted::Done)
    }
}
