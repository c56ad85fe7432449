//! Which snapshots go. Pinned ones, the newest, and the last one that was taken of files known to be
//! good stay.

use millwright_model::facts::SnapshotInfo;

/// Ids to remove so that `keep` unpinned ones stay. `good` is the one to keep whatever its age.
pub fn surplus(snapshots: &[SnapshotInfo], keep: u32, good: Option<&str>) -> Vec<String> {
    let mut loose: Vec<&SnapshotInfo> =
        snapshots.iter().filter(|snapshot| !snapshot.pinned).collect();
    loose.sort_by(|a, b| (b.taken_at, &b.id).cmp(&(a.taken_at, &a.id)));
    loose
        .into_iter()
        .skip(keep.max(1) as usize)
        .filter(|snapshot| good != Some(snapshot.id.as_str()))
        .map(|snapshot| snapshot.id.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use millwright_model::time::Timestamp;

    use super::*;

    fn snapshot(id: &str, at: u64, pinned: bool) -> SnapshotInfo {
        SnapshotInfo {
            id: id.to_owned(),
            taken_at: Timestamp(at),
            commit: None,
            files: 0,
            bytes: 0,
            new_bytes: 0,
            duration_ms: 0,
            stores: vec![],
            pinned,
            cause: String::new(),
        }
    }

    #[test]
    fn old_ones_go_but_not_the_pinned_or_the_good() {
        let all = [
            snapshot("a", 1, false),
            snapshot("b", 2, true),
            snapshot("c", 3, false),
            snapshot("d", 4, false),
            snapshot("e", 5, false),
        ];
        assert_eq!(surplus(&all, 2, None), ["c", "a"]);
        assert_eq!(surplus(&all, 2, Some("a")), ["c"]);
        assert_eq!(surplus(&all, 0, None), ["d", "c", "a"]);
        assert!(surplus(&all, 9, None).is_empty());
    }
}
