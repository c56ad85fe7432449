//! Who asks, and whether they may.

use std::sync::Arc;

use axum::response::Response;

use super::{answer::page, call::Call};
use crate::{gateway::Gateway, token::Access};

/// The actor of a request, or the page that refuses it.
pub(crate) fn allow(
    gateway: &Arc<Gateway>,
    call: &Call,
    access: Access,
) -> Result<String, Box<Response>> {
    if access == Access::Open {
        return Ok("anonymous".to_owned());
    }
    let header = call.headers.get("X-Ignition-API-Token").and_then(|value| value.to_str().ok());
    // The key alone is no token, and Basic is none either.
    let parts = header.and_then(|token| token.split_once(':'));
    let judged = gateway.see(|state| {
        let token = parts.and_then(|(name, key)| {
            state.tokens.iter().find(|token| token.name == name && token.knows(key))
        })?;
        let permission = match access {
            Access::Write => "writePermissions",
            Access::Read | Access::Open => "readPermissions",
        };
        let settings = state.config.setting("security-properties");
        // Everything here is plain http.
        let may = !token.secure_only() && token.may(settings.map(|all| &all[permission]));
        Some((token.name.clone(), may))
    });
    match judged {
        None => {
            gateway.change(|state| state.counters.unauthorized += 1);
            Err(Box::new(page(401, &call.path, "Unauthorized")))
        }
        Some((_, false)) => {
            gateway.change(|state| state.counters.forbidden += 1);
            Err(Box::new(page(403, &call.path, "Forbidden")))
        }
        Some((name, true)) => {
            let actor = format!("api-token:{name}:{}", call.client.addr.ip());
            if access == Access::Write {
                audit(gateway, call, &actor);
            }
            Ok(actor)
        }
    }
}

/// Mutations are written to the audit log.
fn audit(gateway: &Arc<Gateway>, call: &Call, actor: &str) {
    /// Entries kept.
    const ENTRIES_MAX: usize = 10_000;
    gateway.change(|state| {
        if state.audit.len() == ENTRIES_MAX {
            state.audit.remove(0);
        }
        let entry = serde_json::json!({
            "action": call.method, "actionTarget": call.path, "actionValue": "", "actor": actor,
            "actorHost": call.client.addr.ip().to_string(), "originatingContext": 0,
            "originatingSystem": gateway.settings.name, "statusCode": 0,
            "timestamp": state.now_ms(), "result": "",
        });
        state.audit.push(entry);
    });
}
