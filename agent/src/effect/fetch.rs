//! Missing blobs. What is in the tree already, is kept by a snapshot, or waits from an earlier try is
//! not fetched.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use millwright_agent_domain::job::Event;
use millwright_model::{
    digest::Digest,
    path::ManagedPath,
    report::{Failure, FailureKind, Step},
};
use millwright_proto::agent::{Chunk, FetchRequest};

use super::{Tools, Work, content, event, failed, manifest::NO_COORDINATOR};
use crate::{
    connect::AgentClient,
    faults,
    fs::{self, Done},
    local::Local,
};

/// Streams at a time.
const STREAMS: usize = 1;
/// Blobs in one request.
const BLOBS_PER_REQUEST: usize = 2_000;
/// Largest blob; the largest known gateway file has 4 MB.
const BLOB_BYTES_MAX: u64 = 256 << 20;
/// Largest piece after decompression.
const CHUNK_BYTES_MAX: usize = 4 << 20;
/// Unpacked bytes that are written in one go.
const STORE_BYTES: usize = 256 << 10;
/// Tries without any progress while coordinators come and go.
const TRIES_MAX: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

fn fault(kind: FailureKind, message: impl Into<String>) -> Event {
    failed(Failure::new(Step::Fetch, kind, message))
}

/// Fetches, then looks at what came.
pub async fn run(tools: &Tools, work: &mut Work) -> Event {
    event(fetch(tools, work).await)
}

async fn fetch(tools: &Tools, work: &mut Work) -> Result<Event, Event> {
    contents(tools, work).await?;
    let failures = content::check(tools, work).await?;
    if failures.is_empty() { Ok(Event::Done) } else { Err(Event::Failed(failures)) }
}

/// Brings every blob of the plan here.
pub async fn contents(tools: &Tools, work: &mut Work) -> Result<(), Event> {
    let missing = missing(tools, work).await?;
    let wanted: BTreeMap<Digest, u64> =
        work.plan.changes.write.iter().map(|write| (write.file.digest, write.file.size)).collect();
    let batches: Vec<Vec<Digest>> =
        missing.chunks(per_request(missing.len())).map(<[Digest]>::to_vec).collect();
    let wanted = &wanted;
    let received: Vec<u64> = futures::stream::iter(batches)
        .map(|batch| async move { receive(tools, batch, wanted).await })
        .buffer_unordered(STREAMS)
        .try_collect()
        .await?;
    work.plan.bytes_fetched += received.iter().sum::<u64>();
    Ok(())
}

/// The content of a digest: kept here, or from a coordinator; `None` when neither has it.
pub async fn original(tools: &Tools, digest: &Digest) -> Option<Vec<u8>> {
    let wanted = *digest;
    let kept = tools
        .on_disk(Step::Verify, move |_, local| {
            local.store.has(&wanted).then(|| local.store.content(&wanted)).transpose()
        })
        .await;
    if let Ok(Some(bytes)) = kept {
        return Some(bytes);
    }
    let mut client = tools.coordinators.client_now()?;
    let request = FetchRequest { digests: vec![digest.0.to_vec()] };
    let mut stream = client.fetch(request).await.ok()?.into_inner();
    let sizes = BTreeMap::from([(*digest, BLOB_BYTES_MAX)]);
    let mut open = None;
    while let Some(batch) = stream.message().await.ok()? {
        for chunk in batch.chunks {
            if let Ok(Some((_, bytes))) = assemble(&mut open, chunk, &sizes) {
                return Some(bytes);
            }
        }
    }
    None
}

fn per_request(count: usize) -> usize {
    count.div_ceil(STREAMS).clamp(1, BLOBS_PER_REQUEST)
}

fn unavailable(status: &tonic::Status) -> Event {
    fault(FailureKind::CoordinatorUnavailable, status.message())
}

async fn client(tools: &Tools) -> Result<AgentClient, Event> {
    let client = tools.coordinators.client().await;
    client.ok_or_else(|| fault(FailureKind::CoordinatorUnavailable, NO_COORDINATOR))
}

/// Digests that must be fetched.
async fn missing(tools: &Tools, work: &Work) -> Result<Vec<Digest>, Event> {
    let wanted: BTreeSet<Digest> =
        work.plan.changes.write.iter().map(|write| write.file.digest).collect();
    tools
        .on_disk(Step::Fetch, move |tools, local| {
            fs::make_dir(&tools.state.blobs())?;
            let waiting: BTreeSet<String> = fs::files(&tools.state.blobs())?.into_iter().collect();
            let by_digest: BTreeMap<Digest, ManagedPath> = local
                .inventory
                .files()
                .filter(|(_, known)| wanted.contains(&known.digest))
                .map(|(path, known)| (known.digest, path))
                .collect();
            let mut missing = Vec::new();
            for digest in wanted {
                if waiting.contains(&digest.to_string()) && is_whole(tools, &digest)? {
                    continue;
                }
                if !from_here(tools, local, &digest, by_digest.get(&digest))? {
                    missing.push(digest);
                }
            }
            Ok(missing)
        })
        .await
}

fn is_whole(tools: &Tools, digest: &Digest) -> Done<bool> {
    let bytes = fs::read_if_there(&tools.state.blob(digest))?;
    Ok(bytes.is_some_and(|bytes| Digest::of(&bytes) == *digest))
}

/// A copy of what the tree or the snapshots have: the file in the tree may be replaced before this
/// one is placed.
fn from_here(
    tools: &Tools,
    local: &Local,
    digest: &Digest,
    path: Option<&ManagedPath>,
) -> Done<bool> {
    let live = match path {
        Some(path) => fs::read_if_there(&tools.target(path))?,
        None => None,
    };
    let bytes = match live.filter(|bytes| Digest::of(bytes) == *digest) {
        Some(bytes) => Some(bytes),
        None if local.store.has(digest) => local.store.content(digest).ok(),
        None => None,
    };
    match bytes {
        Some(bytes) => fs::write(&tools.state.blob(digest), &bytes).map(|()| true),
        None => Ok(false),
    }
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
                return Err(fault(FailureKind::DigestMismatch, message));
            }
            Err(event) if tries >= TRIES_MAX => return Err(event),
            Err(_) => {
                tries = if done.is_empty() { tries + 1 } else { 0 };
                tokio::time::sleep(PAUSE).await;
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
        let (mut whole, mut bytes) = (Vec::new(), 0);
        for chunk in batch.chunks {
            *received += chunk.data.len() as u64;
            if let Some(blob) = assemble(&mut open, chunk, wanted)? {
                bytes += blob.1.len();
                whole.push(blob);
            }
            if bytes > STORE_BYTES {
                bytes = 0;
                done.extend(store(tools, std::mem::take(&mut whole)).await?);
            }
        }
        done.extend(store(tools, whole).await?);
    }
    Ok(())
}

fn assemble(
    open: &mut Option<(Digest, Vec<u8>)>,
    chunk: Chunk,
    wanted: &BTreeMap<Digest, u64>,
) -> Result<Option<(Digest, Vec<u8>)>, Event> {
    let wrong = |message: &str| fault(FailureKind::DigestMismatch, message);
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

async fn store(tools: &Tools, blobs: Vec<(Digest, Vec<u8>)>) -> Result<Vec<Digest>, Event> {
    let state = tools.state.clone();
    let job = tokio::task::spawn_blocking(move || {
        let mut stored = Vec::with_capacity(blobs.len());
        for (digest, bytes) in blobs {
            faults::point("fetch.blob");
            fs::write(&state.blob(&digest), &bytes)?;
            stored.push(digest);
        }
        Ok(stored)
    });
    match job.await {
        Ok(Ok(stored)) => Ok(stored),
        Ok(Err(error)) => {
            let error: fs::FileFailed = error;
            Err(failed(error.failure(Step::Fetch)))
        }
        Err(_) => Err(fault(FailureKind::Internal, "a file job ended unexpectedly")),
    }
}
