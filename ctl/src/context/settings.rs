//! Where each setting came from: flag before environment before contexts file before default.

use std::path::PathBuf;

use clap::{ArgMatches, parser::ValueSource};

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment,
    /// The contexts file.
    File,
    /// Nobody said anything.
    Default,
}

impl Origin {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Flag => "flag",
            Origin::Environment => "environment",
            Origin::File => "contexts file",
            Origin::Default => "default",
        }
    }

    /// Of an argument.
    pub fn of(matches: &ArgMatches, id: &str) -> Self {
        match matches.value_source(id) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => Origin::Environment,
            Some(_) | None => Origin::Default,
        }
    }
}

/// Origins of the settings that every command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origins {
    /// `--config`.
    pub config: Origin,
    /// `--context`.
    pub context: Origin,
    /// `--output`.
    pub output: Origin,
}

impl Origins {
    /// Of a whole command line.
    pub fn of(matches: &ArgMatches) -> Self {
        Self {
            config: Origin::of(matches, "config"),
            context: Origin::of(matches, "context"),
            output: Origin::of(matches, "output"),
        }
    }
}

/// Where the contexts file is when nothing says otherwise.
pub fn default_path() -> PathBuf {
    let base = match std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => {
            let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            home.join(".config")
        }
    };
    base.join("millwright/millctl.toml")
}
