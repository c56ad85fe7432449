//! The configuration file of an agent; `enrol` writes it with comments.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use millwright_model::time::Span;
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// API addresses of the coordinators.
    pub coordinators: Vec<String>,
    /// The gateway beside this agent.
    pub gateway: Gateway,
}

/// `[gateway]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Where its web server answers.
    pub url: String,
    /// File with its API token, `name:key`.
    pub token_file: PathBuf,
    /// How long to wait for a gateway that is starting or cannot be reached.
    #[serde(default = "default_wait")]
    pub wait: Span,
    /// How long a scan may take.
    #[serde(default = "default_scan")]
    pub scan_timeout: Span,
}

fn default_wait() -> Span {
    Span(120_000)
}

fn default_scan() -> Span {
    Span(120_000)
}

impl Config {
    /// Reads and checks a file; all faults at once.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let config: Config =
            toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
        let mut faults = Vec::new();
        if config.coordinators.is_empty() {
            faults.push("coordinators: none is named");
        }
        if !config.gateway.url.starts_with("http://") && !config.gateway.url.starts_with("https://")
        {
            faults.push("gateway.url: begins with neither http:// nor https://");
        }
        if !config.gateway.data_dir.is_absolute() {
            faults.push("gateway.data_dir: is not absolute");
        }
        if !faults.is_empty() {
            bail!("{} is not valid:\n{}", path.display(), faults.join("\n"));
        }
        Ok(config)
    }
}

/// The commented file for a new agent.
pub fn template(coordinators: &[String], data_dir: &Path, url: &str, token_file: &Path) -> String {
    format!(
        "# A Millwright agent.\n\n\
         # API addresses of the coordinators; the agent uses any that answers.\n\
         coordinators = {coordinators:?}\n\n\
         [gateway]\n\
         # Data directory of the Ignition gateway. The agent's own folder must be on the same\n\
         # file system: files are staged there and renamed into place.\n\
         data_dir = {:?}\n\
         # Its web server.\n\
         url = {url:?}\n\
         # File with an API token of the gateway that may read and write, as name:key.\n\
         token_file = {:?}\n\
         # How long to wait for a gateway that starts or cannot be reached.\n\
         # wait = \"2m\"\n\
         # How long a scan may take.\n\
         # scan_timeout = \"2m\"\n",
        data_dir.display().to_string(),
        token_file.display().to_string()
    )
}
