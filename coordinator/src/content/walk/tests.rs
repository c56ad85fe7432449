//! Trees that git itself made, and that nobody would make by hand.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::{
    super::{
        mirror::{Mirror, from_git},
        scratch::git,
    },
    *,
};

/// A tree of the lines that `git mktree` reads.
fn tree(work: &Path, lines: &[u8]) -> String {
    let mut made = Command::new("git")
        .arg("mktree")
        .current_dir(work)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git runs");
    made.stdin.take().expect("it is piped").write_all(lines).expect("git reads");
    let out = made.wait_with_output().expect("git ends");
    assert!(out.status.success());
    String::from_utf8(out.stdout).expect("an id").trim().to_owned()
}

fn committed(work: &Path, tree: &str) -> GitId {
    let id = git(work, &["commit-tree", "-m", "x", tree]);
    git(work, &["branch", "--force", "main", &id]);
    id.parse().expect("an id")
}

fn place() -> (tempfile::TempDir, std::path::PathBuf, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let work = dir.path().join("work");
    std::fs::create_dir_all(&work).expect("a folder");
    git(&work, &["init", "--quiet"]);
    std::fs::write(work.join("file"), "x").expect("a file");
    let blob = git(&work, &["hash-object", "-w", "file"]);
    (dir, work, blob)
}

#[test]
fn a_few_trees_that_stand_for_many_files_are_refused() {
    let (dir, work, blob) = place();
    let mut inner = tree(&work, format!("100644 blob {blob}\tf\n").as_bytes());
    for _ in 0..20 {
        let lines: String = (0..10).map(|at| format!("040000 tree {inner}\t{at}\n")).collect();
        inner = tree(&work, lines.as_bytes());
    }
    let commit = committed(&work, &inner);
    let mirror = Mirror::open(&dir.path().join("mirror"), work.to_str().unwrap()).unwrap();
    mirror.fetch().unwrap();
    let (repository, root) = (mirror.local(), gix::ObjectId::from_hex(inner.as_bytes()).unwrap());
    for (limits, why) in [
        (Limits { entries: 5_000, ..Limits::ALL }, "more than 5000 files and folders, at \"9/9"),
        (Limits { depth: 15, ..Limits::ALL }, "more than 15 folders above each other"),
        (Limits { path: 30, ..Limits::ALL }, "more than 30 bytes in a path"),
    ] {
        let fault = below(&repository, commit, root, limits).err().unwrap().to_string();
        assert!(fault.contains(why) && fault.contains("is refused"), "{fault}");
    }
    assert!(matches!(mirror.files(commit, ""), Err(MirrorFailed::Refused { .. })));
}

#[test]
fn a_name_that_is_no_text_is_refused_and_not_replaced() {
    let (dir, work, blob) = place();
    let mut lines = format!("100644 blob {blob}\tbad-").into_bytes();
    lines.extend_from_slice(b"\xff\n");
    let inner = tree(&work, &lines);
    let root = tree(&work, format!("040000 tree {inner}\ta\n040000 tree {inner}\tb\n").as_bytes());
    let commit = committed(&work, &root);
    let mirror = Mirror::open(&dir.path().join("mirror"), work.to_str().unwrap()).unwrap();
    mirror.fetch().unwrap();
    let fault = mirror.files(commit, "a").unwrap_err().to_string();
    assert!(fault.contains("no UTF-8 text") && fault.contains("bad-\u{fffd}"), "{fault}");
    let found = below(
        &mirror.local(),
        commit,
        gix::ObjectId::from_hex(root.as_bytes()).unwrap(),
        Limits::ALL,
    );
    let files = found.unwrap().into_iter().filter(|one| !one.mode.is_tree());
    assert!(files.into_iter().all(|one| from_git(&one.id).to_string() == blob));
}
