//! `millctl schema`.

use clap_complete::engine::ArgValueCandidates;
use millwright_model::resource::{Kind, schema};
use serde_json::{Value, json};

use super::kind_of;
use crate::{
    cli::Global,
    complete,
    error::Result,
    output::{self, Output},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  millctl schema gateway > gateway.schema.json
  millctl schema > millwright.schema.json      any kind, for an editor")]
pub struct Args {
    /// Kind; any of them when absent.
    #[arg(add = ArgValueCandidates::new(complete::kinds))]
    pub kind: Option<String>,
}

pub(super) fn run(global: &Global, Args { kind }: Args) -> Result<()> {
    let schema = match kind {
        Some(kind) => schema(kind_of(&kind)?),
        None => any(),
    };
    match global.output {
        // A schema is a file of its own: no envelope around it.
        Output::Table | Output::Wide | Output::Json => {
            let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
            output::print(&format!("{text}\n"));
            Ok(())
        }
        Output::Yaml | Output::Name | Output::Sarif | Output::JsonPath(_) => {
            output::show(&global.output, &schema, None, |_| String::new())
        }
    }
}

/// One schema for all kinds that people write.
fn any() -> Value {
    let kinds: Vec<Value> =
        Kind::ALL.into_iter().filter(|kind| kind.is_written()).map(schema).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Millwright resource", "oneOf": kinds,
    })
}
