//! Where entries come from: the cluster, or exported files.

use std::path::{Path, PathBuf};

use millwright_model::audit::{Entry, Filter, Part};
use millwright_proto::control::{AuditInfo, ListAuditRequest};

use crate::{
    client::Client,
    error::{Error, Kind, Result},
    output,
};

/// Entries of the cluster, and what it says of all of them.
pub(crate) async fn entries_of(
    client: &mut Client,
    filter: &Filter,
    limit: u32,
) -> Result<(AuditInfo, Vec<Entry>)> {
    let Filter { after, since, actor, kind, name } = filter.clone();
    let stale = client.is_stale();
    let request = ListAuditRequest { after, since_ms: since.0, actor, kind, name, limit, stale };
    let read = client.read(async |mut control| control.list_audit(request.clone()).await).await;
    let mut parts = read?;
    let (mut info, mut entries) = (None, Vec::new());
    while let Some(part) = parts.message().await? {
        info = info.or(part.info);
        for entry in part.entries {
            let entry = Entry::try_from(entry).map_err(|error| {
                Error::new(Kind::Error, format!("an entry of the audit cannot be read: {error}"))
                    .hint("compare the versions: millctl version")
            })?;
            entries.push(entry);
        }
    }
    let info = info
        .ok_or_else(|| Error::new(Kind::Error, "the coordinator did not say which audit it has"))?;
    Ok((info, entries))
}

/// Says that entries were lost, if any were.
pub(super) fn warn_of_dropped(dropped: u64) {
    if dropped > 0 {
        output::note(&format!(
            "warning: {dropped} entries had to go before a coordinator had them in a file: is its \
             disk full? see the files in audit/ of every coordinator"
        ));
    }
}

/// What files hold, in the order of the chain.
pub(super) fn parts(files: &[PathBuf]) -> Result<Vec<(PathBuf, Part)>> {
    let mut parts = files
        .iter()
        .map(|path| Ok((path.clone(), part(path)?)))
        .collect::<Result<Vec<(PathBuf, Part)>>>()?;
    parts.sort_by_key(|(_, part)| part.header.after);
    Ok(parts)
}

fn part(path: &Path) -> Result<Part> {
    let failed = |why: String| Error::new(Kind::Error, format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    // What is no UTF-8 any more is found by its hash, in its line.
    let text = String::from_utf8_lossy(&bytes);
    let part = Part::read(&text).map_err(|error| failed(error.to_string()))?;
    if part.is_cut {
        output::note(&format!("note: {} ends within a line, as if being written", path.display()));
    }
    Ok(part)
}

/// Entries of files that are asked for.
pub(super) fn from_files(files: &[PathBuf], filter: &Filter, limit: u32) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for (path, part) in parts(files)? {
        if let Some(broken) = &part.unreadable {
            output::note(&format!("warning: {}: {broken}", path.display()));
        }
        found.extend(part.entries.into_iter().filter(|entry| filter.matches(entry)));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit > 0 && found.len() > limit {
        found.drain(..found.len() - limit);
    }
    Ok(found)
}
