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

/// Writes a file and commits it; each commit of a test has a time of its own.
pub(super) fn commit(work: &Path, file: &str, content: &str) -> GitId {
    let before = git(work, &["rev-list", "--count", "--all"]).parse().unwrap_or(0);
    commit_at(work, file, content, 1_600_000_000 + 100 * before)
}

/// Writes a file and commits it at a time of its author.
pub(super) fn commit_at(work: &Path, file: &str, content: &str, seconds: i64) -> GitId {
    let path = work.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    git(work, &["add", "--all"]);
    let date = format!("--date={seconds} +0000");
    git(work, &["commit", "--quiet", "--message", file, &date]);
    git(work, &["rev-parse", "HEAD"]).parse().unwrap()
}
