//! Commands that need no cluster.

use std::path::Path;

use clap::CommandFactory;
use millwright_model::resource;
use serde_json::json;

use crate::{
    cli::{Cli, Global},
    error::{Error, Kind, Result},
    output,
};

fn kind_of(word: &str) -> Result<resource::Kind> {
    word.parse().map_err(|error: resource::UnknownKind| Error::new(Kind::Usage, error.to_string()))
}

/// `millctl explain`.
pub(super) fn explain(path: &str) -> Result<()> {
    let mut parts = path.split('.');
    let kind = kind_of(parts.next().unwrap_or_default())?;
    let fields: Vec<&str> = parts.collect();
    let text = resource::explain(kind, &fields)
        .map_err(|error| Error::new(Kind::NotFound, error.to_string()))?;
    output::print(&text);
    Ok(())
}

/// `millctl schema`.
pub(super) fn schema(kind: &str) -> Result<()> {
    let schema = resource::schema(kind_of(kind)?);
    output::print(&format!("{}\n", serde_json::to_string_pretty(&schema).unwrap_or_default()));
    Ok(())
}

/// `millctl version`.
pub(super) fn version(global: &Global) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let text = output::machine(global.output, &json!({"client": version}));
    output::print(&text.unwrap_or_else(|| format!("millctl {version}\n")));
    Ok(())
}

/// `millctl completion`.
pub(super) fn completion(shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "millctl", &mut text);
    output::print(&String::from_utf8_lossy(&text));
    Ok(())
}

/// `millctl man`.
pub(super) fn man(out: &Path) -> Result<()> {
    std::fs::create_dir_all(out)?;
    clap_mangen::generate_to(Cli::command(), out)?;
    output::note(&format!("wrote the manual pages to {}", out.display()));
    Ok(())
}
