//! Changes of configuration resources that move files: rename, copy, move, data files.

use std::sync::Arc;

use axum::response::Response;

use super::{
    answer::{invalid, page},
    call::{Call, Found},
    change::{admitted, answer, deletable, done, id, legal, problem},
    resources::{datafile_of, known},
    write,
};
use crate::{gateway::Gateway, model::config::Key, saves};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (method, segments) = call.below(&["data", "api", "v1", "resources"])?;
    let kind_of = |module: &str, kind: &str| {
        let kind = format!("{module}/{kind}");
        known(gateway, &kind).then_some(kind)
    };
    match (method, segments.as_slice()) {
        ("POST", ["copy" | "move"]) => {
            let keep = segments[0] == "copy";
            write(async move { transfer(gateway, call, keep).await })
        }
        ("POST", ["rename", module, kind, name @ ..]) if !name.is_empty() => {
            let key = Key { kind: kind_of(module, kind)?, name: Some(name.join("/")) };
            write(async move { rename(gateway, call, key).await })
        }
        ("PUT" | "DELETE", ["datafile", module, kind, rest @ ..]) if !rest.is_empty() => {
            let (key, file) = datafile_of(&kind_of(module, kind)?, &rest.join("/"));
            write(async move { datafile(gateway, call, key, file).await })
        }
        _ => None,
    }
}

async fn rename(gateway: &Arc<Gateway>, call: &Call, key: Key) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let body = call.json().unwrap_or_default();
    let new = body["name"].as_str().unwrap_or_default().to_owned();
    if !legal(&new) {
        return invalid(&[], &[("name", "Invalid resource name")]);
    }
    let Some(collection) = gateway.see(|s| s.config.effective(&key).map(|(c, _)| c.to_owned()))
    else {
        return page(404, &call.path, &format!("Resource not found: {}", key.path()));
    };
    let target = Key { kind: key.kind.clone(), name: Some(new) };
    if gateway.see(|state| state.config.copy(&target, &collection).is_some()) {
        let text = format!("CREATE conflict: '{}' already exists", id(&target, &collection));
        return problem(409, &text, false);
    }
    let actor = call.actor();
    let moved = gateway.blocking(move |gateway| {
        let (from, to) = ((&key, collection.as_str()), (&target, collection.as_str()));
        let signature = saves::transfer(gateway, from, to, false, &actor)?;
        Ok(vec![done(&target, &collection, Some(&signature))])
    });
    answer(gateway, call, moved.await)
}

/// Between collections.
async fn transfer(gateway: &Arc<Gateway>, call: &Call, keep: bool) -> Response {
    let lenient = match admitted(gateway, call).await {
        Ok(lenient) => lenient,
        Err(refused) => return refused,
    };
    let param = |name: &str| call.param(name).unwrap_or_default().to_owned();
    let (from, to) = (param("fromCollection"), param("toCollection"));
    let key = Key { kind: param("resourceType"), name: call.param("name").map(str::to_owned) };
    if let Err(refused) = deletable(gateway, call, &key, Some(&from), &param("signature"), lenient)
    {
        return *refused;
    }
    let actor = call.actor();
    let moved = gateway.blocking(move |gateway| {
        let signature = saves::transfer(gateway, (&key, &from), (&key, &to), keep, &actor)?;
        Ok(vec![done(&key, &to, Some(&signature))])
    });
    answer(gateway, call, moved.await)
}

async fn datafile(gateway: &Arc<Gateway>, call: &Call, key: Key, file: String) -> Response {
    if let Err(refused) = admitted(gateway, call).await {
        return refused;
    }
    let Some(collection) = gateway.see(|s| s.config.effective(&key).map(|(c, _)| c.to_owned()))
    else {
        return page(404, &call.path, &format!("Resource not found: {}", key.path()));
    };
    if !legal(&file) {
        return page(400, &call.path, "Bad Request");
    }
    let bytes = (call.method == "PUT").then(|| call.body.clone());
    let actor = call.actor();
    let saved = gateway.blocking(move |gateway| {
        let bytes = bytes.as_deref();
        let signature = saves::save_file(gateway, &key, &collection, &file, bytes, &actor)?;
        Ok(vec![done(&key, &collection, Some(&signature))])
    });
    answer(gateway, call, saved.await)
}
