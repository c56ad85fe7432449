//! Where the real files are, unpacked into a folder that goes away with the test.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// One set of files.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) dir: PathBuf,
    _keep: tempfile::TempDir,
}

/// All sets; names of bundles first.
pub(crate) const ALL: [&str; 4] =
    ["HMS.bundle", "MobileHMS.bundle", "plant-config.tar.gz", "tag-units.tar.gz"];

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let found = std::env::var_os("MILLWRIGHT_TEST_DATA").map_or(beside, PathBuf::from);
    found.is_dir().then_some(found)
}

/// Unpacks a set; `None`, with a message, when it is absent.
pub(crate) fn unpack(name: &'static str) -> Option<Set> {
    let Some(source) = folder().map(|dir| dir.join(name)).filter(|path| path.is_file()) else {
        println!("skipped: {name} is not here (set MILLWRIGHT_TEST_DATA)");
        return None;
    };
    let keep = tempfile::tempdir().expect("a temporary folder");
    let dir = keep.path().join("tree");
    let mut command = if name.ends_with(".bundle") {
        let mut git = Command::new("git");
        git.args(["-c", "init.defaultBranch=main", "-c", "core.autocrlf=false"]);
        git.args(["clone", "--quiet"]).arg(&source).arg(&dir);
        git
    } else {
        std::fs::create_dir(&dir).expect("a new folder");
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(&source).arg("-C").arg(&dir);
        tar
    };
    assert!(command.status().expect("git and tar run").success(), "cannot unpack {name}");
    Some(Set { name, dir, _keep: keep })
}

impl Set {
    /// Every file outside `.git` with its path relative to the set.
    pub(crate) fn files(&self) -> Vec<(String, PathBuf)> {
        walkdir::WalkDir::new(&self.dir)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.file_name() != ".git")
            .map(|entry| entry.expect("the set is readable"))
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let path = entry.path().strip_prefix(&self.dir).expect("it is below the set");
                (path.display().to_string(), entry.path().to_owned())
            })
            .collect()
    }
}
