//! Project import and export. A refusal is a 200 here.

use std::sync::Arc;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    answer::{ok, page},
    call::{Call, Found},
    projects::admitted,
    read, write,
};
use crate::{
    gateway::Gateway,
    pair::{self, Cause},
    project_files::{self, Imported},
};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.below(&["data", "api", "v1", "projects"])?;
    match (method, segments.as_slice()) {
        ("GET", ["export", name]) => read(export(gateway, call, (*name).to_owned())),
        ("POST", ["import", name]) => write(import(gateway, call, (*name).to_owned())),
        _ => None,
    }
}

async fn export(gateway: &Arc<Gateway>, call: &Call, name: String) -> Response {
    let file = format!("attachment; filename=\"{name}.zip\"");
    match gateway.blocking(move |gateway| project_files::export(gateway, &name)).await {
        Ok(Some(zip)) => {
            let head = [
                (header::CONTENT_TYPE, "application/zip".to_owned()),
                (header::CONTENT_DISPOSITION, file),
            ];
            (head, zip).into_response()
        }
        Ok(None) => page(404, &call.path, "Not Found"),
        Err(_) => page(500, &call.path, "Server Error"),
    }
}

async fn import(gateway: &Arc<Gateway>, call: &Call, name: String) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let (into, zip, overwrite) = (name.clone(), call.body.clone(), call.flag("overwrite"));
    let done = gateway
        .blocking(move |gateway| project_files::import(gateway, &into, overwrite, &zip))
        .await;
    match done {
        Ok(Imported::Done) => {
            gateway.change(|state| state.sessions.project_changed(&name, &[], None));
            pair::content_changed(gateway, Cause::Save);
            ok(&json!({"success": true, "changes": [{"name": name}]}))
        }
        Ok(Imported::Exists) => {
            let id = format!("ResourceId{{projectName={name}, resourcePath=}}");
            ok(&json!({"success": false, "problem": format!("resource already exists: {id}")}))
        }
        Ok(Imported::WrongFolder) => {
            page(500, &call.path, "module folder must have folder flag set")
        }
        Err(_) => page(500, &call.path, "Server Error"),
    }
}
