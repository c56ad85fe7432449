//! A work tree of git's own, for tests of mirrors.

use std::{path::Path, process::Command};

use millwright_model::digest::GitId;

/// Runs git in a folder; what it printed.
pub(super) fn git(dir: &Path, args: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"])
        .args(["-c", "commit.gpgsign=false"])
        .args(args)
        .current_dir(dir)
        .output()
        .expect("git runs");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// Writes a file and commits it.
pub(super) fn commit(work: &Path, file: &str, content: &str) -> GitId {
    let path = work.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    git(work, &["add", "--all"]);
    git(work, &["commit", "--quiet", "-m", file]);
    git(work, &["rev-parse", "HEAD"]).parse().unwrap()
}
