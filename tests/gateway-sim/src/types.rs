//! Types of configuration resources that a stock gateway has routes for, and what REST makes of
//! their files: defaults, nulls, and types that it does not show.

use serde_json::{Value, json};

/// Types of `ignition`; `*` marks a singleton.
const IGNITION: &str = "alarm-journal api-token audit-profile cobranding* database-connection \
    database-driver database-translator edge-system-properties* email-profile \
    gateway-network-incoming gateway-network-outgoing gateway-network-proxy-rules* \
    gateway-network-queue-settings* gateway-network-settings* general-alarm-settings* holiday \
    identity-provider keyboard_layout local-system-properties* metrics-dashboard oauth2-client \
    opc-connection quickstart* roster-config schedule secret-provider security-levels* \
    security-properties* security-zone service-connector store-and-forward-engine \
    system-properties* tag-provider tag-group translations* user-source";
/// Types of modules, below `com.inductiveautomation.`.
const MODULES: [(&str, &str); 8] = [
    (
        "eam",
        "agent-group agent-management eam-tasks event-thresholds* hw-license-management \
         leased-license-management module-certificates module-eulas module-settings* remote-upgrade",
    ),
    ("historian", "historian-provider"),
    ("opcua", "access-control* device server-config*"),
    ("opcua.drivers.bacnet", "BacnetIpLocalDeviceConfig"),
    ("perspective", "fonts icons themes"),
    ("sfc", "chart-settings*"),
    ("sip", "script-settings"),
    ("alarm-notification", "alarm-notification-profile"),
];
/// On disk, but without routes to read them.
const INVISIBLE: [&str; 5] = [
    "com.inductiveautomation.opcua/one-time",
    "ignition/images",
    "ignition/edge-sync-settings",
    "ignition/tag-definition",
    "ignition/tag-type-definition",
];

/// Whether a stock gateway has the type; and if so, whether it is a singleton.
fn stock(kind: &str) -> Option<bool> {
    let (module, name) = kind.split_once('/')?;
    let names = if module == "ignition" {
        IGNITION
    } else {
        let part = module.strip_prefix("com.inductiveautomation.")?;
        MODULES.iter().find(|(known, _)| *known == part)?.1
    };
    names.split_whitespace().find_map(|known| {
        let bare = known.trim_end_matches('*');
        (bare == name).then_some(bare.len() < known.len())
    })
}

/// Whether there are routes for a type; types of other modules have them once they are on disk.
pub(crate) fn has_routes(kind: &str, on_disk: bool) -> bool {
    !INVISIBLE.contains(&kind) && (stock(kind).is_some() || on_disk)
}

/// Whether a type is a singleton; types that are not stock are what the disk says.
pub(crate) fn is_singleton(kind: &str, on_disk: bool) -> bool {
    stock(kind).unwrap_or(on_disk)
}

/// A file as REST shows it: defaults filled in, nulls dropped where this type drops them.
pub(crate) fn view(kind: &str, config: &Value) -> Value {
    let mut view = config.clone();
    let defaults = match kind {
        "ignition/general-alarm-settings" => json!({"liveEventLimit": 5}),
        "ignition/database-connection" => json!({"slowQueryLogThreshold": 60_000}),
        _ => json!({}),
    };
    if let (Some(view), Value::Object(defaults)) = (view.as_object_mut(), defaults) {
        for (key, value) in defaults {
            view.entry(key).or_insert(value);
        }
    }
    // Providers of tags echo them.
    if kind != "ignition/tag-provider" {
        drop_nulls(&mut view);
    }
    view
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(drop_nulls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_stock_singleton_or_invisible() {
        for (kind, on_disk, routes) in [
            ("ignition/database-connection", false, true),
            ("ignition/images", true, false),
            ("ignition/edge-sync-settings", true, false),
            ("ignition/unknown", false, false),
            ("org.example.mod/thing", true, true),
            ("com.inductiveautomation.opcua/device", false, true),
        ] {
            assert_eq!(has_routes(kind, on_disk), routes, "{kind}");
        }
        assert!(is_singleton("ignition/system-properties", false));
        assert!(!is_singleton("ignition/user-source", true));
    }

    #[test]
    fn views_have_defaults_and_no_nulls_but_for_some() {
        let file = json!({"a": null, "b": {"c": null}});
        assert_eq!(view("ignition/holiday", &file), json!({"b": {}}));
        assert_eq!(view("ignition/tag-provider", &file), file);
        let filled = view("ignition/general-alarm-settings", &json!({}));
        assert_eq!(filled, json!({"liveEventLimit": 5}));
    }
}
