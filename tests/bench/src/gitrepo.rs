//! Commits made in a bare repository through git's import: no work tree, so that a commit of one file
//! among fifteen thousand costs nothing.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::SystemTime,
};

use anyhow::{Context, bail};
use playground::process::run;
use tokio::io::AsyncWriteExt;

/// One file that a commit replaces, adds, or deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Path in the repository, with slashes.
    pub path: String,
    /// What it holds then; absent to delete it.
    pub content: Option<Vec<u8>>,
}

/// A bare repository.
#[derive(Debug)]
pub struct GitRepo {
    bare: PathBuf,
    branch: String,
}

impl GitRepo {
    /// Opens it; commits go to the branch that HEAD names.
    pub async fn open(bare: &Path) -> anyhow::Result<Self> {
        let mut repo = Self { bare: bare.to_owned(), branch: String::new() };
        repo.git(&["symbolic-ref", "--short", "HEAD"]).await?.clone_into(&mut repo.branch);
        Ok(repo)
    }

    /// The branch.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    async fn git(&self, args: &[&str]) -> anyhow::Result<String> {
        let bare = self.bare.display().to_string();
        let mut all = vec!["--git-dir", &bare];
        all.extend(args);
        Ok(run(Path::new("git"), &all).await?.trim().to_owned())
    }

    /// The newest commit.
    pub async fn head(&self) -> anyhow::Result<String> {
        self.git(&["rev-parse", &self.branch]).await
    }

    /// Replaces one file and commits; without a file the commit changes nothing.
    pub async fn commit(
        &self,
        message: &str,
        file: Option<(&str, &[u8])>,
    ) -> anyhow::Result<String> {
        let changes: Vec<Change> = file
            .into_iter()
            .map(|(path, content)| Change {
                path: path.to_owned(),
                content: Some(content.to_vec()),
            })
            .collect();
        self.commit_all(message, &changes).await
    }

    /// Makes one commit of all these changes.
    pub async fn commit_all(&self, message: &str, changes: &[Change]) -> anyhow::Result<String> {
        let branch = format!("refs/heads/{}", self.branch);
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let mut stream = format!(
            "commit {branch}\ncommitter Ann Fitter <ann@plant.example> {seconds} +0000\n\
             data {}\n{message}\nfrom {branch}^0\n",
            message.len()
        )
        .into_bytes();
        for Change { path, content } in changes {
            match content {
                Some(content) => {
                    stream.extend(
                        format!("M 100644 inline {}\ndata {}\n", quoted(path), content.len())
                            .into_bytes(),
                    );
                    stream.extend(content);
                    stream.push(b'\n');
                }
                None => stream.extend(format!("D {}\n", quoted(path)).into_bytes()),
            }
        }
        stream.extend(b"done\n");
        self.import(&stream).await?;
        self.head().await
    }

    async fn import(&self, stream: &[u8]) -> anyhow::Result<()> {
        let mut child = tokio::process::Command::new("git")
            .arg("--git-dir")
            .arg(&self.bare)
            .args(["fast-import", "--quiet", "--done"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        let feed = async move { input.write_all(stream).await };
        let (done, fed) = tokio::join!(child.wait_with_output(), feed);
        let done = done?;
        if !done.status.success() {
            bail!("git fast-import: {}", String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(fed?)
    }
}

/// A path as the stream has it: quoted always, so that no name needs a rule of its own.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}
