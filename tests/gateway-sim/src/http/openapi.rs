//! A small API document: the paths that are there, without schemas.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    answer::ok,
    call::{Call, Found},
    read,
};
use crate::gateway::Gateway;

/// Method and path below `/data`.
const PATHS: &str = "get api/v1/gateway-info
get api/v1/overview
get api/v1/redundancy
post api/v1/redundancy/gwaction/resync
post api/v1/redundancy/gwaction/failover
get api/v1/designers
get api/v1/designer/{id}
delete api/v1/designer/{id}
get perspective/api/v1/sessions/
delete perspective/api/v1/sessions
get vision/api/v1/clients
get api/v1/scan/config
post api/v1/scan/config
get api/v1/scan/projects
post api/v1/scan/projects
get api/v1/scan-lock/config
post api/v1/scan-lock/config
get api/v1/scan-lock/projects
post api/v1/scan-lock/projects
get api/v1/mode
post api/v1/mode
get api/v1/projects/list
get api/v1/projects/find/{name}
post api/v1/projects/import/{name}
get api/v1/projects/export/{name}
get api/v1/tags/export
post api/v1/tags/import
get api/v1/backup
post api/v1/backup
get api/v1/modules/healthy
get api/v1/modules/quarantined
get api/v1/logs
get api/v1/trial
post api/v1/trial
get api/v1/restart-tasks/pending
post api/v1/restart-tasks/restart";

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.below(&[])?;
    match (method, segments.as_slice()) {
        ("GET", ["openapi.json"]) => read(async { ok(&document(gateway)) }),
        _ => None,
    }
}

fn document(gateway: &Gateway) -> Value {
    let mut paths = Map::new();
    for line in PATHS.lines() {
        let (method, path) = line.split_once(' ').unwrap_or_default();
        let operations = paths.entry(format!("/data/{path}")).or_insert_with(|| json!({}));
        operations[method] = json!({"responses": {"200": {"description": "OK"}}});
    }
    let version = gateway.settings.version.split(' ').next().unwrap_or_default();
    json!({"openapi": "3.0.1", "info": {"title": "Ignition Gateway API", "version": version},
        "paths": paths})
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_has_a_method_and_a_path() {
        assert!(super::PATHS.lines().all(|line| line.split(' ').count() == 2));
    }
}
