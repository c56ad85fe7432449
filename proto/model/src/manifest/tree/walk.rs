//! Every file of a directory and of those below it, in the order of the text of the paths.

use std::sync::Arc;

use super::{Dir, Entry, FileNode};
use crate::path::in_path_order;

fn in_order(dir: &Dir) -> std::vec::IntoIter<&(Arc<str>, Entry)> {
    in_path_order(&dir.entries, |entry| matches!(entry, Entry::Dir(_)))
}

/// The files of a directory, one by one.
#[derive(Debug)]
pub struct Walk<'d> {
    /// Directories on the way, each with the length of the path above it and what is left of it.
    open: Vec<(usize, std::vec::IntoIter<&'d (Arc<str>, Entry)>)>,
    path: String,
}

impl<'d> Walk<'d> {
    /// All files of a directory.
    pub(super) fn of(dir: &'d Dir) -> Self {
        Self { open: vec![(0, in_order(dir))], path: String::new() }
    }
}

impl Iterator for Walk<'_> {
    type Item = (String, FileNode);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (above, left) = self.open.last_mut()?;
            self.path.truncate(*above);
            let Some((name, entry)) = left.next() else {
                self.open.pop();
                continue;
            };
            self.path.push_str(name);
            match entry {
                Entry::File(file) => return Some((self.path.clone(), *file)),
                Entry::Dir(below) => {
                    self.path.push('/');
                    self.open.push((self.path.len(), in_order(below)));
                }
            }
        }
    }
}
