//! Enterprise Administration as a gateway that is no controller answers it.

use std::sync::Arc;

use super::{
    answer::page,
    call::{Call, Found},
    list::envelope,
    read, write,
};
use crate::{gateway::Gateway, modules::EAM};

const NO_CONTROLLER: &str =
    "This operation can only be performed when EAM is configured as a controller.";

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.below(&["data", "eam", "api", "v1"])?;
    gateway.see(|state| state.modules.has(EAM)).then_some(())?;
    match (method, segments.as_slice()) {
        ("GET", ["eam-tasks", "history" | "retry"] | ["eam-tasks", "scheduled", _]) => {
            read(async move {
                match controller(gateway) {
                    true => envelope(call, vec![]),
                    false => page(403, &call.path, NO_CONTROLLER),
                }
            })
        }
        ("POST", ["eam-tasks", verb @ ("suspend" | "resume" | "cancel"), _]) => {
            let verb = (*verb).to_owned();
            write(async move {
                match controller(gateway) {
                    // No task is known here.
                    true => page(500, &call.path, &format!("Task could not be {}", past(&verb))),
                    false => page(403, &call.path, NO_CONTROLLER),
                }
            })
        }
        ("POST", ["eam-tasks", "force", _, _]) => {
            write(async move { page(403, &call.path, NO_CONTROLLER) })
        }
        _ => None,
    }
}

fn past(verb: &str) -> &str {
    match verb {
        "suspend" => "suspended",
        "resume" => "resumed",
        _ => "cancelled",
    }
}

fn controller(gateway: &Gateway) -> bool {
    let key = crate::model::config::Key { kind: format!("{EAM}/module-settings"), name: None };
    gateway.see(|state| {
        let item = state.config.effective(&key);
        item.is_some_and(|(_, item)| item.config["installMode"] == "Controller")
    })
}
