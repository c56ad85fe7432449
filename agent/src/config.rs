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
    /// How long somebody else's scan lock is waited for.
    #[serde(default = "default_lock_wait")]
    pub lock_wait: Span,
    /// Between two looks at open sessions while they hold a change back.
    #[serde(default = "default_sessions_poll")]
    pub sessions_poll: Span,
    /// Between two looks at state, role and sessions.
    #[serde(default = "default_facts_poll")]
    pub facts_poll: Span,
    /// How long Ignition 8.1 may take to scan by itself, when it has no scan module.
    #[serde(default = "default_own_scan")]
    pub own_scan_period: Span,
    /// Between two comparisons of the whole tree with what it should be.
    #[serde(default = "default_drift_check")]
    pub drift_check: Span,
    /// How far this clock and a coordinator's may be apart for windows to mean anything.
    #[serde(default = "default_clock_skew")]
    pub clock_skew: Span,
    /// Between two looks at a backup that is taking files over.
    #[serde(default = "default_converge_poll")]
    pub converge_poll: Span,
}

/// Shortest time between two full comparisons: an idle agent must cost nothing.
pub const DRIFT_CHECK_MIN: Span = Span(300_000);

fn default_sessions_poll() -> Span {
    Span(10_000)
}

fn default_lock_wait() -> Span {
    Span(30_000)
}

fn default_facts_poll() -> Span {
    Span(30_000)
}

// The gateway's own period, and time for the scan itself.
fn default_own_scan() -> Span {
    Span(310_000)
}

fn default_drift_check() -> Span {
    Span(6 * 3_600_000)
}

fn default_clock_skew() -> Span {
    Span(60_000)
}

fn default_converge_poll() -> Span {
    Span(5_000)
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
        if config.gateway.drift_check < DRIFT_CHECK_MIN {
            faults.push("gateway.drift_check: is shorter than 5m");
        }
        if config.gateway.sessions_poll.0 == 0 || config.gateway.facts_poll.0 == 0 {
            faults.push("gateway.sessions_poll, gateway.facts_poll: must not be 0");
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
         # scan_timeout = \"2m\"\n\
         # How long somebody else's scan lock is waited for.\n\
         # lock_wait = \"30s\"\n\
         # Between two looks at open sessions while they hold a change back.\n\
         # sessions_poll = \"10s\"\n\
         # Between two looks at state, redundancy role and sessions.\n\
         # facts_poll = \"30s\"\n\
         # How long Ignition 8.1 may take to scan by itself, when it has no scan module.\n\
         # own_scan_period = \"5m10s\"\n\
         # Between two comparisons of the whole tree with what it should be; 5m at least.\n\
         # Single changes are noticed at once.\n\
         # drift_check = \"6h\"\n\
         # How far this clock and a coordinator's may be apart; beyond it nothing is written where a\n\
         # window decides.\n\
         # clock_skew = \"1m\"\n\
         # Between two looks at a backup that is taking files over.\n\
         # converge_poll = \"5s\"\n",
        data_dir.display().to_string(),
        token_file.display().to_string()
    )
}
