//! Installed modules and the restarts that they wait for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Modules of a stock gateway: last part of the id, name.
const STOCK: [(&str, &str); 10] = [
    ("alarm-notification", "Alarm Notification"),
    ("historian", "Core Historian"),
    ("opcua", "OPC-UA"),
    ("perspective", "Perspective"),
    ("reporting", "Reporting"),
    ("sfc", "SFC"),
    ("symbol-factory", "Symbol Factory"),
    ("vision", "Vision"),
    ("webdev", "Web Developer"),
    ("eam", "Enterprise Administration"),
];

/// Id of Perspective.
pub(crate) const PERSPECTIVE: &str = "com.inductiveautomation.perspective";
/// Id of Vision.
pub(crate) const VISION: &str = "com.inductiveautomation.vision";
/// Id of Web Developer.
pub(crate) const WEBDEV: &str = "com.inductiveautomation.webdev";
/// Id of Enterprise Administration.
pub(crate) const EAM: &str = "com.inductiveautomation.eam";

#[derive(Debug, Clone)]
struct Module {
    name: String,
    state: String,
    enabled: bool,
}

/// All of them, by id.
#[derive(Debug, Clone)]
pub(crate) struct Modules {
    installed: BTreeMap<String, Module>,
    quarantined: Vec<Value>,
    pending: Vec<String>,
}

impl Modules {
    pub(crate) fn stock() -> Self {
        let installed = STOCK.iter().map(|(part, name)| {
            let module =
                Module { name: (*name).to_owned(), state: "ACTIVE".to_owned(), enabled: true };
            (format!("com.inductiveautomation.{part}"), module)
        });
        Self { installed: installed.collect(), quarantined: Vec::new(), pending: Vec::new() }
    }

    /// Whether its routes are there.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.installed.get(id).is_some_and(|module| module.state == "ACTIVE")
    }

    /// Sets the state of one, or takes it away.
    pub(crate) fn set(&mut self, id: &str, state: Option<&str>) {
        match state {
            None => drop(self.installed.remove(id)),
            Some(state) => {
                let fresh = Module { name: id.to_owned(), state: String::new(), enabled: true };
                let module = self.installed.entry(id.to_owned()).or_insert(fresh);
                state.clone_into(&mut module.state);
            }
        }
    }

    /// Switches one on or off at the next restart; whether it exists.
    pub(crate) fn toggle(&mut self, id: &str, enable: bool) -> bool {
        let Some(module) = self.installed.get_mut(id) else { return false };
        if module.enabled != enable {
            module.enabled = enable;
            let word = if enable { "Enabled" } else { "Disabled" };
            self.pending.push(format!("Module {word}: {id}"));
        }
        true
    }

    /// Takes one away; whether it existed.
    pub(crate) fn uninstall(&mut self, id: &str) -> bool {
        let was = self.installed.remove(id).is_some();
        if was {
            self.pending.push(format!("Module Uninstalled: {id}"));
        }
        was
    }

    /// Adds a change that needs a restart.
    pub(crate) fn wait_for_restart(&mut self, what: String) {
        self.pending.push(what);
    }

    /// Changes that need a restart.
    pub(crate) fn pending(&self) -> &[String] {
        &self.pending
    }

    pub(crate) fn quarantine(&mut self, id: &str, reason: &str) {
        self.installed.remove(id);
        self.quarantined.push(json!({"id": id, "name": id, "version": "1.0.0",
            "certAccepted": false, "licenseAccepted": false, "reason": reason}));
    }

    pub(crate) fn quarantined(&self) -> Vec<Value> {
        self.quarantined.clone()
    }

    /// A restart applies what waited for it.
    pub(crate) fn restarted(&mut self) {
        self.pending.clear();
        for module in self.installed.values_mut() {
            if module.state == "ACTIVE" || module.state == "DISABLED" {
                let state = if module.enabled { "ACTIVE" } else { "DISABLED" };
                state.clone_into(&mut module.state);
            }
        }
    }

    /// As REST lists them.
    pub(crate) fn records(&self, version: &str) -> Vec<Value> {
        let each = self.installed.iter().map(|(id, module)| {
            json!({
                "id": id, "name": module.name, "version": version, "description": module.name,
                "docUrl": "", "vendorId": 0, "vendorName": "Inductive Automation",
                "selfSigned": false, "state": module.state, "faultCause": null, "exception": null,
                "faultTime": null, "licenseState": "ACTIVATED", "startupTime": "1.204s",
                "onStartup": if module.enabled { "ENABLE" } else { "DISABLE" },
                "shouldUpgrade": false, "restrictions": [],
            })
        });
        each.collect()
    }
}
