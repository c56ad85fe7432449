//! `millctl man`.

use std::path::PathBuf;

use clap::{CommandFactory, ValueHint};

use crate::{
    cli::Cli,
    error::{Error, Kind, Result},
    output,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl man --out /usr/local/share/man/man1
  millctl man | man -l -")]
pub struct Args {
    /// Folder for a page per command; the main page goes to standard output when absent.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

pub(super) fn run(Args { out }: Args) -> Result<()> {
    let Some(dir) = out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        output::print(&String::from_utf8_lossy(&page));
        return Ok(());
    };
    let written =
        std::fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(Cli::command(), &dir));
    written.map_err(|error| {
        Error::new(Kind::Error, format!("cannot write to {}: {error}", dir.display()))
    })?;
    output::note(&format!("wrote the manual pages to {}", dir.display()));
    Ok(())
}
