//! The scan lock: it holds configuration saves back, is not extended and not released, and ends with
//! the next scan by anybody.

use millwright_agent_domain::lock::Grant;
use millwright_model::report::FailureKind;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Gateway, ScanKind, Trouble, number, text};

/// Seconds that the gateway may wait before it answers that the lock is taken. Known gateways answer
/// at once.
const ACQUIRE_S: u64 = 1;

/// The answer to asking for the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// Ours.
    Granted(Grant),
    /// Somebody else's, as the gateway says.
    Held(String),
    /// This gateway has no such lock.
    Absent,
}

fn path(kind: ScanKind) -> String {
    format!("/data/api/v1/scan-lock/{}", kind.top())
}

fn grant(answer: &Value) -> Option<Grant> {
    Some(Grant {
        timestamp: number(&answer["timestamp"])?.to_string(),
        actor: text(answer, "actor"),
        remaining_s: u64::try_from(number(&answer["remaining"])?).ok()?,
    })
}

impl Gateway {
    /// Asks for the lock.
    pub async fn lock(&self, kind: ScanKind, hold_s: u64) -> Result<Locked, Trouble> {
        let body = json!({"acquireTimeout": ACQUIRE_S, "holdTimeout": hold_s});
        let (status, answer) = self.send(Method::POST, &path(kind), Some(body)).await?;
        match status.as_u16() {
            404 => Ok(Locked::Absent),
            408 | 409 => {
                let holder = self.lock_holder(kind).await?.map(|grant| grant.actor);
                Ok(Locked::Held(holder.unwrap_or_else(|| "somebody who has just let go".into())))
            }
            _ => {
                self.judge(status, &path(kind))?;
                let unreadable =
                    || Trouble::new(FailureKind::Internal, "the lock's answer cannot be read");
                let answer: Value = serde_json::from_slice(&answer).map_err(|_| unreadable())?;
                Ok(Locked::Granted(grant(&answer).ok_or_else(unreadable)?))
            }
        }
    }

    /// Who holds the lock; `None` when it is free or there is none.
    pub async fn lock_holder(&self, kind: ScanKind) -> Result<Option<Grant>, Trouble> {
        let (status, answer) = self.send(Method::GET, &path(kind), None).await?;
        if matches!(status.as_u16(), 204 | 404) {
            return Ok(None);
        }
        self.judge(status, &path(kind))?;
        Ok(serde_json::from_slice(&answer).ok().as_ref().and_then(grant))
    }
}
