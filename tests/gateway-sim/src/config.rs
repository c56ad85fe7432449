//! How one simulated gateway is set up; what can change while it runs is in [`Knobs`].

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::knobs::Knobs;

/// Which Ignition it plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Profile {
    /// REST, configuration as files, scans on request.
    #[default]
    V83,
    /// Status routes only, projects as files, scans by timer; with the third-party module also on
    /// request.
    V81,
}

/// Its part in a pair. Configuration: it never changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Alone.
    #[default]
    Independent,
    /// The one that is edited.
    Master,
    /// The one that follows.
    Backup,
}

impl Role {
    /// As the gateway spells it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Independent => "Independent",
            Role::Master => "Master",
            Role::Backup => "Backup",
        }
    }
}

/// How to simulate.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// The gateway's data directory; what is missing is seeded.
    pub data_dir: PathBuf,
    /// Its system name.
    pub name: String,
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// Where to serve `/sim/...` for tests; nowhere when absent.
    pub control: Option<SocketAddr>,
    /// Which Ignition.
    pub profile: Profile,
    /// As `gateway-info` says it.
    pub version: String,
    /// `standard`, `edge` or `maker`.
    pub edition: String,
    /// Token name and key; made when absent.
    pub token: Option<(String, String)>,
    /// Its part in a pair.
    pub role: Role,
    /// Deployment mode, written to `ignition.conf` of a fresh data directory.
    pub mode: Option<String>,
    /// Whether it was commissioned.
    pub commissioned: bool,
    /// 8.1 only: the project scan module is installed.
    pub scan_module: bool,
    /// What can be set later.
    pub knobs: Knobs,
}

impl SimConfig {
    /// A commissioned, single 8.3 gateway on a port of the system's choice, with short times.
    pub fn new(data_dir: PathBuf, name: &str) -> Self {
        Self {
            data_dir,
            name: name.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            control: None,
            profile: Profile::V83,
            version: "8.3.6 (b2026042713)".to_owned(),
            edition: "standard".to_owned(),
            token: None,
            role: Role::Independent,
            mode: None,
            commissioned: true,
            scan_module: false,
            knobs: Knobs::quick(),
        }
    }

    /// An 8.1 gateway: it scans its projects by itself and has no REST API.
    pub fn v81(data_dir: PathBuf, name: &str) -> Self {
        let mut config = Self::new(data_dir, name);
        config.profile = Profile::V81;
        "8.1.48 (b2025041608)".clone_into(&mut config.version);
        // The platform's default.
        config.knobs.scan.automatic_ms = 300_000;
        config
    }
}
