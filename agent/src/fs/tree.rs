//! Values of files by their paths, folder by folder: each name is held once, so that a tree of ten
//! thousand files costs little more than its values.

use std::{collections::HashSet, sync::Arc};

use millwright_model::path::{ManagedPath, in_path_order};

/// Names that are held once, whatever the number of files that have them.
#[derive(Debug, Clone, Default)]
pub struct Names(HashSet<Arc<str>>);

impl Names {
    fn held(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }

    /// Forgets which names there are, not the names: those that come later are held once among
    /// themselves.
    pub fn forget(&mut self) {
        self.0 = HashSet::new();
    }
}

/// A folder; one without files is never kept.
#[derive(Debug, Clone)]
pub struct Tree<T> {
    /// Sorted by the bytes of the name.
    entries: Vec<(Arc<str>, Node<T>)>,
}

#[derive(Debug, Clone)]
enum Node<T> {
    File(T),
    Folder(Tree<T>),
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

/// The first segment of a path and what follows it.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    }
}

impl<T> Tree<T> {
    fn at(&self, name: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(known, _)| known.as_ref().cmp(name))
    }

    /// The value of a file.
    pub fn get(&self, path: &str) -> Option<&T> {
        let (first, rest) = split(path);
        match (&self.entries[self.at(first).ok()?].1, rest) {
            (Node::File(value), None) => Some(value),
            (Node::Folder(folder), Some(rest)) => folder.get(rest),
            (Node::File(_), Some(_)) | (Node::Folder(_), None) => None,
        }
    }

    /// The value of a file, to be changed.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut T> {
        let (first, rest) = split(path);
        let at = self.at(first).ok()?;
        match (&mut self.entries[at].1, rest) {
            (Node::File(value), None) => Some(value),
            (Node::Folder(folder), Some(rest)) => folder.get_mut(rest),
            (Node::File(_), Some(_)) | (Node::Folder(_), None) => None,
        }
    }

    /// Sets the value of a file. What cannot be there beside it goes.
    pub fn insert(&mut self, path: &str, value: T, names: &mut Names) {
        let (first, rest) = split(path);
        let at = self.at(first).unwrap_or_else(|at| {
            self.entries.insert(at, (names.held(first), Node::Folder(Self::default())));
            at
        });
        let node = &mut self.entries[at].1;
        match (rest, &mut *node) {
            (None, _) => *node = Node::File(value),
            (Some(rest), Node::Folder(folder)) => folder.insert(rest, value, names),
            (Some(rest), Node::File(_)) => {
                let mut folder = Self::default();
                folder.insert(rest, value, names);
                *node = Node::Folder(folder);
            }
        }
    }

    /// Removes a file, and the folders that this empties.
    pub fn remove(&mut self, path: &str) -> Option<T> {
        let (first, rest) = split(path);
        let at = self.at(first).ok()?;
        let (value, emptied) = match (&mut self.entries[at].1, rest) {
            (Node::File(_), None) => match self.entries.remove(at).1 {
                Node::File(value) => return Some(value),
                Node::Folder(_) => return None,
            },
            (Node::Folder(folder), Some(rest)) => (folder.remove(rest), folder.entries.is_empty()),
            (Node::File(_), Some(_)) | (Node::Folder(_), None) => (None, false),
        };
        if emptied {
            self.entries.remove(at);
        }
        value
    }

    /// Removes what `keep` does not want of the files at and below a path; an empty path is the whole
    /// tree. What was set aside for growth goes too.
    pub fn retain(&mut self, below: &str, keep: &mut impl FnMut(&T) -> bool) {
        if below.is_empty() {
            self.entries.retain_mut(|(_, node)| node.retain("", keep));
            self.entries.shrink_to_fit();
            return;
        }
        let (first, rest) = split(below);
        if let Ok(at) = self.at(first)
            && !self.entries[at].1.retain(rest.unwrap_or_default(), keep)
        {
            self.entries.remove(at);
        }
    }

    /// Number of files.
    pub fn count(&self) -> usize {
        let of = |(_, node): &(_, Node<T>)| match node {
            Node::File(_) => 1,
            Node::Folder(folder) => folder.count(),
        };
        self.entries.iter().map(of).sum()
    }

    /// The files at and below these roots, each once, in the order of their paths' text.
    pub fn below<'t>(&'t self, roots: &'t [ManagedPath]) -> Below<'t, T> {
        self.walk(roots, false)
    }

    /// All files, in the order of their paths' text.
    pub fn all(&self) -> Below<'_, T> {
        self.walk(&[], true)
    }

    fn walk<'t>(&'t self, roots: &'t [ManagedPath], inside: bool) -> Below<'t, T> {
        let top = Level { above: 0, left: in_order(self), inside };
        Below { open: vec![top], path: String::new(), roots }
    }
}

impl<T> Node<T> {
    /// Whether anything is left.
    fn retain(&mut self, below: &str, keep: &mut impl FnMut(&T) -> bool) -> bool {
        match self {
            Self::File(value) => !below.is_empty() || keep(value),
            Self::Folder(folder) => {
                folder.retain(below, keep);
                !folder.entries.is_empty()
            }
        }
    }
}

type Entries<'t, T> = std::vec::IntoIter<&'t (Arc<str>, Node<T>)>;

fn in_order<T>(folder: &Tree<T>) -> Entries<'_, T> {
    in_path_order(&folder.entries, |node| matches!(node, Node::Folder(_)))
}

/// Files, one by one: there is no list of them.
#[derive(Debug)]
pub struct Below<'t, T> {
    open: Vec<Level<'t, T>>,
    path: String,
    roots: &'t [ManagedPath],
}

#[derive(Debug)]
struct Level<'t, T> {
    /// Length of the path above it.
    above: usize,
    left: Entries<'t, T>,
    /// Whether all of it is below a root.
    inside: bool,
}

impl<'t, T> Iterator for Below<'t, T> {
    type Item = (ManagedPath, &'t T);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let level = self.open.last_mut()?;
            self.path.truncate(level.above);
            let Some((name, node)) = level.left.next() else {
                self.open.pop();
                continue;
            };
            self.path.push_str(name);
            let path = self.path.as_str();
            let inside = level.inside || self.roots.iter().any(|root| root.as_str() == path);
            match node {
                Node::File(value) if inside => {
                    // It was a managed path when it came into the tree.
                    return Some((ManagedPath::trusted(path), value));
                }
                Node::File(_) => {}
                Node::Folder(folder) => {
                    self.path.push('/');
                    let path = self.path.as_str();
                    if inside || self.roots.iter().any(|root| root.as_str().starts_with(path)) {
                        let above = self.path.len();
                        self.open.push(Level { above, left: in_order(folder), inside });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> ManagedPath {
        ManagedPath::parse(text).unwrap()
    }

    /// What a map does, one path at a time; a file and a folder of one name exclude each other.
    fn insert(map: &mut BTreeMap<String, u8>, at: &str, value: u8) {
        let below = format!("{at}/");
        map.retain(|path, _| !path.starts_with(&below) && !at.starts_with(&format!("{path}/")));
        map.insert(at.to_owned(), value);
    }

    proptest! {
        #[test]
        fn it_does_what_a_map_does(
            deeds in proptest::collection::vec(("[ab.-]?[ab](/[ab.-]?[ab]){0,3}", 0_u8..9), 0..40),
            roots in proptest::collection::vec("[ab](/[ab.-]?[ab]){0,2}", 0..4),
            below in "[ab](/[ab.-]?[ab]){0,2}",
        ) {
            let (mut tree, mut map, mut names) = (Tree::default(), BTreeMap::new(), Names::default());
            for (at, value) in &deeds {
                match value {
                    0 | 1 => prop_assert_eq!(tree.remove(at), map.remove(at)),
                    _ => {
                        tree.insert(at, *value, &mut names);
                        insert(&mut map, at, *value);
                    }
                }
                prop_assert_eq!(tree.get(at), map.get(at));
                prop_assert_eq!(tree.get_mut(at), map.get_mut(at));
            }
            prop_assert_eq!(tree.count(), map.len());
            let roots: Vec<_> = roots.iter().map(|root| path(root)).collect();
            let found: Vec<_> = tree.below(&roots).collect();
            let wanted: Vec<_> = map
                .iter()
                .map(|(at, value)| (path(at), value))
                .filter(|(at, _)| roots.iter().any(|root| at.starts_with_dir(root)))
                .collect();
            prop_assert_eq!(found, wanted);
            tree.retain(&below, &mut |value| value % 2 == 0);
            map.retain(|at, value| !path(at).starts_with_dir(&path(&below)) || *value % 2 == 0);
            let left: Vec<_> = tree.all().map(|(at, value)| (at.to_string(), *value)).collect();
            prop_assert_eq!(left, map.into_iter().collect::<Vec<_>>());
            tree.retain("", &mut |_| false);
            prop_assert_eq!(tree.count(), 0);
        }
    }
}
