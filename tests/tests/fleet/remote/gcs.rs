//! A small speaker of Google Cloud Storage's XML API, as far as snapshots need it: objects, uploads in
//! parts, lists in pages. It holds a client to what the public description asks for, and notes every
//! request that it does not know. It has one bucket, one token, no rights and no generations of an object.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, task::JoinSet};

/// Smallest part but for the last one, by the API's limits.
const PART_BYTES_MIN: usize = 5 << 20;
/// Entries of one page of a list. The service's own limit is 1,000; fewer are allowed and make a
/// client ask for the next page.
const PAGE: usize = 25;
const BODY_BYTES_MAX: usize = 64 << 20;

#[derive(Debug, Default)]
struct Bucket {
    name: String,
    /// Whom it lets in.
    token: String,
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    next: u32,
    refused: Vec<String>,
}

type Shared = Arc<Mutex<Bucket>>;

fn lock(bucket: &Shared) -> MutexGuard<'_, Bucket> {
    bucket.lock().expect("nothing panics while holding it")
}

/// The server; ends when dropped.
#[derive(Debug)]
pub(super) struct Gcs {
    pub(super) url: String,
    bucket: Shared,
    _task: JoinSet<()>,
}

impl Gcs {
    pub(super) async fn start(bucket: &str, token: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let bucket =
            Bucket { name: bucket.to_owned(), token: token.to_owned(), ..Bucket::default() };
        let bucket = Arc::new(Mutex::new(bucket));
        let routes = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&bucket));
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Ends only with the test.
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(Self { url, bucket, _task: task })
    }

    /// Requests that the API does not know.
    pub(super) fn refused(&self) -> Vec<String> {
        lock(&self.bucket).refused.clone()
    }
}

async fn answer(State(bucket): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = decoded(parts.uri.path());
    let query: BTreeMap<String, String> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect();
    let bearer = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {}", lock(&bucket).token)) {
        return problem(StatusCode::UNAUTHORIZED, "AuthenticationRequired");
    }
    let measured = parts.headers.contains_key("content-length");
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return problem(StatusCode::BAD_REQUEST, "IncompleteBody");
    };
    let mut bucket = lock(&bucket);
    let (name, key) = path.trim_start_matches('/').split_once('/').unwrap_or((&path[1..], ""));
    if name != bucket.name {
        return problem(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let has = |wanted: &str| query.contains_key(wanted);
    match (parts.method.as_str(), key) {
        ("PUT" | "POST", _) if !measured => {
            problem(StatusCode::LENGTH_REQUIRED, "MissingContentLength")
        }
        ("GET", "") if query.get("list-type").is_some_and(|kind| kind == "2") => {
            bucket.list(&query)
        }
        ("GET", key) if !key.is_empty() && query.is_empty() => bucket.get(key),
        ("PUT", key) if !key.is_empty() && query.is_empty() => bucket.put(key, body),
        ("POST", key) if !key.is_empty() && has("uploads") && body.is_empty() => {
            bucket.initiate(key)
        }
        ("PUT", key) if has("partNumber") && has("uploadId") => bucket.part(key, &query, body),
        ("POST", key) if has("uploadId") => bucket.complete(key, &query["uploadId"], &body),
        ("DELETE", _) if has("uploadId") => {
            bucket.uploads.remove(&query["uploadId"]);
            StatusCode::NO_CONTENT.into_response()
        }
        (method, _) => {
            let unknown = format!("{method} {}", parts.uri);
            bucket.refused.push(unknown);
            problem(StatusCode::BAD_REQUEST, "InvalidArgument")
        }
    }
}

impl Bucket {
    fn get(&self, key: &str) -> Response {
        match self.objects.get(key) {
            Some(bytes) => Response::builder()
                .header("etag", etag(bytes))
                .header("last-modified", "Wed, 25 Nov 2026 12:00:00 GMT")
                .header("x-goog-generation", "1")
                .body(Body::from(bytes.clone()))
                .expect("plain headers"),
            None => problem(StatusCode::NOT_FOUND, "NoSuchKey"),
        }
    }

    fn put(&mut self, key: &str, body: Bytes) -> Response {
        let tag = etag(&body);
        self.objects.insert(key.to_owned(), body);
        [("etag", tag), ("x-goog-generation", "1".to_owned())].into_response()
    }

    fn initiate(&mut self, key: &str) -> Response {
        self.next += 1;
        let id = format!("upload-{}", self.next);
        self.uploads.insert(id.clone(), (key.to_owned(), BTreeMap::new()));
        let name = &self.name;
        xml(format!(
            "<InitiateMultipartUploadResult><Bucket>{name}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        ))
    }

    fn part(&mut self, key: &str, query: &BTreeMap<String, String>, body: Bytes) -> Response {
        let number: u32 = query["partNumber"].parse().unwrap_or_default();
        let Some((owner, parts)) = self.uploads.get_mut(&query["uploadId"]) else {
            return problem(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        if owner != key || !(1..=10_000).contains(&number) {
            return problem(StatusCode::BAD_REQUEST, "InvalidArgument");
        }
        let tag = etag(&body);
        parts.insert(number, body);
        [("etag", tag)].into_response()
    }

    /// The parts that are named, in their order; each with the tag that it was given.
    fn complete(&mut self, key: &str, id: &str, body: &[u8]) -> Response {
        let Some((owner, parts)) = self.uploads.remove(id) else {
            return problem(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let body = String::from_utf8_lossy(body).replace("&quot;", "\"");
        let named: Vec<(u32, String)> = body
            .split("<Part>")
            .skip(1)
            .map(|part| {
                (within(part, "PartNumber").parse().unwrap_or_default(), within(part, "ETag"))
            })
            .collect();
        let right = |(number, tag): &(u32, String)| {
            parts
                .get(number)
                .is_some_and(|bytes| etag(bytes).trim_matches('"') == tag.trim_matches('"'))
        };
        let ordered = named.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if owner != key || named.is_empty() || !ordered || !named.iter().all(right) {
            return problem(StatusCode::BAD_REQUEST, "InvalidPart");
        }
        let mut whole = Vec::new();
        for (place, (number, _)) in named.iter().enumerate() {
            if place + 1 < named.len() && parts[number].len() < PART_BYTES_MIN {
                return problem(StatusCode::BAD_REQUEST, "EntityTooSmall");
            }
            whole.extend_from_slice(&parts[number]);
        }
        let whole = Bytes::from(whole);
        let (name, tag) = (&self.name, etag(&whole));
        let answer = xml(format!(
            "<CompleteMultipartUploadResult><Location>http://localhost/{name}/{key}</Location><Bucket>{name}</Bucket><Key>{key}</Key><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
        ));
        self.objects.insert(key.to_owned(), whole);
        answer
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let prefix = query.get("prefix").cloned().unwrap_or_default();
        let after = query.get("continuation-token").cloned().unwrap_or_default();
        let mut found = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && key.as_str() > after.as_str());
        let mut text =
            String::from("<ListBucketResult xmlns=\"http://doc.s3.amazonaws.com/2006-03-01\">");
        let mut last = String::new();
        for (key, bytes) in found.by_ref().take(PAGE) {
            // Keys here are digests and ids: nothing in them needs escaping.
            write!(
                text,
                "<Contents><Key>{key}</Key><Generation>1</Generation><MetaGeneration>1</MetaGeneration><LastModified>2026-11-25T12:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                etag(bytes),
                bytes.len()
            )
            .expect("text grows");
            last.clone_from(key);
        }
        let more = found.next().is_some();
        write!(text, "<IsTruncated>{more}</IsTruncated>").expect("text grows");
        if more {
            write!(text, "<NextContinuationToken>{last}</NextContinuationToken>")
                .expect("text grows");
        }
        xml(text + "</ListBucketResult>")
    }
}

/// Opaque to clients; tells contents apart.
fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", millwright_model::digest::Digest::of(bytes))
}

fn within(text: &str, tag: &str) -> String {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let inner = text.split_once(&open).and_then(|(_, rest)| rest.split_once(&close));
    inner.map(|(inner, _)| inner.to_owned()).unwrap_or_default()
}

fn xml(text: String) -> Response {
    ([("content-type", "application/xml; charset=UTF-8")], text).into_response()
}

fn problem(status: StatusCode, code: &str) -> Response {
    let text = format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>");
    (status, [("content-type", "application/xml; charset=UTF-8")], text).into_response()
}

/// Text with its percent escapes resolved.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = escape
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
