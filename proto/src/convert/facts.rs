//! What an agent sees of its gateway. Everything is cut to a bound, since it ends up in replicated
//! state.

use millwright_model::{
    facts::{Drift, DriftEntry, GatewayFacts, OpenSession, SnapshotInfo, Waiting},
    generation::Generation,
    time::Timestamp,
};

use super::{InvalidMessage, PATH_BYTES_MAX, SESSIONS_MAX, TEXT_BYTES_MAX, bounded};
use crate::common;

/// Drifted files named.
const DRIFT_MAX: usize = 50;
/// Snapshots named.
const SNAPSHOTS_MAX: usize = 100;

impl From<OpenSession> for common::OpenSession {
    fn from(session: OpenSession) -> Self {
        let OpenSession { kind, id, user, project, since, address } = session;
        Self { kind: kind.to_string(), id, user, project, since_ms: since.0, address }
    }
}

impl TryFrom<common::OpenSession> for OpenSession {
    type Error = InvalidMessage;

    fn try_from(wire: common::OpenSession) -> Result<Self, Self::Error> {
        let common::OpenSession { kind, id, user, project, since_ms, address } = wire;
        Ok(Self {
            kind: kind.parse()?,
            id: bounded(id, 128),
            user: bounded(user, 128),
            project: bounded(project, 128),
            since: Timestamp(since_ms),
            address: bounded(address, 128),
        })
    }
}

impl From<SnapshotInfo> for common::SnapshotInfo {
    fn from(info: SnapshotInfo) -> Self {
        let SnapshotInfo {
            id,
            taken_at,
            commit,
            files,
            bytes,
            new_bytes,
            duration_ms,
            stores,
            pinned,
            cause,
        } = info;
        Self {
            id,
            taken_at_ms: taken_at.0,
            commit: commit.map(|id| id.to_string()).unwrap_or_default(),
            files,
            bytes,
            new_bytes,
            duration_ms,
            stores,
            pinned,
            cause,
        }
    }
}

impl TryFrom<common::SnapshotInfo> for SnapshotInfo {
    type Error = InvalidMessage;

    fn try_from(wire: common::SnapshotInfo) -> Result<Self, Self::Error> {
        let common::SnapshotInfo {
            id,
            taken_at_ms,
            commit,
            files,
            bytes,
            new_bytes,
            duration_ms,
            stores,
            pinned,
            cause,
        } = wire;
        Ok(Self {
            id: bounded(id, 128),
            taken_at: Timestamp(taken_at_ms),
            commit: if commit.is_empty() { None } else { Some(commit.parse()?) },
            files,
            bytes,
            new_bytes,
            duration_ms,
            stores: stores.into_iter().take(4).map(|store| bounded(store, 256)).collect(),
            pinned,
            cause: bounded(cause, 256),
        })
    }
}

impl From<Drift> for common::Drift {
    fn from(drift: Drift) -> Self {
        let Drift { count, entries, since } = drift;
        let entries = entries
            .into_iter()
            .map(|DriftEntry { path, change, actor }| common::DriftEntry {
                path,
                change: change.to_string(),
                actor,
            })
            .collect();
        Self { count, entries, since_ms: since.0 }
    }
}

impl TryFrom<common::Drift> for Drift {
    type Error = InvalidMessage;

    fn try_from(wire: common::Drift) -> Result<Self, Self::Error> {
        let common::Drift { count, entries, since_ms } = wire;
        let entries = entries
            .into_iter()
            .take(DRIFT_MAX)
            .map(|common::DriftEntry { path, change, actor }| {
                Ok(DriftEntry {
                    path: bounded(path, PATH_BYTES_MAX),
                    change: change.parse()?,
                    actor: bounded(actor, 128),
                })
            })
            .collect::<Result<_, InvalidMessage>>()?;
        Ok(Self { count, entries, since: Timestamp(since_ms) })
    }
}

impl From<Waiting> for common::Waiting {
    fn from(waiting: Waiting) -> Self {
        let Waiting { generation, message, since, until } = waiting;
        let until_ms = until.map_or(0, |until| until.0);
        Self { generation: generation.0, message, since_ms: since.0, until_ms }
    }
}

impl From<common::Waiting> for Waiting {
    fn from(wire: common::Waiting) -> Self {
        let common::Waiting { generation, message, since_ms, until_ms } = wire;
        Self {
            generation: Generation(generation),
            message: bounded(message, TEXT_BYTES_MAX),
            since: Timestamp(since_ms),
            until: (until_ms > 0).then_some(Timestamp(until_ms)),
        }
    }
}

impl From<GatewayFacts> for common::GatewayFacts {
    fn from(facts: GatewayFacts) -> Self {
        let GatewayFacts {
            system_name,
            ignition_version,
            state,
            redundancy_role,
            activity_level,
            os,
            project_state,
            peer_connected,
            peer,
            sessions,
            drift,
            snapshots,
            waiting,
        } = facts;
        let sessions = sessions.map(|all| common::OpenSessions {
            sessions: all.into_iter().map(Into::into).collect(),
        });
        Self {
            system_name,
            ignition_version,
            state,
            redundancy_role,
            activity_level,
            os,
            project_state,
            peer_connected,
            peer,
            sessions,
            drift: Some(drift.into()),
            snapshots: snapshots.into_iter().map(Into::into).collect(),
            waiting: waiting.map(Into::into),
        }
    }
}

impl TryFrom<common::GatewayFacts> for GatewayFacts {
    type Error = InvalidMessage;

    fn try_from(wire: common::GatewayFacts) -> Result<Self, Self::Error> {
        let common::GatewayFacts {
            system_name,
            ignition_version,
            state,
            redundancy_role,
            activity_level,
            os,
            project_state,
            peer_connected,
            peer,
            sessions,
            drift,
            snapshots,
            waiting,
        } = wire;
        let short = |text| bounded(text, 128);
        let sessions = sessions
            .map(|all| all.sessions.into_iter().take(SESSIONS_MAX).map(TryInto::try_into).collect())
            .transpose()?;
        Ok(Self {
            system_name: short(system_name),
            ignition_version: short(ignition_version),
            state: short(state),
            redundancy_role: short(redundancy_role),
            activity_level: short(activity_level),
            os: short(os),
            project_state: short(project_state),
            peer_connected,
            peer: short(peer),
            sessions,
            drift: drift.map(Drift::try_from).transpose()?.unwrap_or_default(),
            snapshots: snapshots
                .into_iter()
                .take(SNAPSHOTS_MAX)
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            waiting: waiting.map(Into::into),
        })
    }
}
