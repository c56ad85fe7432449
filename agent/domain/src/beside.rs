//! A tree laid beside a manifest, both in the order of their paths: one pass instead of a search for
//! every file.

use std::cmp::Ordering;

use millwright_model::{digest::Digest, manifest::Manifest, path::ManagedPath};

/// What a tree has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// For every file of the manifest, in its order, what the tree has there.
    pub live: Vec<Option<Digest>>,
    /// Paths of the tree that the manifest does not name, in order.
    pub foreign: Vec<ManagedPath>,
}

/// Lays the files of a tree, sorted by path, beside a manifest.
pub fn beside(
    manifest: &Manifest,
    tree: impl IntoIterator<Item = (ManagedPath, Digest)>,
) -> Beside {
    let count = usize::try_from(manifest.count()).unwrap_or(0);
    let (mut live, mut foreign) = (Vec::with_capacity(count), Vec::new());
    let mut tree = tree.into_iter().peekable();
    for file in manifest.files() {
        let found = loop {
            match tree.peek().map(|(path, _)| path.cmp(&file.path)) {
                Some(Ordering::Less) => foreign.extend(tree.next().map(|(path, _)| path)),
                Some(Ordering::Equal) => break tree.next().map(|(_, digest)| digest),
                Some(Ordering::Greater) | None => break None,
            }
        };
        live.push(found);
    }
    foreign.extend(tree.map(|(path, _)| path));
    Beside { live, foreign }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millwright_model::manifest::FileEntry;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_searching_finds(
            wanted in proptest::collection::btree_set("[ab.-]{0,2}[ab](/[ab.-]{0,1}[ab]){0,2}", 0..20),
            there in proptest::collection::btree_map("[ab.-]{0,2}[ab](/[ab.-]{0,1}[ab]){0,2}", 0_u8..3, 0..20),
        ) {
            let path = |name: &str| ManagedPath::parse(&format!("p/x{name}")).unwrap();
            let entry = |name: &String| FileEntry {
                path: path(name), digest: Digest::of(&[0]), size: 1, mode: 0o644,
            };
            // A file where another path needs a folder makes no manifest.
            let files = wanted.iter().map(entry).collect();
            let Ok(manifest) = Manifest::new(vec![], files) else { return Ok(()) };
            let tree: BTreeMap<ManagedPath, Digest> =
                there.iter().map(|(name, byte)| (path(name), Digest::of(&[*byte]))).collect();
            let found = beside(&manifest, tree.iter().map(|(path, digest)| (path.clone(), *digest)));
            let live: Vec<_> =
                manifest.files().map(|file| tree.get(&file.path).copied()).collect();
            let foreign: Vec<_> =
                tree.keys().filter(|path| manifest.get(path).is_none()).cloned().collect();
            prop_assert_eq!(found, Beside { live, foreign });
        }
    }
}
