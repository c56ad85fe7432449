//! Commits made in a bare repository with git's plumbing: no work tree, so that a commit of one file
//! among fifteen thousand costs nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use playground::process::run;

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
        let mut all = vec![
            "--git-dir",
            &bare,
            "-c",
            "user.name=Ann Fitter",
            "-c",
            "user.email=ann@plant.example",
            "-c",
            "commit.gpgsign=false",
        ];
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
        let head = self.head().await?;
        let mut tree = self.git(&["rev-parse", &format!("{head}^{{tree}}")]).await?;
        if let Some((path, content)) = file {
            let scratch = self.bare.join("bench-content");
            std::fs::write(&scratch, content)?;
            let scratch = scratch.display().to_string();
            let blob = self.git(&["hash-object", "-w", "--no-filters", &scratch]).await?;
            let parts: Vec<&str> = path.split('/').collect();
            tree = self.with_blob(tree, &parts, &blob).await?;
        }
        let commit = self.git(&["commit-tree", &tree, "-p", &head, "-m", message]).await?;
        let name = format!("refs/heads/{}", self.branch);
        self.git(&["update-ref", &name, &commit]).await?;
        Ok(commit)
    }

    /// The tree with one blob replaced, from the innermost folder outwards.
    async fn with_blob(&self, tree: String, parts: &[&str], blob: &str) -> anyhow::Result<String> {
        let mut trees = vec![tree];
        for part in &parts[..parts.len() - 1] {
            let outer = trees.last().context("there is always one tree")?;
            let inner = self.git(&["rev-parse", &format!("{outer}:{part}")]).await?;
            trees.push(inner);
        }
        let mut entry = ("100644 blob".to_owned(), blob.to_owned());
        for (tree, part) in trees.iter().rev().zip(parts.iter().rev()) {
            let (kind, id) = &entry;
            let listed = self.git(&["ls-tree", "-z", tree]).await?;
            let mut lines: Vec<String> = listed
                .split_terminator('\0')
                .filter(|line| line.split_once('\t').is_none_or(|(_, name)| name != *part))
                .map(str::to_owned)
                .collect();
            lines.push(format!("{kind} {id}\t{part}"));
            entry = ("040000 tree".to_owned(), self.make_tree(&lines).await?);
        }
        Ok(entry.1)
    }

    async fn make_tree(&self, lines: &[String]) -> anyhow::Result<String> {
        use std::process::Stdio;
        use tokio::io::AsyncWriteExt;
        let mut child = tokio::process::Command::new("git")
            .arg("--git-dir")
            .arg(&self.bare)
            .args(["mktree", "-z"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        let text: String = lines.iter().map(|line| format!("{line}\0")).collect();
        let feed = async move { input.write_all(text.as_bytes()).await };
        let (done, fed) = tokio::join!(child.wait_with_output(), feed);
        fed?;
        let done = done?;
        if !done.status.success() {
            bail!("git mktree failed");
        }
        Ok(String::from_utf8(done.stdout)?.trim().to_owned())
    }
}
