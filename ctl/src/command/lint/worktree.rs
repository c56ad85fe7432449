//! A folder seen as a commit: its files, what git would say they are, their contents. Reads only.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use millwright_model::digest::{Digest, GitId};
use millwright_render::render::{FileKind, RenderError, Source, SourceFile};

/// Largest file that is read: larger ones are a mistake that `maxSize` is for.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// What a Git LFS pointer begins with.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A working tree.
#[derive(Debug)]
pub(super) struct Worktree {
    root: PathBuf,
    /// Files by the id that stands for their content here.
    places: RefCell<BTreeMap<GitId, PathBuf>>,
}

fn failed(path: &Path, error: &std::io::Error) -> RenderError {
    RenderError::Content(format!("cannot read {}: {error}", path.display()))
}

impl Worktree {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, places: RefCell::default() }
    }

    fn walk(&self, dir: &Path, above: &str, out: &mut Vec<SourceFile>) -> Result<(), RenderError> {
        let entries = fs::read_dir(dir).map_err(|error| failed(dir, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(dir, &error))?;
            let Ok(name) = entry.file_name().into_string() else {
                let path = entry.path();
                return Err(RenderError::Content(format!("{} is no Unicode name", path.display())));
            };
            if name == ".git" {
                continue;
            }
            let relative = if above.is_empty() { name } else { format!("{above}/{name}") };
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
            if kind.is_dir() && path.join(".git").exists() {
                out.push(plain(relative, FileKind::Submodule));
            } else if kind.is_dir() {
                self.walk(&path, &relative, out)?;
            } else {
                out.push(self.file(&path, relative)?);
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path, relative: String) -> Result<SourceFile, RenderError> {
        let metadata = fs::symlink_metadata(path).map_err(|error| failed(path, &error))?;
        if !metadata.is_file() {
            return Ok(plain(relative, FileKind::Link));
        }
        if metadata.len() > FILE_BYTES_MAX {
            let message = format!("{} has more than {FILE_BYTES_MAX} bytes", path.display());
            return Err(RenderError::Content(message));
        }
        let content = fs::read(path).map_err(|error| failed(path, &error))?;
        let digest = Digest::of(&content);
        let id = GitId::from_slice(&digest.as_bytes()[..20]).expect("20 bytes of 32");
        self.places.borrow_mut().insert(id, path.to_owned());
        let kind = match content.starts_with(LFS_POINTER) {
            true => FileKind::LfsPointer,
            false => FileKind::Plain,
        };
        Ok(SourceFile { relative, id, kind, digest, size: content.len() as u64 })
    }
}

fn plain(relative: String, kind: FileKind) -> SourceFile {
    SourceFile { relative, id: GitId::default(), kind, digest: Digest::default(), size: 0 }
}

impl Source for Worktree {
    fn list(&self, source: &str) -> Result<Arc<[SourceFile]>, RenderError> {
        let path = self.root.join(source);
        let mut files = Vec::new();
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.walk(&path, "", &mut files)?,
            Ok(_) => files.push(self.file(&path, String::new())?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path, &error)),
        }
        files.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(files.into())
    }

    fn read(&self, id: GitId) -> Result<Arc<[u8]>, RenderError> {
        let place = self.places.borrow().get(&id).cloned();
        let place = place.ok_or_else(|| RenderError::Content(format!("no file {id}")))?;
        Ok(fs::read(&place).map_err(|error| failed(&place, &error))?.into())
    }

    fn changed_at(&self, _: &str) -> Result<i64, RenderError> {
        Ok(0)
    }
}
