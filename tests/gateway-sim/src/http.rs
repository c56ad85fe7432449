//! The web server: one request in, the route that it means, the right to it, the answer.
//!
//! Routes are matched on method and decoded path segments, one function per group; a last empty
//! segment is a trailing slash. Order of the checks: faults, phase, route, token, rights.

pub(crate) mod answer;
mod auth;
mod backup;
mod bundle;
mod call;
mod change;
mod eam;
mod fault;
mod list;
mod logs;
mod modes;
mod openapi;
mod overview;
mod pair;
mod projects;
mod resources;
mod rework;
mod sessions;
mod status;
mod sync;
mod tags;
mod transfer;
mod webdev;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

pub(crate) use self::sync::{lapse, wait_unlocked};
use self::{
    answer::{no_route, page},
    call::{Call, Found},
};
use crate::{
    config::Profile,
    gateway::{Gateway, Phase},
    socket::Client,
    token::Access,
};

/// Larger bodies are refused; a project of 75 MB fits.
const BODY_MAX: usize = 512 << 20;

pub(crate) fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new().fallback(serve).with_state(gateway)
}

async fn serve(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(client): ConnectInfo<Client>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Ok(body) = axum::body::to_bytes(Body::new(body), BODY_MAX).await else {
        return page(400, &path, "Bad Request");
    };
    let call = Call::new(parts, body, client);
    if gateway.see(|state| state.phase) == Phase::Dark {
        return fault::reset_now(&call);
    }
    let fault = gateway.see(|s| crate::faults::hit(&mut s.faults, &call.method, &call.path));
    match fault {
        Some(fault) => fault::apply(&gateway, fault, &call, answer(&gateway, &call)).await,
        None => answer(&gateway, &call).await,
    }
}

async fn answer(gateway: &Arc<Gateway>, call: &Call) -> Response {
    if let Some(found) = status::always(gateway, call) {
        return found.run.await;
    }
    match gateway.see(|state| state.phase) {
        Phase::Uncommissioned => {
            return (StatusCode::FOUND, [(header::LOCATION, "/welcome")]).into_response();
        }
        Phase::Dark | Phase::Starting => return page(503, &call.path, "Service Unavailable"),
        Phase::Running => {}
    }
    let found = match gateway.settings.profile {
        Profile::V81 => status::legacy(gateway, call),
        Profile::V83 => find(gateway, call),
    };
    let Some(found) = found else { return no_route(&call.path) };
    match auth::allow(gateway, call, found.access) {
        Ok(actor) => {
            call.set_actor(actor);
            found.run.await
        }
        Err(refused) => *refused,
    }
}

fn find<'a>(gateway: &'a Arc<Gateway>, call: &'a Call) -> Option<Found<'a>> {
    let groups = [
        status::route,
        webdev::route,
        sync::route,
        sessions::route,
        pair::route,
        logs::route,
        backup::route,
        resources::route,
        rework::route,
        change::route,
        modes::route,
        projects::route,
        transfer::route,
        tags::route,
        overview::route,
        bundle::route,
        openapi::route,
        eam::route,
    ];
    groups.into_iter().find_map(|group| group(gateway, call))
}

/// Routes that need no token.
pub(crate) fn open<'a>(run: impl Future<Output = Response> + Send + 'a) -> Option<Found<'a>> {
    Some(Found { access: Access::Open, run: Box::pin(run) })
}

/// Routes that read.
pub(crate) fn read<'a>(run: impl Future<Output = Response> + Send + 'a) -> Option<Found<'a>> {
    Some(Found { access: Access::Read, run: Box::pin(run) })
}

/// Routes that change something.
pub(crate) fn write<'a>(run: impl Future<Output = Response> + Send + 'a) -> Option<Found<'a>> {
    Some(Found { access: Access::Write, run: Box::pin(run) })
}
