//! The log and the audit log over REST.

use std::sync::Arc;

use serde_json::json;

use super::{
    answer::no_content,
    call::{Call, Found},
    list::{envelope, envelope_with_floats},
    read, write,
};
use crate::{gateway::Gateway, logbook::Wanted};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.api()?;
    match (method, segments.as_slice()) {
        ("GET", ["logs"]) => read(async {
            let number = |key: &str| call.param(key).and_then(|text| text.parse().ok());
            let text = |key: &str| call.param(key).map(str::to_owned);
            let wanted = Wanted {
                start: number("startTime"),
                end: number("endTime"),
                min_level: text("minLevel"),
                logger: text("logger"),
            };
            envelope(call, gateway.see(|state| state.log.find(&wanted)))
        }),
        ("GET", ["logs", "loggers"]) => read(async {
            let names = gateway.see(|state| state.log.loggers());
            let items = names.iter().map(|name| json!({"name": name, "level": "INFO"}));
            envelope(call, items.collect())
        }),
        ("POST", ["logs", "loggers", _] | ["logs", "levelreset"]) => write(async { no_content() }),
        ("GET", ["logs", "download"]) => read(async {
            let file = format!(
                "attachment; filename=\"{}_Ignition_logs_{}.idb\"",
                gateway.settings.name,
                gateway.see(|state| state.now_ms())
            );
            let head = [
                ("content-type", "application/x-sqlite3".to_owned()),
                ("content-disposition", file),
            ];
            axum::response::IntoResponse::into_response((head, "SQLite format 3\0"))
        }),
        ("GET", ["audit", "log", _]) => {
            read(async { envelope_with_floats(call, gateway.see(|state| state.audit.clone())) })
        }
        _ => None,
    }
}
