//! Which fleets a change concerns: those whose rollouts it may cause.

use std::collections::BTreeSet;

use millwright_model::{
    resource::{Kind, Resource, Strings},
    selector::Selector,
};
use serde_json::Value;

use crate::{client::Client, error::Result, view::text};

fn labels(gateway: &Value) -> Strings {
    let labels = gateway.pointer("/metadata/labels").and_then(Value::as_object);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    labels.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// Names of the fleets; none when the change is about other things, such as operators.
pub(super) async fn fleets(client: &mut Client, changed: &[&Resource]) -> Result<BTreeSet<String>> {
    let relevant = |resource: &&&Resource| {
        matches!(
            resource.kind(),
            Kind::Fleet | Kind::Gateway | Kind::Repository | Kind::SyncProfile
        )
    };
    if !changed.iter().any(|resource| relevant(&resource)) {
        return Ok(BTreeSet::new());
    }
    let fleets = client.get("Fleet", "", "").await?.values;
    let gateways = client.get("Gateway", "", "").await?.values;
    Ok(concerned(changed, &fleets, &gateways))
}

fn concerned(changed: &[&Resource], fleets: &[Value], gateways: &[Value]) -> BTreeSet<String> {
    let is = |kind: Kind, name: &str| {
        changed.iter().any(|resource| resource.kind() == kind && resource.name() == name)
    };
    let touched: Vec<&Value> = gateways
        .iter()
        .filter(|gateway| {
            is(Kind::Gateway, &text(gateway, "/metadata/name"))
                || is(Kind::SyncProfile, &text(gateway, "/spec/profile"))
        })
        .collect();
    let selects_touched = |fleet: &Value| {
        let selector = fleet.pointer("/spec/selector").and_then(Value::as_str).unwrap_or_default();
        let Ok(selector) = selector.parse::<Selector>() else { return true };
        touched.iter().any(|gateway| selector.matches(&labels(gateway)))
    };
    fleets
        .iter()
        .filter(|fleet| {
            is(Kind::Fleet, &text(fleet, "/metadata/name"))
                || is(Kind::Repository, &text(fleet, "/spec/repository"))
                || selects_touched(fleet)
        })
        .map(|fleet| text(fleet, "/metadata/name"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(yaml: &str) -> Resource {
        let text = format!("apiVersion: millwright.dev/v1\n{yaml}");
        millwright_model::resource::parse_documents(&text, "test").unwrap().pop().unwrap()
    }

    #[test]
    fn a_change_concerns_the_fleets_that_may_move() {
        let fleets = [
            json!({"metadata": {"name": "a"}, "spec": {"repository": "r", "selector": "line=1"}}),
            json!({"metadata": {"name": "b"}, "spec": {"repository": "s", "selector": "line=2"}}),
        ];
        let gateways = [
            json!({"metadata": {"name": "g1", "labels": {"line": "1"}}, "spec": {"profile": "p"}}),
            json!({"metadata": {"name": "g2", "labels": {"line": "2"}}, "spec": {"profile": "q"}}),
        ];
        let check = |yaml: &str, expected: &[&str]| {
            let changed = resource(yaml);
            let found = concerned(&[&changed], &fleets, &gateways);
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{yaml}");
        };
        check("kind: Gateway\nmetadata: {name: g1}\nspec: {site: s, profile: p}", &["a"]);
        check("kind: Fleet\nmetadata: {name: b}\nspec: {repository: s}", &["b"]);
        check(
            "kind: Repository\nmetadata: {name: r}\nspec: {url: 'https://x/y', ref: {branch: m}}",
            &["a"],
        );
        check("kind: Operator\nmetadata: {name: ann}\nspec: {role: viewer}", &[]);
    }
}
