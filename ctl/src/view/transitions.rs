//! What happened to a rollout between two looks, one line each, for where no picture can be drawn.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{list, maybe, number, short, text};

fn by<'a>(value: Option<&'a Value>, path: &str, key: &str) -> BTreeMap<String, &'a Value> {
    let items = value.map_or(&[][..], |value| list(value, path));
    items.iter().map(|item| (text(item, key), item)).collect()
}

/// Lines from `old` to `new`; all of it when there is no old one.
pub fn between(old: Option<&Value>, new: &Value) -> Vec<String> {
    let name = text(new, "/metadata/name");
    let mut lines = Vec::new();
    if old.is_none() {
        lines.push(format!(
            "{name} brings fleet {} to commit {} ({})",
            text(new, "/spec/fleet"),
            short(new, "/spec/commit"),
            text(new, "/spec/reference"),
        ));
    }
    let before = by(old, "/status/stages", "/name");
    for stage in list(new, "/status/stages") {
        let (stage_name, state) = (text(stage, "/name"), text(stage, "/state"));
        let same = before.get(&stage_name).is_some_and(|old| text(old, "/state") == state);
        if !same && state != "pending" {
            let members = number(stage, "/total");
            let plural = if members == 1 { "" } else { "s" };
            lines.push(format!("{name} stage {stage_name} is {state} ({members} gateway{plural})"));
        }
    }
    let before = by(old, "/status/members", "/gateway");
    for member in list(new, "/status/members") {
        let (gateway, state) = (text(member, "/gateway"), text(member, "/state"));
        let was = before.get(&gateway).map(|old| text(old, "/state"));
        if was.as_deref() == Some(state.as_str()) || (was.is_none() && state == "pending") {
            continue;
        }
        let stage = text(member, "/stage");
        let mut line = format!("{name} {stage}/{gateway} {state}");
        let generation = number(member, "/generation");
        if generation > 0 {
            line.push_str(&format!(" (generation {generation})"));
        }
        let message = maybe(member, "/message");
        if !message.is_empty() {
            line.push_str(&format!(": {message}"));
        }
        lines.push(line);
    }
    let phase = |value: &Value| text(value, "/status/phase");
    if phase(new) != "Running" && old.is_none_or(|old| phase(old) != phase(new)) {
        lines.push(format!("{name} {}: {}", phase(new), text(new, "/status/message")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(phase: &str, stage: &str, member: &str) -> Value {
        json!({
            "metadata": {"name": "plants-2"},
            "spec": {"fleet": "plants", "commit": "4bf57a65aa", "reference": "branch main"},
            "status": {"phase": phase, "message": "1/1 applied",
                "stages": [{"name": "canary", "state": stage, "total": 1}],
                "members": [{"gateway": "gw1", "stage": "canary", "state": member, "generation": 2}]},
        })
    }

    #[test]
    fn each_transition_is_one_line_and_nothing_is_said_twice() {
        let first = rollout("Running", "open", "assigned");
        assert_eq!(
            between(None, &first),
            [
                "plants-2 brings fleet plants to commit 4bf57a65 (branch main)",
                "plants-2 stage canary is open (1 gateway)",
                "plants-2 canary/gw1 assigned (generation 2)",
            ]
        );
        assert_eq!(between(Some(&first), &first), Vec::<String>::new());
        assert_eq!(
            between(Some(&first), &rollout("Completed", "done", "applied")),
            [
                "plants-2 stage canary is done (1 gateway)",
                "plants-2 canary/gw1 applied (generation 2)",
                "plants-2 Completed: 1/1 applied",
            ]
        );
    }
}
