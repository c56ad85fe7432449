//! The files of the audit: `audit-FIRST.jsonl`, one entry in a line below a line that says where the
//! chain goes on from. A file is durable before anything is said of it; one that is large enough is
//! followed by the next. What turns out to be of another chain is moved aside, never deleted.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use millwright_coordinator_domain::state::Audit;
use millwright_model::audit::{Entry, Head, Header, Part};

/// A file is followed by another one from this size on.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// How what was written went on from what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Without a gap.
    Follows,
    /// Entries are missing here.
    Gap {
        /// The first one.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// What was there is of another chain.
    Fork {
        /// Last entry there.
        index: u64,
    },
}

/// The files of one node.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    cluster: String,
    /// The one that is appended to, and its size.
    open: Option<(File, u64)>,
    /// The last entry of all; `None` when none can be read.
    end: Option<Head>,
    bytes_max: u64,
}

impl Files {
    /// Opens a folder, creating it when absent. What a crash left of a line is cut off.
    pub(super) fn open(dir: &Path, cluster: &str) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut files = Self {
            dir: dir.to_owned(),
            cluster: cluster.to_owned(),
            open: None,
            end: None,
            bytes_max: FILE_BYTES_MAX,
        };
        let Some(path) = files.all()?.into_iter().max() else { return Ok(files) };
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let end = Part::read(&text[..whole]).map(|part| part.verify(None));
        if let Ok(Ok(end)) = end {
            files.end = Some(end);
            let file = OpenOptions::new().append(true).open(&path)?;
            file.set_len(whole as u64)?;
            files.open = Some((file, whole as u64));
        }
        Ok(files)
    }

    /// The last entry that is written.
    pub(super) fn end(&self) -> Head {
        self.end.unwrap_or_default()
    }

    /// All files, in no order.
    fn all(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_lines = path.extension().is_some_and(|extension| extension == "jsonl");
            if name.starts_with("audit-") && is_lines {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Moves all files out of the way.
    fn put_aside(&mut self) -> io::Result<()> {
        self.open = None;
        self.end = None;
        let numbered = (1..).map(|n: u32| self.dir.join(format!("aside-{n}")));
        let aside = numbered.into_iter().find(|dir| !dir.exists());
        let aside = aside.ok_or(io::ErrorKind::AlreadyExists)?;
        fs::create_dir(&aside)?;
        for path in self.all()? {
            if let Some(name) = path.file_name() {
                fs::rename(&path, aside.join(name))?;
            }
        }
        File::open(&self.dir)?.sync_all()
    }

    /// Writes down what the state has and the files have not.
    pub(super) fn take_over(&mut self, audit: &Audit) -> io::Result<Written> {
        let (base, head) = (audit.base(), audit.head());
        let Some(end) = self.end else {
            let is_damaged = !self.all()?.is_empty();
            if is_damaged {
                self.put_aside()?;
            }
            self.write(base, &audit.after(base.index))?;
            return Ok(if is_damaged { Written::Fork { index: 0 } } else { Written::Follows });
        };
        // A node that starts has not applied everything yet that it had written.
        if end.index > head.index {
            return Ok(Written::Follows);
        }
        if end.index < base.index {
            self.open = None;
            self.write(base, &audit.after(base.index))?;
            return Ok(Written::Gap { from: end.index + 1, to: base.index });
        }
        let after = audit.after(end.index.saturating_sub(1));
        let same = after.first().filter(|entry| entry.index == end.index).map(|entry| entry.hash);
        let known = same.unwrap_or(base.hash);
        if known == end.hash {
            self.write(end, &audit.after(end.index))?;
            return Ok(Written::Follows);
        }
        self.put_aside()?;
        self.write(base, &audit.after(base.index))?;
        Ok(Written::Fork { index: end.index })
    }

    /// Appends entries that go on from an end; durable when this returns.
    fn write(&mut self, from: Head, entries: &[Arc<Entry>]) -> io::Result<()> {
        let mut end = from;
        let mut left = entries;
        while let Some(first) = left.first() {
            let (mut file, mut bytes) = match self.open.take() {
                Some((file, bytes)) if bytes < self.bytes_max => (file, bytes),
                _ => self.create(first.index, end)?,
            };
            let mut text = Vec::new();
            while let Some((entry, rest)) = left.split_first() {
                if !text.is_empty() && bytes + text.len() as u64 >= self.bytes_max {
                    break;
                }
                serde_json::to_writer(&mut text, entry.as_ref())?;
                text.push(b'\n');
                end = Head { index: entry.index, hash: entry.hash };
                left = rest;
            }
            file.write_all(&text)?;
            file.sync_data()?;
            bytes += text.len() as u64;
            self.open = Some((file, bytes));
            self.end = Some(end);
        }
        Ok(())
    }

    /// A new file that goes on from an end. It has its name once its first line is whole.
    fn create(&self, first: u64, from: Head) -> io::Result<(File, u64)> {
        let fresh = self.dir.join("audit.new");
        let path = self.dir.join(format!("audit-{first:010}.jsonl"));
        let mut line = serde_json::to_vec(&Header::new(&self.cluster, from))?;
        line.push(b'\n');
        let mut file = File::create(&fresh)?;
        file.write_all(&line)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.dir)?.sync_all()?;
        Ok((file, line.len() as u64))
    }
}

#[cfg(test)]
mod tests;
