//! Every file call of the agent, with errors that name the path. Renames are atomic; what must
//! survive is synced before it counts.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use millwright_model::{
    digest::Digest,
    report::{Failure, FailureKind, Retry, Step},
};

/// A file call that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {source}")]
pub struct FileFailed {
    what: &'static str,
    path: String,
    source: io::Error,
}

impl FileFailed {
    /// As a failure of a step.
    pub fn failure(&self, step: Step) -> Failure {
        let (kind, retry) = match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (FailureKind::DiskFull, Retry::Later)
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (FailureKind::PermissionDenied, Retry::Never)
            }
            io::ErrorKind::ResourceBusy | io::ErrorKind::ExecutableFileBusy => {
                (FailureKind::FileHeld, Retry::Later)
            }
            _ => (FailureKind::Internal, Retry::Later),
        };
        Failure { step, kind, retry, message: self.to_string() }
    }
}

/// Result of a file call.
pub type Done<T> = Result<T, FileFailed>;

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileFailed {
    let path = path.display().to_string();
    move |source| FileFailed { what, path, source }
}

/// Makes a folder and those above it.
pub fn make_dir(path: &Path) -> Done<()> {
    fs::create_dir_all(path).map_err(failed("create the folder", path))
}

/// Reads a file; `None` when there is none.
pub fn read_if_there(path: &Path) -> Done<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Replaces a file durably.
pub fn replace(path: &Path, content: &[u8]) -> Done<()> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(failed("write", path))?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Writes a new file that counts only after [`sync_all`].
pub fn write(path: &Path, content: &[u8]) -> Done<()> {
    fs::write(path, content).map_err(failed("write", path))
}

/// Makes a folder's entries durable.
pub fn sync_dir(path: &Path) -> Done<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(failed("sync the folder", path))
}

/// Makes everything on the file system of `path` durable: one call instead of one per file.
pub fn sync_all(path: &Path) -> Done<()> {
    File::open(path)
        .and_then(|dir| rustix::fs::syncfs(&dir).map_err(io::Error::from))
        .map_err(failed("sync the file system of", path))
}

/// Device of a path: renames work only within one.
pub fn device(path: &Path) -> Done<u64> {
    fs::metadata(path).map(|meta| meta.dev()).map_err(failed("look at", path))
}

/// Free bytes for us on the file system of a path.
pub fn free_bytes(path: &Path) -> Done<u64> {
    rustix::fs::statvfs(path)
        .map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
        .map_err(|error| failed("ask for free space at", path)(error.into()))
}

/// What tells whether a file has changed since it was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    size: u64,
    modified_ns: i128,
    inode: u64,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let modified_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Self { size: meta.len(), modified_ns, inode: meta.ino() }
    }
}

/// Digests of files that have not changed since, by path.
pub type Inventory = BTreeMap<String, (Stamp, Digest)>;

/// Digest of a file: from the inventory when its stamp is the same, else by reading it. `None` when
/// there is no such file. A read failure is an error, never an absence. A link is an error.
pub fn digest(path: &Path, key: &str, inventory: &mut Inventory) -> Done<Option<Digest>> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            inventory.remove(key);
            return Ok(None);
        }
        Err(error) => return Err(failed("look at", path)(error)),
    };
    if !meta.is_file() {
        let error = io::Error::other("it is no plain file");
        return Err(failed("take over", path)(error));
    }
    let stamp = Stamp::of(&meta);
    if let Some((known, digest)) = inventory.get(key)
        && *known == stamp
    {
        return Ok(Some(*digest));
    }
    let bytes = fs::read(path).map_err(failed("read", path))?;
    let digest = Digest::of(&bytes);
    inventory.insert(key.to_owned(), (stamp, digest));
    Ok(Some(digest))
}

/// Moves a staged file into place, keeping mode and owner of what it replaces.
pub fn put(staged: &Path, target: &Path, mode: u32) -> Done<()> {
    let before = fs::symlink_metadata(target).ok();
    let mode = before.as_ref().map_or(mode, |meta| meta.permissions().mode() & 0o777);
    fs::set_permissions(staged, fs::Permissions::from_mode(mode))
        .map_err(failed("set the mode of", staged))?;
    let owner = match &before {
        Some(meta) => Some((meta.uid(), meta.gid())),
        // A new file belongs to whoever owns its folder: root-owned files break gateways.
        None => target
            .parent()
            .and_then(|dir| fs::metadata(dir).ok())
            .map(|meta| (meta.uid(), meta.gid())),
    };
    if let Some((uid, gid)) = owner
        && fs::metadata(staged).is_ok_and(|own| (own.uid(), own.gid()) != (uid, gid))
    {
        std::os::unix::fs::chown(staged, Some(uid), Some(gid))
            .map_err(failed("set the owner of", staged))?;
    }
    fs::rename(staged, target).map_err(failed("replace", target))
}

/// Makes the folders of a path below a root; a link on the way is refused.
pub fn make_parents(root: &Path, relative: &str) -> Done<PathBuf> {
    let mut dir = root.to_owned();
    let segments: Vec<&str> = relative.split('/').collect();
    for segment in &segments[..segments.len() - 1] {
        dir.push(segment);
        match fs::symlink_metadata(&dir) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => {
                let error = io::Error::other("it is no folder");
                return Err(failed("use", &dir)(error));
            }
            Err(_) => {
                let owner = dir.parent().and_then(|above| fs::metadata(above).ok());
                fs::create_dir(&dir).map_err(failed("create the folder", &dir))?;
                if let Some(owner) = owner
                    && fs::metadata(&dir).is_ok_and(|own| own.uid() != owner.uid())
                {
                    std::os::unix::fs::chown(&dir, Some(owner.uid()), Some(owner.gid()))
                        .map_err(failed("set the owner of", &dir))?;
                }
            }
        }
    }
    Ok(dir)
}

/// Deletes a file and the folders that this empties, never beyond `stop`.
pub fn remove(root: &Path, relative: &str, stop: &Path) -> Done<()> {
    let path = root.join(relative);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("delete", &path)(error)),
    }
    let mut dir = path.parent();
    while let Some(folder) = dir.filter(|folder| folder.starts_with(stop) && *folder != stop) {
        // Not empty, most often: then it stays.
        if fs::remove_dir(folder).is_err() {
            break;
        }
        dir = folder.parent();
    }
    Ok(())
}

/// Copies a file.
pub fn copy(from: &Path, to: &Path) -> Done<()> {
    fs::copy(from, to).map(drop).map_err(failed("copy", from))
}

/// Size of a file; `None` when there is none.
pub fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| meta.len())
}

/// Empties a folder of ours.
pub fn clear_dir(path: &Path) -> Done<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("empty", path)(error)),
    }
    make_dir(path)
}
