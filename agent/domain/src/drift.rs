//! Foreign changes below the managed roots, by digest. Our own writes are no drift, since the
//! manifest names them; the gateway's re-stamping is none, since stamps do not count.

use std::collections::BTreeSet;

use millwright_model::{
    digest::Digest,
    facts::{Drift, DriftChange, DriftEntry},
    manifest::Manifest,
    path::{ManagedPath, never_touch},
    time::Timestamp,
};

use crate::beside::{Beside, beside};

/// Drifted files named; all are counted.
pub const NAMED_MAX: usize = 50;

/// A file that differs, before it is known whether only its stamps do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Which.
    pub path: ManagedPath,
    /// How.
    pub change: DriftChange,
}

/// Compares the tree, sorted by path, with what was applied. `unmanaged` are paths that were below the
/// roots already and belong to nobody; they are no drift.
pub fn differences(
    manifest: &Manifest,
    unmanaged: &BTreeSet<ManagedPath>,
    tree: impl IntoIterator<Item = (ManagedPath, Digest)>,
) -> Vec<Difference> {
    let Beside { live, foreign } = beside(manifest, tree);
    let differs = manifest.files().zip(live).filter_map(|(file, live)| {
        let change = match live {
            Some(digest) if digest == file.digest => return None,
            Some(_) => DriftChange::Modified,
            None => DriftChange::Deleted,
        };
        Some(Difference { path: file.path, change })
    });
    let added = foreign
        .into_iter()
        .filter(|path| !unmanaged.contains(path) && never_touch(path).is_none())
        .map(|path| Difference { path, change: DriftChange::Added });
    let mut found: Vec<Difference> = differs.chain(added).collect();
    found.sort();
    found
}

/// The status of a list of differences; `since` is when drift was first seen, kept while it lasts.
pub fn status(entries: Vec<DriftEntry>, before: &Drift, now: Timestamp) -> Drift {
    if entries.is_empty() {
        return Drift::default();
    }
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let since = if before.count == 0 { now } else { before.since };
    Drift { count, since, entries: entries.into_iter().take(NAMED_MAX).collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millwright_model::manifest::FileEntry;

    use super::*;

    fn path(text: &str) -> ManagedPath {
        ManagedPath::parse(text).unwrap()
    }

    #[test]
    fn each_kind_of_difference_is_found_and_the_unmanaged_is_not() {
        let entry = |p: &str| FileEntry {
            path: path(p),
            digest: Digest::of(p.as_bytes()),
            size: 1,
            mode: 0o644,
        };
        let files = vec![entry("projects/p/a"), entry("projects/p/b"), entry("projects/p/c")];
        let manifest = Manifest::new(vec![path("projects/p")], files).unwrap();
        let live = BTreeMap::from([
            (path("projects/p/a"), Digest::of(b"projects/p/a")),
            (path("projects/p/b"), Digest::of(b"edited")),
            (path("projects/p/new"), Digest::of(b"new")),
            (path("projects/p/old"), Digest::of(b"old")),
            (path("projects/p/x.tmp"), Digest::of(b"tmp")),
        ]);
        let unmanaged = BTreeSet::from([path("projects/p/old")]);
        let found: Vec<_> = differences(&manifest, &unmanaged, live)
            .into_iter()
            .map(|d| (d.path.to_string(), d.change))
            .collect();
        assert_eq!(
            found,
            [
                ("projects/p/b".to_owned(), DriftChange::Modified),
                ("projects/p/c".to_owned(), DriftChange::Deleted),
                ("projects/p/new".to_owned(), DriftChange::Added),
            ]
        );
    }

    #[test]
    fn drift_keeps_its_beginning_while_it_lasts() {
        let entry =
            DriftEntry { path: "p".to_owned(), change: DriftChange::Added, actor: String::new() };
        let first = status(vec![entry.clone()], &Drift::default(), Timestamp(5));
        let later = status(vec![entry], &first, Timestamp(9));
        assert_eq!((first.since, later.since), (Timestamp(5), Timestamp(5)));
        assert_eq!(status(vec![], &later, Timestamp(10)), Drift::default());
    }
}
