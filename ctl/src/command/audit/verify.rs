//! Whether the audit is what was written: the chain is computed here, not where it is kept.

use std::{collections::BTreeMap, path::PathBuf};

use millwright_model::{
    audit::{Broken, Entry, Filter, Head, Part, Why, verify},
    digest::Digest,
};
use millwright_proto::control::AuditInfo;
use serde_json::json;

use super::source::{entries_of, parts, warn_of_dropped};
use crate::{
    cli::Global,
    command::client,
    error::{Error, Kind, Result},
    output,
};

/// Characters of a hash that are enough to tell it from others.
const HASH_CHARS_MIN: usize = 16;

/// The audit that the cluster keeps.
pub(super) async fn cluster(global: &Global, noted: Option<&str>) -> Result<()> {
    let mut client = client(global)?;
    let (info, entries) = entries_of(&mut client, &Filter::default(), 0).await?;
    let cluster = client.context().store.cluster().to_string();
    let (base, head) = ends(&info)?;
    warn_of_dropped(info.dropped);
    let end = follow(&cluster, base, &entries).and_then(|end| end.reaches(&head).map(|()| end));
    let end = end.map_err(|broken| does_not_hold(&broken))?;
    passes(noted, std::iter::once(&base.hash).chain(entries.iter().map(|entry| &entry.hash)))?;
    client.note_index(info.index);
    let data = json!({
        "verified": entries.len(), "first": base.index + 1, "last": end.index,
        "head": end.hash, "exported": info.exported, "dropped": info.dropped,
    });
    say(global, &data, Some(info.index), base, entries.len(), end)
}

/// Exported files, each alone and one after the other. Files of several coordinators may overlap, and
/// then say the same.
pub(super) fn files(global: &Global, files: &[PathBuf], noted: Option<&str>) -> Result<()> {
    let parts = parts(files)?;
    let base = parts.first().map(|(_, part)| part.header.head()).unwrap_or_default();
    let mut known = BTreeMap::from([(base.index, base.hash)]);
    for (path, part) in &parts {
        fits(&mut known, part).map_err(|broken| {
            let error = does_not_hold(&broken);
            Error { message: format!("{}: {}", path.display(), error.message), ..error }
        })?;
    }
    let end = known.last_key_value().map(|(index, hash)| Head { index: *index, hash: *hash });
    let end = end.unwrap_or(base);
    passes(noted, known.values())?;
    let count = known.len() - 1;
    let data = json!({
        "verified": count, "first": base.index + 1, "last": end.index, "head": end.hash,
        "files": parts.len(),
    });
    say(global, &data, None, base, count, end)
}

/// Follows a file from where it says that it goes on, and holds it against what is known already.
fn fits(known: &mut BTreeMap<u64, Digest>, part: &Part) -> std::result::Result<(), Broken> {
    let from = part.header.head();
    let last = known.last_key_value().map_or(0, |(index, _)| *index);
    let before = known.get(&from.index).copied().or_else(|| known.get(&last).copied());
    let before = before.map(|hash| Head { index: from.index.min(last), hash });
    part.verify(before)?;
    for entry in &part.entries {
        if *known.entry(entry.index).or_insert(entry.hash) != entry.hash {
            return Err(Broken { index: entry.index, why: Why::Head });
        }
    }
    Ok(())
}

fn say(
    global: &Global,
    data: &serde_json::Value,
    index: Option<u64>,
    base: Head,
    count: usize,
    end: Head,
) -> Result<()> {
    output::show(&global.output, data, index, |_| match count {
        0 => format!("verified 0 entries, head {}\n", end.hash),
        count => {
            let (first, last) = (base.index + 1, end.index);
            format!("verified {count} entries, {first}..{last}, head {}\n", end.hash)
        }
    })
}

fn ends(info: &AuditInfo) -> Result<(Head, Head)> {
    let head = |index: u64, hash: &[u8]| -> Result<Head> {
        let hash = Digest::from_slice(hash).map_err(|error| {
            Error::new(Kind::Error, format!("the coordinator's answer has no hash: {error}"))
        })?;
        Ok(Head { index, hash })
    };
    Ok((head(info.base_index, &info.base_hash)?, head(info.head_index, &info.head_hash)?))
}

/// A chain that is whole begins with the cluster that our own certificate names.
fn follow(cluster: &str, base: Head, entries: &[Entry]) -> std::result::Result<Head, Broken> {
    if !entries.is_empty() {
        base.begins(cluster)?;
    }
    verify(base, entries)
}

fn does_not_hold(broken: &Broken) -> Error {
    let message = format!("the audit does not hold: {broken}");
    Error::new(Kind::Error, message)
        .hint("compare it with the files in audit/ of the other coordinators")
}

/// A hash that was noted earlier is the hash of one of the entries.
fn passes<'a>(noted: Option<&str>, mut hashes: impl Iterator<Item = &'a Digest>) -> Result<()> {
    let Some(noted) = noted.map(str::to_lowercase) else { return Ok(()) };
    if noted.len() < HASH_CHARS_MIN {
        let message = format!("give at least {HASH_CHARS_MIN} characters of the hash");
        return Err(Error::new(Kind::Usage, message));
    }
    if hashes.any(|hash| hash.to_string().starts_with(&noted)) {
        return Ok(());
    }
    let message = format!("the audit does not hold: no entry has the hash {noted}");
    Err(Error::new(Kind::Error, message)
        .hint("it was written anew, or the entry has left the state: verify the files with it"))
}
