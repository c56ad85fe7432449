//! The same tree by git and rsync: what a shell script at the edge would do.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use playground::process::run;

use crate::{machine::milliseconds, output::say, stats::rounded};

/// One clone and one target.
#[derive(Debug)]
pub struct Peer {
    url: String,
    clone: PathBuf,
    target: PathBuf,
}

fn installed() -> bool {
    std::process::Command::new("rsync").arg("--version").output().is_ok_and(|o| o.status.success())
}

impl Peer {
    /// Below `dir`; `None` when rsync is not installed.
    pub fn new(dir: &Path, url: &str, run: usize) -> Option<Self> {
        if !installed() {
            say("  rsync is not installed: measuring ours alone");
            return None;
        }
        let home = dir.join(format!("peer{run}"));
        Some(Self { url: url.to_owned(), clone: home.join("clone"), target: home.join("target") })
    }

    async fn rsync(&self) -> anyhow::Result<()> {
        let (from, to) =
            (format!("{}/", self.clone.display()), format!("{}/", self.target.display()));
        let args = ["-a", "--checksum", "--delete", "--exclude", "/.git", &from, &to];
        run(Path::new("rsync"), &args).await?;
        Ok(())
    }

    /// `git clone --depth 1` and `rsync -a --checksum` into an empty folder, in milliseconds.
    pub async fn first(&mut self) -> anyhow::Result<f64> {
        std::fs::create_dir_all(&self.target)?;
        let clone = self.clone.display().to_string();
        let began = Instant::now();
        run(Path::new("git"), &["clone", "--quiet", "--depth", "1", &self.url, &clone]).await?;
        self.rsync().await?;
        Ok(rounded(milliseconds(began.elapsed())))
    }

    /// The newest commit into the same folders, in milliseconds.
    pub async fn again(&self) -> anyhow::Result<f64> {
        let clone = self.clone.display().to_string();
        let began = Instant::now();
        let git = Path::new("git");
        run(git, &["-C", &clone, "fetch", "--quiet", "--depth", "1", "origin", "HEAD"]).await?;
        run(git, &["-C", &clone, "reset", "--quiet", "--hard", "FETCH_HEAD"]).await?;
        self.rsync().await?;
        Ok(rounded(milliseconds(began.elapsed())))
    }
}
