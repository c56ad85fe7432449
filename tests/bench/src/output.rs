//! One JSON object per measurement on standard output, and lines for people on standard error.

use std::{io::Write, path::Path};

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::machine;

/// One line for people.
pub fn say(text: &str) {
    let _gone = writeln!(std::io::stderr(), "{text}");
}

/// Where measurements go.
#[derive(Debug)]
pub struct Output {
    bench: &'static str,
    machine: Value,
    command: String,
}

impl Output {
    /// For one command; measures the disk of `dir`.
    pub fn new(bench: &'static str, dir: &Path) -> anyhow::Result<Self> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let command = format!("bench {}", args.join(" "));
        Ok(Self { bench, machine: machine::describe(dir)?, command })
    }

    /// Says what is being measured on.
    pub fn begin(&self) {
        let machine = &self.machine;
        say(&format!(
            "{}: {} cores, {} GiB, {}, {} build, fsync {} ms, load {:.2}",
            self.bench,
            machine["cores"],
            machine["memoryGiB"],
            machine["fileSystem"].as_str().unwrap_or_default(),
            machine["build"].as_str().unwrap_or_default(),
            machine["fsyncMs"]["median"],
            machine::load(),
        ));
        if machine["build"] == "debug" {
            say("this is a debug build: its figures say nothing; use --release");
        }
    }

    /// Prints one measurement: what, in which setting, the figures.
    pub fn emit(&self, what: &str, setting: Value, figures: Value) {
        let date = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let line = json!({
            "bench": self.bench, "what": what, "date": date, "command": self.command,
            "setting": setting, "figures": figures, "load1": machine::load(),
            "machine": self.machine,
        });
        let _gone = writeln!(std::io::stdout(), "{line}");
    }
}
