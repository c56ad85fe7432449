//! State, identity, version, modules and trial of the gateway.

use std::collections::{BTreeMap, BTreeSet};

use millwright_model::report::FailureKind;
use reqwest::Method;

use super::{Gateway, Trouble, number, text};

/// Which generation of Ignition, since they differ in everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// 8.3 and later: REST, tokens, configuration as files.
    #[default]
    V83,
    /// 8.1: projects only, no REST.
    V81,
}

/// A module that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its id.
    pub id: String,
    /// `ACTIVE` when it runs.
    pub state: String,
}

/// What `/trial` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// The gateway runs on a trial that has ended.
    pub expired: bool,
}

impl Gateway {
    /// `RUNNING` or what else `/StatusPing` says. Uncommissioned gateways are RUNNING with details.
    pub async fn state(&self) -> Result<String, Trouble> {
        let ping = self.json(Method::GET, "/StatusPing").await?;
        let word = |key: &str| ping[key].as_str().map(str::to_owned);
        Ok(word("details").or_else(|| word("state")).unwrap_or_default())
    }

    /// The gateway's own name and version, by REST.
    pub async fn info(&self) -> Result<(String, String), Trouble> {
        let info = self.json(Method::GET, "/data/api/v1/gateway-info").await?;
        Ok((text(&info, "name"), text(&info, "ignitionVersion")))
    }

    /// Name and version as `/system/gwinfo` says without authentication: `Key=value;` pairs.
    pub async fn gwinfo(&self) -> Result<(String, String), Trouble> {
        let mut pairs = self.gwinfo_pairs().await?;
        let mut take = |key: &str| pairs.remove(key).unwrap_or_default();
        let name = take("PlatformName");
        Ok((name.strip_prefix("Ignition-").unwrap_or(&name).to_owned(), take("Version")))
    }

    /// All that it says, by key.
    pub(super) async fn gwinfo_pairs(&self) -> Result<BTreeMap<String, String>, Trouble> {
        let body = self.ask(Method::GET, "/system/gwinfo").await?;
        let body = String::from_utf8_lossy(&body);
        let pairs = body.split(';').filter_map(|pair| pair.trim().split_once('='));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// Which generation of Ignition it is. The version text decides; without one, whether there is
    /// a REST interface.
    pub async fn version(&self) -> Result<Version, Trouble> {
        let (_, version) = self.gwinfo().await?;
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        Ok(if number >= (8, 3) { Version::V83 } else { Version::V81 })
    }

    /// Modules that are up.
    pub async fn modules(&self) -> Result<Vec<Module>, Trouble> {
        let items = self.items("/data/api/v1/modules/healthy").await?;
        Ok(items
            .iter()
            .map(|item| Module { id: text(item, "id"), state: text(item, "state") })
            .collect())
    }

    /// Ids of the modules that are active.
    pub async fn active_modules(&self) -> Result<BTreeSet<String>, Trouble> {
        let modules = self.modules().await?;
        Ok(modules.into_iter().filter(|m| m.state == "ACTIVE").map(|m| m.id).collect())
    }

    /// The trial.
    pub async fn trial(&self) -> Result<Trial, Trouble> {
        let trial = self.json(Method::GET, "/data/api/v1/trial").await?;
        let expired = trial["expired"].as_bool().unwrap_or(false);
        Ok(Trial { expired: expired && trial["licenseMode"].as_str() != Some("Activated") })
    }

    /// Whether the token may write: a 403 on a scan says no. It is a real scan, so it is asked
    /// before anything is staged and never while a lock is held.
    pub async fn may_write(&self) -> Result<(), Trouble> {
        self.ask(Method::POST, "/data/api/v1/scan/projects").await.map(drop)
    }

    /// What waits for a restart of the gateway.
    pub async fn pending_restarts(&self) -> Result<Vec<String>, Trouble> {
        let answer = self.json(Method::GET, "/data/api/v1/restart-tasks/pending").await?;
        let pending = answer["pending"].as_array().cloned().unwrap_or_default();
        Ok(pending.iter().filter_map(|task| task.as_str().map(str::to_owned)).collect())
    }

    /// The gateway's clock in epoch milliseconds, from its overview; `None` when it does not say.
    pub async fn clock(&self) -> Option<i64> {
        let overview = self.json(Method::GET, "/data/api/v1/overview").await.ok()?;
        number(&overview["time"])
    }

    /// Health: every module that was active before is active now. A gateway that does not run, or not
    /// yet, is trouble: it cannot be judged.
    pub async fn health(&self, before: &BTreeSet<String>) -> Result<Result<(), String>, Trouble> {
        let state = self.state().await?;
        if state != "RUNNING" {
            let message = format!("it is {state}, not RUNNING");
            return Err(Trouble::new(FailureKind::GatewayNotRunning, message));
        }
        if before.is_empty() {
            return Ok(Ok(()));
        }
        let now = self.active_modules().await?;
        Ok(match before.difference(&now).next() {
            Some(gone) => Err(format!("the module {gone} was active and is not any more")),
            None => Ok(()),
        })
    }
}
