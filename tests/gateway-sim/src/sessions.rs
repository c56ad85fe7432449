//! Designers, Perspective sessions and Vision clients: a model that tests fill.
//!
//! What a Designer writes when it saves is in [`crate::designer`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SessionKind {
    /// A Designer, or its launcher without a project.
    Designer,
    /// A Perspective session.
    Perspective,
    /// A Vision client.
    Vision,
}

/// One to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSession {
    /// Which kind.
    pub kind: SessionKind,
    /// Who.
    pub user: String,
    /// Where; empty for a launcher without a project.
    pub project: String,
    /// Its id; made when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// For how long it has been open.
    #[serde(default)]
    pub since_ms: i64,
    /// Whether it still talks; one that does not is dormant and can be pruned.
    #[serde(default = "yes")]
    pub live: bool,
    /// Perspective: `browser`, `designer`, `ios`, `android`.
    #[serde(default = "browser")]
    pub scope: String,
}

fn yes() -> bool {
    true
}

fn browser() -> String {
    "browser".into()
}

impl NewSession {
    /// A live one that has just been opened.
    pub fn new(kind: SessionKind, user: &str, project: &str) -> Self {
        Self {
            kind,
            user: user.to_owned(),
            project: project.to_owned(),
            id: None,
            since_ms: 0,
            live: true,
            scope: browser(),
        }
    }
}

/// One that is open.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) new: NewSession,
    pub(crate) opened: i64,
    /// A scan or somebody's save has changed its project since.
    pub(crate) update_available: bool,
    /// Resources of its project that others have changed since.
    pub(crate) changed_under_it: BTreeSet<String>,
}

/// All that are open.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: BTreeMap<String, Session>,
    opened: u64,
}

/// How a request to end a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Live,
    Unknown,
}

impl Sessions {
    /// Opens one and returns its id.
    pub(crate) fn open(&mut self, new: NewSession, now: i64) -> String {
        self.opened += 1;
        let id = new.id.clone().unwrap_or_else(|| match new.kind {
            SessionKind::Designer => format!("d-{}", self.opened),
            SessionKind::Vision => format!("v-{}", self.opened),
            SessionKind::Perspective if new.scope == "designer" => {
                format!("preview-{}", self.opened)
            }
            SessionKind::Perspective => format!("{:08x}-5d47-4b8e-9a10-7c6d5e4f3b2a", self.opened),
        });
        let opened = now - new.since_ms;
        let session = Session {
            id: id.clone(),
            new,
            opened,
            update_available: false,
            changed_under_it: BTreeSet::new(),
        };
        self.open.insert(id.clone(), session);
        id
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Session> {
        self.open.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.open.get_mut(id)
    }

    pub(crate) fn of(&self, kind: SessionKind) -> impl Iterator<Item = &Session> {
        self.open.values().filter(move |session| session.new.kind == kind)
    }

    /// All, as tests see them.
    pub(crate) fn all(&self) -> Vec<Value> {
        let each = self.open.values().map(|session| {
            json!({"id": session.id, "kind": session.new.kind, "user": session.new.user,
                "project": session.new.project, "updateAvailable": session.update_available})
        });
        each.collect()
    }

    /// Closes one; whether there was one.
    pub(crate) fn close(&mut self, id: &str) -> bool {
        self.open.remove(id).is_some()
    }

    /// Removes a dormant Designer.
    pub(crate) fn prune(&mut self, id: &str) -> Ended {
        match self.open.get(id) {
            Some(session) if session.new.kind != SessionKind::Designer => Ended::Unknown,
            Some(session) if session.new.live => Ended::Live,
            Some(_) => {
                self.open.remove(id);
                Ended::Done
            }
            None => Ended::Unknown,
        }
    }

    /// Tells Designers of a project that something else has changed it.
    pub(crate) fn project_changed(
        &mut self,
        project: &str,
        resources: &[String],
        by: Option<&str>,
    ) {
        for session in self.open.values_mut() {
            let other = by != Some(session.id.as_str());
            if session.new.kind == SessionKind::Designer && session.new.project == project && other
            {
                session.update_available = true;
                session.changed_under_it.extend(resources.iter().cloned());
            }
        }
    }

    /// A restart ends what needs a running gateway.
    pub(crate) fn drop_all(&mut self) {
        self.open.clear();
    }
}

impl Session {
    /// As REST shows it.
    pub(crate) fn record(&self, now: i64, odd: bool) -> Value {
        let last = if self.new.live { now - 500 } else { now - 7_200_000 };
        match self.new.kind {
            SessionKind::Designer | SessionKind::Vision => {
                let mut record = json!({
                    "id": self.id, "user": self.new.user, "uptime": now - self.opened,
                    "lastcomm": last, "timeout": 3_600_000,
                    "memory": {"used": 268_435_456, "max": 1_073_741_824},
                    "project": self.new.project, "address": "192.168.1.50:52526",
                    "timezone": "America/New_York",
                });
                if self.new.kind == SessionKind::Vision {
                    record["tagCount"] = 0.into();
                }
                record
            }
            SessionKind::Perspective => json!({
                "id": self.id, "username": self.new.user, "authorized": self.new.user != "anonymous",
                "project": self.new.project, "clientAddress": "192.168.1.60",
                "lastComm": if odd { now - last } else { last },
                "sessionScope": if odd { "G" } else { &self.new.scope }, "activePages": 1, "pageIds": ["Main Page/1"],
                "recentBytesSent": 2048, "totalBytesSent": 1_048_576, "userAgent": "Mozilla/5.0",
            }),
        }
    }
}
