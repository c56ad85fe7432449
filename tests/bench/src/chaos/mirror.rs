//! What the data directory should hold, as a copy of its own: changed as each commit changes it, and
//! digested as the simulated gateway digests what it scans.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use gateway_sim::tree::{ROOTS, Reader};

use crate::gitrepo::Change;

/// Contents by path in the repository.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The copy.
pub(super) struct Mirror {
    dir: PathBuf,
    root: PathBuf,
    files: Files,
    reader: Reader,
}

impl Mirror {
    /// Copies what a gateway reads of a data directory; the repository's root lies at `root` in it.
    pub(super) fn copy(data_dir: &Path, dir: &Path, root: &str) -> anyhow::Result<Self> {
        let mut files = Files::new();
        let mut open: Vec<PathBuf> = ROOTS.iter().map(PathBuf::from).collect();
        while let Some(folder) = open.pop() {
            let Ok(entries) = fs::read_dir(data_dir.join(&folder)) else { continue };
            fs::create_dir_all(dir.join(&folder))?;
            for entry in entries {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    open.push(path);
                    continue;
                }
                let content = fs::read(entry.path())?;
                fs::write(dir.join(&path), &content)?;
                if let Ok(own) = path.strip_prefix(root) {
                    files.insert(own.to_str().context("a path is text")?.to_owned(), content);
                }
            }
        }
        let reader = Reader::default();
        Ok(Self { dir: dir.to_owned(), root: dir.join(root), files, reader })
    }

    /// What is there now.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Does what a commit does.
    pub(super) fn change(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        for Change { path, content } in changes {
            let at = self.root.join(path);
            match content {
                Some(content) => {
                    fs::write(at, content)?;
                    self.files.insert(path.clone(), content.clone());
                }
                None => {
                    fs::remove_file(at)?;
                    self.files.remove(path);
                }
            }
        }
        Ok(())
    }

    /// The digest that a scan of exactly these files would log.
    pub(super) fn digest(&mut self) -> anyhow::Result<String> {
        Ok(self.reader.read(&self.dir, &ROOTS)?.digest(""))
    }
}
