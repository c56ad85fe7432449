//! Whether a commit comes from one that is held, and whether something on the way takes that back.

use millwright_model::digest::GitId;

use super::mirror::{Mirror, MirrorFailed, chain, from_git, to_git};

/// Commits that are looked at: some years of a busy repository.
const HISTORY_MAX: usize = 50_000;

/// How a commit stands to one that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Descent {
    /// It does not come from it.
    Unrelated,
    /// It comes from it.
    Bare,
    /// It comes from it, and this commit in between says that it takes it back or mends it.
    Mended(String),
}

impl Mirror {
    /// How a commit stands to a held one. A history that is longer than what is looked at counts as
    /// coming from it.
    pub fn descent(&self, commit: GitId, held: GitId) -> Result<Descent, MirrorFailed> {
        let repository = self.local();
        let failed = |error: &dyn std::error::Error| MirrorFailed::Object {
            id: commit.to_string(),
            why: chain(error),
        };
        let ends = self.ends(&repository)?;
        if ends.is_empty() && repository.find_commit(to_git(held)).is_err() {
            // What this mirror has never had is in no history that it has whole.
            return Ok(Descent::Unrelated);
        }
        let walk = repository.rev_walk([to_git(commit)]).all().map_err(|e| failed(&e))?;
        let (mut comes_from_it, mut cut) = (false, false);
        for (seen, info) in walk.enumerate() {
            let info = info.map_err(|e| failed(&e))?;
            if from_git(info.id.as_ref()) == held || seen >= HISTORY_MAX {
                comes_from_it = true;
                break;
            }
            cut |= ends.contains(&info.id);
        }
        if cut && !comes_from_it {
            return Err(MirrorFailed::Object {
                id: commit.to_string(),
                why: "its history is not all here".to_owned(),
            });
        }
        if !comes_from_it {
            return Ok(Descent::Unrelated);
        }
        let between = repository
            .rev_walk([to_git(commit)])
            .with_hidden([to_git(held)])
            .all()
            .map_err(|e| failed(&e))?;
        for info in between.take(HISTORY_MAX) {
            let info = info.map_err(|e| failed(&e))?;
            let one = repository.find_commit(info.id).map_err(|e| failed(&e))?;
            let message = one.message_raw().map_err(|e| failed(&e))?.to_string();
            if mends(&message, &held.to_string()) {
                return Ok(Descent::Mended(from_git(info.id.as_ref()).short()));
            }
        }
        Ok(Descent::Bare)
    }
}

/// Whether a commit's message says that it reverts or mends another one: as `git revert` writes it, or
/// with a trailer `Fixes: <commit>`.
fn mends(message: &str, held: &str) -> bool {
    let named = |text: &str| {
        let word = text.trim().trim_end_matches('.').split_whitespace().next().unwrap_or_default();
        let word = word.trim_end_matches('.');
        word.len() >= 7 && held.starts_with(&word.to_lowercase())
    };
    message.lines().any(|line| {
        line.split_once("This reverts commit ").is_some_and(|(_, rest)| named(rest))
            || line.strip_prefix("Fixes:").is_some_and(named)
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::scratch::{commit, git},
        *,
    };

    #[test]
    fn a_descendant_is_known_and_so_is_what_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        std::fs::create_dir_all(&work).unwrap();
        git(&work, &["init", "--quiet"]);
        let url = work.to_str().unwrap();
        let mirror = Mirror::open(&dir.path().join("mirror"), url).unwrap();
        let good = commit(&work, "file", "good");
        let bad = commit(&work, "file", "bad");
        let more = commit(&work, "file", "more");
        mirror.fetch().unwrap();
        assert_eq!(mirror.descent(good, bad).unwrap(), Descent::Unrelated);
        assert_eq!(mirror.descent(more, bad).unwrap(), Descent::Bare);
        git(&work, &["revert", "--no-edit", &more.to_string()]);
        let other = commit(&work, "other", "x");
        mirror.fetch().unwrap();
        assert_eq!(mirror.descent(other, bad).unwrap(), Descent::Bare, "another one was reverted");
        assert!(matches!(mirror.descent(other, more).unwrap(), Descent::Mended(_)));
        assert_eq!(mirror.descent(other, GitId([7; 20])).unwrap(), Descent::Unrelated);
    }

    #[test]
    fn messages_name_what_they_mend() {
        let held = "0123456789abcdef0123456789abcdef01234567";
        for good in [
            "Revert \"x\"\n\nThis reverts commit 0123456789abcdef0123456789abcdef01234567.",
            "Mend the view\n\nFixes: 0123456",
        ] {
            assert!(mends(good, held), "{good}");
        }
        for bad in ["Fixes: 0123", "Fixes: 1234567", "Revert commit 0123456789", "Fixes:", ""] {
            assert!(!mends(bad, held), "{bad}");
        }
    }
}
