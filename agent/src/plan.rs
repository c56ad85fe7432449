//! What a commit does, with what was there before: on disk before the first rename, so that a restart
//! can finish or undo it without asking anybody.

use std::{collections::BTreeSet, io, path::Path, sync::Arc};

use millwright_agent_domain::changes::{Changes, Remove, Write};
use millwright_model::{
    digest::Digest, facts::OpenSession, manifest::FileEntry, path::ManagedPath, report::Failure,
};
use millwright_proto::{
    agent::{PlannedRemove, PlannedWrite, StoredPlan},
    convert::InvalidMessage,
};

use crate::{
    frames,
    fs::{self, Done},
    gateway::Version,
};

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Digest of what will be there.
    pub manifest: Digest,
    /// What is written and removed.
    pub changes: Arc<Changes>,
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
    /// Which generation of Ignition: after a restart there may be nobody to ask.
    pub version: Version,
}

impl Plan {
    /// Writes it; it is on disk when this returns.
    pub fn store(&self, path: &Path) -> Done<()> {
        fs::replace_by(path, |out| {
            frames::write(out, &self.head())?;
            for writes in self.changes.write.chunks(frames::ITEMS) {
                let writes = writes.iter().map(planned_write).collect();
                frames::write(out, &StoredPlan { writes, ..StoredPlan::default() })?;
            }
            for removes in self.changes.remove.chunks(frames::ITEMS) {
                let removes = removes.iter().map(planned_remove).collect();
                frames::write(out, &StoredPlan { removes, ..StoredPlan::default() })?;
            }
            Ok(())
        })
    }

    /// Reads it.
    pub fn load(path: &Path) -> Done<Self> {
        let refuse = |why: &str| fs::refused("read", path, why);
        let file = fs::open_if_there(path)?.ok_or_else(|| refuse("there is none"))?;
        let mut plan: Option<Self> = None;
        let mut changes = Changes::default();
        frames::read(file, |mut part: StoredPlan| {
            for planned in std::mem::take(&mut part.writes) {
                changes.write.push(write(planned).map_err(io::Error::other)?);
            }
            for planned in &part.removes {
                changes.remove.push(remove(planned).map_err(io::Error::other)?);
            }
            if plan.is_none() {
                changes.keep = part.kept as usize;
                plan = Some(Self::of_head(part).map_err(io::Error::other)?);
            }
            Ok(())
        })
        .map_err(|error| refuse(&error.to_string()))?;
        let plan = plan.ok_or_else(|| refuse("it is no plan"))?;
        Ok(Self { changes: Arc::new(changes), ..plan })
    }

    /// All but what is written and removed.
    fn head(&self) -> StoredPlan {
        StoredPlan {
            manifest: self.manifest.0.to_vec(),
            writes: Vec::new(),
            removes: Vec::new(),
            kept: u32::try_from(self.changes.keep).unwrap_or(u32::MAX),
            snapshot: self.snapshot.clone(),
            bytes_fetched: self.bytes_fetched,
            projects: self.projects.clone(),
            notices: self.notices.iter().cloned().map(Into::into).collect(),
            sessions: self.sessions.iter().cloned().map(Into::into).collect(),
            active_modules: self.active_modules.iter().cloned().collect(),
            ignition_8_1: self.version == Version::V81,
        }
    }

    fn of_head(head: StoredPlan) -> Result<Self, InvalidMessage> {
        let notices = head.notices.into_iter().map(TryInto::try_into);
        let sessions = head.sessions.into_iter().map(TryInto::try_into);
        Ok(Self {
            manifest: Digest::from_slice(&head.manifest)?,
            changes: Arc::default(),
            snapshot: head.snapshot,
            bytes_fetched: head.bytes_fetched,
            projects: head.projects,
            notices: notices.collect::<Result<_, _>>()?,
            sessions: sessions.collect::<Result<_, _>>()?,
            active_modules: head.active_modules.into_iter().collect(),
            version: if head.ignition_8_1 { Version::V81 } else { Version::V83 },
        })
    }
}

fn planned_write(write: &Write) -> PlannedWrite {
    PlannedWrite {
        file: Some(write.file.clone().into()),
        before: write.before.map(|digest| digest.0.to_vec()).unwrap_or_default(),
        plain: write.plain.map(|digest| digest.0.to_vec()).unwrap_or_default(),
    }
}

fn planned_remove(remove: &Remove) -> PlannedRemove {
    let Remove { path, before, mode } = remove;
    PlannedRemove { path: path.to_string(), before: before.0.to_vec(), mode: *mode }
}

fn write(PlannedWrite { file, before, plain }: PlannedWrite) -> Result<Write, InvalidMessage> {
    let file: FileEntry = file.ok_or(InvalidMessage::Missing("file"))?.try_into()?;
    let digest = |bytes: &[u8]| match bytes.is_empty() {
        true => Ok(None),
        false => Digest::from_slice(bytes).map(Some),
    };
    Ok(Write { file, before: digest(&before)?, plain: digest(&plain)? })
}

fn remove(PlannedRemove { path, before, mode }: &PlannedRemove) -> Result<Remove, InvalidMessage> {
    let (path, before) = (ManagedPath::parse(path)?, Digest::from_slice(before)?);
    Ok(Remove { path, before, mode: *mode })
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
            changes: Arc::new(Changes {
                write: vec![
                    Write { file: file.clone(), before: None, plain: None },
                    Write {
                        file,
                        before: Some(Digest::of(b"old")),
                        plain: Some(Digest::of(b"plain")),
                    },
                ],
                remove: vec![Remove {
                    path: path("projects/p/b"),
                    before: Digest::of(b"b"),
                    mode: 0o755,
                }],
                keep: 7,
            }),
            snapshot: "s".to_owned(),
            bytes_fetched: 5,
            projects: vec!["p".to_owned()],
            active_modules: BTreeSet::from(["m".to_owned()]),
            version: Version::V81,
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
