//! Why a configuration resource does not load, and what the log says of it: `attributes.uuid` is
//! missing, or a listed file.

use serde_json::Value;

/// Types whose resources load without a uuid.
const EXEMPT: [&str; 4] = [
    "ignition/store-and-forward-engine",
    "com.inductiveautomation.perspective/themes",
    "ignition/tag-group",
    // Loads after a restart.
    "ignition/api-token",
];
/// This one does not load without, and nothing says so.
const SILENT: &str = "ignition/database-translator";

/// A resource that did not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No uuid; logged unless silent.
    NoUuid { silent: bool },
    /// A file that it lists is not there.
    Missing(String),
    /// `resource.json` or `config.json` cannot be read.
    Broken(String),
    /// A test wants it so.
    Asked,
}

/// Whether a resource of this type (`module/type`) loads.
pub(crate) fn of(kind: &str, name: Option<&str>, meta: &Value) -> Option<Refusal> {
    let has_uuid = meta["attributes"]["uuid"].as_str().is_some_and(|uuid| !uuid.is_empty());
    if name.is_none() || has_uuid || EXEMPT.contains(&kind) {
        return None;
    }
    Some(Refusal::NoUuid { silent: kind == SILENT })
}

impl Refusal {
    /// Level, logger and text; nothing where the gateway is silent.
    pub(crate) fn line(&self, kind: &str, path: &str) -> Option<(&'static str, String, String)> {
        let logger = format!("NamedResourceHandler-{kind}");
        match self {
            Refusal::NoUuid { silent: true } => None,
            Refusal::NoUuid { silent: false } => Some((
                "WARN",
                logger,
                format!(
                    "Resource {path} does not have required UUID attribute, will not be loaded"
                ),
            )),
            Refusal::Missing(name) => Some((
                "ERROR",
                logger,
                format!("Error loading resource {path}: data file '{name}' does not exist"),
            )),
            Refusal::Broken(why) => {
                Some(("ERROR", logger, format!("Error loading resource {path}: {why}")))
            }
            Refusal::Asked => {
                Some(("WARN", logger, format!("Resource {path} is invalid, will not be loaded")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Refusal, of};

    #[test]
    fn named_resources_need_a_uuid_but_for_some_types() {
        let bare = json!({"attributes": {}});
        for (kind, name, expected) in [
            ("ignition/database-connection", Some("X"), Some(Refusal::NoUuid { silent: false })),
            ("ignition/database-translator", Some("X"), Some(Refusal::NoUuid { silent: true })),
            ("ignition/store-and-forward-engine", Some("X"), None),
            ("com.inductiveautomation.perspective/themes", Some("X"), None),
            ("ignition/tag-group", Some("P/G"), None),
            ("ignition/api-token", Some("X"), None),
            ("ignition/system-properties", None, None),
        ] {
            assert_eq!(of(kind, name, &bare), expected, "{kind}");
        }
        let with = json!({"attributes": {"uuid": "3f2a1c9e-5d47-4b8e-9a10-7c6d5e4f3b2a"}});
        assert_eq!(of("ignition/database-connection", Some("X"), &with), None);
        assert_eq!(Refusal::NoUuid { silent: true }.line("k", "p"), None);
        assert_eq!(
            Refusal::NoUuid { silent: false }.line("m/t", "m/t/X"),
            Some((
                "WARN",
                "NamedResourceHandler-m/t".into(),
                "Resource m/t/X does not have required UUID attribute, will not be loaded".into()
            ))
        );
    }
}
