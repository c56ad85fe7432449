//! The gateway's own backup (`.gwbk`) beside a snapshot. It is a zip without a length in front, so a
//! cut one is told only by its missing central directory.

use std::io::Write;

use crate::{effect::Tools, fs};

/// Downloads and checks; the reason when it cannot be had.
pub async fn download(tools: &Tools, id: &str) -> Result<u64, String> {
    let path = tools.lock_local().store.backup_file(id);
    let fresh = path.with_extension("part");
    let size = tools.gateway.download_backup(&fresh).await.map_err(|trouble| trouble.message)?;
    let checked = tokio::task::spawn_blocking(move || {
        let entries = check(&fresh)?;
        std::fs::rename(&fresh, &path).map_err(|error| error.to_string())?;
        let dir = path.parent().unwrap_or(std::path::Path::new("."));
        fs::sync_dir(dir).map_err(|error| error.to_string())?;
        Ok::<usize, String>(entries)
    });
    match checked.await {
        Ok(Ok(_)) => Ok(size),
        Ok(Err(why)) => Err(why),
        Err(_) => Err("the check of the backup ended unexpectedly".to_owned()),
    }
}

/// Number of entries of the archive; a cut one has no directory of them.
fn check(path: &std::path::Path) -> Result<usize, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let archive = zip::ZipArchive::new(file)
        .map_err(|error| format!("the gateway's backup is no whole archive: {error}"))?;
    match archive.len() {
        0 => Err("the gateway's backup is empty".to_owned()),
        entries => Ok(entries),
    }
}

/// Appends pieces to a file and makes it durable at the end.
#[derive(Debug)]
pub struct Sink {
    file: std::fs::File,
    size: u64,
}

impl Sink {
    /// A new file.
    pub fn create(path: &std::path::Path) -> std::io::Result<Self> {
        Ok(Self { file: std::fs::File::create(path)?, size: 0 })
    }

    /// Adds a piece.
    pub fn add(&mut self, piece: &[u8]) -> std::io::Result<()> {
        self.size += piece.len() as u64;
        self.file.write_all(piece)
    }

    /// Its size, once it is durable.
    pub fn end(self) -> std::io::Result<u64> {
        self.file.sync_all()?;
        Ok(self.size)
    }
}
