//! Answers do not depend on what was asked before, nor on the way to them.

use super::{
    super::scratch::{commit_at, git},
    *,
};

#[test]
fn a_warm_a_cold_and_a_hurried_mirror_agree() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    fs::create_dir_all(&work).unwrap();
    git(&work, &["init", "--quiet"]);
    let files = ["a/x", "b/c/y", "b/d/z", "e/f", "b/c/y", "a/x", "e", "e/g", "b/c/y"];
    let mut commits = Vec::new();
    for (at, file) in (0_i64..).zip(files.iter().cycle().take(40)) {
        if work.join("e").exists() && file.starts_with('e') {
            let gone = work.join("e");
            let _absent = fs::remove_dir_all(&gone).or_else(|_| fs::remove_file(&gone));
        }
        // Whether the newest change of a folder is far or near: the first files stay for long.
        let file = if (4..30).contains(&at) { "other" } else { *file };
        commits.push(commit_at(&work, file, &at.to_string(), 1_700_000_000 + at * 100));
    }
    let mirror = |name: &str, steps: usize| {
        let mut mirror = Mirror::open(&dir.path().join(name), work.to_str().unwrap()).unwrap();
        mirror.history.with_steps(steps);
        mirror.fetch().unwrap();
        mirror
    };
    let (warm, hurried) = (mirror("warm", 1_000), mirror("hurried", 3));
    let mut asked = 0;
    for (at, of) in commits.iter().enumerate().step_by(5) {
        let cold = mirror(&format!("cold{at}"), 1_000);
        let times = cold.times(*of).unwrap();
        for (path, seconds) in times.iter() {
            assert_eq!(warm.changed_at(*of, path).unwrap(), *seconds, "{path} of {at}, warm");
            assert_eq!(hurried.changed_at(*of, path).unwrap(), *seconds, "{path} of {at}, hurried");
            let log = ["log", "--first-parent", "-1", "--format=%at", &of.to_string(), "--", path];
            let said = git(&work, if path.is_empty() { &log[..5] } else { &log });
            assert_eq!(said, seconds.to_string(), "{path} of {at}, git");
            asked += 1;
        }
    }
    assert!(asked > 30, "{asked}");
}
