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
    /// With it comes the digest of everything but that root: of the tree before anything was applied.
    pub(super) fn copy(data_dir: &Path, dir: &Path, root: &str) -> anyhow::Result<(Self, String)> {
        let root = Path::new(root);
        let reader = Reader::default();
        let mut mirror =
            Self { dir: dir.to_owned(), root: dir.join(root), files: Files::new(), reader };
        for top in ROOTS {
            mirror.take(data_dir, Path::new(top), root)?;
        }
        let before = mirror.digest()?;
        mirror.take(data_dir, root, Path::new(""))?;
        Ok((mirror, before))
    }

    /// Copies a folder without what is named.
    fn take(&mut self, data_dir: &Path, folder: &Path, without: &Path) -> anyhow::Result<()> {
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            let Ok(entries) = fs::read_dir(data_dir.join(&folder)) else { continue };
            fs::create_dir_all(self.dir.join(&folder))?;
            for entry in entries {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                if path == without {
                    continue;
                }
                if entry.file_type()?.is_dir() {
                    open.push(path);
                    continue;
                }
                let content = fs::read(entry.path())?;
                let at = self.dir.join(&path);
                fs::write(&at, &content)?;
                if let Ok(own) = at.strip_prefix(&self.root) {
                    let own = own.to_str().context("a path is text")?.to_owned();
                    self.files.insert(own, content);
                }
            }
        }
        Ok(())
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
