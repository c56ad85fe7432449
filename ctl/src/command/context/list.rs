//! `millctl context list`.

use serde_json::{Value, json};

use crate::{
    cli::Global,
    command::config_path,
    context::file::File,
    error::Result,
    output::{
        self,
        table::{Column, table},
        terminal,
    },
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  millctl context list")]
pub struct Args {}

pub(super) fn run(global: &Global, Args {}: Args) -> Result<()> {
    let file = File::read(&config_path(global))?;
    let wanted = global.context.as_deref().unwrap_or(&file.current);
    let values: Vec<Value> = file
        .contexts
        .iter()
        .map(|entry| {
            json!({"kind": "Context", "name": entry.name, "current": entry.name == wanted,
                "protected": entry.protected, "coordinators": entry.coordinators,
                "caFingerprint": entry.ca_fingerprint})
        })
        .collect();
    output::show(&global.output, &json!(values), None, |wide| {
        let row = |entry: &crate::context::file::Entry| {
            vec![
                if entry.name == wanted { "*" } else { "" }.to_owned(),
                entry.name.clone(),
                if entry.protected { "yes" } else { "-" }.to_owned(),
                entry.coordinators.join(", "),
            ]
        };
        let rows: Vec<Vec<String>> = file.contexts.iter().map(row).collect();
        let titles = [
            Column::new(" "),
            Column::new("NAME"),
            Column::new("PROTECTED"),
            Column::prose("COORDINATORS"),
        ];
        let limit = if wide { None } else { terminal::width() };
        table(&titles, &rows, limit, output::style())
    })
}
