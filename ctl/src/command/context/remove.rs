//! `millctl context remove`. The credentials stay where they are: they may be the only copy.

use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use crate::{
    cli::Global,
    command::config_path,
    complete,
    context::file::{File, identity_dir},
    error::Result,
    output,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl context remove lab

The folder of the credentials is left alone.")]
pub struct Args {
    /// Which.
    #[arg(add = ArgValueCandidates::new(complete::contexts))]
    pub name: String,
}

pub(super) fn run(global: &Global, Args { name }: Args) -> Result<()> {
    let path = config_path(global);
    let mut file = File::read(&path)?;
    let dir = identity_dir(&path, file.pick(&path, Some(&name))?);
    file.remove(&name);
    file.write(&path)?;
    let value = json!({"kind": "Context", "name": name, "action": "removed"});
    output::show(&global.output, &value, None, |_| format!("context {name} removed\n"))?;
    output::note(&format!("its credentials are still in {}", dir.display()));
    if file.current.is_empty() && !file.contexts.is_empty() {
        output::note("no context is in use now: millctl context use NAME");
    }
    Ok(())
}
