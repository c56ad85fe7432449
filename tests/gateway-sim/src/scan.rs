//! What a scan does: reads the tree, and re-stamps project resources whose signature is stale
//! (actor `external`).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::{
    Inner,
    signature::{Form, Resource},
};

/// A kind of scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Project files.
    Projects,
    /// Configuration files.
    Config,
}

impl Kind {
    /// The top folder that it reads.
    pub fn top(self) -> &'static str {
        match self {
            Kind::Projects => "projects",
            Kind::Config => "config",
        }
    }
}

/// What a scan saw.
#[derive(Debug, Clone)]
pub struct ScanRecord {
    /// Which.
    pub kind: Kind,
    /// SHA-256 of every file, by path relative to the data directory.
    pub files: BTreeMap<String, String>,
    /// Resources that were re-stamped.
    pub restamped: Vec<String>,
}

/// Begins a scan; the one that runs goes on if there is one.
pub(crate) fn trigger(inner: &Arc<Inner>, kind: Kind) {
    let (shortest, longest) = inner.config.scan_ms;
    let took = rand::random_range(shortest..=longest.max(shortest));
    {
        let mut slot = inner.slot(kind).lock().expect("nothing panics while holding it");
        // Any trigger frees the lock, at once.
        slot.lock = None;
        if slot.until.is_some() {
            return;
        }
        slot.until = Some(Instant::now() + Duration::from_millis(took));
    }
    let inner_then = Arc::clone(inner);
    inner.tasks.spawn(async move {
        let inner = inner_then;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(took)) => {}
            () = inner.stop.cancelled() => return,
        }
        if inner.faults().stuck_scan {
            return;
        }
        let job = Arc::clone(&inner);
        let read = tokio::task::spawn_blocking(move || read(&job.config.data_dir, kind)).await;
        if let Ok(Ok(record)) = read {
            inner.scans.lock().expect("nothing panics while holding it").push(record);
        }
        let now = inner.now_ms();
        let mut slot = inner.slot(kind).lock().expect("nothing panics while holding it");
        slot.last_timestamp = now.max(slot.last_timestamp + 1);
        slot.last_duration = i64::try_from(took).unwrap_or(i64::MAX);
        slot.until = None;
    });
}

fn read(data_dir: &Path, kind: Kind) -> anyhow::Result<ScanRecord> {
    let mut restamped = Vec::new();
    if kind == Kind::Projects {
        restamped = stale(data_dir)?;
        for resource in &restamped {
            restamp(&data_dir.join("projects").join(resource))?;
        }
    }
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(data_dir.join(kind.top())) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(data_dir)?.display().to_string();
            files.insert(path, hex::encode(Sha256::digest(fs::read(entry.path())?)));
        }
    }
    Ok(ScanRecord { kind, files, restamped })
}

/// `resource.json` files below `projects/` whose signature fits neither form.
pub(crate) fn stale(data_dir: &Path) -> anyhow::Result<Vec<String>> {
    let projects = data_dir.join("projects");
    let mut found = Vec::new();
    for entry in WalkDir::new(&projects).sort_by_file_name() {
        let entry = entry?;
        if entry.file_name() != "resource.json" {
            continue;
        }
        let dir = entry.path().parent().map(PathBuf::from).unwrap_or_default();
        let Ok(resource) = Resource::parse(&fs::read(entry.path())?) else { continue };
        // An absent signature is left alone.
        let Some(carried) = resource.signature() else { continue };
        let content = |name: &str| fs::read(dir.join(name)).ok();
        let fits = [Form::V83, Form::V81]
            .into_iter()
            .any(|form| resource.sign(form, &content).as_deref() == Some(&carried));
        if !fits {
            found.push(entry.path().strip_prefix(&projects)?.display().to_string());
        }
    }
    Ok(found)
}

fn restamp(path: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(path)?;
    let mut value: serde_json::Value = serde_json::from_slice(&bytes)?;
    value["attributes"]["lastModification"] =
        serde_json::json!({"actor": "external", "timestamp": "2026-01-01T00:00:00Z"});
    let text = serde_json::to_vec_pretty(&value)?;
    let resource = Resource::parse(&text)?;
    let dir = path.parent().map(PathBuf::from).unwrap_or_default();
    if let Some(signature) = resource.sign(Form::V83, &|name| fs::read(dir.join(name)).ok()) {
        value["attributes"]["lastModificationSignature"] = signature.into();
        fs::write(path, gson(&value)?)?;
    }
    Ok(())
}

/// Pretty JSON in the gateway's style: two spaces, HTML-safe escapes, no final newline.
pub fn gson(value: &serde_json::Value) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003d"),
            '\'' => out.push_str("\\u0027"),
            _ => out.push(c),
        }
    }
    Ok(out)
}
