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
    let dir = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base =
        dir("XDG_CONFIG_HOME").unwrap_or_else(|| dir("HOME").unwrap_or_default().join(".config"));
    base.join("millwright/millctl.toml")
}
