//! `millctl context use`.

use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use crate::{
    cli::Global, command::config_path, complete, context::file::File, error::Result, output,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl context use prod")]
pub struct Args {
    /// Which.
    #[arg(add = ArgValueCandidates::new(complete::contexts))]
    pub name: String,
}

pub(super) fn run(global: &Global, Args { name }: Args) -> Result<()> {
    let path = config_path(global);
    let mut file = File::read(&path)?;
    file.pick(&path, Some(&name))?;
    file.current.clone_from(&name);
    file.write(&path)?;
    let value = json!({"kind": "Context", "name": name, "current": true});
    output::show(&global.output, &value, None, |_| format!("context {name} is in use\n"))?;
    if let Ok(other) = std::env::var("MILLWRIGHT_CONTEXT")
        && other != name
    {
        output::note(&format!("MILLWRIGHT_CONTEXT={other} still wins in this shell"));
    }
    Ok(())
}
