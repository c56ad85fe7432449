//! One request, taken apart.

use std::{pin::Pin, sync::OnceLock};

use axum::{
    body::Bytes,
    http::{HeaderMap, request::Parts},
    response::Response,
};
use percent_encoding::percent_decode_str;

use crate::{socket::Client, token::Access};

/// A route that fits a request: what it needs, and what it does once that is granted.
pub(crate) struct Found<'a> {
    pub(crate) access: Access,
    pub(crate) run: Pin<Box<dyn Future<Output = Response> + Send + 'a>>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// As it was sent.
    pub(crate) path: String,
    segments: Vec<String>,
    query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) client: Client,
    actor: OnceLock<String>,
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Call {
    pub(crate) fn new(parts: Parts, body: Bytes, client: Client) -> Self {
        let path = parts.uri.path().to_owned();
        let pairs =
            parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " ")))
        });
        Self {
            // The server leaves the body away.
            method: match parts.method.as_str() {
                "HEAD" => "GET".to_owned(),
                method => method.to_owned(),
            },
            segments: path.split('/').skip(1).map(decoded).collect(),
            query: query.collect(),
            path,
            headers: parts.headers,
            body,
            client,
            actor: OnceLock::new(),
        }
    }

    /// Method and segments of a path below a mount, to match on.
    pub(crate) fn below<'a>(&'a self, mount: &[&str]) -> Option<(&'a str, Vec<&'a str>)> {
        let all: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        let fits = all.len() >= mount.len() && all[..mount.len()] == *mount;
        fits.then(|| (self.method.as_str(), all[mount.len()..].to_vec()))
    }

    /// Below `/data/api/v1`.
    pub(crate) fn api(&self) -> Option<(&str, Vec<&str>)> {
        self.below(&["data", "api", "v1"])
    }

    /// A parameter of the query.
    pub(crate) fn param(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.param(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn params(&self) -> &[(String, String)] {
        &self.query
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(crate) fn set_actor(&self, actor: String) {
        // Set once per request.
        let _first = self.actor.set(actor);
    }

    /// Who asks: `api-token:<name>:<ip>`.
    pub(crate) fn actor(&self) -> String {
        self.actor.get().cloned().unwrap_or_else(|| "anonymous".to_owned())
    }
}
