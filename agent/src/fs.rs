//! Every file call of the agent, with errors that name the path. What has been read is in
//! [`inventory`]. Renames are atomic; what must
//! survive is synced before it counts.

pub mod inventory;
pub mod kernel;
pub mod tree;
pub mod watched;

use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use millwright_model::report::{Failure, FailureKind, Retry, Step};

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
        let mut remedy = String::new();
        let (kind, retry) = match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                remedy.push_str("free space on this file system, then retry");
                (FailureKind::DiskFull, Retry::Later)
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                remedy.push_str("let the agent's account write here, then retry");
                (FailureKind::PermissionDenied, Retry::Never)
            }
            io::ErrorKind::ResourceBusy | io::ErrorKind::ExecutableFileBusy => {
                remedy.push_str("close the program that holds the file, then retry");
                (FailureKind::FileHeld, Retry::Later)
            }
            _ => (FailureKind::Internal, Retry::Later),
        };
        Failure::new(step, kind, self.to_string())
            .about(self.path.clone())
            .remedy(remedy)
            .retry(retry)
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether the file system is full.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Whether another process may let go of the file soon.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::ResourceBusy
                | io::ErrorKind::ExecutableFileBusy
                | io::ErrorKind::PermissionDenied
        )
    }
}

/// Result of a file call.
pub type Done<T> = Result<T, FileFailed>;

pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileFailed {
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

/// Opens a file to read it piece by piece; `None` when there is none.
pub fn open_if_there(path: &Path) -> Done<Option<io::BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(io::BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Replaces a file durably.
pub fn replace(path: &Path, content: &[u8]) -> Done<()> {
    replace_by(path, |out| out.write_all(content))
}

/// Replaces a file durably by what `write` writes, which need not be in memory at once.
pub fn replace_by(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> Done<()> {
    let fresh = path.with_extension("new");
    let all = || {
        let mut out = io::BufWriter::new(File::create(&fresh)?);
        write(&mut out)?;
        out.into_inner()?.sync_all()?;
        fs::rename(&fresh, path)
    };
    all().map_err(|error| {
        // Half a file would only take room from the next try.
        let _gone = fs::remove_file(&fresh);
        failed("write", path)(error)
    })?;
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

/// Files up to this many are made durable one by one. Beyond it one call for the file system is
/// faster, though it waits for what others have written too.
pub const SYNC_EACH_MAX: usize = 64;

/// Makes these files durable, with their names: each folder from theirs up to `top`, which is one of
/// the folders above all of them. A file that is gone is a removal whose folder may be gone as well.
pub fn sync_each<P: AsRef<Path>>(top: &Path, files: impl IntoIterator<Item = P>) -> Done<()> {
    let mut folders = BTreeSet::new();
    for file in files {
        let file = file.as_ref();
        match File::open(file).and_then(|open| open.sync_all()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.map_err(failed("sync", file))?,
        }
        let above = file.ancestors().skip(1).take_while(|folder| folder.starts_with(top));
        folders.extend(above.map(Path::to_owned));
    }
    folders.iter().filter(|folder| folder.is_dir()).try_for_each(|folder| sync_dir(folder))
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

/// Gives a staged file mode and owner of what it will replace; a new one gets `mode` and the owner of
/// its folder, since root-owned files break gateways.
pub fn dress(staged: &Path, target: &Path, mode: u32) -> Done<()> {
    let before = fs::symlink_metadata(target).ok();
    let mode = before.as_ref().map_or(mode, |meta| meta.permissions().mode() & 0o777);
    let own = fs::metadata(staged).map_err(failed("look at", staged))?;
    if own.permissions().mode() & 0o777 != mode {
        fs::set_permissions(staged, fs::Permissions::from_mode(mode))
            .map_err(failed("set the mode of", staged))?;
    }
    let owner = match &before {
        Some(meta) => Some((meta.uid(), meta.gid())),
        None => nearest(target).map(|meta| (meta.uid(), meta.gid())),
    };
    if let Some((uid, gid)) = owner
        && (own.uid(), own.gid()) != (uid, gid)
    {
        std::os::unix::fs::chown(staged, Some(uid), Some(gid))
            .map_err(failed("set the owner of", staged))?;
    }
    Ok(())
}

/// The nearest folder above that exists.
fn nearest(target: &Path) -> Option<Metadata> {
    target.ancestors().skip(1).find_map(|dir| fs::metadata(dir).ok())
}

/// Moves a dressed file into place.
pub fn put(staged: &Path, target: &Path) -> Done<()> {
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

/// Refuses a path that leads through a link or something else that is no folder: what lies behind it
/// may belong to the gateway alone. What is not there yet leads nowhere.
pub fn through_folders(root: &Path, relative: &str) -> Done<()> {
    let mut at = root.to_owned();
    for segment in relative.split('/') {
        at.push(segment);
        match fs::symlink_metadata(&at) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(refused("use", &at, "it is no folder")),
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Deletes a file and the folders that this empties, never beyond `stop`.
pub fn remove(root: &Path, relative: &str, stop: &Path) -> Done<()> {
    if let Some((folder, _)) = relative.rsplit_once('/') {
        through_folders(root, folder)?;
    }
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

/// Empties a folder of ours.
pub fn clear_dir(path: &Path) -> Done<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("empty", path)(error)),
    }
    make_dir(path)
}

/// Whether a folder can be written, by asking; no file is made, since the gateway would see it.
pub fn check_writable(dir: &Path) -> Done<()> {
    use rustix::fs::{Access, access};
    access(dir, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| failed("write in", dir)(error.into()))
}

/// Whether there is an entry, whatever it is.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Names of the folders in a folder; none when it is not there.
pub fn folders(path: &Path) -> Done<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

/// Deletes a file of ours; nothing when there is none.
pub fn discard(path: &Path) -> Done<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("delete", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Names of the plain files in a folder; none when it is not there.
pub fn files(path: &Path) -> Done<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// Reads a file that must be there.
pub fn read(path: &Path) -> Done<Vec<u8>> {
    fs::read(path).map_err(failed("read", path))
}

/// An error that says how much space is missing.
pub fn no_space(path: &Path, free: u64, needed: u64, reserve: u64) -> FileFailed {
    let source = io::Error::new(
        io::ErrorKind::StorageFull,
        format!("{free} bytes are free, {needed} are needed and {reserve} must stay free"),
    );
    failed("write to", path)(source)
}

/// An error about a file that somebody is writing.
pub fn restless(path: &Path) -> FileFailed {
    failed("read", path)(io::Error::new(io::ErrorKind::ResourceBusy, "it keeps changing"))
}

/// An error of our own about a path.
pub fn refused(what: &'static str, path: &Path, why: &str) -> FileFailed {
    failed(what, path)(io::Error::other(why.to_owned()))
}
