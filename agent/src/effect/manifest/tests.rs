//! Random trees of ordinary and forbidden names, in every spelling, through snapshot and restore.

use std::{collections::BTreeSet, fs, path::Path, time::Instant};

use millwright_agent_domain::{beside::beside, changes::changes};
use millwright_model::{digest::Digest, path::never_touch, time::Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{
    fs::inventory::Inventory,
    local::Local,
    snapshot::{SnapshotFile, Store, Wanted},
};

/// Parts of paths: what is managed, what never is, and spellings by which the one could pass for the
/// other.
const PARTS: [&str; 26] = [
    "projects",
    "config",
    "resources",
    "core",
    "ignition",
    "a",
    "b.json",
    "e\u{301}",
    "\u{e9}",
    "local",
    "LOCAL",
    "Lo\u{17f}al",
    "db",
    "DB",
    "x.idb",
    "X.IDB",
    ".git",
    ".Git",
    "request1",
    "config-mode.json",
    "Config-Mode.JSON",
    "conversion-report.txt",
    "system",
    "tag-definition",
    "Tag-Definition",
    "y.TMP",
];

fn trees() -> impl Strategy<Value = BTreeSet<String>> {
    let part = || (0..PARTS.len()).prop_map(|at| PARTS[at]);
    let top = prop_oneof![Just("projects"), Just("config"), Just("Config"), part()];
    let path = (top, proptest::collection::vec(part(), 1..5))
        .prop_map(|(top, parts)| format!("{top}/{}", parts.join("/")));
    proptest::collection::btree_set(path, 1..25)
}

fn write(data: &Path, paths: &BTreeSet<String>, text: &str) {
    for path in paths {
        let at = data.join(path);
        // A file in the place of a folder is left.
        let _made = fs::create_dir_all(at.parent().unwrap());
        let _written = fs::write(at, format!("{text} {path}"));
    }
    let _link = std::os::unix::fs::symlink("../db", data.join("projects/link"));
}

fn roots() -> Vec<ManagedPath> {
    ["projects", "config"].map(|root| ManagedPath::parse(root).unwrap()).to_vec()
}

fn take(local: &mut Local, data: &Path) -> Snapshot {
    let wanted = Wanted {
        data_dir: data,
        roots: &roots(),
        now: Timestamp(1),
        began: Instant::now(),
        commit: None,
        manifest: None,
        cause: String::new(),
        min_free_bytes: 0,
    };
    let info = local.store.take(&wanted, &mut local.inventory).unwrap();
    local.store.load(&info.id).unwrap().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn what_is_never_touched_is_in_no_snapshot_and_under_no_restore(
        before in trees(),
        after in trees(),
        forged in trees(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir_all(data.join("projects")).unwrap();
        write(&data, &before, "before");
        let store = Store::open(&dir.path().join("store")).unwrap();
        let mut local = Local::new(Inventory::default(), store, None);
        local.look_anew(&data, &roots()).unwrap();
        let mut snapshot = take(&mut local, &data);
        let safe = |path: &ManagedPath| never_touch(path).is_none();
        prop_assert!(snapshot.files.iter().all(|file| safe(&file.path)));

        // Exactly the snapshot again: what has come since goes, but nothing that is never touched.
        write(&data, &after, "after");
        local.look_anew(&data, &roots()).unwrap();
        let roots = roots();
        if let Ok(manifest) = of_snapshot(&snapshot, None, None) {
            let tree: Vec<_> = local.inventory.below(&roots).collect();
            let laid = beside(&manifest, tree.iter().map(|(path, known)| (path.clone(), known.digest)));
            let all = tree.iter().map(|(path, known)| (path, known.digest, known.mode));
            let planned = changes(&manifest, laid.live, all).unwrap();
            prop_assert!(planned.paths().all(safe));
            prop_assert!(planned.paths().all(|path| path.as_str().starts_with("projects/")
                || path.as_str().starts_with("config/")));
        }

        // A snapshot that names what it must not is refused whole, in every spelling of it.
        let mut names: Vec<ManagedPath> =
            forged.iter().filter_map(|path| ManagedPath::parse(path).ok()).collect();
        names.retain(|path| !safe(path));
        for path in names {
            let (digest, size) = (Digest::of(b"forged"), 6);
            let file = SnapshotFile { path, digest, size, mode: 0o644, modified_s: 0 };
            snapshot.files = vec![file];
            let manifest = of_snapshot(&snapshot, None, None).unwrap();
            prop_assert!(changes(&manifest, std::iter::repeat(None), []).is_err());
        }
    }
}
