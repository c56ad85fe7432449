//! What a commit does, with what was there before: on disk before the first rename, so that a restart
//! can finish or undo it without asking anybody.

use std::{collections::BTreeSet, path::Path};

use millwright_agent_domain::changes::{Changes, Remove, Write};
use millwright_model::{
    digest::Digest,
    facts::OpenSession,
    manifest::FileEntry,
    path::ManagedPath,
    report::Failure,
};
use millwright_proto::{
    agent::{PlannedRemove, PlannedWrite, StoredPlan},
    convert::InvalidMessage,
};
use prost::Message;

use crate::fs::{self, Done};

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Digest of what will be there.
    pub manifest: Digest,
    /// What is written and removed.
    pub changes: Changes,
    /// Id of the snapshot taken before; empty when none was.
    pub snapshot: String,
    /// Bytes of blobs received for it.
    pub bytes_fetched: u64,
    /// Projects touched.
    pub projects: Vec<String>,
    /// What people should know.
    pub notices: Vec<Failure>,
    /// Sessions that were open.
    pub sessions: Vec<OpenSession>,
    /// Modules that were active before.
    pub active_modules: BTreeSet<String>,
}

impl Plan {
    /// Writes it; it is on disk when this returns.
    pub fn store(&self, path: &Path) -> Done<()> {
        fs::replace(path, &self.to_wire().encode_to_vec())
    }

    /// Reads it.
    pub fn load(path: &Path) -> Done<Self> {
        let bytes = fs::read(path)?;
        let wire = StoredPlan::decode(bytes.as_slice())
            .map_err(|_| fs::refused("read", path, "it is no plan"))?;
        Self::from_wire(wire).map_err(|error| fs::refused("read", path, &error.to_string()))
    }

    fn to_wire(&self) -> StoredPlan {
        let Self {
            manifest,
            changes,
            snapshot,
            bytes_fetched,
            projects,
            notices,
            sessions,
            active_modules,
        } = self;
        StoredPlan {
            manifest: manifest.0.to_vec(),
            writes: changes
                .write
                .iter()
                .map(|write| PlannedWrite {
                    file: Some(write.file.clone().into()),
                    before: write.before.map(|digest| digest.0.to_vec()).unwrap_or_default(),
                })
                .collect(),
            removes: changes
                .remove
                .iter()
                .map(|remove| PlannedRemove {
                    path: remove.path.to_string(),
                    before: remove.before.0.to_vec(),
                })
                .collect(),
            kept: u32::try_from(changes.keep).unwrap_or(u32::MAX),
            snapshot: snapshot.clone(),
            bytes_fetched: *bytes_fetched,
            projects: projects.clone(),
            notices: notices.iter().cloned().map(Into::into).collect(),
            sessions: sessions.iter().cloned().map(Into::into).collect(),
            active_modules: active_modules.iter().cloned().collect(),
        }
    }

    fn from_wire(wire: StoredPlan) -> Result<Self, InvalidMessage> {
        let StoredPlan {
            manifest,
            writes,
            removes,
            kept,
            snapshot,
            bytes_fetched,
            projects,
            notices,
            sessions,
            active_modules,
        } = wire;
        let write = |PlannedWrite { file, before }: PlannedWrite| {
            let file: FileEntry = file.ok_or(InvalidMessage::Missing("file"))?.try_into()?;
            let before = match before.is_empty() {
                true => None,
                false => Some(Digest::from_slice(&before)?),
            };
            Ok(Write { file, before })
        };
        let remove = |PlannedRemove { path, before }: PlannedRemove| {
            let path = ManagedPath::parse(&path)?;
            Ok(Remove { path, before: Digest::from_slice(&before)? })
        };
        Ok(Self {
            manifest: Digest::from_slice(&manifest)?,
            changes: Changes {
                write: writes.into_iter().map(write).collect::<Result<_, InvalidMessage>>()?,
                remove: removes.into_iter().map(remove).collect::<Result<_, InvalidMessage>>()?,
                keep: kept as usize,
            },
            snapshot,
            bytes_fetched,
            projects,
            notices: notices.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            sessions: sessions.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            active_modules: active_modules.into_iter().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives() {
        let path = |text: &str| ManagedPath::parse(text).unwrap();
        let file = FileEntry {
            path: path("projects/p/a"),
            digest: Digest::of(b"new"),
            size: 3,
            mode: 0o644,
        };
        let plan = Plan {
            manifest: Digest::of(b"m"),
            changes: Changes {
                write: vec![
                    Write { file: file.clone(), before: None },
                    Write { file, before: Some(Digest::of(b"old")) },
                ],
                remove: vec![Remove { path: path("projects/p/b"), before: Digest::of(b"b") }],
                keep: 7,
            },
            snapshot: "s".to_owned(),
            bytes_fetched: 5,
            projects: vec!["p".to_owned()],
            active_modules: BTreeSet::from(["m".to_owned()]),
            ..Plan::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("plan");
        plan.store(&at).unwrap();
        assert_eq!(Plan::load(&at).unwrap(), plan);
        std::fs::write(&at, "x").unwrap();
        assert!(Plan::load(&at).is_err());
    }
}
