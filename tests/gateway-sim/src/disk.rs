//! The gateway's own writes: atomic, and told to the witness.

use std::{fs, io::ErrorKind, path::Path};

use crate::{
    gateway::{Disk, Gateway},
    tree::ROOTS,
};

/// Writes a file below the data directory.
pub(crate) fn write(gateway: &Gateway, path: &str, bytes: &[u8]) -> anyhow::Result<()> {
    write_with(gateway, &mut gateway.disk(), path, bytes)
}

/// The same for who already has the disk.
pub(crate) fn write_with(
    gateway: &Gateway,
    disk: &mut Disk,
    path: &str,
    bytes: &[u8],
) -> anyhow::Result<()> {
    let data_dir = &gateway.settings.data_dir;
    // A test that is over has taken its folder away: nothing comes back to life there.
    anyhow::ensure!(data_dir.is_dir(), "the data directory is gone");
    let whole = data_dir.join(path);
    if let Some(dir) = whole.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(&whole, bytes)?;
    disk.witness.wrote(data_dir, path);
    Ok(())
}

/// Deletes a file, and the folders that are empty then, up to the managed root.
pub(crate) fn delete(gateway: &Gateway, path: &str) -> anyhow::Result<()> {
    let whole = gateway.path(path);
    match fs::remove_file(&whole) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    gateway.disk().witness.wrote(&gateway.settings.data_dir, path);
    let mut above = Path::new(path).parent();
    while let Some(folder) =
        above.filter(|folder| !ROOTS.iter().any(|root| *folder == Path::new(root)))
    {
        if fs::remove_dir(gateway.path(&folder.display().to_string())).is_err() {
            break;
        }
        above = folder.parent();
    }
    Ok(())
}

/// Deletes a folder with all that is in it.
pub(crate) fn delete_folder(gateway: &Gateway, path: &str) -> anyhow::Result<()> {
    match fs::remove_dir_all(gateway.path(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    gateway.disk().witness.removed(path);
    Ok(())
}
