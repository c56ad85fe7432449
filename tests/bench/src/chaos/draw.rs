//! Which files the next commit changes, adds and deletes: decided by the generator alone.

use rand::{Rng, rngs::StdRng, seq::IteratorRandom};

use crate::gitrepo::Change;

/// Names of files that are added, and deleted later.
const ADDED: &str = "chaos-";
/// Largest file that is changed: the larger ones would make the run one of copying.
const BYTES_MAX: usize = 64 << 10;

/// What the next commit does with the files that are there, by path and content. A changed file stays
/// what it was to a parser: blanks are added at its end. What names a resource's files is left alone.
pub(super) fn changes(
    rng: &mut StdRng,
    files: &super::mirror::Files,
    files_max: usize,
) -> Vec<Change> {
    // Mostly few files, now and then many.
    let most = files_max.max(1);
    let limit = if rng.random_bool(0.2) { most } else { most.min(10) };
    let many = rng.random_range(1..=limit);
    let mine = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with(ADDED));
    let can_change = |(path, content): &(&String, &Vec<u8>)| {
        let name = path.rsplit('/').next().unwrap_or_default();
        content.len() <= BYTES_MAX
            && !matches!(name, "resource.json" | "project.json")
            && !mine(path)
    };
    let mut changes: Vec<Change> = files
        .iter()
        .filter(can_change)
        .choose_multiple(rng, many)
        .into_iter()
        .map(|(path, content)| {
            let blanks = if content.last() == Some(&b' ') { b"\n".to_vec() } else { b" ".to_vec() };
            let content = [content.as_slice(), &blanks].concat();
            Change { path: path.clone(), content: Some(content) }
        })
        .collect();
    let old = files.keys().filter(|path| mine(path)).choose_multiple(rng, 2);
    changes.extend(old.into_iter().map(|path| Change { path: path.clone(), content: None }));
    for _ in 0..rng.random_range(0..=3) {
        let Some(beside) = files.keys().choose(rng) else { break };
        let folder = beside.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = format!("{folder}/{ADDED}{:08x}.txt", rng.random::<u32>());
        let content = vec![b'x'; rng.random_range(0..4_096)];
        changes
            .push(Change { path: path.trim_start_matches('/').to_owned(), content: Some(content) });
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_seed_decides_everything_and_what_names_files_is_left_alone() {
        let names = ["a/resource.json", "a/view.json", "b/code.py", "project.json"];
        let files: BTreeMap<String, Vec<u8>> =
            names.map(|name| (name.to_owned(), b"{}".to_vec())).into();
        let draw = |seed| changes(&mut StdRng::seed_from_u64(seed), &files, 50);
        let mut seen = 0;
        for seed in 0..200 {
            let drawn = draw(seed);
            assert_eq!(drawn, draw(seed));
            seen += drawn.len();
            for change in drawn {
                let old = files.get(&change.path);
                assert!(!change.path.ends_with("resource.json"), "{change:?}");
                assert_ne!(old, change.content.as_ref());
            }
        }
        assert!(seen > 200);
    }
}
