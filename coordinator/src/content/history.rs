//! When each folder of a commit was changed: a function of the history alone, so that every coordinator
//! stamps resources alike.
//!
//! A commit that came from a peer has no history here. With it came what its history says: the time of
//! each of its folders, [`Times`]. They are kept beside the mirror until a fetch has brought the history
//! itself.

mod folders;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use gix::remote::fetch::Shallow;
use millwright_model::digest::GitId;

use self::folders::{Folder, There};
use super::mirror::{Mirror, MirrorFailed, chain, from_git, to_git};

/// Seconds since 1970 by folder; the root is the empty path.
pub(super) type Times = BTreeMap<String, i64>;

/// Commits that a search for one folder looks at. From there on all folders of the commit are looked for
/// at once, which costs no more than a few searches.
const STEPS_MAX: usize = 256;
/// Answers for one folder that are kept.
const ANSWERS_MAX: usize = 65_536;
/// Answers for all folders that are kept in memory: those of the commits in use.
const TABLES_MAX: usize = 8;
/// Commits remembered to have their history.
const WHOLE_MAX: usize = 65_536;
/// Bytes of a table: a million short folders.
const TABLE_BYTES_MAX: u64 = 64 << 20;

/// What is known of histories.
#[derive(Debug)]
pub(super) struct History {
    /// Where tables from peers are.
    dir: PathBuf,
    steps: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<GitId, Times>,
    count: usize,
    tables: VecDeque<(GitId, Arc<Times>)>,
    /// Commits whose table came from a peer.
    taken: BTreeSet<GitId>,
    /// Commits whose parents are not here, and without a table.
    cut: BTreeSet<GitId>,
    /// Commits whose first parents are here, up to the first one or to a table.
    whole: BTreeSet<GitId>,
}

impl History {
    /// Opens what is kept beside a mirror.
    pub(super) fn open(mirror: &Path) -> Self {
        let dir = mirror.join("millwright-times");
        let names = fs::read_dir(&dir).into_iter().flatten().flatten();
        let taken = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let kept = Mutex::new(Kept { taken, ..Kept::default() });
        Self { dir, steps: STEPS_MAX, kept }
    }

    #[cfg(test)]
    fn with_steps(&mut self, steps: usize) {
        self.steps = steps;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while holding it")
    }

    /// What is known of one folder of a commit.
    fn known(&self, commit: GitId, path: &str) -> Option<i64> {
        let answer = self.kept().answers.get(&commit).and_then(|times| times.get(path)).copied();
        answer.or_else(|| self.table(commit)?.get(path).copied())
    }

    /// What is known of all folders of a commit.
    fn table(&self, commit: GitId) -> Option<Arc<Times>> {
        let kept = self.kept();
        if let Some((_, table)) = kept.tables.iter().find(|(of, _)| *of == commit) {
            return Some(Arc::clone(table));
        }
        let taken = kept.taken.contains(&commit);
        drop(kept);
        let table = taken.then(|| fs::read(self.dir.join(commit.to_string())).ok()).flatten()?;
        match unpacked(&table) {
            Ok(table) => Some(self.keep_table(commit, table)),
            Err(error) => {
                tracing::warn!(%commit, %error, "cannot read the times of a commit; they are asked for again");
                self.kept().taken.remove(&commit);
                None
            }
        }
    }

    fn keep_table(&self, commit: GitId, table: Times) -> Arc<Times> {
        let table = Arc::new(table);
        let mut kept = self.kept();
        if kept.tables.len() >= TABLES_MAX {
            kept.tables.pop_front();
        }
        kept.tables.push_back((commit, Arc::clone(&table)));
        table
    }

    fn keep(&self, commit: GitId, path: &str, seconds: i64) {
        let mut kept = self.kept();
        if kept.count >= ANSWERS_MAX {
            kept.answers.clear();
            kept.count = 0;
        }
        kept.count += 1;
        kept.answers.entry(commit).or_default().insert(path.to_owned(), seconds);
    }

    /// Keeps the table of a commit that a peer gave.
    pub(super) fn take(&self, commit: GitId, packed: &[u8]) -> io::Result<()> {
        let table = unpacked(packed)?;
        fs::create_dir_all(&self.dir)?;
        let (file, part) = (self.dir.join(commit.to_string()), self.dir.join("part"));
        fs::write(&part, packed)?;
        fs::rename(part, file)?;
        self.keep_table(commit, table);
        self.kept().taken.insert(commit);
        Ok(())
    }

    /// The history is here: what stood for it is not needed any more.
    fn clear(&self) {
        let taken = std::mem::take(&mut self.kept().taken);
        self.kept().cut.clear();
        for commit in taken {
            if let Err(error) = fs::remove_file(self.dir.join(commit.to_string())) {
                tracing::warn!(%commit, %error, "cannot remove the times of a commit");
            }
        }
    }
}

/// A table as peers send it.
pub(super) fn packed(table: &Times) -> io::Result<Vec<u8>> {
    zstd::encode_all(serde_json::to_vec(table)?.as_slice(), 0)
}

fn unpacked(packed: &[u8]) -> io::Result<Times> {
    let mut json = Vec::new();
    zstd::Decoder::new(packed)?.take(TABLE_BYTES_MAX).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// What a commit has at a path, and where it comes from.
struct EntryAt {
    entry: Option<gix::ObjectId>,
    folder: bool,
    authored: i64,
    parent: Option<GitId>,
}

fn entry_at(
    repository: &gix::Repository,
    commit: GitId,
    path: &str,
) -> Result<EntryAt, MirrorFailed> {
    let failed = |error: &dyn std::error::Error| MirrorFailed::Object {
        id: commit.to_string(),
        why: chain(error),
    };
    let commit = repository.find_commit(to_git(commit)).map_err(|e| failed(&e))?;
    let authored = commit.author().map_err(|e| failed(&e))?.time().map_err(|e| failed(&e))?.seconds;
    let tree = commit.tree().map_err(|e| failed(&e))?;
    let (entry, folder) = if path.is_empty() {
        (Some(tree.id), true)
    } else {
        let entry = tree.lookup_entry_by_path(path).map_err(|e| failed(&e))?;
        let folder = entry.as_ref().is_some_and(|entry| entry.mode().is_tree());
        (entry.map(|entry| entry.object_id()), folder)
    };
    let parent = commit.parent_ids().next().map(|id| from_git(id.as_ref()));
    Ok(EntryAt { entry, folder, authored, parent })
}

impl Mirror {
    /// When the newest commit was authored, along first parents, that changed a path: seconds since
    /// 1970.
    pub fn changed_at(&self, commit: GitId, path: &str) -> Result<i64, MirrorFailed> {
        // A thousand gateways ask the same: most answers need no look into git.
        if let Some(answer) = self.history.known(commit, path) {
            return Ok(answer);
        }
        let seconds = match self.searched(commit, path)? {
            Some(seconds) => seconds,
            None => self.times(commit)?.get(path).copied().ok_or_else(|| MirrorFailed::Object {
                id: commit.to_string(),
                why: format!("it has no folder {path:?}"),
            })?,
        };
        self.history.keep(commit, path, seconds);
        Ok(seconds)
    }

    /// The same by looking for this path alone; `None` when that takes long and another way is there.
    fn searched(&self, commit: GitId, path: &str) -> Result<Option<i64>, MirrorFailed> {
        let repository = self.local();
        let mut here = entry_at(&repository, commit, path)?;
        let mut steps = 0;
        while let Some(parent) = here.parent {
            if here.folder && steps >= self.history.steps {
                return Ok(None);
            }
            let above = entry_at(&repository, parent, path)?;
            if above.entry != here.entry {
                break;
            }
            if let Some(answer) = self.history.known(parent, path) {
                return Ok(Some(answer));
            }
            (here, steps) = (above, steps + 1);
        }
        Ok(Some(here.authored))
    }

    /// When each folder of a commit was changed.
    pub(super) fn times(&self, commit: GitId) -> Result<Arc<Times>, MirrorFailed> {
        if let Some(known) = self.history.table(commit) {
            return Ok(known);
        }
        let repository = self.local();
        let mut root = Folder::read(&repository, commit)?;
        let mut here = entry_at(&repository, commit, "")?;
        let mut times = Times::new();
        loop {
            let Some(parent) = here.parent else {
                root.rest(&mut times, &|_| Some(here.authored));
                break;
            };
            let above = entry_at(&repository, parent, "")?;
            let there = above.entry.map(|id| There { id, folder: true });
            root.meet(&repository, there, here.authored)?;
            if root.is_done() {
                root.rest(&mut times, &|_| None);
                break;
            }
            // A folder that has not changed since has the time that it had there.
            if let Some(table) = self.history.table(parent) {
                root.rest(&mut times, &|path| table.get(path).copied());
                break;
            }
            here = above;
        }
        Ok(self.history.keep_table(commit, times))
    }

    /// Whether what a commit's history says is here: the commits along first parents, or a table.
    pub(super) fn has_history(&self, commit: GitId) -> bool {
        let repository = self.local();
        let (mut at, mut last) = (commit, commit);
        loop {
            let kept = self.history.kept();
            if kept.whole.contains(&at) || kept.taken.contains(&at) {
                break;
            }
            drop(kept);
            let Ok(found) = repository.find_commit(to_git(at)) else {
                let shallow = repository.shallow_commits().ok().flatten();
                let mut kept = self.history.kept();
                // The remote itself has no more of it.
                if shallow.is_some_and(|ends| ends.contains(&to_git(last)))
                    && !kept.cut.contains(&last)
                {
                    break;
                }
                kept.cut.insert(last);
                return false;
            };
            let Some(parent) = found.parent_ids().next() else { break };
            (last, at) = (at, from_git(parent.as_ref()));
        }
        let mut kept = self.history.kept();
        if kept.whole.len() >= WHOLE_MAX {
            kept.whole.clear();
        }
        kept.whole.insert(commit);
        true
    }

    /// Commits that are here without all of their parents.
    pub(super) fn ends(
        &self,
        repository: &gix::Repository,
    ) -> Result<BTreeSet<gix::ObjectId>, MirrorFailed> {
        let failed = |error: &dyn std::error::Error| MirrorFailed::Open(chain(error));
        let shallow = repository.shallow_commits().map_err(|e| failed(&e))?;
        let kept = self.history.kept();
        let all = kept.taken.iter().chain(&kept.cut).map(|commit| to_git(*commit));
        let cut = all.filter(|commit| {
            repository.find_commit(*commit).is_ok_and(|commit| {
                commit.parent_ids().any(|parent| !repository.has_object(parent.detach()))
            })
        });
        Ok(cut.chain(shallow.iter().flat_map(|commits| commits.iter().copied())).collect())
    }

    /// How to fetch so that no history is missing afterwards. A commit that is here is taken for whole
    /// by a fetch, unless the repository says that it ends there.
    pub(super) fn missing(&self, repository: &gix::Repository) -> Result<Shallow, MirrorFailed> {
        let ends = self.ends(repository)?;
        if ends.is_empty() {
            return Ok(Shallow::NoChange);
        }
        let failed = |error: &dyn std::error::Error| MirrorFailed::Open(chain(error));
        let file = repository.shallow_file().map_err(|e| failed(&e))?;
        let lines: String = ends.iter().map(|end| format!("{end}\n")).collect();
        let part = file.with_extension("part");
        fs::write(&part, lines).map_err(|e| failed(&e))?;
        fs::rename(part, file).map_err(|e| failed(&e))?;
        Ok(Shallow::undo())
    }

    /// After a fetch.
    pub(super) fn fetched(&self, repository: &gix::Repository) -> Result<(), MirrorFailed> {
        if self.ends(repository)?.is_empty() {
            self.history.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
