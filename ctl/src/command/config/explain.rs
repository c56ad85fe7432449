//! `millctl config explain`: it works with a broken file too, and says what is broken.

use std::{path::Path, time::SystemTime};

use millwright_model::time::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::Global,
    command::{config_path, context::show::ms},
    context::{
        self,
        file::File,
        settings::{Origin, Origins},
    },
    error::Result,
    output::{
        self,
        table::{Column, table},
        terminal,
    },
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl config explain
  millctl config explain --context prod

A flag wins over the environment, that over the contexts file, that over the default.")]
pub struct Args {}

/// Name, value, origin.
type Row = (&'static str, String, String);

pub(super) fn run(global: &Global, Args {}: Args, origins: Origins) -> Result<()> {
    millwright_certs::install_crypto_provider();
    let path = config_path(global);
    let mut rows: Vec<Row> = vec![(
        "contexts file",
        path.display().to_string(),
        origin(origins.config, "--config", "MILLWRIGHT_CONFIG"),
    )];
    let broken = context_rows(global, &path, origins, &mut rows).err();
    rows.push(("output", global.output.word().to_owned(), origins.output.as_str().to_owned()));
    rows.push(color(global));
    let values: Vec<Value> = rows
        .iter()
        .map(|(name, value, from)| json!({"name": name, "value": value, "from": from}))
        .collect();
    output::show(&global.output, &json!(values), None, |wide| {
        let cells =
            |(name, value, from): &Row| vec![(*name).to_owned(), from.clone(), value.clone()];
        let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        let titles = [Column::new("SETTING"), Column::new("FROM"), Column::new("VALUE")];
        let limit = if wide { None } else { terminal::width() };
        table(&titles, &rows, limit, output::style())
    })?;
    broken.map_or(Ok(()), Err)
}

fn origin(origin: Origin, flag: &str, variable: &str) -> String {
    match origin {
        Origin::Flag => format!("flag {flag}"),
        Origin::Environment => format!("environment {variable}"),
        Origin::File | Origin::Default => origin.as_str().to_owned(),
    }
}

fn context_rows(global: &Global, path: &Path, origins: Origins, rows: &mut Vec<Row>) -> Result<()> {
    let file = File::read(path)?;
    let entry = file.pick(path, global.context.as_deref())?;
    let from = match origins.context {
        Origin::Default => Origin::File,
        other => other,
    };
    rows.push(("context", entry.name.clone(), origin(from, "--context", "MILLWRIGHT_CONTEXT")));
    let inside = || format!("context {}", entry.name);
    let protected = if entry.protected { "yes" } else { "no" };
    rows.push(("coordinators", entry.coordinators.join(", "), inside()));
    rows.push(("CA pin", entry.ca_fingerprint.clone(), inside()));
    rows.push(("protected", protected.to_owned(), inside()));
    let dir = context::file::identity_dir(path, entry).display().to_string();
    rows.push(("credentials", dir, inside()));
    let opened = context::open(path, entry)?;
    rows.push(("identity", opened.store.identity().to_string(), "cert.pem".to_owned()));
    let until = Timestamp(ms(opened.store.expires_at())).to_string();
    let due = if opened.store.renewal_due(SystemTime::now()) { " (renewal due)" } else { "" };
    rows.push(("certificate until", format!("{until}{due}"), "cert.pem".to_owned()));
    Ok(())
}

fn color(global: &Global) -> Row {
    let on = output::style().color;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let from = match (global.no_color, no_color, terminal::is_terminal()) {
        (true, _, _) => "flag --no-color",
        (false, true, _) => "environment NO_COLOR",
        (false, false, false) => "standard output is no terminal",
        (false, false, true) => "terminal",
    };
    ("colour", if on { "on" } else { "off" }.to_owned(), from.to_owned())
}
