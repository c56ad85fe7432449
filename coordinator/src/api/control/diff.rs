//! What differs between two sides, file by file. A viewer may ask, so secrets are masked here and not
//! in the client: what a viewer may not know never leaves a coordinator, whatever program asks.
//!
//! The lines that differ are found by the asker: that costs time in proportion to the files, which a
//! coordinator has better uses for.

use std::sync::Arc;

use millwright_coordinator_domain::State;
use millwright_model::{
    digest::Digest,
    manifest::{Difference, FileNode},
};
use millwright_proto::control as wire;
use millwright_render::mask;
use tonic::Status;

use super::{
    Answers,
    side::{Paths, Side, side},
};
use crate::{node::Shared, source};

/// A larger file is named, not shown: no person reads it line by line.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Contents in one answer; files beyond it are named only.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Contents in one part. With one file of the largest size on both sides and the masks it stays
/// within the 4 MiB that gRPC clients accept by default.
const PART_BYTES: u64 = 512 << 10;
/// Files in one part.
const PART_FILES: usize = 512;

/// Compares and answers in parts.
pub(super) async fn answer(
    shared: Shared,
    state: &Arc<State>,
    request: wire::DiffRequest,
) -> Result<Answers<wire::DiffPart>, Status> {
    let wire::DiffRequest { base, target, paths, stale: _ } = request;
    let paths = Paths::parse(&paths)?;
    let base = side(&shared, state, base).await?;
    let target = side(&shared, state, target).await?;
    let mut differences = target.manifest.tree().diff(base.manifest.tree());
    differences.retain(|(path, ..)| paths.has(path));
    differences.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    Ok(Box::pin(parts(shared, base, target, differences)))
}

fn parts(
    shared: Shared,
    base: Side,
    target: Side,
    differences: Vec<Difference>,
) -> impl futures::Stream<Item = Result<wire::DiffPart, Status>> + Send {
    async_stream::try_stream! {
        yield wire::DiffPart {
            base: Some(base.info),
            target: Some(target.info),
            files: Vec::new(),
        };
        let (mut shown, mut rest) = (0, differences.into_iter().peekable());
        while rest.peek().is_some() {
            let (mut part, mut bytes) = (Vec::new(), 0);
            while part.len() < PART_FILES && bytes < PART_BYTES {
                let Some(difference) = rest.next() else { break };
                let weight = weight(&difference);
                let why = omission(&difference, shown + weight);
                if why.is_none() {
                    shown += weight;
                    bytes += weight;
                }
                part.push((difference, why));
            }
            let files = read(&shared, part).await?;
            yield wire::DiffPart { files, ..wire::DiffPart::default() };
        }
    }
}

fn weight((_, new, old): &Difference) -> u64 {
    [new, old].into_iter().flatten().map(|node| node.size).sum()
}

/// Why a file is named without its text.
fn omission((_, new, old): &Difference, shown: u64) -> Option<String> {
    let large = [new, old].into_iter().flatten().any(|node| node.size > FILE_BYTES_MAX);
    if large {
        return Some("it is larger than 1 MiB".to_owned());
    }
    let much = shown > ANSWER_BYTES_MAX;
    much.then(|| "more than 64 MiB differ in all: name a path".to_owned())
}

async fn read(
    shared: &Shared,
    part: Vec<(Difference, Option<String>)>,
) -> Result<Vec<wire::DiffFile>, Status> {
    let wanted: Vec<Digest> = part
        .iter()
        .filter(|(_, why)| why.is_none())
        .flat_map(|((_, new, old), _)| [old, new])
        .flatten()
        .map(|node| node.digest)
        .collect();
    let contents = shared.content.contents(wanted).await;
    let mut contents = contents.map_err(|error| source::failed(&error))?.into_iter();
    let files = part.into_iter().map(|((path, new, old), why)| {
        let mut file = named(path, old, new);
        if let Some(why) = why {
            file.omitted = why;
            return file;
        }
        let mut next = |node: Option<FileNode>| node.and_then(|_| contents.next());
        let (before, after) = (next(old), next(new));
        show(&mut file, &before.unwrap_or_default(), &after.unwrap_or_default());
        file
    });
    Ok(files.collect())
}

fn named(path: String, old: Option<FileNode>, new: Option<FileNode>) -> wire::DiffFile {
    let change = match (old, new) {
        (None, _) => "added",
        (_, None) => "removed",
        (Some(_), Some(_)) => "changed",
    };
    wire::DiffFile {
        path,
        change: change.to_owned(),
        old_size: old.map_or(0, |node| node.size),
        new_size: new.map_or(0, |node| node.size),
        old_mode: old.map_or(0, |node| node.mode),
        new_mode: new.map_or(0, |node| node.mode),
        ..wire::DiffFile::default()
    }
}

fn show(file: &mut wire::DiffFile, old: &[u8], new: &[u8]) {
    let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text: &&str| !text.contains('\0'));
    let (Some(old), Some(new)) = (text(old), text(new)) else {
        "it is no text".clone_into(&mut file.omitted);
        return;
    };
    match mask::pair(&file.path, old, new) {
        Ok(mask::Pair { old, new, hidden }) => {
            file.old = old.into_owned().into_bytes();
            file.new = new.into_owned().into_bytes();
            file.masked = hidden;
        }
        Err(why) => file.omitted = why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str, old: &[u8], new: &[u8]) -> wire::DiffFile {
        let node = |bytes: &[u8]| {
            let size = bytes.len() as u64;
            (!bytes.is_empty()).then(|| FileNode { digest: Digest::of(bytes), size, mode: 0o644 })
        };
        let mut file = named(path.to_owned(), node(old), node(new));
        show(&mut file, old, new);
        file
    }

    #[test]
    fn a_secret_never_leaves() {
        let file = shown("a/config.json", b"{\"password\": \"one\"}", b"{\"password\": \"two\"}");
        assert_eq!(file.change, "changed");
        assert_eq!(file.old, b"{\"password\": \"***\"}");
        assert_eq!(file.new, b"{\"password\": \"*** (changed)\"}");
        assert_eq!(file.masked, [".password"]);
        let broken = shown("a/config.json", b"{\"password\": \"one\"", b"");
        assert_eq!((broken.change.as_str(), broken.old.len()), ("removed", 0));
        assert!(broken.omitted.contains("no valid JSON"), "{}", broken.omitted);
    }

    #[test]
    fn what_is_no_text_or_too_much_is_named_only() {
        let file = shown("a/thumbnail.png", b"", b"\x89PNG\0");
        assert_eq!((file.change.as_str(), file.new_size, file.new.len()), ("added", 5, 0));
        assert_eq!(file.omitted, "it is no text");
        let of = |size| FileNode { digest: Digest::of(b""), size, mode: 0o644 };
        let large = ("a".to_owned(), Some(of(FILE_BYTES_MAX + 1)), None);
        assert!(omission(&large, 0).is_some());
        let small = ("a".to_owned(), Some(of(1)), Some(of(1)));
        assert!(omission(&small, 2).is_none());
        assert!(omission(&small, ANSWER_BYTES_MAX + 1).is_some());
    }
}
