//! The lines in which two texts differ. Bounded in time: what cannot be compared well in time is shown
//! as more changed than it is, never as less.

use std::time::Duration;

use millwright_proto::control::DiffFile;
use similar::{ChangeTag, TextDiff};

/// For one file; a file of the largest size that is sent takes a fraction of it.
const TIME_MAX: Duration = Duration::from_secs(2);

/// How two states of a file differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Hunks as `diff -u` writes them, without the two lines that name the files.
    pub(super) hunks: String,
    /// Lines that are new.
    pub(super) added: u64,
    /// Lines that are gone.
    pub(super) removed: u64,
}

/// Compares the texts of a file, if it has any.
pub(super) fn compare(file: &DiffFile, around: usize, with_hunks: bool) -> Compared {
    if !file.omitted.is_empty() {
        return Compared::default();
    }
    let (old, new) = (String::from_utf8_lossy(&file.old), String::from_utf8_lossy(&file.new));
    let diff = TextDiff::configure().timeout(TIME_MAX).diff_lines(old.as_ref(), new.as_ref());
    let (mut added, mut removed) = (0, 0);
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => added += 1,
            ChangeTag::Delete => removed += 1,
            ChangeTag::Equal => {}
        }
    }
    let hunks = match with_hunks {
        true => diff.unified_diff().context_radius(around).to_string(),
        false => String::new(),
    };
    Compared { hunks, added, removed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, hunks: &str, counts: (u64, u64)) {
        let file = DiffFile {
            old: old.as_bytes().to_vec(),
            new: new.as_bytes().to_vec(),
            ..DiffFile::default()
        };
        let compared = compare(&file, 1, true);
        assert_eq!(compared.hunks, hunks);
        assert_eq!((compared.added, compared.removed), counts);
        assert_eq!(compare(&file, 1, false).hunks, "");
    }

    #[test]
    fn hunks_are_those_of_a_unified_diff() {
        check("a\nb\nc\nd\n", "a\nb\nX\nd\n", "@@ -2,3 +2,3 @@\n b\n-c\n+X\n d\n", (1, 1));
        check("", "a\nb", "@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n", (2, 0));
        check("a\r\n", "", "@@ -1 +0,0 @@\n-a\r\n", (0, 1));
        check("a\n", "a\n", "", (0, 0));
    }
}
