//! Puts files together from their pieces, proves each by its digest, and writes them below a folder
//! that nothing else is in.

use std::{fs, path::PathBuf};

use millwright_model::{digest::Digest, path::ManagedPath};
use millwright_proto::control::RenderPiece;

use crate::error::{Error, Kind, Result};

/// Largest file that is taken: more than any gateway's.
const FILE_BYTES_MAX: usize = 1 << 30;

/// A file whose pieces are coming in.
#[derive(Debug, Default)]
pub(super) struct Whole {
    content: Vec<u8>,
}

impl Whole {
    /// Takes a piece; the last one gives the file.
    pub(super) fn add(&mut self, piece: RenderPiece) -> Result<Option<(RenderPiece, Vec<u8>)>> {
        let wrong = |why: &str| {
            Error::new(Kind::Error, format!("{}: {why}", piece.path)).hint("try it again")
        };
        if piece.offset != self.content.len() as u64 {
            return Err(wrong("its pieces came out of order"));
        }
        if self.content.len() + piece.data.len() > FILE_BYTES_MAX {
            return Err(wrong("it is larger than 1 GiB"));
        }
        self.content.extend_from_slice(&piece.data);
        if !piece.last {
            return Ok(None);
        }
        let content = std::mem::take(&mut self.content);
        if Digest::of(&content).0.as_slice() != piece.digest {
            return Err(wrong("it came damaged"));
        }
        Ok(Some((piece, content)))
    }
}

/// Writes files below a folder.
#[derive(Debug)]
pub(super) struct Keeper {
    dir: PathBuf,
    whole: Whole,
    files: u64,
    bytes: u64,
}

impl Keeper {
    /// The folder is made; one with something in it is refused.
    pub(super) fn new(dir: PathBuf) -> Result<Self> {
        let at = |error: std::io::Error| {
            Error::new(Kind::Error, format!("cannot use {}: {error}", dir.display()))
        };
        fs::create_dir_all(&dir).map_err(at)?;
        if fs::read_dir(&dir).map_err(at)?.next().is_some() {
            let message = format!("{} is not empty", dir.display());
            return Err(Error::new(Kind::Usage, message).hint("--out takes a new or empty folder"));
        }
        Ok(Self { dir, whole: Whole::default(), files: 0, bytes: 0 })
    }

    /// Takes a piece; a whole file is written.
    pub(super) fn take(&mut self, piece: RenderPiece) -> Result<()> {
        let Some((file, content)) = self.whole.add(piece)? else { return Ok(()) };
        // A path that leaves the folder is none.
        let path = ManagedPath::parse(&file.path)
            .map_err(|error| Error::new(Kind::Error, error.to_string()))?;
        let to = self.dir.join(path.as_str());
        let at = |error: std::io::Error| {
            Error::new(Kind::Error, format!("cannot write {}: {error}", to.display()))
        };
        if let Some(above) = to.parent() {
            fs::create_dir_all(above).map_err(at)?;
        }
        fs::write(&to, &content).map_err(at)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::Permissions::from_mode(file.mode & 0o777);
            fs::set_permissions(&to, mode).map_err(at)?;
        }
        self.files += 1;
        self.bytes += content.len() as u64;
        Ok(())
    }

    /// Where, how many files, how many bytes.
    pub(super) fn done(self) -> Result<(String, u64, u64)> {
        if !self.whole.content.is_empty() {
            return Err(Error::new(Kind::Error, "the last file is not whole").hint("try it again"));
        }
        Ok((self.dir.display().to_string(), self.files, self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(path: &str, whole: &[u8], from: usize, to: usize) -> RenderPiece {
        RenderPiece {
            path: path.to_owned(),
            mode: 0o644,
            size: whole.len() as u64,
            digest: Digest::of(whole).0.to_vec(),
            offset: from as u64,
            data: whole[from..to].to_vec(),
            last: to == whole.len(),
        }
    }

    #[test]
    fn files_are_written_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut keeper = Keeper::new(out.clone()).unwrap();
        keeper.take(piece("projects/a/x.json", b"hello", 0, 2)).unwrap();
        assert!(!out.join("projects").exists());
        keeper.take(piece("projects/a/x.json", b"hello", 2, 5)).unwrap();
        keeper.take(piece("projects/a/empty", b"", 0, 0)).unwrap();
        assert_eq!(fs::read(out.join("projects/a/x.json")).unwrap(), b"hello");
        assert_eq!(keeper.done().unwrap(), (out.display().to_string(), 2, 5));
        assert_eq!(Keeper::new(out).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn damage_and_paths_that_leave_the_folder_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = Keeper::new(dir.path().join("out")).unwrap();
        let mut wrong = piece("projects/a", b"hello", 0, 5);
        wrong.data = b"jello".to_vec();
        assert!(keeper.take(wrong).unwrap_err().message.contains("damaged"));
        assert!(keeper.take(piece("../a", b"x", 0, 1)).is_err());
        assert!(keeper.take(piece("projects/a", b"hello", 2, 5)).is_err());
        assert!(!dir.path().join("a").exists());
    }
}
