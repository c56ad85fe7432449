//! Files that somebody holds: what is renamed onto them, or out of their folder, fails.
//!
//! On Windows a gateway's open handle does that. Here the immutable flag of the file system does
//! (root, on ext4, XFS or btrfs), or else a folder without the right to write (anybody but root).
//! A full disk is the tests' own: they mount a small file system.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// A held file or folder; let go when dropped.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    how: How,
}

#[derive(Debug)]
enum How {
    Immutable,
    ReadOnly(Permissions),
}

/// Holds a file, or a folder with its entries. An error where neither way works: a test skips then.
pub fn hold(path: &Path) -> anyhow::Result<Held> {
    let file = File::open(path).with_context(|| format!("cannot hold {}", path.display()))?;
    let flags = ioctl_getflags(&file).unwrap_or(IFlags::empty());
    if ioctl_setflags(&file, flags | IFlags::IMMUTABLE).is_ok() {
        return Ok(Held { path: path.to_owned(), how: How::Immutable });
    }
    let folder = if path.is_dir() { path } else { path.parent().context("a file has a folder")? };
    let before = fs::metadata(folder)?.permissions();
    fs::set_permissions(folder, Permissions::from_mode(0o555))?;
    let held = Held { path: folder.to_owned(), how: How::ReadOnly(before) };
    let probe = folder.join(".held-probe");
    if File::create(&probe).is_ok() {
        fs::remove_file(&probe)?;
        bail!("{} cannot be held: no immutable flag here, and we are root", path.display());
    }
    Ok(held)
}

impl Drop for Held {
    fn drop(&mut self) {
        // What cannot be undone will be seen when the folder is removed.
        match &self.how {
            How::Immutable => {
                if let Ok(file) = File::open(&self.path) {
                    let flags = ioctl_getflags(&file).unwrap_or(IFlags::empty());
                    let _undone = ioctl_setflags(&file, flags - IFlags::IMMUTABLE);
                }
            }
            How::ReadOnly(before) => {
                let _undone = fs::set_permissions(&self.path, before.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_file_is_not_replaced_until_it_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let (target, staged) = (dir.path().join("in/a"), dir.path().join("staged"));
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(&target, "old").unwrap();
        fs::write(&staged, "new").unwrap();
        let held = match hold(&target) {
            Ok(held) => held,
            Err(error) => {
                let said = format!("{error:#}");
                assert!(said.contains("cannot be held"), "{said}");
                return;
            }
        };
        assert!(fs::rename(&staged, &target).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        drop(held);
        fs::rename(&staged, &target).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    }
}
