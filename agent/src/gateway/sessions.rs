//! Open sessions. A read error is never an empty list; an absent route means *none* only if the
//! modules confirm it.

use millwright_agent_domain::sessions::{AllSeen, Seen};
use millwright_model::{
    facts::{OpenSession, SessionKind},
    time::Timestamp,
};
use serde_json::Value;

use super::{Gateway, Trouble, number, text};

/// Below this a time is a duration, above it an epoch: accounts differ.
const EPOCH_MS_MIN: i64 = 100_000_000_000;

const PERSPECTIVE: &str = "com.inductiveautomation.perspective";
const VISION: &str = "com.inductiveautomation.vision";

impl Gateway {
    /// Every kind of session; `now` is the agent's clock.
    pub async fn sessions(&self, now: Timestamp) -> AllSeen {
        let designers = self.items("/data/api/v1/designers").await;
        // The trailing slash belongs to the route.
        let perspective = self.items("/data/perspective/api/v1/sessions/").await;
        let vision = self.items("/data/vision/api/v1/clients").await;
        AllSeen {
            designers: designers.map_err(|t| t.message).map(|items| {
                items.iter().map(|item| session(SessionKind::Designer, item, now)).collect()
            }),
            perspective: self.of(SessionKind::Perspective, PERSPECTIVE, perspective, now).await,
            vision: self.of(SessionKind::Vision, VISION, vision, now).await,
        }
    }

    async fn of(
        &self,
        kind: SessionKind,
        module: &str,
        answer: Result<Vec<Value>, Trouble>,
        now: Timestamp,
    ) -> Seen {
        match answer {
            Ok(items) => Ok(items.iter().map(|item| session(kind, item, now)).collect()),
            Err(trouble) if trouble.is_absent() => match self.modules().await {
                Ok(modules) if modules.iter().all(|found| found.id != module) => Ok(Vec::new()),
                Ok(_) => Err(format!("the module {module} is there but has no list of sessions")),
                Err(trouble) => Err(trouble.message),
            },
            Err(trouble) => Err(trouble.message),
        }
    }
}

fn session(kind: SessionKind, item: &Value, now: Timestamp) -> OpenSession {
    let user = match kind {
        SessionKind::Designer | SessionKind::Vision => text(item, "user"),
        SessionKind::Perspective => text(item, "username"),
    };
    let user = if user.is_empty() { "somebody".to_owned() } else { user };
    let address = match item["address"].as_str() {
        Some(address) => address.to_owned(),
        None => text(item, "clientAddress"),
    };
    // An uptime moves with every look; whole minutes keep the session from looking new each time.
    let uptime = number(&item["uptime"]).filter(|ms| (0..EPOCH_MS_MIN).contains(ms));
    let since = uptime.map_or(0, |ms| now.0.saturating_sub(ms.unsigned_abs()));
    OpenSession {
        kind,
        id: text(item, "id"),
        user,
        project: text(item, "project"),
        since: Timestamp(since / 60_000 * 60_000),
        address,
    }
}
