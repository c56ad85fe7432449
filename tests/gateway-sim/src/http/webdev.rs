//! Resources of the Web Developer module, as tests set them: an 8.1 agent reads sessions there.

use std::sync::Arc;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    answer::page,
    call::{Call, Found},
    open,
};
use crate::{gateway::Gateway, modules::WEBDEV};

pub(crate) fn route<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let (_, segments) = call.below(&["system", "webdev"])?;
    let key = segments.join("/");
    gateway.see(|state| state.modules.has(WEBDEV)).then_some(())?;
    open(async move { answer(gateway, call, &key) })
}

fn answer(gateway: &Gateway, call: &Call, key: &str) -> Response {
    let found =
        gateway.see(|state| (!state.trial.expired()).then(|| state.webdev.get(key).cloned()));
    match found {
        None => page(402, &call.path, "Payment Required"),
        Some(None) if gateway.see(|state| state.knobs.odd_shapes) => {
            page(404, &call.path, "Not Found")
        }
        Some(None) => page(405, &call.path, "Method Not Allowed"),
        Some(Some((code, body))) => {
            let code = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
            (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    }
}
