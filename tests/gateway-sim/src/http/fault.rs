//! Faults of the web server: late, hung, cut and wrong answers.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};

use futures_util::{StreamExt, stream};

use super::{answer::page, call::Call};
use crate::{faults::FaultKind, gateway::Gateway};

/// Time for what was sent to leave this process, before the connection is dropped.
const UNTIL_SENT: Duration = Duration::from_millis(50);
/// Longest body that is cut.
const CUT_MAX: usize = 64 << 20;

pub(crate) async fn apply(
    gateway: &Arc<Gateway>,
    fault: FaultKind,
    call: &Call,
    answer: impl Future<Output = Response>,
) -> Response {
    match fault {
        FaultKind::Status { code } => page(code, &call.path, reason(code)),
        FaultKind::Answer { code, body } => {
            let head = [(header::CONTENT_TYPE, "application/json")];
            let code = axum::http::StatusCode::from_u16(code).unwrap_or_default();
            (code, head, body).into_response()
        }
        FaultKind::Slow { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            answer.await
        }
        FaultKind::Hang => {
            gateway.stop.cancelled().await;
            page(503, &call.path, "Service Unavailable")
        }
        FaultKind::Reset { after } => {
            let (parts, bytes) = taken(answer.await).await;
            let sent = bytes.slice(..after.min(bytes.len()));
            let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            // A length that is not kept would be an error of ours: the body is sent in chunks.
            let mut parts = parts;
            parts.headers.remove(header::CONTENT_LENGTH);
            let client = call.client.clone();
            let cut = async move {
                tokio::time::sleep(UNTIL_SENT).await;
                client.reset();
                Err(gone)
            };
            let chunks = stream::once(async { Ok(sent) }).chain(stream::once(cut));
            Response::from_parts(parts, Body::from_stream(chunks))
        }
        FaultKind::Truncate { to } => {
            let (mut parts, bytes) = taken(answer.await).await;
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(bytes.slice(..to.min(bytes.len()))))
        }
    }
}

/// Resets the connection before anything is answered.
pub(crate) fn reset_now(call: &Call) -> Response {
    call.client.reset();
    let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let body = stream::once(async { Err::<Bytes, _>(gone) });
    Response::new(Body::from_stream(body))
}

async fn taken(answer: Response) -> (axum::http::response::Parts, Bytes) {
    let (parts, body) = answer.into_parts();
    (parts, axum::body::to_bytes(body, CUT_MAX).await.unwrap_or_default())
}

fn reason(code: u16) -> &'static str {
    match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        503 => "Service Unavailable",
        _ => "Server Error",
    }
}
