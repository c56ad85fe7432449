//! The exact files of a gateway, for a person to look at or to keep. Exact bytes cannot be masked: who
//! may not see secrets gets everything but the files that hold some.

use std::sync::Arc;

use millwright_coordinator_domain::State;
use millwright_model::manifest::FileEntry;
use millwright_proto::{control as wire, hint};
use millwright_render::mask;
use tonic::{Code, Status};

use super::{
    Answers,
    side::{Paths, Side, side},
};
use crate::{node::Shared, source};

/// Contents in one part, and in one piece of a file.
const PART_BYTES: u64 = 1 << 20;
const PIECE_BYTES: usize = 512 << 10;
/// Files in one part.
const PART_FILES: usize = 1_000;

/// Renders and answers in parts.
pub(super) async fn answer(
    shared: Shared,
    state: &Arc<State>,
    request: wire::RenderRequest,
    reveal: bool,
) -> Result<Answers<wire::RenderPart>, Status> {
    let wire::RenderRequest { of, path, list, stale: _ } = request;
    let named: Vec<String> = (!path.is_empty()).then(|| path.clone()).into_iter().collect();
    let paths = Paths::parse(&named)?;
    let side = side(&shared, state, of).await?;
    let entries = side.manifest.files();
    let files: Vec<FileEntry> = entries.filter(|file| paths.has(file.path.as_str())).collect();
    if files.is_empty() && !path.is_empty() {
        return Err(hint::with_hint(
            Code::NotFound,
            format!("gateway {} gets no file {path}", side.info.gateway),
            &format!("list them: millctl render {}", side.info.gateway),
        ));
    }
    Ok(Box::pin(parts(shared, side, files, list, reveal)))
}

fn parts(
    shared: Shared,
    side: Side,
    files: Vec<FileEntry>,
    list: bool,
    reveal: bool,
) -> impl futures::Stream<Item = Result<wire::RenderPart, Status>> + Send {
    async_stream::try_stream! {
        yield wire::RenderPart { of: Some(side.info), pieces: Vec::new() };
        let mut rest = files.into_iter().peekable();
        while rest.peek().is_some() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while batch.len() < PART_FILES && bytes < PART_BYTES {
                let Some(file) = rest.next() else { break };
                bytes += if list { 0 } else { file.size };
                batch.push(file);
            }
            if list {
                let pieces = batch.iter().map(listed).collect();
                yield wire::RenderPart { of: None, pieces };
                continue;
            }
            let digests = batch.iter().map(|file| file.digest).collect();
            let contents = shared.content.contents(digests).await;
            let contents = contents.map_err(|error| source::failed(&error))?;
            for (file, content) in batch.iter().zip(&contents).filter(|_| !reveal) {
                harmless(file, content)?;
            }
            let mut pieces = Vec::new();
            let mut held = 0;
            for piece in batch.iter().zip(&contents).flat_map(|(file, content)| cut(file, content)) {
                held += piece.data.len() as u64;
                pieces.push(piece);
                if held >= PART_BYTES {
                    held = 0;
                    yield wire::RenderPart { of: None, pieces: std::mem::take(&mut pieces) };
                }
            }
            if !pieces.is_empty() {
                yield wire::RenderPart { of: None, pieces };
            }
        }
    }
}

fn listed(file: &FileEntry) -> wire::RenderPiece {
    wire::RenderPiece {
        path: file.path.to_string(),
        mode: file.mode,
        size: file.size,
        last: true,
        ..wire::RenderPiece::default()
    }
}

/// A file in pieces; an empty one is one empty piece.
fn cut<'c>(file: &'c FileEntry, content: &'c [u8]) -> impl Iterator<Item = wire::RenderPiece> + 'c {
    let count = content.len().div_ceil(PIECE_BYTES).max(1);
    (0..count).map(move |nth| {
        let from = nth * PIECE_BYTES;
        let to = content.len().min(from + PIECE_BYTES);
        wire::RenderPiece {
            digest: file.digest.0.to_vec(),
            offset: from as u64,
            data: content[from..to].to_vec(),
            last: nth + 1 == count,
            ..listed(file)
        }
    })
}

/// Whether somebody who may not see secrets may have a file.
fn harmless(file: &FileEntry, content: &[u8]) -> Result<(), Status> {
    let path = file.path.as_str();
    let held = match std::str::from_utf8(content) {
        Ok(text) => mask::secrets(path, text).map_or_else(
            |why| Some(why.to_string()),
            |found| found.first().map(|at| format!("it holds a secret at {at}")),
        ),
        Err(_) => None,
    };
    match held {
        None => Ok(()),
        Some(why) => Err(hint::with_hint(
            Code::PermissionDenied,
            format!("{path} needs the role operator: {why}"),
            "millctl diff shows it with its secrets masked",
        )),
    }
}

#[cfg(test)]
mod tests {
    use millwright_model::digest::Digest;

    use super::*;

    fn entry(path: &str, content: &[u8]) -> FileEntry {
        let path = path.parse().unwrap();
        let (digest, size) = (Digest::of(content), content.len() as u64);
        FileEntry { path, digest, size, mode: 0o644 }
    }

    #[test]
    fn a_file_is_cut_and_put_together() {
        for size in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let content: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let file = entry("projects/a/b.bin", &content);
            let pieces: Vec<_> = cut(&file, &content).collect();
            let whole: Vec<u8> = pieces.iter().flat_map(|piece| piece.data.clone()).collect();
            assert_eq!(whole, content);
            assert_eq!(pieces.iter().filter(|piece| piece.last).count(), 1);
            assert!(pieces.last().unwrap().last);
        }
    }

    #[test]
    fn secrets_are_for_operators() {
        let content = b"{\"password\": \"x\"}";
        let refused = harmless(&entry("projects/a/config.json", content), content).unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains("it holds a secret at .password"));
        let plain = b"{\"password\": \"\"}";
        assert!(harmless(&entry("projects/a/config.json", plain), plain).is_ok());
    }
}
