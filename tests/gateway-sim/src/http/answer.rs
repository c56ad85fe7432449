//! Answers as the gateway writes them: Jetty's error pages, compact and pretty JSON.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::json::html_safe;

/// Jetty's error page.
pub(crate) fn page(status: u16, path: &str, message: &str) -> Response {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let (path, message) = (escaped(path), escaped(message));
    let text = format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
         <title>Error {status}</title>\n</head>\n<body><h2>HTTP ERROR {status} {message}</h2>\n<table>\n\
         <tr><th>URI:</th><td>{path}</td></tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n\
         <tr><th>MESSAGE:</th><td>{message}</td></tr>\n</table>\n\n</body>\n</html>\n"
    );
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, [(header::CONTENT_TYPE, "text/html;charset=iso-8859-1")], text).into_response()
}

fn with_type(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Compact JSON.
pub(crate) fn compact(status: u16, value: &Value) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with_type(code, value.to_string())
}

/// 200 with compact JSON.
pub(crate) fn ok(value: &Value) -> Response {
    compact(200, value)
}

/// 200 with JSON of two spaces: locks, scans, made modes.
pub(crate) fn pretty(value: &Value) -> Response {
    with_type(StatusCode::OK, serde_json::to_string_pretty(value).unwrap_or_default())
}

/// No such route: older version, module absent, wrong method or slash.
pub(crate) fn no_route(path: &str) -> Response {
    compact(404, &json!({"message": format!("No route match for path: {path}")}))
}

/// 422: the body does not validate; Gson's escapes.
pub(crate) fn invalid(messages: &[&str], fields: &[(&str, &str)]) -> Response {
    let fields: Vec<Value> = fields
        .iter()
        .map(|(field, message)| json!({"fieldName": field, "messages": [message]}))
        .collect();
    let body = json!({"messages": messages, "fieldMessages": fields}).to_string();
    with_type(StatusCode::UNPROCESSABLE_ENTITY, html_safe(&body))
}

/// Stops a judgement with an answer.
pub(crate) fn refuse<T>(answer: Response) -> Result<T, Box<Response>> {
    Err(Box::new(answer))
}

pub(crate) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// A status without a body.
pub(crate) fn bare(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_error_page_is_jettys_byte_for_byte() {
        let response = super::page(409, "/data/api/v1/scan-lock/config", "Lock already held by x");
        assert_eq!(response.headers()["content-type"], "text/html;charset=iso-8859-1");
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let expected = concat!(
            "<html>\n<head>\n",
            "<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n",
            "<title>Error 409</title>\n</head>\n",
            "<body><h2>HTTP ERROR 409 Lock already held by x</h2>\n<table>\n",
            "<tr><th>URI:</th><td>/data/api/v1/scan-lock/config</td></tr>\n",
            "<tr><th>STATUS:</th><td>409</td></tr>\n",
            "<tr><th>MESSAGE:</th><td>Lock already held by x</td></tr>\n</table>\n\n",
            "</body>\n</html>\n",
        );
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
}
