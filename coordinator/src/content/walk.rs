//! What is below a tree, counted while it is listed: a few small trees that name each other many times
//! can stand for more files than any memory holds.

use gix::objs::tree::EntryMode;
use millwright_model::digest::GitId;

use super::mirror::{MirrorFailed, chain};

/// How much of a tree is listed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Files and folders. A gateway may have 100,000 files, a repository those of many kinds of gateways.
    pub(super) entries: usize,
    /// Bytes of one path: the longest that Linux opens.
    pub(super) path: usize,
    /// Folders above each other; gateways have about 20.
    pub(super) depth: usize,
}

impl Limits {
    /// For every tree of a repository.
    pub(super) const ALL: Self = Self { entries: 1_000_000, path: 4096, depth: 128 };
}

/// A file or folder: its path below the tree in bytes, as git has it.
pub(super) struct Found {
    pub(super) path: Vec<u8>,
    pub(super) id: gix::ObjectId,
    pub(super) mode: EntryMode,
}

/// Everything below a tree of a commit, in no order.
pub(super) fn below(
    repository: &gix::Repository,
    commit: GitId,
    tree: gix::ObjectId,
    limits: Limits,
) -> Result<Vec<Found>, MirrorFailed> {
    let refused = |path: &[u8], what: &str, max: usize| MirrorFailed::Refused {
        commit: commit.to_string(),
        why: format!("more than {max} {what}, at {}", shown(path)),
    };
    let failed = |error: &dyn std::error::Error| MirrorFailed::Object {
        id: commit.to_string(),
        why: chain(error),
    };
    let (mut found, mut open) = (Vec::new(), vec![(Vec::new(), tree, 1)]);
    while let Some((above, id, depth)) = open.pop() {
        let tree = repository.find_tree(id).map_err(|e| failed(&e))?;
        for entry in tree.iter() {
            let entry = entry.map_err(|e| failed(&e))?;
            let mut path: Vec<u8> = above.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.filename());
            if path.len() > limits.path {
                return Err(refused(&path, "bytes in a path", limits.path));
            }
            if found.len() >= limits.entries {
                return Err(refused(&path, "files and folders", limits.entries));
            }
            if entry.mode().is_tree() {
                if depth >= limits.depth {
                    return Err(refused(&path, "folders above each other", limits.depth));
                }
                open.push((path.clone(), entry.object_id(), depth + 1));
            }
            found.push(Found { path, id: entry.object_id(), mode: entry.mode() });
        }
    }
    Ok(found)
}

/// A path for people, its end left out when it is long.
pub(super) fn shown(path: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&path[..path.len().min(200)]))
}

#[cfg(test)]
mod tests;
