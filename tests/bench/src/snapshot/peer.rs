//! The same tree by `tar czf` and by restic: what people keep plants with today.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use playground::process::run;

use crate::{machine::milliseconds, output::say, stats::rounded};

/// One archive, and one restic repository if there is restic.
#[derive(Debug)]
pub(super) struct Peers {
    tree: String,
    archive: PathBuf,
    repository: Option<String>,
    password: String,
}

impl Peers {
    /// Below `dir`, of a tree.
    pub(super) async fn new(dir: &Path, tree: &Path) -> anyhow::Result<Self> {
        let home = dir.join("peers");
        std::fs::create_dir_all(&home)?;
        let password = home.join("password");
        std::fs::write(&password, "a password of the benchmark")?;
        let mut peers = Self {
            tree: tree.display().to_string(),
            archive: home.join("tree.tar.gz"),
            repository: None,
            password: password.display().to_string(),
        };
        let repository = home.join("restic").display().to_string();
        let args = ["-q", "-r", &repository, "--password-file", &peers.password, "init"];
        match run(Path::new("restic"), &args).await {
            Ok(_) => peers.repository = Some(repository),
            Err(error) => say(&format!("  without restic: {error}")),
        }
        Ok(peers)
    }

    /// Milliseconds of `tar czf`.
    pub(super) async fn tar(&self) -> anyhow::Result<f64> {
        let archive = self.archive.display().to_string();
        timed("tar", &["czf", &archive, "-C", &self.tree, "."]).await
    }

    /// Milliseconds of a backup by restic; none without it.
    pub(super) async fn restic(&self) -> anyhow::Result<Option<f64>> {
        let Some(repository) = &self.repository else { return Ok(None) };
        let begin = ["-q", "-r", repository, "--password-file", &self.password];
        let args = [begin.as_slice(), &["backup", &self.tree]].concat();
        timed("restic", &args).await.map(Some)
    }
}

async fn timed(program: &str, args: &[&str]) -> anyhow::Result<f64> {
    let began = Instant::now();
    run(Path::new(program), args).await?;
    Ok(rounded(milliseconds(began.elapsed())))
}
