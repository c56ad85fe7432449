//! What the agent remembers on disk: what it has handled, the manifest that it applied (which names
//! every path that is its own), reports not acknowledged yet. The journal, the plan, snapshots and the
//! inventory have modules of their own.

mod unread;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use millwright_model::{
    assignment::Assignment,
    digest::Digest,
    manifest::{FileEntry, Manifest},
    path::ManagedPath,
    report::Report,
};
use millwright_proto::{agent::ManifestPart, common};
use prost::Message;
use serde::{Deserialize, Serialize};

pub use self::unread::Unread;
use crate::{
    frames,
    fs::{self, Done},
};

/// Reports kept while no coordinator takes them.
pub const REPORTS_MAX: usize = 64;
/// Set aside for what must be written on a full disk: the assignment in hand, what was handled, and
/// reports, each of which may exist twice for a moment.
const RESERVE_BYTES: usize = 256 << 10;

/// What has been handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Handled {
    /// Life of the cluster.
    pub epoch: u64,
    /// Version of the assignment.
    pub generation: u64,
    /// Which try of it.
    #[serde(default)]
    pub attempt: u32,
    /// How often drifted files were put back after it.
    #[serde(default)]
    pub repair: u32,
}

/// Files of which only the stamps are others than were written: what was written, and what is there since.
pub type Restamped = BTreeMap<ManagedPath, (Digest, Digest)>;

/// What tells one report of this agent from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportId {
    /// Version of the assignment.
    pub generation: u64,
    /// Which try of it.
    pub attempt: u32,
    /// Which repair after it.
    pub repair: u32,
}

impl ReportId {
    /// Of a report.
    pub fn of(report: &Report) -> Self {
        let Report { generation, attempt, repair, .. } = report;
        Self { generation: generation.0, attempt: *attempt, repair: *repair }
    }
}

/// The state folder.
#[derive(Debug, Clone)]
pub struct StateDir {
    dir: PathBuf,
}

impl StateDir {
    /// Opens the folder, creating it when absent.
    pub fn open(dir: &Path) -> Done<Self> {
        fs::make_dir(&dir.join("state"))?;
        let state = Self { dir: dir.join("state") };
        state.take_reserve();
        Ok(state)
    }

    fn json<T: for<'a> Deserialize<'a> + Default>(&self, name: &str) -> Done<T> {
        let bytes = fs::read_if_there(&self.dir.join(name))?;
        // Each is replaced as a whole, so a damaged one was damaged by somebody else: it counts as
        // none, which costs work, not safety.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    fn keep<T: Serialize>(&self, name: &str, value: &T) -> Done<()> {
        let bytes = serde_json::to_vec(value).expect("plain values with text keys");
        self.replace(name, &bytes)
    }

    /// Replaces a small file that must not fail: on a full disk the reserve makes room for it.
    fn replace(&self, name: &str, bytes: &[u8]) -> Done<()> {
        let path = self.dir.join(name);
        match fs::replace(&path, bytes) {
            Err(error) if error.is_full() => {
                self.give_reserve()?;
                fs::replace(&path, bytes)
            }
            done => done,
        }
    }

    fn reserve(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    /// Frees the reserve: without it a full disk could keep the agent from saying that it is full.
    pub fn give_reserve(&self) -> Done<()> {
        tracing::warn!("the disk is full: using the reserve");
        fs::discard(&self.reserve())
    }

    /// Takes the reserve again, if there is room for it.
    fn take_reserve(&self) {
        let path = self.reserve();
        if !fs::exists(&path) && fs::write(&path, &vec![0; RESERVE_BYTES]).is_err() {
            // What was written of it would only fill the disk.
            let _gone = fs::discard(&path);
        }
    }

    /// What has been handled.
    pub fn handled(&self) -> Done<Handled> {
        self.json("handled.json")
    }

    /// Remembers what has been handled.
    pub fn keep_handled(&self, handled: Handled) -> Done<()> {
        self.keep("handled.json", &handled)
    }

    /// The assignment in hand, if one was not finished.
    pub fn in_hand(&self) -> Done<Option<Assignment>> {
        self.read_assignment("assignment.pb")
    }

    fn read_assignment(&self, name: &str) -> Done<Option<Assignment>> {
        let bytes = fs::read_if_there(&self.dir.join(name))?;
        let wire = bytes.and_then(|bytes| common::Assignment::decode(bytes.as_slice()).ok());
        Ok(wire.and_then(|wire| Assignment::try_from(wire).ok()))
    }

    /// Remembers the assignment in hand.
    pub fn keep_in_hand(&self, assignment: Option<&Assignment>) -> Done<()> {
        let bytes = assignment
            .map(|assignment| common::Assignment::from(assignment.clone()).encode_to_vec())
            .unwrap_or_default();
        self.take_reserve();
        self.replace("assignment.pb", &bytes)
    }

    /// The manifest that was applied last: every path in it is ours to change and to remove.
    pub fn manifest(&self) -> Done<Option<Manifest>> {
        self.read_manifest("manifest.pb")
    }

    /// The manifest that is being applied.
    pub fn next_manifest(&self) -> Done<Option<Manifest>> {
        self.read_manifest("manifest-next.pb")
    }

    fn read_manifest(&self, name: &str) -> Done<Option<Manifest>> {
        let Some(file) = fs::open_if_there(&self.dir.join(name))? else { return Ok(None) };
        let (mut roots, mut files): (Vec<ManagedPath>, Vec<FileEntry>) = Default::default();
        let read = frames::read(file, |part: ManifestPart| {
            for root in &part.roots {
                roots.push(ManagedPath::parse(root).map_err(io::Error::other)?);
            }
            for file in part.files {
                files.push(file.try_into().map_err(io::Error::other)?);
            }
            Ok(())
        });
        Ok(read.ok().and_then(|()| Manifest::new(roots, files).ok()))
    }

    /// Remembers the manifest that is being applied.
    pub fn keep_next_manifest(&self, manifest: &Manifest) -> Done<()> {
        fs::replace_by(&self.dir.join("manifest-next.pb"), |out| {
            let roots = manifest.roots().iter().map(ToString::to_string).collect();
            frames::write(out, &ManifestPart { roots, ..ManifestPart::default() })?;
            let mut files = manifest.files().map(Into::into).peekable();
            while files.peek().is_some() {
                let files = files.by_ref().take(frames::ITEMS).collect();
                frames::write(out, &ManifestPart { files, ..ManifestPart::default() })?;
            }
            Ok(())
        })
    }

    /// What was to be applied never was, or is gone again: nothing that only it names is ours.
    pub fn forget_next_manifest(&self) -> Done<()> {
        fs::discard(&self.dir.join("manifest-next.pb"))
    }

    /// What was being applied is applied. May be repeated.
    pub fn promote_manifest(&self) -> Done<()> {
        let next = self.dir.join("manifest-next.pb");
        if fs::exists(&next) {
            fs::put(&next, &self.dir.join("manifest.pb"))?;
            fs::sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Paths below the managed roots that belonged to nobody when the manifest was applied; `None`
    /// when nobody has looked since.
    pub fn unmanaged(&self) -> Done<Option<BTreeSet<ManagedPath>>> {
        self.json("unmanaged.json")
    }

    /// Remembers them.
    pub fn keep_unmanaged(&self, paths: &BTreeSet<ManagedPath>) -> Done<()> {
        self.keep("unmanaged.json", paths)
    }

    /// Forgets them: what was applied has changed.
    pub fn forget_unmanaged(&self) -> Done<()> {
        fs::discard(&self.dir.join("unmanaged.json"))
    }

    /// The assignment whose files are here, read and well, as far as this agent has made them.
    pub fn applied(&self) -> Done<Option<Assignment>> {
        self.read_assignment("applied.pb")
    }

    /// Remembers it.
    pub fn keep_applied(&self, assignment: &Assignment) -> Done<()> {
        self.replace("applied.pb", &common::Assignment::from(assignment.clone()).encode_to_vec())
    }

    /// What the gateway has stamped anew since it was written.
    pub fn restamped(&self) -> Done<Restamped> {
        self.json("restamped.json")
    }

    /// Remembers it.
    pub fn keep_restamped(&self, restamped: &Restamped) -> Done<()> {
        match self.restamped()? == *restamped {
            true => Ok(()),
            false => self.keep("restamped.json", restamped),
        }
    }

    /// The snapshot that was taken last of files that were known to be good.
    pub fn good_snapshot(&self) -> Done<Option<String>> {
        self.json("good-snapshot.json")
    }

    /// Remembers it.
    pub fn keep_good_snapshot(&self, id: &str) -> Done<()> {
        self.keep("good-snapshot.json", &Some(id))
    }

    /// Reports that no coordinator has acknowledged, oldest first.
    pub fn reports(&self) -> Done<Vec<Report>> {
        let encoded: Vec<Vec<u8>> = self.json("reports.json")?;
        let decode = |bytes: &Vec<u8>| {
            let wire = common::Report::decode(bytes.as_slice()).ok()?;
            Report::try_from(wire).ok()
        };
        Ok(encoded.iter().filter_map(decode).collect())
    }

    /// Remembers reports.
    pub fn keep_reports(&self, reports: &[Report]) -> Done<()> {
        let encoded: Vec<Vec<u8>> = reports
            .iter()
            .map(|report| common::Report::from(report.clone()).encode_to_vec())
            .collect();
        self.keep("reports.json", &encoded)
    }

    /// Where the kernel is asked whether it has told everything.
    pub fn cookies(&self) -> PathBuf {
        self.dir.join("cookies")
    }

    /// Where the inventory is kept.
    pub fn inventory_file(&self) -> PathBuf {
        self.dir.join("inventory")
    }

    /// Where the journal is.
    pub fn journal_file(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// Where the plan of the commit in hand is.
    pub fn plan_file(&self) -> PathBuf {
        self.dir.join("plan.pb")
    }

    /// Where snapshots are.
    pub fn snapshots(&self) -> PathBuf {
        self.dir.join("snapshots")
    }

    /// Where a blob waits.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.to_string())
    }

    /// The folder of blobs.
    pub fn blobs(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}
