//! Manifest and missing blobs. A manifest comes as a difference from the one that was applied last;
//! a blob that is in the tree already, or waits from an earlier try, is not fetched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt};
use millwright_agent_domain::{changes::changes, job::Event};
use millwright_model::{
    digest::Digest,
    manifest::{FileEntry, Manifest, ManifestDelta},
    path::ManagedPath,
    report::{Failure, FailureKind, Retry, Step},
};
use millwright_proto::agent::{Chunk, FetchRequest, GetManifestRequest};

use super::{Tools, Work, ended, failed, fault};
use crate::{connect::AgentClient, fs, state::StateDir};

/// Streams at a time.
const STREAMS: usize = 4;
/// Blobs in one request.
const BLOBS_PER_REQUEST: usize = 2_000;
/// Largest blob; the largest known gateway file has 4 MB.
const BLOB_BYTES_MAX: u64 = 256 << 20;
/// Largest piece after decompression.
const CHUNK_BYTES_MAX: usize = 4 << 20;

/// Fetches; ends with `Unchanged` when the tree is right already.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    match fetch(tools, work).await {
        Ok(event) | Err(event) => event,
    }
}

async fn fetch(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    let manifest = Arc::new(manifest(tools, work).await?);
    work.manifest = Some(Arc::clone(&manifest));
    plan(tools, work, &manifest).await?;
    if work.changes.is_empty() {
        return Ok(Event::Unchanged { manifest: manifest.digest() });
    }
    let total: u64 = work.changes.write.iter().map(|file| file.size).sum();
    let free = fs::free_bytes(tools.state.path()).map_err(|e| failed(e.failure(Step::Fetch)))?;
    // Twice: the blobs and, while it lasts, the files that they replace.
    if free < total.saturating_mul(2) {
        let message = format!("{free} bytes are free, {} are needed", total.saturating_mul(2));
        return Err(failed(fault(Step::Fetch, FailureKind::DiskFull, message)));
    }
    let missing = missing(tools, work).await?;
    let wanted: BTreeMap<Digest, u64> =
        work.changes.write.iter().map(|file| (file.digest, file.size)).collect();
    let batches: Vec<Vec<Digest>> =
        missing.chunks(per_request(missing.len())).map(<[Digest]>::to_vec).collect();
    let wanted = &wanted;
    let received: Vec<u64> = futures::stream::iter(batches)
        .map(|batch| async move { receive(tools, batch, wanted).await })
        .buffer_unordered(STREAMS)
        .try_collect()
        .await?;
    work.bytes_fetched += received.iter().sum::<u64>();
    Ok(Event::Done)
}

fn per_request(count: usize) -> usize {
    count.div_ceil(STREAMS).clamp(1, BLOBS_PER_REQUEST)
}

fn unavailable(status: &tonic::Status) -> Event {
    let kind = FailureKind::CoordinatorUnavailable;
    failed(fault(Step::Fetch, kind, status.message()))
}

async fn client(tools: &Tools) -> Result<AgentClient, Event> {
    tools.coordinators.client().await.ok_or_else(|| {
        let kind = FailureKind::CoordinatorUnavailable;
        failed(fault(Step::Fetch, kind, "no coordinator could be reached for five minutes"))
    })
}

async fn manifest(tools: &Tools, work: &Work) -> Result<Manifest, Event> {
    let base = tools.state.manifest().map_err(|error| failed(error.failure(Step::Fetch)))?;
    let wanted = work.assignment.manifest;
    if let Some(base) = &base
        && base.digest() == wanted
    {
        return Ok(base.clone());
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match ask_manifest(tools, work, base.as_ref()).await {
            Ok(manifest) => return Ok(manifest),
            Err(failure) if failure.retry == Retry::Now && tries < 20 => {
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            }
            Err(failure) => return Err(failed(failure)),
        }
    }
}

async fn ask_manifest(
    tools: &Tools,
    work: &Work,
    base: Option<&Manifest>,
) -> Result<Manifest, Failure> {
    let again = |status: tonic::Status| Failure {
        step: Step::Fetch,
        kind: FailureKind::CoordinatorUnavailable,
        retry: Retry::Now,
        message: status.message().to_owned(),
    };
    let broken = |message: String| fault(Step::Fetch, FailureKind::InvalidManifest, message);
    let request = GetManifestRequest {
        digest: work.assignment.manifest.0.to_vec(),
        base: base.map(|base| base.digest().0.to_vec()).unwrap_or_default(),
        generation: work.assignment.generation.0,
    };
    let mut client =
        client(tools).await.map_err(|_| again(tonic::Status::unavailable("no coordinator")))?;
    let mut stream = client.get_manifest(request).await.map_err(again)?.into_inner();
    let (mut delta, mut removed) = (false, Vec::new());
    let (mut files, mut roots): (Vec<FileEntry>, Vec<ManagedPath>) = (Vec::new(), Vec::new());
    while let Some(part) = stream.message().await.map_err(again)? {
        delta |= part.delta;
        for path in &part.removed {
            removed.push(ManagedPath::parse(path).map_err(|e| broken(e.to_string()))?);
        }
        for root in &part.roots {
            roots.push(ManagedPath::parse(root).map_err(|e| broken(e.to_string()))?);
        }
        for file in part.files {
            files.push(
                file.try_into().map_err(|e: millwright_proto::convert::InvalidMessage| {
                    broken(e.to_string())
                })?,
            );
        }
    }
    let manifest = match base {
        Some(base) if delta => base.patched(ManifestDelta { removed, upserted: files }, roots),
        Some(_) | None => Manifest::new(roots, files),
    }
    .map_err(|error| broken(error.to_string()))?;
    if manifest.digest() != work.assignment.manifest {
        return Err(fault(
            Step::Fetch,
            FailureKind::DigestMismatch,
            format!("the manifest is {}, not {}", manifest.digest(), work.assignment.manifest),
        ));
    }
    Ok(manifest)
}

/// Compares the manifest with the tree.
async fn plan(tools: &Tools, work: &mut Work, manifest: &Arc<Manifest>) -> Result<(), Event> {
    let mut inventory = std::mem::take(&mut work.inventory);
    let (tools, wanted) = (tools.clone(), Arc::clone(manifest));
    let job = tokio::task::spawn_blocking(move || {
        let mut live = BTreeMap::new();
        for file in wanted.files() {
            let path = tools.target(&file.path);
            if let Some(digest) = fs::digest(&path, file.path.as_str(), &mut inventory)? {
                live.insert(file.path.clone(), digest);
            }
        }
        Ok((live, inventory))
    });
    let (live, inventory) = ended(Step::Fetch, job.await)?;
    work.inventory = inventory;
    work.changes = changes(manifest, &live, &work.ledger)
        .map_err(|error| failed(fault(Step::Fetch, FailureKind::NeverTouch, error.to_string())))?;
    Ok(())
}

/// Digests that neither wait from an earlier try nor are in the tree under another name.
async fn missing(tools: &Tools, work: &Work) -> Result<Vec<Digest>, Event> {
    let wanted: BTreeSet<Digest> = work.changes.write.iter().map(|file| file.digest).collect();
    let by_digest: BTreeMap<Digest, String> = work
        .inventory
        .iter()
        .map(|(path, (_, digest))| (*digest, path.clone()))
        .filter(|(digest, _)| wanted.contains(digest))
        .collect();
    let (state, data_dir) = (tools.state.clone(), tools.config.gateway.data_dir.clone());
    let job = tokio::task::spawn_blocking(move || {
        fs::make_dir(&state.blobs())?;
        let mut missing = Vec::new();
        for digest in wanted {
            let waiting = state.blob(&digest);
            if fs::read_if_there(&waiting)?.is_some_and(|bytes| Digest::of(&bytes) == digest) {
                continue;
            }
            // Copied, since the file in the tree may be replaced before this one is placed.
            if let Some(path) = by_digest.get(&digest) {
                let bytes = fs::read_if_there(&data_dir.join(path))?.unwrap_or_default();
                if Digest::of(&bytes) == digest {
                    fs::write(&waiting, &bytes)?;
                    continue;
                }
            }
            missing.push(digest);
        }
        Ok(missing)
    });
    ended(Step::Fetch, job.await)
}

/// Receives blobs; what arrived before an interruption stays for the next try.
async fn receive(
    tools: &Tools,
    mut digests: Vec<Digest>,
    wanted: &BTreeMap<Digest, u64>,
) -> Result<u64, Event> {
    let mut received = 0;
    let mut tries = 0;
    loop {
        let mut done = BTreeSet::new();
        let result = receive_once(tools, &digests, wanted, &mut done, &mut received).await;
        digests.retain(|digest| !done.contains(digest));
        match result {
            Ok(()) if digests.is_empty() => return Ok(received),
            Ok(()) => {
                let message = "the coordinator sent fewer blobs than it was asked for";
                return Err(failed(fault(Step::Fetch, FailureKind::DigestMismatch, message)));
            }
            Err(event) if tries >= 20 => return Err(event),
            Err(_) => {
                tries = if done.is_empty() { tries + 1 } else { 0 };
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            }
        }
    }
}

async fn receive_once(
    tools: &Tools,
    digests: &[Digest],
    wanted: &BTreeMap<Digest, u64>,
    done: &mut BTreeSet<Digest>,
    received: &mut u64,
) -> Result<(), Event> {
    let request =
        FetchRequest { digests: digests.iter().map(|digest| digest.0.to_vec()).collect() };
    let mut client = client(tools).await?;
    let mut stream = client.fetch(request).await.map_err(|s| unavailable(&s))?.into_inner();
    let mut open: Option<(Digest, Vec<u8>)> = None;
    while let Some(batch) = stream.message().await.map_err(|s| unavailable(&s))? {
        let mut whole = Vec::new();
        for chunk in batch.chunks {
            *received += chunk.data.len() as u64;
            if let Some(blob) = assemble(&mut open, chunk, wanted)? {
                whole.push(blob);
            }
        }
        done.extend(store(&tools.state, whole).await?);
    }
    Ok(())
}

fn assemble(
    open: &mut Option<(Digest, Vec<u8>)>,
    chunk: Chunk,
    wanted: &BTreeMap<Digest, u64>,
) -> Result<Option<(Digest, Vec<u8>)>, Event> {
    let wrong = |message: &str| failed(fault(Step::Fetch, FailureKind::DigestMismatch, message));
    let Chunk { digest, offset, data, compressed, last } = chunk;
    let digest = Digest::from_slice(&digest).map_err(|_| wrong("a blob without a digest"))?;
    let size = *wanted.get(&digest).ok_or_else(|| wrong("a blob that nobody asked for"))?;
    let plain = match compressed {
        true => zstd::bulk::decompress(&data, CHUNK_BYTES_MAX)
            .map_err(|_| wrong("a blob that cannot be unpacked"))?,
        false => data.to_vec(),
    };
    let (_, mut bytes) =
        open.take().filter(|(of, _)| *of == digest).unwrap_or((digest, Vec::new()));
    if bytes.len() as u64 != offset
        || bytes.len() as u64 + plain.len() as u64 > size.min(BLOB_BYTES_MAX)
    {
        return Err(wrong("the pieces of a blob do not fit"));
    }
    bytes.extend_from_slice(&plain);
    if !last {
        *open = Some((digest, bytes));
        return Ok(None);
    }
    if Digest::of(&bytes) != digest {
        return Err(wrong("a blob is not what its digest says"));
    }
    Ok(Some((digest, bytes)))
}

async fn store(state: &StateDir, blobs: Vec<(Digest, Vec<u8>)>) -> Result<Vec<Digest>, Event> {
    let state = state.clone();
    let job = tokio::task::spawn_blocking(move || {
        let mut stored = Vec::with_capacity(blobs.len());
        for (digest, bytes) in blobs {
            fs::write(&state.blob(&digest), &bytes)?;
            stored.push(digest);
        }
        Ok(stored)
    });
    ended(Step::Fetch, job.await)
}
